//! The part of the spec that every connector has.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{CaBundleRef, Schedule, SpecDuration};

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
    /// PEM certificates to trust besides the system's, for a private CA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle_ref: Option<CaBundleRef>,
}
