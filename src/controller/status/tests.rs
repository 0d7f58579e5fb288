//! The state table row by row, and what holds after any history (Flux's condition contract among it).

use std::time::Duration;

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::access::Counts;

const TIMING: Timing =
    Timing { interval: Duration::from_secs(3600), timeout: Duration::from_secs(60), place: 0.5 };

fn counts(counts: &[(&str, u64)]) -> Counts {
    counts.iter().map(|(scope, count)| ((*scope).to_owned(), *count)).collect()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn start(generation: i64, trigger: Trigger, second: i64) -> Begun<'static> {
    Begun { id: "run", generation, trigger, what: "the Scalr account acme".into(), now: at(second) }
}

fn outcome(generation: i64, trigger: Trigger, second: i64, result: Result<Published, Failure>) -> Outcome {
    let result = result.map(Ended::Published);
    Outcome {
        id: "run".into(),
        generation,
        trigger,
        requested_at: None,
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
        scopes: Default::default(),
        changes: None,
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

fn connected() -> ConnectorStatus {
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
}

/// Something that happens to a connector.
#[derive(Debug, Clone)]
enum Step {
    Begin { edited: bool },
    TakeLong,
    Succeed,
    Fail(Reason, bool),
    Suspend,
}

fn step() -> impl Strategy<Value = Step> {
    let failures: Vec<Reason> =
        Reason::ALL.iter().copied().filter(|reason| reason.class().is_some()).collect();
    prop_oneof![
        any::<bool>().prop_map(|edited| Step::Begin { edited }),
        Just(Step::TakeLong),
        Just(Step::Succeed),
        (proptest::sample::select(failures), any::<bool>())
            .prop_map(|(reason, auth)| Step::Fail(reason, auth)),
        Just(Step::Suspend),
    ]
}

fn apply(before: &ConnectorStatus, step: &Step, generation: &mut i64, second: i64) -> ConnectorStatus {
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
        Step::Suspend => suspended(before, *generation, at(second)),
    }
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
