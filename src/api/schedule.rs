//! When a connector reads.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::SpecDuration;

/// When to read: at an interval, or as a cron pattern says. No field has a default in the schema: a stored default would
/// be owned by nobody, and in the way of whoever changes from one to the other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.interval) && has(self.cron))").message("schedule has either an interval or a cron pattern, not both"),
    validation = Rule::new("!has(self.timeZone) || has(self.cron)").message("timeZone is for cron: set cron too, or remove timeZone")
)]
pub struct Schedule {
    /// Time between the starts of two runs, such as 30m or 1h30m. The operator's --default-interval (1h) where both this
    /// and cron are absent, and never less than its --min-interval (1m).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32))]
    #[x_kube(
        validation = Rule::new("self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$')").message("interval must be a duration such as 30m or 1h30m"),
        validation = Rule::new("!self.matches('^[0.hms]+$')").message("interval must be more than nothing: leave it out for the operator's default")
    )]
    pub interval: Option<SpecDuration>,
    /// Minute, hour, day of the month, month and day of the week, as in crontab: 0 6 * * 1-5 is at six on weekdays. A run
    /// that was missed, however often, is made up for once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 9, max = 100))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9A-Za-z*,/#LW?+-]+( [0-9A-Za-z*,/#LW?+-]+){4}$')").message("cron must have five fields, such as 0 6 * * 1-5: minute, hour, day of the month, month, day of the week"))]
    pub cron: Option<String>,
    /// The time zone of cron, such as Europe/Prague: a name of the IANA database. UTC where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z][A-Za-z0-9_+/-]*$')").message("timeZone must be a name of the IANA database, such as Europe/Prague"))]
    pub time_zone: Option<String>,
}
