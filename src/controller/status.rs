//! The status that follows from what happened: `docs/architecture.md` has the table that this file is.
//!
//! Pure: from the status before, and what happened, to the status after.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::access::in_words;
use crate::api::{
    ACCEPT_REMOVALS, ChangeStatus, Class, ConditionType, ConnectorStatus, Hold, LastPublished, LastSync,
    Phase, Reason, Trigger,
};
use crate::snapshot::SyncId;
use crate::sync::{Ended, Failure, Held, Outcome, Published, PublishedBefore, SecretSeen};

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
    let never_ended_well = after.last_success_time.is_none() && after.held.is_none();
    if after.condition(ConditionType::Ready).is_none() || never_ended_well {
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

/// A run that C1 alone wanted, and no longer wants, was called off. What was known before it stays.
pub(super) fn called_off(before: &ConnectorStatus, now: Timestamp) -> ConnectorStatus {
    let mut after = before.clone();
    if let Some(sync) = after.last_sync.as_mut().filter(|sync| sync.completion_time.is_none()) {
        sync.completion_time = Some(whole_seconds(now));
        let message = "C1 no longer wanted the last run.";
        after.set_condition(ConditionType::Syncing, "False", Reason::Idle, message, now);
    }
    after
}

/// `after` with the times of those conditions whose status is the one that is stored: where several hands have been at
/// a condition, it is what is written that has changed or not.
pub(super) fn with_times_of(stored: &ConnectorStatus, mut after: ConnectorStatus) -> ConnectorStatus {
    for condition in &mut after.conditions {
        let same = |it: &&Condition| it.type_ == condition.type_ && it.status == condition.status;
        if let Some(stored) = stored.conditions.iter().find(same) {
            condition.last_transition_time = stored.last_transition_time.clone();
        }
    }
    after
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
    if outcome.approved.is_some() {
        after.last_handled_approval.clone_from(&outcome.approved);
    }
    after.last_sync = Some(finished(outcome));
    let now = outcome.completed;
    after.set_condition(ConditionType::Syncing, "False", Reason::Idle, "No run is under way.", now);
    match &outcome.result {
        Ok(Ended::Published(published)) => succeeded(&mut after, outcome, published, timing),
        Ok(Ended::Held(held)) => held_back(&mut after, outcome, held, timing),
        Err(failure) => failed(&mut after, outcome, failure, timing),
    }
    after
}

fn finished(outcome: &Outcome) -> LastSync {
    let (counts, changes) = match &outcome.result {
        Ok(Ended::Published(published)) => {
            (Some(&published.counts), published.news.as_ref().map(|news| &news.changes))
        }
        Ok(Ended::Held(held)) => (Some(&held.counts), None),
        Err(_) => (None, None),
    };
    LastSync {
        id: outcome.id.clone(),
        trigger: outcome.trigger,
        start_time: whole_seconds(outcome.started),
        completion_time: Some(whole_seconds(outcome.completed)),
        counts: counts.map(copied).unwrap_or_default(),
        changes: changes
            .into_iter()
            .flatten()
            .map(|(scope, change)| (scope.clone(), ChangeStatus::from(*change)))
            .collect(),
    }
}

/// The same counts in another kind of map: a status has lists, and what is compared has trees.
fn copied<'a, C: FromIterator<(String, u64)>>(counts: impl IntoIterator<Item = (&'a String, &'a u64)>) -> C {
    counts.into_iter().map(|(scope, count)| (scope.clone(), *count)).collect()
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
        counts: copied(&published.counts),
        scopes: copied(&published.scopes),
        uri: published.uri.clone(),
        digest: published.digest.clone(),
        size: published.size,
    });
    after.held = None;
    after.last_success_time = Some(whole_seconds(now));
    after.consecutive_failures = None;
    after.next_sync_time = Some(Time(timing.after_success(outcome.started, now)));
}

/// Everything was read, and nothing published. Runs go on, since a later one may be within the limits again.
fn held_back(after: &mut ConnectorStatus, outcome: &Outcome, held: &Held, timing: &Timing) {
    let now = outcome.completed;
    let known = after.held.take().filter(|known| known.id == held.id);
    let since = known.map_or_else(|| whole_seconds(now), |known| known.since);
    let hold = Hold::new(&held.id, &outcome.id, since, &held.removals);
    let (reason, message) = (hold.reason(), with_old_approval(after, outcome, held));
    after.phase = Some(Phase::Held);
    after.set_condition(ConditionType::Ready, "False", reason, &message, now);
    accepted(after, now);
    after.remove_condition(ConditionType::Reconciling);
    after.set_condition(ConditionType::Stalled, "True", reason, &message, now);
    after.held = Some(Box::new(hold));
    after.consecutive_failures = None;
    after.next_sync_time = Some(Time(timing.after_success(outcome.started, now)));
}

/// What is held, and why an annotation that names it already does not accept it.
fn with_old_approval(status: &ConnectorStatus, outcome: &Outcome, held: &Held) -> String {
    let message = &held.message;
    if outcome.approved.is_none() && status.last_handled_approval.as_ref() == Some(&held.id) {
        format!(
            "{message} The annotation {ACCEPT_REMOVALS} has named it since before it was held, which accepts \
             nothing: remove it before you set it."
        )
    } else {
        message.clone()
    }
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
    if let Some(hold) = after.held.as_mut().filter(|hold| outcome.approved.as_ref() == Some(&hold.id)) {
        hold.accepted = true;
    }
    let told = || (failure.reason, failure.message.clone());
    let pair = match class {
        Class::WaitForSecret => Some((ConditionType::Reconciling, told())),
        Class::WaitForChange => Some((ConditionType::Stalled, told())),
        // That passes by itself. What is held does not, whatever else is wrong meanwhile.
        Class::Retry => {
            after.held.as_deref().and_then(waits_for_a_person).map(|it| (ConditionType::Stalled, it))
        }
    };
    // One that stays true keeps the time since when it is.
    for type_ in [ConditionType::Reconciling, ConditionType::Stalled] {
        match &pair {
            Some((true_now, (reason, message))) if *true_now == type_ => {
                after.set_condition(type_, "True", *reason, message, now);
            }
            _ => after.remove_condition(type_),
        }
    }
    after.next_sync_time = Some(Time(timing.after_failure(class, failures, failure.retry_after, now)));
}

fn waits_for_a_person(hold: &Hold) -> Option<(Reason, String)> {
    let message = format!(
        "What status.held says is still held. Look into it; to accept it, set the annotation {ACCEPT_REMOVALS} to {}.",
        hold.id
    );
    (!hold.accepted).then(|| (hold.reason(), message))
}

fn accepted(after: &mut ConnectorStatus, now: Timestamp) {
    let message = "The upstream accepts the credential.";
    after.set_condition(ConditionType::Connected, "True", Reason::Succeeded, message, now);
}

/// The `acceptRemovals` annotation was looked at, and is no reason for a run. An acceptance that waited for the next
/// run is none any more unless the annotation still names it, and then a person is asked again.
pub(super) fn noted(before: &ConnectorStatus, annotation: Option<&str>, now: Timestamp) -> ConnectorStatus {
    let last_handled_approval = annotation.map(str::to_owned);
    let mut after = ConnectorStatus { last_handled_approval, ..before.clone() };
    let withdrawn = |hold: &&mut Box<Hold>| hold.accepted && annotation != Some(&hold.id);
    let Some(hold) = after.held.as_mut().filter(withdrawn) else { return after };
    hold.accepted = false;
    let asks = waits_for_a_person(hold);
    let says_why = |type_| after.condition(type_).is_some();
    if let Some((reason, message)) = asks
        && !says_why(ConditionType::Reconciling)
        && !says_why(ConditionType::Stalled)
    {
        after.set_condition(ConditionType::Stalled, "True", reason, &message, now);
    }
    after
}

/// What `status` remembers of the last snapshot published, apart from the store.
pub(super) fn published_before(status: &ConnectorStatus) -> Option<PublishedBefore> {
    let last = status.last_published.as_ref()?;
    Some(PublishedBefore {
        // Something was published. An id that is none must not turn the next run into a first one: no store has the
        // last of all ids. It is always the same, so that what is held then keeps its id until somebody accepts it.
        id: last.id.parse().unwrap_or_else(|_| SyncId::last()),
        account_id: last.upstream_account_id.clone(),
        scopes: copied(&last.scopes),
    })
}

/// The Secret is of another version, and says the same.
pub(super) fn same_secret(before: &ConnectorStatus, version: String) -> ConnectorStatus {
    ConnectorStatus { observed_secret_version: Some(version), ..before.clone() }
}

/// Reading is switched off.
pub(super) fn suspended(before: &ConnectorStatus, generation: i64, now: Timestamp) -> ConnectorStatus {
    let mut after = before.clone();
    after.observed_generation = generation;
    after.phase = Some(Phase::Suspended);
    let stays = if after.last_published.is_some() {
        "What was published before stays."
    } else {
        "Nothing has been published yet."
    };
    let message = &format!("Suspended: nothing is read while spec.suspend is true. {stays}");
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
pub(super) mod tests;
