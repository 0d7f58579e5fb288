//! The state table row by row, and what holds after any history (Flux's condition contract among it).

use std::time::Duration;

use proptest::prelude::*;
use rstest::rstest;

use super::super::schedule::Cadence;
use super::*;
use crate::access::Counts;
use crate::access::guard::{Removal, Why};

const TIMING: Timing = Timing {
    cadence: Cadence::Every(Duration::from_secs(3600)),
    timeout: Duration::from_secs(60),
    place: 0.5,
};

fn counts(counts: &[(&str, u64)]) -> Counts {
    counts.iter().map(|(scope, count)| ((*scope).to_owned(), *count)).collect()
}

pub(in crate::controller) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn start(generation: i64, trigger: Trigger, second: i64) -> Begun<'static> {
    Begun { id: "run", generation, trigger, what: "the Scalr account acme".into(), now: at(second) }
}

fn outcome(generation: i64, trigger: Trigger, second: i64, result: Result<Published, Failure>) -> Outcome {
    outcome_of(generation, trigger, second, result.map(Ended::Published))
}

fn outcome_of(generation: i64, trigger: Trigger, second: i64, result: Result<Ended, Failure>) -> Outcome {
    Outcome {
        id: "run".into(),
        generation,
        trigger,
        requested_at: None,
        approved: None,
        secret: SecretSeen::Version("7".into()),
        started: at(second),
        completed: at(second + 1),
        result,
    }
}

fn published() -> Published {
    Published {
        account_id: "acc-1".into(),
        counts: counts(&[("users", 2)]),
        scopes: counts(&[("users", 2)]),
        news: None,
        uri: "file:///a".into(),
        digest: "sha256:00".into(),
        size: 1,
    }
}

fn failure(reason: Reason, authenticated: bool) -> Failure {
    Failure { authenticated, ..Failure::new(reason, "Something is wrong. Do this.") }
}

fn conditions(status: &ConnectorStatus) -> Vec<String> {
    status.conditions.iter().map(|it| format!("{}={}", it.type_, it.status)).collect()
}

pub(in crate::controller) fn connected() -> ConnectorStatus {
    let begun = begun(&ConnectorStatus::default(), &start(1, Trigger::First, 0));
    ended(&begun, &outcome(1, Trigger::First, 0, Ok(published())), &TIMING)
}

#[test]
fn a_first_run_is_syncing_then_connected() {
    let first = begun(&ConnectorStatus::default(), &start(1, Trigger::First, 0));
    assert_eq!(first.phase, Some(Phase::Syncing));
    assert_eq!(
        conditions(&first),
        ["Ready=Unknown", "Connected=Unknown", "Syncing=True", "Reconciling=True"]
    );
    let good = connected();
    assert_eq!(good.phase, Some(Phase::Connected));
    assert_eq!(conditions(&good), ["Ready=True", "Connected=True", "Syncing=False"]);
}

#[test]
fn an_edited_connector_keeps_ready_until_the_run_has_ended() {
    let edited = begun(&connected(), &start(2, Trigger::SpecChanged, 10));
    assert_eq!(edited.phase, Some(Phase::Syncing));
    assert_eq!(conditions(&edited), ["Ready=True", "Connected=True", "Syncing=True", "Reconciling=True"]);
    assert_eq!(edited.observed_generation, 2);
}

#[test]
fn a_long_periodic_run_shows_nothing_but_that_it_runs() {
    let long = taking_long(&connected(), &start(1, Trigger::Scheduled, 10));
    assert_eq!(long.phase, Some(Phase::Connected));
    assert_eq!(conditions(&long), ["Ready=True", "Connected=True", "Syncing=True"]);
}

#[rstest]
#[case(Reason::SecretNotFound, false, Phase::Pending, &["Ready=False", "Connected=Unknown", "Syncing=False", "Reconciling=True"])]
#[case(Reason::Unreachable, false, Phase::Error, &["Ready=False", "Connected=False", "Syncing=False"])]
#[case(Reason::ListingChanged, true, Phase::Error, &["Ready=False", "Connected=True", "Syncing=False"])]
#[case(Reason::Unauthorized, false, Phase::Error, &["Ready=False", "Connected=False", "Syncing=False", "Stalled=True"])]
#[case(Reason::HostNotAllowed, false, Phase::Error, &["Ready=False", "Connected=False", "Syncing=False", "Stalled=True"])]
fn a_failure_is_told_by_its_class(
    #[case] reason: Reason,
    #[case] authenticated: bool,
    #[case] phase: Phase,
    #[case] expected: &[&str],
) {
    let failed = outcome(1, Trigger::Scheduled, 10, Err(failure(reason, authenticated)));
    let status = ended(&connected(), &failed, &TIMING);
    assert_eq!(status.phase, Some(phase));
    assert_eq!(conditions(&status), expected);
    assert_eq!(status.last_published, connected().last_published);
    assert_eq!(status.consecutive_failures, Some(1));
}

#[test]
fn a_suspended_connector_keeps_what_it_knows() {
    let never_ran = suspended(&ConnectorStatus::default(), 1, at(0));
    assert_eq!(conditions(&never_ran), ["Ready=True", "Connected=Unknown", "Syncing=False"]);
    let ran = suspended(&connected(), 2, at(10));
    assert_eq!((ran.phase, ran.observed_generation), (Some(Phase::Suspended), 2));
    assert_eq!(conditions(&ran), ["Ready=True", "Connected=True", "Syncing=False"]);
    assert_eq!(ran.next_sync_time, None);
    let told = |status: &ConnectorStatus| message_of(status, ConditionType::Syncing).to_owned();
    let why = "Suspended: nothing is read while spec.suspend is true.";
    assert_eq!(told(&never_ran), format!("{why} Nothing has been published yet."));
    assert_eq!(told(&ran), format!("{why} What was published before stays."));
}

fn held(id: &str, scopes: usize, why: Why) -> Held {
    let removal = Removal { scope: "users".into(), before: 48, removed: 36, disabled: 1, why };
    Held {
        id: id.into(),
        removals: vec![removal; scopes],
        counts: counts(&[("users", 12)]),
        message: "36 of 48 users would go.".into(),
    }
}

fn hold_at(before: &ConnectorStatus, id: &str, second: i64) -> ConnectorStatus {
    let result = Ok(Ended::Held(held(id, 1, Why::TooMany)));
    ended(before, &outcome_of(1, Trigger::Scheduled, second, result), &TIMING)
}

fn fail_at(before: &ConnectorStatus, reason: Reason, second: i64) -> ConnectorStatus {
    ended(before, &outcome(1, Trigger::Scheduled, second, Err(failure(reason, true))), &TIMING)
}

fn message_of(status: &ConnectorStatus, type_: ConditionType) -> &str {
    &status.condition(type_).unwrap().message
}

#[rstest]
#[case(Why::TooMany, "RemovalsHeld")]
#[case(Why::AnotherAccount, "RemovalsHeld")]
#[case(Why::BaselineLost, "BaselineLost")]
fn a_held_run_waits_for_a_person_and_keeps_what_was_published(#[case] why: Why, #[case] reason: &str) {
    let good = ConnectorStatus { consecutive_failures: Some(3), ..connected() };
    let result = Ok(Ended::Held(held("a", 1, why)));
    let status = ended(&good, &outcome_of(1, Trigger::Scheduled, 10, result), &TIMING);
    assert_eq!(status.phase, Some(Phase::Held));
    assert_eq!(conditions(&status), ["Ready=False", "Connected=True", "Syncing=False", "Stalled=True"]);
    for type_ in [ConditionType::Ready, ConditionType::Stalled] {
        assert_eq!(status.condition(type_).unwrap().reason, reason);
        assert_eq!(message_of(&status, type_), "36 of 48 users would go.");
    }
    assert_eq!(status.last_published, good.last_published);
    assert_eq!(status.last_success_time, good.last_success_time);
    assert_eq!(status.consecutive_failures, None);
    assert_eq!(status.next_sync_time, Some(Time(TIMING.after_success(at(10), at(11)))));
    assert_eq!(status.last_sync.as_ref().unwrap().counts, copied(&counts(&[("users", 12)])));
    let hold = status.held.unwrap();
    assert_eq!((hold.id.as_str(), hold.run_id.as_str(), hold.since), ("a", "run", Time(at(11))));
    assert_eq!((hold.removals[0].before, hold.removals[0].removed, hold.removals[0].disabled), (48, 36, 1));
}

#[test]
fn the_same_removals_are_held_since_they_were_first_held() {
    let first = hold_at(&connected(), "a", 10);
    let again = hold_at(&first, "a", 20);
    let others = hold_at(&again, "b", 30);
    let since = |status: &ConnectorStatus| status.held.as_ref().unwrap().since.clone();
    assert_eq!((since(&again), since(&others)), (Time(at(11)), Time(at(31))));
    assert_eq!(first.condition(ConditionType::Stalled), again.condition(ConditionType::Stalled));
}

#[test]
fn while_something_is_held_a_long_periodic_run_shows_only_that_it_runs_and_one_that_is_waited_for_says_so() {
    let held = hold_at(&connected(), "a", 10);
    let long = taking_long(&held, &start(1, Trigger::Scheduled, 20));
    assert_eq!((long.phase, &long.held), (Some(Phase::Held), &held.held));
    assert_eq!(conditions(&long), ["Ready=False", "Connected=True", "Syncing=True", "Stalled=True"]);
    let approved = begun(&held, &start(1, Trigger::Approved, 20));
    assert_eq!((approved.phase, &approved.held), (Some(Phase::Syncing), &held.held));
    assert_eq!(conditions(&approved), ["Ready=False", "Connected=True", "Syncing=True", "Reconciling=True"]);
}

#[test]
fn a_run_that_is_published_clears_what_was_held() {
    let held = hold_at(&connected(), "a", 10);
    let status = ended(&held, &outcome(1, Trigger::Scheduled, 20, Ok(published())), &TIMING);
    assert_eq!((status.held, status.phase), (None, Some(Phase::Connected)));
    assert_eq!(status.last_published.unwrap().scopes, copied(&counts(&[("users", 2)])));
}

#[test]
fn what_passes_by_itself_leaves_stalled_to_what_is_held() {
    let failed = fail_at(&hold_at(&connected(), "a", 10), Reason::Unreachable, 20);
    assert_eq!(failed.phase, Some(Phase::Error));
    assert_eq!(conditions(&failed), ["Ready=False", "Connected=True", "Syncing=False", "Stalled=True"]);
    assert_eq!(failed.condition(ConditionType::Ready).unwrap().reason, "Unreachable");
    assert_eq!(failed.condition(ConditionType::Stalled).unwrap().reason, "RemovalsHeld");
    assert!(
        message_of(&failed, ConditionType::Stalled)
            .ends_with("set the annotation connectors.conductorone.com/acceptRemovals to a.")
    );
    assert_eq!(failed.held, hold_at(&connected(), "a", 10).held);
    assert_eq!(failed.consecutive_failures, Some(1));
}

#[rstest]
#[case(Reason::SecretNotFound, Phase::Pending, "Reconciling=True")]
#[case(Reason::Unauthorized, Phase::Error, "Stalled=True")]
fn what_waits_for_a_change_of_its_own_says_so_while_something_is_held(
    #[case] reason: Reason,
    #[case] phase: Phase,
    #[case] last: &str,
) {
    let failed = fail_at(&hold_at(&connected(), "a", 10), reason, 20);
    assert_eq!((failed.phase, conditions(&failed).last().map(String::as_str)), (Some(phase), Some(last)));
    assert_eq!(failed.conditions.last().unwrap().reason, reason.as_str());
    assert!(failed.held.is_some());
}

#[test]
fn an_approval_is_handled_when_its_run_has_ended_and_is_kept_where_that_one_failed() {
    let held = hold_at(&connected(), "a", 10);
    let approved =
        |result| Outcome { approved: Some("a".into()), ..outcome(1, Trigger::Approved, 20, result) };
    let published = ended(&held, &approved(Ok(published())), &TIMING);
    assert_eq!((published.last_handled_approval.as_deref(), published.held), (Some("a"), None));
    let failed = ended(&held, &approved(Err(failure(Reason::Unreachable, false))), &TIMING);
    assert_eq!(failed.last_handled_approval.as_deref(), Some("a"));
    assert!(failed.held.as_ref().unwrap().accepted);
    assert_eq!(failed.condition(ConditionType::Stalled), None, "nobody is waited for");
    let again = fail_at(&failed, Reason::Unreachable, 30);
    assert!(again.held.as_ref().unwrap().accepted);
    assert!(!hold_at(&again, "a", 40).held.unwrap().accepted);
}

/// An object of which `a` is held and was accepted, when the run that carried that failed for this reason.
fn accepted_in_vain(reason: Reason) -> ConnectorStatus {
    let run = Outcome {
        approved: Some("a".into()),
        ..outcome(1, Trigger::Approved, 20, Err(failure(reason, false)))
    };
    ended(&hold_at(&connected(), "a", 10), &run, &TIMING)
}

#[rstest]
#[case::removed(None)]
#[case::another(Some("b"))]
fn an_approval_that_is_withdrawn_before_the_next_run_asks_a_person_again(#[case] annotation: Option<&str>) {
    let failed = accepted_in_vain(Reason::Unreachable);
    assert!(failed.held.as_ref().unwrap().accepted);
    let after = noted(&failed, annotation, at(30));
    assert!(!after.held.as_ref().unwrap().accepted);
    assert_eq!(after.last_handled_approval.as_deref(), annotation);
    assert_eq!(conditions(&after), ["Ready=False", "Connected=False", "Syncing=False", "Stalled=True"]);
    assert_eq!(after.condition(ConditionType::Stalled).unwrap().reason, "RemovalsHeld");
    assert!(message_of(&after, ConditionType::Stalled).ends_with("acceptRemovals to a."));
    let later = fail_at(&after, Reason::Unreachable, 40);
    assert_eq!(later.condition(ConditionType::Stalled).unwrap().reason, "RemovalsHeld");
    assert!(!later.held.unwrap().accepted);
}

#[rstest]
#[case(Reason::SecretNotFound)]
#[case(Reason::InvalidSpec)]
fn an_approval_that_is_withdrawn_leaves_what_is_waited_for_besides(#[case] reason: Reason) {
    let failed = accepted_in_vain(reason);
    let after = noted(&failed, None, at(30));
    assert!(!after.held.as_ref().unwrap().accepted);
    assert_eq!(after.conditions, failed.conditions);
}

#[test]
fn an_annotation_that_still_names_what_is_held_withdraws_nothing() {
    let failed = accepted_in_vain(Reason::Unreachable);
    assert_eq!(noted(&failed, Some("a"), at(30)), failed);
}

#[test]
fn a_hold_that_an_old_annotation_names_says_why_that_accepts_nothing() {
    let before = ConnectorStatus { last_handled_approval: Some("a".into()), ..connected() };
    let status = hold_at(&before, "a", 10);
    let message = message_of(&status, ConditionType::Ready);
    assert!(message.starts_with("36 of 48 users would go. The annotation "), "{message}");
    assert!(message.ends_with("remove it before you set it."), "{message}");
    assert_eq!(message_of(&hold_at(&before, "b", 10), ConditionType::Ready), "36 of 48 users would go.");
}

#[test]
fn what_was_published_is_remembered_for_the_next_run_also_without_scopes_or_with_a_spoilt_id() {
    assert_eq!(published_before(&ConnectorStatus::default()), None);
    let mut status = connected();
    let id = SyncId::new(at(0));
    let published = status.last_published.as_mut().unwrap();
    published.id = id.to_string();
    published.scopes.clear();
    let before = published_before(&status).unwrap();
    assert_eq!((before.id, before.account_id.as_str(), before.scopes.len()), (id.clone(), "acc-1", 0));
    status.last_published.as_mut().unwrap().id = "spoilt".into();
    let spoilt = || published_before(&status).unwrap().id;
    assert!(spoilt() > SyncId::new(Timestamp::MAX), "no store has it");
    assert_eq!(spoilt(), spoilt(), "so that what is held keeps its id");
}

/// Something that happens to a connector.
#[derive(Debug, Clone)]
pub(in crate::controller) enum Step {
    Begin { edited: bool },
    TakeLong,
    Succeed,
    Fail(Reason, bool),
    Hold { id: &'static str, scopes: usize, why: Why },
    Approve(bool),
    Suspend,
}

pub(in crate::controller) fn step() -> impl Strategy<Value = Step> {
    let failures: Vec<Reason> =
        Reason::ALL.iter().copied().filter(|reason| reason.class().is_some()).collect();
    prop_oneof![
        any::<bool>().prop_map(|edited| Step::Begin { edited }),
        Just(Step::TakeLong),
        Just(Step::Succeed),
        (proptest::sample::select(failures), any::<bool>())
            .prop_map(|(reason, auth)| Step::Fail(reason, auth)),
        (proptest::sample::select(vec!["a", "b"]), 1usize..40, proptest::sample::select(WHYS.to_vec()))
            .prop_map(|(id, scopes, why)| Step::Hold { id, scopes, why }),
        any::<bool>().prop_map(Step::Approve),
        Just(Step::Suspend),
    ]
}

const WHYS: [Why; 6] = [
    Why::TooMany,
    Why::Emptied,
    Why::NoAdministrator,
    Why::OwnerGone,
    Why::AnotherAccount,
    Why::BaselineLost,
];

pub(in crate::controller) fn apply(
    before: &ConnectorStatus,
    step: &Step,
    generation: &mut i64,
    second: i64,
) -> ConnectorStatus {
    match step {
        Step::Begin { edited } => {
            *generation += i64::from(*edited);
            begun(before, &start(*generation, Trigger::SpecChanged, second))
        }
        Step::TakeLong => taking_long(before, &start(*generation, Trigger::Scheduled, second)),
        Step::Succeed => {
            ended(before, &outcome(*generation, Trigger::Scheduled, second, Ok(published())), &TIMING)
        }
        Step::Fail(reason, authenticated) => {
            let failed = Err(failure(*reason, *authenticated));
            ended(before, &outcome(*generation, Trigger::Scheduled, second, failed), &TIMING)
        }
        Step::Hold { id, scopes, why } => {
            let result = Ok(Ended::Held(held(id, *scopes, *why)));
            ended(before, &outcome_of(*generation, Trigger::Scheduled, second, result), &TIMING)
        }
        Step::Approve(succeeds) => {
            let result = if *succeeds { Ok(published()) } else { Err(failure(Reason::Unreachable, false)) };
            let approved = before.held.as_ref().map(|hold| hold.id.clone());
            let outcome = outcome(*generation, Trigger::Approved, second, result);
            ended(before, &Outcome { approved, ..outcome }, &TIMING)
        }
        Step::Suspend => suspended(before, *generation, at(second)),
    }
}

/// What holds of `status.held`, whatever happened.
fn assert_hold(before: &ConnectorStatus, step: &Step, after: &ConnectorStatus) -> Result<(), TestCaseError> {
    let ends_it = matches!(step, Step::Succeed | Step::Approve(true));
    let begins_it = matches!(step, Step::Hold { .. });
    prop_assert_eq!(after.held.is_some(), !ends_it && (begins_it || before.held.is_some()));
    prop_assert!(after.phase != Some(Phase::Held) || after.held.is_some());
    prop_assert!(after.phase != Some(Phase::Connected) || after.held.is_none());
    prop_assert!(ends_it || after.last_published == before.last_published, "only a publication is one");
    if let (Some(known), Some(hold)) = (&before.held, &after.held) {
        prop_assert_eq!(known.id == hold.id, known.since == hold.since);
    }
    if let Some(hold) = &after.held {
        let scopes = hold.removals.len() as u64 + hold.more.unwrap_or(0);
        prop_assert!((1..=20).contains(&hold.removals.len()) && scopes < 40);
        let ready = after.condition(ConditionType::Ready);
        prop_assert!(ready.is_some_and(|ready| ready.status != "True"), "held, and yet Ready");
    }
    Ok(())
}

proptest! {
    #[test]
    fn after_any_history_the_conditions_hold_together(steps in proptest::collection::vec(step(), 1..30)) {
        let mut generation = 1;
        let mut before = begun(&ConnectorStatus::default(), &start(1, Trigger::First, 0));
        for (index, step) in steps.iter().enumerate() {
            let after = apply(&before, step, &mut generation, 10 * (index as i64 + 1));
            let status_of = |type_| after.condition(type_).map(|it| it.status.as_str());
            let ready = status_of(ConditionType::Ready);
            let reconciling = status_of(ConditionType::Reconciling);
            let stalled = status_of(ConditionType::Stalled);
            prop_assert!(ready.is_some());
            prop_assert!(reconciling != Some("False") && stalled != Some("False"), "removed, never False");
            prop_assert!(!(reconciling.is_some() && stalled.is_some()));
            prop_assert!(stalled.is_none() || ready != Some("True"));
            prop_assert!(after.observed_generation <= generation);
            assert_hold(&before, step, &after)?;
            for condition in &after.conditions {
                prop_assert!(condition.observed_generation <= Some(generation));
                prop_assert!(condition.message.len() <= 32 * 1024 && !condition.reason.is_empty());
                let known = before.conditions.iter().find(|it| it.type_ == condition.type_);
                if let Some(known) = known.filter(|known| known.status == condition.status) {
                    prop_assert_eq!(&known.last_transition_time, &condition.last_transition_time);
                }
            }
            let stored: ConnectorStatus =
                serde_json::from_value(serde_json::to_value(&after).unwrap()).unwrap();
            prop_assert_eq!(&stored, &after, "what is stored is what was meant");
            before = after;
        }
    }
}
