//! The part of the spec that every connector has.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::access::guard::Limits;

use super::{C1Spec, CaBundleRef, RemovalGuard, Schedule, SpecDuration};

/// The part of the spec that every connector has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommonSpec {
    /// Who answers for this connector: an email address or a team's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub owner: Option<String>,
    /// When to read. Every hour where it is absent, unless the operator is set otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// How long one run may take, such as 30m. The operator's --default-timeout (30m) where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32))]
    #[x_kube(
        validation = Rule::new("self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$')").message("timeout must be a duration such as 30m or 1h30m"),
        validation = Rule::new("self.matches('[1-9]')").message("timeout must be more than nothing: leave it out for the operator's default")
    )]
    pub timeout: Option<SpecDuration>,
    /// True stops reading. A run under way is cancelled; what was published stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// How much may go at once without anybody's word. More is held until somebody accepts it: the condition Ready
    /// and status.held then say what would go, and how to accept it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal_guard: Option<RemovalGuard>,
    /// PEM certificates to trust besides the system's, for a private CA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle_ref: Option<CaBundleRef>,
    /// Deliver to C1. Without it, snapshots are only kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub c1: Option<C1Spec>,
}

impl CommonSpec {
    /// How much may go without anybody's word, where no connector may set either limit higher than `highest`.
    pub fn removal_limits(&self, highest: Limits) -> Limits {
        let limits = self.removal_guard.as_ref().map_or_else(Limits::default, RemovalGuard::limits);
        Limits {
            max_percent: limits.max_percent.min(highest.max_percent),
            min_removed: limits.min_removed.min(highest.min_removed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn highest(max_percent: u8, min_removed: u64) -> Limits {
        Limits { max_percent, min_removed }
    }

    fn limits(guard: RemovalGuard, highest: Limits) -> (u8, u64) {
        let spec = CommonSpec { removal_guard: Some(guard), ..CommonSpec::default() };
        let limits = spec.removal_limits(highest);
        (limits.max_percent, limits.min_removed)
    }

    #[test]
    fn a_silent_spec_has_the_defaults_as_long_as_the_operator_lets_it() {
        let silent = CommonSpec::default();
        assert_eq!(silent.removal_limits(highest(50, 10)), Limits { max_percent: 20, min_removed: 3 });
        assert_eq!(silent.removal_limits(highest(10, 2)), Limits { max_percent: 10, min_removed: 2 });
        assert_eq!(limits(RemovalGuard::default(), highest(50, 10)), (20, 3));
    }

    #[test]
    fn a_connector_may_set_less_and_not_more_than_the_operator_lets_it() {
        let guard = |max_percent, min_removed| RemovalGuard {
            max_percent: Some(max_percent),
            min_removed: Some(min_removed),
        };
        assert_eq!(limits(guard(5, 7), highest(50, 10)), (5, 7));
        assert_eq!(limits(guard(90, 7), highest(50, 10)), (50, 7));
        assert_eq!(limits(guard(0, 1), highest(50, 10)), (0, 1));
        assert_eq!(limits(guard(5, 1_000_000_000), highest(50, 10)), (5, 10));
    }

    #[test]
    fn what_the_api_server_would_not_let_in_is_taken_for_the_nearest_that_it_would() {
        let guard = |min_removed| RemovalGuard { max_percent: Some(300), min_removed: Some(min_removed) };
        assert_eq!(limits(guard(0), highest(100, u64::MAX)), (100, 1));
        assert_eq!(limits(guard(u64::MAX), highest(100, u64::MAX)), (100, 100));
    }
}
