//! How times, changes and results are told to people.

use std::time::Duration;

use connector_operator::access::{in_words, thousands};
use connector_operator::api::{ChangeStatus, Hold, PerScope, SnapshotCounts, WhyHeld};
use connector_operator::printing::Table;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// How long ago, or how long from now: `12s`, `48m`, `5h`, `3d`.
fn span(seconds: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / MINUTE),
        7_200..172_800 => format!("{}h", seconds / HOUR),
        _ => format!("{}d", seconds / DAY),
    }
}

/// `12s ago`
pub(crate) fn ago(time: &Time, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(time.0.as_second()).max(0);
    format!("{} ago", span(seconds.unsigned_abs()))
}

/// `in 48m`, or `now` where it has come.
pub(crate) fn ahead(time: &Time, now: Timestamp) -> String {
    match time.0.as_second().saturating_sub(now.as_second()) {
        seconds if seconds > 0 => format!("in {}", span(seconds.unsigned_abs())),
        _ => "now".to_owned(),
    }
}

/// `2026-11-26 06:37:10 UTC`
pub(crate) fn moment(time: &Time) -> String {
    time.0.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `0.4 s`
pub(crate) fn took(from: &Time, to: &Time) -> String {
    let took = Duration::try_from(to.0.duration_since(from.0)).unwrap_or_default();
    format!("{:.1} s", took.as_secs_f64())
}

/// `2 users new, 1 user gone, 3 users changed`, or `nothing`.
pub(crate) fn changes(changes: &PerScope<ChangeStatus>) -> String {
    let told = |word: &str, count: fn(&ChangeStatus) -> u64| {
        // Grants as a whole say nothing beside the roles that they are.
        let has_roles = changes.contains_key("members");
        let counts: SnapshotCounts = changes
            .iter()
            .map(|(scope, change)| (scope.clone(), count(change)))
            .filter(|(scope, count)| *count > 0 && !(has_roles && scope == "grants"))
            .collect();
        (!counts.is_empty()).then(|| format!("{word}: {}", in_words(&counts)))
    };
    let parts: Vec<String> = [
        told("new", |change| change.added),
        told("gone", |change| change.removed),
        told("changed", |change| change.changed),
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join("; ") }
}

/// What would go from each scope that is held.
pub(crate) fn removals(hold: &Hold) -> Table<'static> {
    let rows = hold.removals.iter().map(|removal| {
        let numbers = [removal.before, removal.removed, removal.disabled].map(thousands);
        let [before, removed, disabled] = numbers;
        vec![removal.scope.clone(), before, removed, disabled, why(removal.why).to_owned()]
    });
    Table::new(&["SCOPE", "PUBLISHED", "WOULD GO", "WOULD BE DISABLED", "WHY IT IS HELD"], rows.collect())
}

fn why(why: WhyHeld) -> &'static str {
    match why {
        WhyHeld::TooMany => "more than the limit",
        WhyHeld::Emptied => "nobody would be left",
        WhyHeld::NoAdministrator => "no administrator would be left",
        WhyHeld::OwnerGone => "the organization would go",
        WhyHeld::AnotherAccount => "another account answers",
        WhyHeld::BaselineLost => "the last snapshot is lost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Time {
        Time(Timestamp::from_second(second).unwrap())
    }

    #[test]
    fn times_are_told_as_kubectl_tells_them() {
        let now = at(1_000_000).0;
        for (second, told) in [
            (1_000_000, "0s ago"),
            (999_881, "119s ago"),
            (999_880, "2m ago"),
            (992_800, "2h ago"),
            (827_200, "2d ago"),
            // A clock that is behind the cluster's.
            (1_000_005, "0s ago"),
        ] {
            assert_eq!(ago(&at(second), now), told);
        }
        assert_eq!(ahead(&at(1_002_880), now), "in 48m");
        assert_eq!(ahead(&at(999_999), now), "now");
        assert_eq!(moment(&at(0)), "1970-01-01 00:00:00 UTC");
        assert_eq!(took(&at(1), &at(3)), "2.0 s");
    }

    #[test]
    fn changes_are_told_by_what_they_are() {
        let change = |added, removed, changed| ChangeStatus { added, removed, changed };
        let planetscale = PerScope::from([
            ("users".to_owned(), change(2, 1, 1)),
            ("grants".to_owned(), change(5, 5, 0)),
            ("members".to_owned(), change(3, 0, 0)),
        ]);
        assert_eq!(changes(&planetscale), "new: 3 members and 2 users; gone: 1 user; changed: 1 user");
        assert_eq!(changes(&PerScope::from([("users".to_owned(), change(0, 0, 0))])), "nothing");
    }
}
