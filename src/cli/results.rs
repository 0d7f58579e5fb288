//! What `sync` prints: the tables that kubectl would, or JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::access::{Counts, in_words};
use crate::api::{ChangeStatus, Class, Phase, Reason};
use crate::sync::{Ended, Outcome};

use super::sync::Scope;
use super::{Failed, report};

/// What came of one connector.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SyncResult {
    kind: &'static str,
    namespace: String,
    name: String,
    status: Phase,
    #[serde(skip)]
    scope: (&'static str, String),
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
    pub(super) fn new(
        kind: &'static str,
        namespace: String,
        name: String,
        scope: &Scope,
        outcome: Option<Outcome>,
    ) -> Self {
        let mut result = Self {
            kind,
            namespace,
            name,
            status: Phase::Error,
            scope: scope(&Counts::new()),
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
                result.changes = published.changes.map(|changes| {
                    changes.into_iter().map(|(scope, change)| (scope, ChangeStatus::from(change))).collect()
                });
                result.counts = published.counts;
                result.snapshot =
                    Some(Written { uri: published.uri, digest: published.digest, size: published.size });
            }
            Ok(Ended::Held(held)) => {
                result.status = Phase::Held;
                let whys = held.removals.iter().map(|removal| removal.why.into());
                result.reason = Some(Reason::of_hold(whys).as_str());
                result.scope = scope(&held.counts);
                result.message = held.message;
                result.counts = held.counts;
            }
            Err(failure) => {
                let waits = failure.reason.class() == Some(Class::WaitForSecret);
                result.status = if waits { Phase::Pending } else { Phase::Error };
                result.reason = Some(failure.reason.as_str());
                result.message = failure.message;
            }
        }
        result
    }

    pub(super) fn is_success(&self) -> bool {
        self.snapshot.is_some()
    }
}

/// A table for each kind, then a line for each connector that could not be read.
pub(super) fn print_tables(results: &[SyncResult]) -> Result<(), Failed> {
    let mut kinds: BTreeMap<(&str, &str), Vec<&SyncResult>> = BTreeMap::new();
    for result in results {
        kinds.entry((result.kind, result.scope.0)).or_default().push(result);
    }
    for (index, ((_, scope), results)) in kinds.iter().rev().enumerate() {
        if index > 0 {
            report::text("\n")?;
        }
        let headings = ["NAMESPACE", "NAME", "STATUS", scope, "USERS", "GRANTS", "TOOK", "SIZE"];
        let rows: Vec<Vec<String>> = results.iter().map(|result| row(result)).collect();
        report::table(&headings, &rows)?;
    }
    for result in results.iter().filter(|result| !result.is_success()) {
        report::error(&format!("{} {}/{}: {}", result.kind, result.namespace, result.name, result.message));
    }
    Ok(())
}

fn row(result: &SyncResult) -> Vec<String> {
    let count = |scope: &str| result.counts.get(scope).map_or_else(String::new, u64::to_string);
    vec![
        result.namespace.clone(),
        result.name.clone(),
        result.status.to_string(),
        result.scope.1.clone(),
        count("users"),
        count("grants"),
        format!("{:.1}s", result.seconds),
        result.snapshot.as_ref().map_or_else(String::new, |written| report::bytes(written.size)),
    ]
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
        let result =
            SyncResult::new("PlanetScaleConnector", "identity".into(), "all".into(), &scope, Some(outcome));
        assert!(!result.is_success());
        assert_eq!(row(&result), ["identity", "all", "Held", "2", "12", "", "0.0s", ""]);
        let json = serde_json::to_value(&result).unwrap();
        assert_eq!((&json["reason"], &json["message"]), (&reason.into(), &"36 of 48 users would go.".into()));
        assert_eq!(json.get("snapshot"), None);
    }
}
