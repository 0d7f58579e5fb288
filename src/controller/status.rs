//! The status that follows from what happened: `docs/architecture.md` has the table that this file is.
//!
//! Pure: from the status before, and what happened, to the status after.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::access::in_words;
use crate::api::{
    ChangeStatus, Class, ConditionType, ConnectorStatus, LastPublished, LastSync, Phase, Reason, Trigger,
};
use crate::sync::{Ended, Failure, Outcome, Published, SecretSeen};

use super::schedule::Timing;

/// A run that begins.
#[derive(Debug, Clone)]
pub(super) struct Begun<'a> {
    /// Its id.
    pub id: &'a str,
    /// The generation of the spec that it runs for.
    pub generation: i64,
    /// Why it begins.
    pub trigger: Trigger,
    /// What it reads, such as `Scalr account acme`.
    pub what: String,
    /// When.
    pub now: Timestamp,
}

/// A run that somebody waits for has begun, or is about to.
pub(super) fn begun(before: &ConnectorStatus, run: &Begun<'_>) -> ConnectorStatus {
    let mut after = before.clone();
    after.observed_generation = run.generation;
    after.phase = Some(Phase::Syncing);
    let message = format!("Reading {}.", run.what);
    let set = |status: &mut ConnectorStatus, type_, value| {
        status.set_condition(type_, value, Reason::Progressing, &message, run.now);
    };
    if after.condition(ConditionType::Ready).is_none() || after.last_success_time.is_none() {
        set(&mut after, ConditionType::Ready, "Unknown");
    } else {
        keep(&mut after, ConditionType::Ready);
    }
    keep_connected(&mut after, run.now);
    set(&mut after, ConditionType::Syncing, "True");
    set(&mut after, ConditionType::Reconciling, "True");
    after.remove_condition(ConditionType::Stalled);
    after.last_sync = Some(unfinished(run));
    after.next_sync_time = None;
    after
}

/// A periodic run takes long enough to be shown: only that it runs, so that GitOps tools see no change of health.
pub(super) fn taking_long(before: &ConnectorStatus, run: &Begun<'_>) -> ConnectorStatus {
    let mut after = before.clone();
    let message = format!("Reading {}.", run.what);
    after.set_condition(ConditionType::Syncing, "True", Reason::Progressing, &message, run.now);
    after.last_sync = Some(unfinished(run));
    after
}

fn unfinished(run: &Begun<'_>) -> LastSync {
    LastSync {
        id: run.id.to_owned(),
        trigger: run.trigger,
        start_time: whole_seconds(run.now),
        completion_time: None,
        counts: Default::default(),
        changes: Default::default(),
    }
}

/// A run has ended.
pub(super) fn ended(before: &ConnectorStatus, outcome: &Outcome, timing: &Timing) -> ConnectorStatus {
    let mut after = before.clone();
    after.observed_generation = outcome.generation;
    match &outcome.secret {
        SecretSeen::Version(version) => after.observed_secret_version = Some(version.clone()),
        SecretSeen::Missing => after.observed_secret_version = None,
        SecretSeen::Unread => {}
    }
    if outcome.requested_at.is_some() {
        after.last_handled_reconcile_at.clone_from(&outcome.requested_at);
    }
    after.last_sync = Some(finished(outcome));
    let now = outcome.completed;
    after.set_condition(ConditionType::Syncing, "False", Reason::Idle, "No run is under way.", now);
    match &outcome.result {
        Ok(Ended::Published(published)) => succeeded(&mut after, outcome, published, timing),
        Ok(Ended::Held(_)) => {}
        Err(failure) => failed(&mut after, outcome, failure, timing),
    }
    after
}

fn finished(outcome: &Outcome) -> LastSync {
    let published = match &outcome.result {
        Ok(Ended::Published(published)) => Some(published),
        _ => None,
    };
    let changes = published.and_then(|published| published.changes.as_ref());
    LastSync {
        id: outcome.id.clone(),
        trigger: outcome.trigger,
        start_time: whole_seconds(outcome.started),
        completion_time: Some(whole_seconds(outcome.completed)),
        counts: published.map(|published| published.counts.clone()).unwrap_or_default(),
        changes: changes
            .into_iter()
            .flatten()
            .map(|(scope, change)| (scope.clone(), ChangeStatus::from(*change)))
            .collect(),
    }
}

fn succeeded(after: &mut ConnectorStatus, outcome: &Outcome, published: &Published, timing: &Timing) {
    let now = outcome.completed;
    let message = format!("Read {}.", in_words(&published.counts));
    after.phase = Some(Phase::Connected);
    after.set_condition(ConditionType::Ready, "True", Reason::Succeeded, &message, now);
    accepted(after, now);
    after.remove_condition(ConditionType::Reconciling);
    after.remove_condition(ConditionType::Stalled);
    after.last_published = Some(LastPublished {
        id: outcome.id.clone(),
        upstream_account_id: published.account_id.clone(),
        counts: published.counts.clone(),
        uri: published.uri.clone(),
        digest: published.digest.clone(),
        size: published.size,
    });
    after.last_success_time = Some(whole_seconds(now));
    after.consecutive_failures = None;
    after.next_sync_time = Some(Time(timing.after_success(outcome.started, now)));
}

fn failed(after: &mut ConnectorStatus, outcome: &Outcome, failure: &Failure, timing: &Timing) {
    let now = outcome.completed;
    let failures = after.consecutive_failures.unwrap_or(0).saturating_add(1);
    let class = failure.reason.class().unwrap_or(Class::Retry);
    after.consecutive_failures = Some(failures);
    after.phase = Some(if class == Class::WaitForSecret { Phase::Pending } else { Phase::Error });
    after.set_condition(ConditionType::Ready, "False", failure.reason, &failure.message, now);
    match (class, failure.authenticated) {
        (Class::Retry, true) => accepted(after, now),
        (class, _) => {
            let connected = if class == Class::WaitForSecret { "Unknown" } else { "False" };
            after.set_condition(ConditionType::Connected, connected, failure.reason, &failure.message, now);
        }
    }
    let pair = match class {
        Class::WaitForSecret => Some(ConditionType::Reconciling),
        Class::WaitForChange => Some(ConditionType::Stalled),
        Class::Retry => None,
    };
    // One that stays true keeps the time since when it is.
    for type_ in [ConditionType::Reconciling, ConditionType::Stalled] {
        if pair == Some(type_) {
            after.set_condition(type_, "True", failure.reason, &failure.message, now);
        } else {
            after.remove_condition(type_);
        }
    }
    after.next_sync_time = Some(Time(timing.after_failure(class, failures, failure.retry_after, now)));
}

fn accepted(after: &mut ConnectorStatus, now: Timestamp) {
    let message = "The upstream accepts the credential.";
    after.set_condition(ConditionType::Connected, "True", Reason::Succeeded, message, now);
}

/// Reading is switched off.
pub(super) fn suspended(before: &ConnectorStatus, generation: i64, now: Timestamp) -> ConnectorStatus {
    let mut after = before.clone();
    after.observed_generation = generation;
    after.phase = Some(Phase::Suspended);
    let message = "Suspended by spec.suspend; what was published stays.";
    if after.condition(ConditionType::Ready).is_none_or(|ready| ready.status == "Unknown") {
        after.set_condition(ConditionType::Ready, "True", Reason::Suspended, message, now);
    } else {
        keep(&mut after, ConditionType::Ready);
    }
    keep_connected(&mut after, now);
    after.set_condition(ConditionType::Syncing, "False", Reason::Suspended, message, now);
    after.remove_condition(ConditionType::Reconciling);
    after.remove_condition(ConditionType::Stalled);
    after.last_sync = after.last_sync.filter(|sync| sync.completion_time.is_some());
    after.next_sync_time = None;
    after
}

fn keep_connected(after: &mut ConnectorStatus, now: Timestamp) {
    if after.condition(ConditionType::Connected).is_some() {
        return keep(after, ConditionType::Connected);
    }
    let unasked = "The upstream has not been asked yet.";
    after.set_condition(ConditionType::Connected, "Unknown", Reason::NotYetAsked, unasked, now);
}

/// Leaves a condition as it is, but says that it holds for the present generation too.
fn keep(status: &mut ConnectorStatus, type_: ConditionType) {
    let generation = status.observed_generation;
    for condition in status.conditions.iter_mut().filter(|condition| condition.type_ == type_.as_str()) {
        condition.observed_generation = Some(generation);
    }
}

/// A status holds whole seconds, and what is compared with a stored one must too.
fn whole_seconds(moment: Timestamp) -> Time {
    Time(Timestamp::from_second(moment.as_second()).unwrap_or(moment))
}

#[cfg(test)]
mod tests;
