//! What a run's end looks like to a person and to a program; and what `sync` prints of several: the tables that kubectl
//! would, or JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::access::{Counts, in_words};
use crate::api::{ChangeStatus, Class, Phase, Reason};
use crate::printing;
use crate::sync::{Ended, Outcome};

use super::{Failed, report};

/// The heading and the cell of the column that says which account it is, once the counts are known.
pub(super) type Scope = Box<dyn Fn(&Counts) -> (&'static str, String) + Send>;

/// What came of one connector.
#[derive(Debug, Serialize)]
pub(super) struct SyncResult {
    kind: &'static str,
    namespace: String,
    name: String,
    #[serde(flatten)]
    run: RunResult,
}

/// What came of one run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunResult {
    status: Phase,
    #[serde(skip)]
    scope: (&'static str, String),
    #[serde(skip)]
    failed: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    message: String,
    counts: Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<BTreeMap<String, ChangeStatus>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<Written>,
    seconds: f64,
}

/// The file that was written.
#[derive(Debug, Serialize)]
struct Written {
    uri: String,
    digest: String,
    size: u64,
}

impl SyncResult {
    pub(super) fn new(kind: &'static str, namespace: String, name: String, run: RunResult) -> Self {
        Self { kind, namespace, name, run }
    }

    pub(super) fn is_success(&self) -> bool {
        self.run.is_success()
    }
}

impl RunResult {
    /// What came of a run, whose scope is `scope` once the counts are known. No outcome is that of a cancelled one.
    pub(super) fn new(scope: &Scope, outcome: Option<Outcome>) -> Self {
        let mut result = Self {
            status: Phase::Error,
            scope: scope(&Counts::new()),
            failed: None,
            reason: None,
            message: "The run was cancelled.".to_owned(),
            counts: Counts::new(),
            changes: None,
            snapshot: None,
            seconds: 0.0,
        };
        let Some(outcome) = outcome else { return result };
        result.seconds = outcome.completed.duration_since(outcome.started).as_secs_f64();
        match outcome.result {
            Ok(Ended::Published(published)) => {
                result.status = Phase::Connected;
                result.message = format!("Read {}.", in_words(&published.counts));
                result.scope = scope(&published.counts);
                result.changes = published.news.map(|news| {
                    news.changes
                        .into_iter()
                        .map(|(scope, change)| (scope, ChangeStatus::from(change)))
                        .collect()
                });
                result.counts = published.counts;
                result.snapshot =
                    Some(Written { uri: published.uri, digest: published.digest, size: published.size });
            }
            Ok(Ended::Held(held)) => {
                result.status = Phase::Held;
                let whys = held.removals.iter().map(|removal| removal.why.into());
                result.failed = Some(Reason::of_hold(whys));
                result.scope = scope(&held.counts);
                result.message = held.message;
                result.counts = held.counts;
            }
            Err(failure) => {
                let waits = failure.reason.class() == Some(Class::WaitForSecret);
                result.status = if waits { Phase::Pending } else { Phase::Error };
                result.failed = Some(failure.reason);
                result.message = failure.message;
            }
        }
        result.reason = result.failed.map(Reason::as_str);
        result
    }

    pub(super) fn is_success(&self) -> bool {
        self.snapshot.is_some()
    }

    /// Why it published nothing; `None` also where it was cancelled.
    pub(super) fn reason(&self) -> Option<Reason> {
        self.failed
    }

    /// The sentence for people.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Only what `is_wanted` of the counts and changes, by their names, is told of.
    pub(super) fn keep(&mut self, is_wanted: impl Fn(&str) -> bool) {
        self.counts.retain(|name, _| is_wanted(name));
        if let Some(changes) = &mut self.changes {
            changes.retain(|name, _| is_wanted(name));
        }
    }

    /// The headings of [`RunResult::row`].
    pub(super) fn headings(&self) -> [&'static str; 6] {
        ["STATUS", self.scope.0, "USERS", "GRANTS", "TOOK", "SIZE"]
    }

    /// A line of a table.
    pub(super) fn row(&self) -> [String; 6] {
        let count = |scope: &str| self.counts.get(scope).map_or_else(String::new, u64::to_string);
        [
            self.status.to_string(),
            self.scope.1.clone(),
            count("users"),
            count("grants"),
            format!("{:.1}s", self.seconds),
            self.snapshot.as_ref().map_or_else(String::new, |written| printing::bytes(written.size)),
        ]
    }
}

/// A table for each kind, then a line for each connector that could not be read.
pub(super) fn print_tables(results: &[SyncResult]) -> Result<(), Failed> {
    let mut kinds: BTreeMap<(&str, &str), Vec<&SyncResult>> = BTreeMap::new();
    for result in results {
        kinds.entry((result.kind, result.run.scope.0)).or_default().push(result);
    }
    for (index, results) in kinds.values().rev().enumerate() {
        if index > 0 {
            report::text("\n")?;
        }
        let of_run = results.first().map(|first| first.run.headings()).unwrap_or_default();
        let headings: Vec<&str> = ["NAMESPACE", "NAME"].into_iter().chain(of_run).collect();
        let rows: Vec<Vec<String>> = results.iter().map(|result| row(result)).collect();
        report::table(&headings, rows)?;
    }
    for result in results.iter().filter(|result| !result.is_success()) {
        let SyncResult { kind, namespace, name, run } = result;
        report::error(&format!("{kind} {namespace}/{name}: {}", run.message));
    }
    Ok(())
}

fn row(result: &SyncResult) -> Vec<String> {
    [result.namespace.clone(), result.name.clone()].into_iter().chain(result.run.row()).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rstest::rstest;

    use super::*;
    use crate::access::guard::{Removal, Why};
    use crate::api::Trigger;
    use crate::sync::{Held, SecretSeen};

    #[rstest]
    #[case(Why::TooMany, "RemovalsHeld")]
    #[case(Why::BaselineLost, "BaselineLost")]
    fn a_held_run_shows_what_was_read_why_it_is_held_and_no_snapshot(#[case] why: Why, #[case] reason: &str) {
        let held = Held {
            id: "id".into(),
            removals: vec![Removal { scope: "users".into(), before: 48, removed: 36, disabled: 0, why }],
            counts: Counts::from([("users".to_owned(), 12), ("organizations".to_owned(), 2)]),
            message: "36 of 48 users would go.".into(),
        };
        let outcome = Outcome {
            id: "run".into(),
            generation: 0,
            trigger: Trigger::Requested,
            requested_at: None,
            approved: None,
            secret: SecretSeen::Unread,
            started: Timestamp::UNIX_EPOCH,
            completed: Timestamp::UNIX_EPOCH,
            result: Ok(Ended::Held(held)),
        };
        let scope: Scope =
            Box::new(|counts| ("ORGS", counts.get("organizations").copied().unwrap_or(0).to_string()));
        let run = RunResult::new(&scope, Some(outcome));
        let result = SyncResult::new("PlanetScaleConnector", "identity".into(), "all".into(), run);
        assert!(!result.is_success());
        assert_eq!(row(&result), ["identity", "all", "Held", "2", "12", "", "0.0s", ""]);
        let json = serde_json::to_value(&result).unwrap();
        assert_eq!((&json["reason"], &json["message"]), (&reason.into(), &"36 of 48 users would go.".into()));
        assert_eq!(json.get("snapshot"), None);
    }
}
