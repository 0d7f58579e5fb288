//! When to read: every rule about it, as one pure function.
//!
//! All it needs is in the object, its status, the queue and the clock, so a restart neither repeats nor skips a
//! run.

use jiff::Timestamp;

use crate::api::{ConnectorStatus, Trigger};
use crate::sync::RunView;

use super::approval::Approval;

/// What is known about one connector at one moment.
#[derive(Debug, Clone)]
pub struct Observed<'a> {
    /// `metadata.generation`.
    pub generation: i64,
    /// Is the object being deleted?
    pub deleting: bool,
    /// `spec.suspend`.
    pub suspended: bool,
    /// The status as stored.
    pub status: &'a ConnectorStatus,
    /// The `requestedAt` annotation.
    pub requested_at: Option<&'a str>,
    /// The `acceptRemovals` annotation.
    pub accepted: Option<&'a str>,
    /// What is known of the Secret.
    pub secret: SecretVersion<'a>,
    /// Does C1 wait for a reading?
    pub c1: Waits,
    /// The run in the queue, where there is one.
    pub run: Option<&'a RunView>,
    /// The time.
    pub now: Timestamp,
}

/// What the watch on Secrets says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretVersion<'a> {
    /// Nothing: it is off, or has not seen the Secret yet.
    Unknown,
    /// The Secret was there and is gone since this `metadata.resourceVersion` at the latest.
    Gone(&'a str),
    /// It is there, with this `metadata.resourceVersion`.
    Present(&'a str),
}

/// Whether C1 waits for a reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Waits {
    /// It does not.
    #[default]
    No,
    /// It waits for the run under way to end.
    ForThisRun,
    /// It waits for a run that has not begun.
    ForAnother,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The object goes away: stop its run and touch nothing.
    Forget,
    /// Stop its run and say that it is suspended.
    Suspend,
    /// The `acceptRemovals` annotation names nothing that is held, or was removed: take note of it.
    NoteApproval,
    /// Begin a run, instead of one that no longer fits, where there is one.
    Start(Trigger),
    /// A run is under way; look again when the queue reports.
    Follow,
    /// The run, or what is left of it in the status, was for C1 alone, which no longer waits: stop it.
    CallOff,
    /// A run has ended: write down how.
    Record,
    /// Nothing to do before this moment.
    Wait(Timestamp),
}

/// Decides.
pub fn decide(observed: &Observed<'_>) -> Action {
    if observed.deleting {
        return Action::Forget;
    }
    if observed.suspended {
        return Action::Suspend;
    }
    match observed.run {
        Some(run) => with_run(observed, run),
        None => without_run(observed),
    }
}

fn with_run(observed: &Observed<'_>, run: &RunView) -> Action {
    if run.generation != observed.generation {
        return Action::Start(Trigger::SpecChanged);
    }
    if run.finished {
        return Action::Record;
    }
    // An approval that was withdrawn must not publish anything: the run begins again without it.
    if run.approved.is_some() && run.approved.as_deref() != observed.accepted {
        return Action::Start(without_approval(run.trigger));
    }
    if run.trigger == Trigger::C1Task && observed.c1 == Waits::No {
        return Action::CallOff;
    }
    Action::Follow
}

/// Why a run begins again whose approval was withdrawn.
fn without_approval(trigger: Trigger) -> Trigger {
    if trigger == Trigger::Approved { Trigger::Scheduled } else { trigger }
}

fn without_run(observed: &Observed<'_>) -> Action {
    let status = observed.status;
    if status.observed_generation != observed.generation {
        let never = status.observed_generation < 0;
        return Action::Start(if never { Trigger::First } else { Trigger::SpecChanged });
    }
    let approval = Approval::of(status, observed.accepted);
    if let Some(interrupted) = status.last_sync.as_ref().filter(|sync| sync.completion_time.is_none()) {
        return match (interrupted.trigger, approval.carried()) {
            (Trigger::C1Task, _) if observed.c1 == Waits::No => Action::CallOff,
            (trigger, Some(_)) => Action::Start(trigger),
            (trigger, None) => Action::Start(without_approval(trigger)),
        };
    }
    match approval {
        Approval::Given(_) => return Action::Start(Trigger::Approved),
        Approval::Mistaken(_) | Approval::Withdrawn => return Action::NoteApproval,
        Approval::Pending(_) | Approval::Old => {}
    }
    if asked_for(observed) {
        return Action::Start(Trigger::Requested);
    }
    if secret_changed(observed) {
        return Action::Start(Trigger::SecretChanged);
    }
    if observed.c1 == Waits::ForAnother {
        return Action::Start(Trigger::C1Task);
    }
    match &status.next_sync_time {
        Some(due) if due.0 > observed.now => Action::Wait(due.0),
        _ if status.consecutive_failures.unwrap_or(0) > 0 => Action::Start(Trigger::Retry),
        _ => Action::Start(Trigger::Scheduled),
    }
}

fn asked_for(observed: &Observed<'_>) -> bool {
    observed.requested_at.is_some()
        && observed.requested_at != observed.status.last_handled_reconcile_at.as_deref()
}

fn secret_changed(observed: &Observed<'_>) -> bool {
    has_changed(observed.status.observed_secret_version.as_deref(), observed.secret)
}

/// Is a Secret another than the version that was `seen` last?
pub(super) fn has_changed(seen: Option<&str>, secret: SecretVersion<'_>) -> bool {
    match secret {
        SecretVersion::Unknown => false,
        SecretVersion::Gone(version) => seen.is_some_and(|seen| !newer(seen, version)),
        SecretVersion::Present(version) => seen.is_none_or(|seen| newer(version, seen)),
    }
}

/// Versions grow, as Kubernetes promises since 1.35; a smaller one is a watch that lags behind what a run has read.
/// Those that are no numbers can only be told apart.
fn newer(version: &str, seen: &str) -> bool {
    match (version.parse::<u128>(), seen.parse::<u128>()) {
        (Ok(version), Ok(seen)) => version > seen,
        _ => version != seen,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::api::{Hold, LastSync};

    fn at(text: &str) -> Timestamp {
        format!("2026-11-22T{text}Z").parse().unwrap()
    }

    fn settled() -> ConnectorStatus {
        ConnectorStatus {
            observed_generation: 3,
            last_sync: Some(LastSync {
                id: "a".into(),
                trigger: Trigger::First,
                start_time: Time(at("10:00:00")),
                completion_time: Some(Time(at("10:00:05"))),
                counts: Default::default(),
                changes: Default::default(),
            }),
            next_sync_time: Some(Time(at("11:00:00"))),
            last_handled_reconcile_at: Some("one".into()),
            observed_secret_version: Some("7".into()),
            ..ConnectorStatus::default()
        }
    }

    fn observed(status: &ConnectorStatus) -> Observed<'_> {
        Observed {
            generation: 3,
            deleting: false,
            suspended: false,
            status,
            requested_at: Some("one"),
            accepted: None,
            secret: SecretVersion::Present("7"),
            c1: Waits::No,
            run: None,
            now: at("10:30:00"),
        }
    }

    fn run(finished: bool) -> RunView {
        RunView {
            id: "a".into(),
            generation: 3,
            trigger: Trigger::Scheduled,
            approved: None,
            started: None,
            finished,
        }
    }

    #[test]
    fn a_fresh_object_is_read_at_once() {
        let status = ConnectorStatus::default();
        assert_eq!(decide(&observed(&status)), Action::Start(Trigger::First));
    }

    #[test]
    fn a_settled_object_waits_until_its_next_sync() {
        assert_eq!(decide(&observed(&settled())), Action::Wait(at("11:00:00")));
    }

    #[test]
    fn an_edited_spec_is_read_at_once() {
        let status = settled();
        let observed = Observed { generation: 4, ..observed(&status) };
        assert_eq!(decide(&observed), Action::Start(Trigger::SpecChanged));
    }

    #[test]
    fn an_edited_spec_replaces_the_run_of_the_older_one() {
        let status = settled();
        let run = run(false);
        let observed = Observed { generation: 4, run: Some(&run), ..observed(&status) };
        assert_eq!(decide(&observed), Action::Start(Trigger::SpecChanged));
    }

    #[rstest]
    #[case::asked_for(Some("two"), SecretVersion::Present("7"), Action::Start(Trigger::Requested))]
    #[case::annotation_removed(None, SecretVersion::Present("7"), Action::Wait(at("11:00:00")))]
    #[case::rotated(Some("one"), SecretVersion::Present("8"), Action::Start(Trigger::SecretChanged))]
    #[case::watch_lags(Some("one"), SecretVersion::Present("6"), Action::Wait(at("11:00:00")))]
    #[case::secret_deleted(Some("one"), SecretVersion::Gone("8"), Action::Start(Trigger::SecretChanged))]
    #[case::made_again_before_the_watch_knows(
        Some("one"),
        SecretVersion::Gone("6"),
        Action::Wait(at("11:00:00"))
    )]
    #[case::not_watched(Some("one"), SecretVersion::Unknown, Action::Wait(at("11:00:00")))]
    fn what_people_change_is_acted_on(
        #[case] requested_at: Option<&str>,
        #[case] secret: SecretVersion<'_>,
        #[case] action: Action,
    ) {
        let status = settled();
        assert_eq!(decide(&Observed { requested_at, secret, ..observed(&status) }), action);
    }

    #[test]
    fn c1_gets_a_run_that_begins_after_it_asked() {
        let status = settled();
        let asked = Observed { c1: Waits::ForAnother, ..observed(&status) };
        assert_eq!(decide(&asked), Action::Start(Trigger::C1Task));
        let earlier = run(false);
        assert_eq!(decide(&Observed { run: Some(&earlier), ..asked.clone() }), Action::Follow);
        let earlier = run(true);
        assert_eq!(decide(&Observed { run: Some(&earlier), ..asked.clone() }), Action::Record);
        assert_eq!(decide(&Observed { suspended: true, ..asked }), Action::Suspend);
    }

    #[test]
    fn what_a_run_that_has_ended_is_still_preparing_for_c1_begins_no_other() {
        let status = settled();
        let preparing = Observed { c1: Waits::ForThisRun, ..observed(&status) };
        assert_eq!(decide(&preparing), Action::Wait(at("11:00:00")));
    }

    #[rstest]
    #[case(Trigger::C1Task, Waits::No, Action::CallOff)]
    #[case(Trigger::C1Task, Waits::ForThisRun, Action::Follow)]
    #[case(Trigger::C1Task, Waits::ForAnother, Action::Follow)]
    #[case(Trigger::Scheduled, Waits::No, Action::Follow)]
    fn a_run_for_c1_alone_is_called_off_when_c1_no_longer_waits(
        #[case] trigger: Trigger,
        #[case] c1: Waits,
        #[case] action: Action,
    ) {
        let status = settled();
        let run = RunView { trigger, ..run(false) };
        assert_eq!(decide(&Observed { c1, run: Some(&run), ..observed(&status) }), action);
    }

    #[rstest]
    #[case(Waits::No, Action::CallOff)]
    #[case(Waits::ForAnother, Action::Start(Trigger::C1Task))]
    fn a_run_for_c1_that_a_restart_interrupted_begins_again_only_if_c1_asks_again(
        #[case] c1: Waits,
        #[case] action: Action,
    ) {
        let mut status = settled();
        let sync = status.last_sync.as_mut().unwrap();
        sync.completion_time = None;
        sync.trigger = Trigger::C1Task;
        assert_eq!(decide(&Observed { c1, ..observed(&status) }), action);
    }

    fn holding(id: &str) -> ConnectorStatus {
        ConnectorStatus { held: Some(Box::new(Hold::new(id, "a", Time(at("10:00:05")), &[]))), ..settled() }
    }

    #[rstest]
    #[case::what_is_held(Some("held"), Action::Start(Trigger::Approved))]
    #[case::something_else(Some("other"), Action::NoteApproval)]
    #[case::nothing(None, Action::Wait(at("11:00:00")))]
    fn what_a_person_accepts_is_published_at_once_if_it_is_what_is_held(
        #[case] accepted: Option<&str>,
        #[case] action: Action,
    ) {
        let status = holding("held");
        assert_eq!(decide(&Observed { accepted, ..observed(&status) }), action);
    }

    #[test]
    fn an_approval_that_a_failed_run_carried_waits_for_the_retry() {
        let mut status = ConnectorStatus {
            last_handled_approval: Some("held".into()),
            consecutive_failures: Some(1),
            ..holding("held")
        };
        status.held.as_mut().unwrap().accepted = true;
        let waiting = Observed { accepted: Some("held"), ..observed(&status) };
        assert_eq!(decide(&waiting), Action::Wait(at("11:00:00")));
        assert_eq!(decide(&Observed { now: at("11:00:00"), ..waiting }), Action::Start(Trigger::Retry));
    }

    #[test]
    fn what_is_held_is_read_again_when_due() {
        let status = holding("held");
        assert_eq!(decide(&observed(&status)), Action::Wait(at("11:00:00")));
        let due = Observed { now: at("11:00:00"), ..observed(&status) };
        assert_eq!(decide(&due), Action::Start(Trigger::Scheduled));
    }

    #[test]
    fn a_secret_that_is_still_missing_is_not_a_change() {
        let status = ConnectorStatus { observed_secret_version: None, ..settled() };
        let observed = Observed { secret: SecretVersion::Gone("8"), ..observed(&status) };
        assert_eq!(decide(&observed), Action::Wait(at("11:00:00")));
    }

    #[test]
    fn what_is_due_is_read_once_however_long_it_has_been_due() {
        let status = settled();
        let observed = Observed { now: at("23:00:00"), ..observed(&status) };
        assert_eq!(decide(&observed), Action::Start(Trigger::Scheduled));
    }

    #[test]
    fn what_failed_is_tried_again_when_due() {
        let status = ConnectorStatus { consecutive_failures: Some(2), ..settled() };
        let observed = Observed { now: at("11:00:00"), ..observed(&status) };
        assert_eq!(decide(&observed), Action::Start(Trigger::Retry));
    }

    #[test]
    fn a_run_that_a_restart_interrupted_begins_again_for_the_same_reason() {
        let mut status = settled();
        let sync = status.last_sync.as_mut().unwrap();
        sync.completion_time = None;
        sync.trigger = Trigger::Requested;
        assert_eq!(decide(&observed(&status)), Action::Start(Trigger::Requested));
    }

    #[rstest]
    #[case(false, Action::Follow)]
    #[case(true, Action::Record)]
    fn a_run_is_followed_to_its_end(#[case] finished: bool, #[case] action: Action) {
        let status = settled();
        let run = run(finished);
        assert_eq!(decide(&Observed { run: Some(&run), ..observed(&status) }), action);
    }

    #[rstest]
    #[case::it_stands(Trigger::Approved, Some("held"), Some("held"), Action::Follow)]
    #[case::removed(Trigger::Approved, Some("held"), None, Action::Start(Trigger::Scheduled))]
    #[case::another(Trigger::Approved, Some("held"), Some("other"), Action::Start(Trigger::Scheduled))]
    #[case::removed_from_a_retry(Trigger::Retry, Some("held"), None, Action::Start(Trigger::Retry))]
    #[case::removed_from_an_edited_one(
        Trigger::SpecChanged,
        Some("held"),
        None,
        Action::Start(Trigger::SpecChanged)
    )]
    #[case::given_to_none(Trigger::Scheduled, None, Some("held"), Action::Follow)]
    fn a_run_is_stopped_when_the_approval_that_it_carries_is_withdrawn(
        #[case] trigger: Trigger,
        #[case] carried: Option<&str>,
        #[case] accepted: Option<&str>,
        #[case] action: Action,
    ) {
        let status = holding("held");
        let run = RunView { trigger, approved: carried.map(str::to_owned), ..run(false) };
        let observed = Observed { accepted, run: Some(&run), ..observed(&status) };
        assert_eq!(decide(&observed), action);
        let ended = RunView { finished: true, ..run.clone() };
        assert_eq!(decide(&Observed { run: Some(&ended), ..observed }), Action::Record);
    }

    #[rstest]
    #[case::it_stands(Some("held"), Trigger::Approved)]
    #[case::removed(None, Trigger::Scheduled)]
    fn a_run_that_a_restart_interrupted_is_approved_only_as_long_as_the_approval_stands(
        #[case] accepted: Option<&str>,
        #[case] trigger: Trigger,
    ) {
        let mut status = holding("held");
        let sync = status.last_sync.as_mut().unwrap();
        sync.completion_time = None;
        sync.trigger = Trigger::Approved;
        assert_eq!(decide(&Observed { accepted, ..observed(&status) }), Action::Start(trigger));
    }

    proptest! {
        #[test]
        fn a_run_in_place_of_one_whose_approval_was_withdrawn_is_followed(
            held in proptest::option::of("[a-c]"),
            retried in any::<bool>(),
            noted in proptest::option::of("[a-c]"),
            carried in proptest::option::of("[a-c]"),
            accepted in proptest::option::of("[a-c]"),
        ) {
            let mut status = ConnectorStatus { last_handled_approval: noted, ..settled() };
            status.held = held.as_deref().and_then(|id| holding(id).held);
            if let Some(hold) = &mut status.held {
                hold.accepted = retried;
            }
            let run = RunView { trigger: Trigger::Approved, approved: carried.clone(), ..run(false) };
            let before = Observed { accepted: accepted.as_deref(), run: Some(&run), ..observed(&status) };
            let stays = carried.is_none() || carried == accepted;
            prop_assert_eq!(decide(&before) == Action::Follow, stays);
            // What the reconcile gives the run that it starts then.
            let approved = Approval::of(&status, accepted.as_deref()).carried().map(str::to_owned);
            let next = RunView { approved, ..run.clone() };
            prop_assert_eq!(decide(&Observed { run: Some(&next), ..before }), Action::Follow);
        }
    }

    #[test]
    fn suspending_stops_everything_but_deletion() {
        let status = settled();
        let run = run(false);
        let suspended = Observed { suspended: true, run: Some(&run), ..observed(&status) };
        assert_eq!(decide(&suspended), Action::Suspend);
        assert_eq!(decide(&Observed { deleting: true, ..suspended }), Action::Forget);
    }

    proptest! {
        #[test]
        fn whatever_starts_a_run_is_quiet_once_it_has_ended(
            generation in 1i64..5,
            observed_generation in -1i64..5,
            requested_at in proptest::option::of("[a-c]"),
            handled in proptest::option::of("[a-c]"),
            secret in 1u8..20,
            seen in proptest::option::of(1u8..20),
            second in 0i64..100_000,
            held in proptest::option::of("[a-c]"),
            accepted in proptest::option::of("[a-c]"),
            noted in proptest::option::of("[a-c]"),
            held_after in proptest::option::of("[a-c]"),
            fails in any::<bool>(),
        ) {
            let secret = secret.to_string();
            let now = Timestamp::from_second(at("10:30:00").as_second() + second).unwrap();
            let due = now + jiff::SignedDuration::from_secs(60);
            let mut status = ConnectorStatus {
                observed_generation: observed_generation.min(generation),
                last_handled_reconcile_at: handled,
                observed_secret_version: seen.map(|seen| seen.to_string()),
                held: held.as_deref().and_then(|id| holding(id).held),
                last_handled_approval: noted,
                ..settled()
            };
            // At most a note, a run, and a run more for what that one was found to hold.
            for _ in 0..3 {
                let observed = Observed {
                    generation,
                    requested_at: requested_at.as_deref(),
                    accepted: accepted.as_deref(),
                    secret: SecretVersion::Present(&secret),
                    now,
                    ..observed(&status)
                };
                prop_assert_eq!(decide(&Observed { suspended: true, ..observed.clone() }), Action::Suspend);
                match decide(&observed) {
                    Action::NoteApproval => status.last_handled_approval.clone_from(&accepted),
                    Action::Start(_) => {
                        let carried = Approval::of(&status, accepted.as_deref()).carried().map(str::to_owned);
                        let mut hold = if fails { status.held.clone() } else { held_after.as_deref().and_then(|id| holding(id).held) };
                        if let Some(hold) = &mut hold {
                            hold.accepted = fails && (hold.accepted || carried.is_some());
                        }
                        status = ConnectorStatus {
                            observed_generation: generation,
                            last_handled_reconcile_at: requested_at.clone().or(status.last_handled_reconcile_at),
                            observed_secret_version: Some(secret.clone()),
                            next_sync_time: Some(Time(due)),
                            held: hold,
                            last_handled_approval: carried.or(status.last_handled_approval),
                            ..status
                        };
                    }
                    Action::Wait(_) => break,
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            let settled = Observed {
                generation,
                requested_at: requested_at.as_deref(),
                accepted: accepted.as_deref(),
                secret: SecretVersion::Present(&secret),
                now,
                ..observed(&status)
            };
            prop_assert!(matches!(decide(&settled), Action::Wait(then) if then > now), "{:?}", decide(&settled));
        }
    }
}
