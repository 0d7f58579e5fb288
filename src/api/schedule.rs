//! When a connector reads.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::SpecDuration;

/// When to read. No field has a default in the schema: a stored default would be owned by nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Schedule {
    /// Time between the starts of two runs, such as 30m or 1h30m. The operator's --default-interval (1h) where it
    /// is absent, and never less than its --min-interval (1m).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32))]
    #[x_kube(
        validation = Rule::new("self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$')").message("interval must be a duration such as 30m or 1h30m"),
        validation = Rule::new("!self.matches('^[0.hms]+$')").message("interval must be more than nothing: leave it out for the operator's default")
    )]
    pub interval: Option<SpecDuration>,
}
