//! What C1 has to say of a connector, row by row; and over any history of runs, that it lies over what they say and
//! comes off again.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use proptest::prelude::*;
use rstest::rstest;
use tonic::Code;

use super::*;
use crate::c1::C1Error;
use crate::controller::status::tests::{Step, apply, at, connected, step};
use crate::controller::status::with_times_of;

fn key(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey { kind: "ScalrConnector", namespace: namespace.into(), name: name.into(), uid: name.into() }
}

fn own() -> ObjectKey {
    key("identity", "acme")
}

fn away() -> C1Error {
    C1Error::Late { method: "GetTask", seconds: 60 }
}

fn refusal() -> C1Error {
    C1Error::Refused { method: "Hello", code: Code::PermissionDenied, message: "no".into() }
}

fn working(connected: bool, trouble: Option<(u32, C1Error)>) -> Told {
    let trouble = trouble.map(|(failures, error)| Trouble { failures, error });
    let mut told = standing(Standing::Working);
    (told.view.connected, told.view.trouble) = (connected, trouble);
    told
}

fn standing(standing: Standing) -> Told {
    Told { standing, view: View::default() }
}

fn failing(reason: Reason) -> Told {
    standing(Standing::Failed(Failure::new(reason, "Something of C1 is wrong. Do this.")))
}

/// As a reconcile writes it.
fn written(stored: &ConnectorStatus, told: &Told, runs: &ConnectorStatus, second: i64) -> ConnectorStatus {
    with_times_of(stored, told.over(&own(), runs, at(second)))
}

fn again(stored: &ConnectorStatus, told: &Told, second: i64) -> ConnectorStatus {
    written(stored, told, &without(stored, at(second)), second)
}

fn shown(status: &ConnectorStatus) -> Vec<String> {
    let show = |it: &Condition| format!("{}={}/{}", it.type_, it.status, it.reason);
    let of_c1 = ["Ready", "C1Connected", "Reconciling", "Stalled"];
    status.conditions.iter().filter(|it| of_c1.contains(&it.type_.as_str())).map(show).collect()
}

const GOOD: [&str; 2] = ["Ready=True/Succeeded", "C1Connected=True/Succeeded"];

#[rstest]
#[case::begins(standing(Standing::Starting), &["Ready=True/Succeeded", "C1Connected=Unknown/Progressing"])]
#[case::not_answered(working(false, None), &["Ready=True/Succeeded", "C1Connected=Unknown/Progressing"])]
#[case::not_answered_once(working(false, Some((2, away()))), &["Ready=True/Succeeded", "C1Connected=Unknown/Progressing"])]
#[case::good(working(true, None), &GOOD)]
#[case::one_failure(working(true, Some((1, away()))), &GOOD)]
#[case::said_no_once(working(true, Some((1, refusal()))), &GOOD)]
#[case::suspended(standing(Standing::Silent), &["Ready=True/Succeeded", "C1Connected=False/Suspended"])]
#[case::away(working(true, Some((3, away()))), &["Ready=False/C1Unavailable", "C1Connected=False/C1Unavailable"])]
#[case::refused(working(false, Some((1, refusal()))), &["Ready=False/C1Refused", "C1Connected=False/C1Refused", "Stalled=True/C1Refused"])]
#[case::refused_later(working(true, Some((2, refusal()))), &["Ready=False/C1Refused", "C1Connected=False/C1Refused", "Stalled=True/C1Refused"])]
#[case::missing(failing(Reason::SecretNotFound), &["Ready=False/SecretNotFound", "C1Connected=False/SecretNotFound", "Reconciling=True/SecretNotFound"])]
#[case::malformed(failing(Reason::CredentialMalformed), &["Ready=False/CredentialMalformed", "C1Connected=False/CredentialMalformed", "Stalled=True/CredentialMalformed"])]
#[case::not_allowed(failing(Reason::HostNotAllowed), &["Ready=False/HostNotAllowed", "C1Connected=False/HostNotAllowed", "Stalled=True/HostNotAllowed"])]
#[case::shared(standing(Standing::Shared(key("identity", "older"))), &["Ready=False/CredentialsShared", "C1Connected=False/CredentialsShared", "Stalled=True/CredentialsShared"])]
fn what_c1_says_of_a_connector_that_has_been_read(#[case] told: Told, #[case] expected: &[&str]) {
    let before = connected();
    let status = written(&before, &told, &before, 100);
    assert_eq!(shown(&status), expected);
    assert_eq!(status.phase, Some(Phase::Connected));
    assert_eq!(again(&status, &told, 200), status, "and says it once");
}

#[test]
fn whoever_has_the_client_id_is_named_in_ones_own_namespace_only() {
    let message = |by| shared(&own(), &by).message;
    assert!(message(key("identity", "older")).starts_with("ScalrConnector older is older"));
    assert!(message(key("elsewhere", "older")).starts_with("A connector in another namespace is older"));
}

#[test]
fn a_restart_is_no_news_until_there_is_some() {
    let runs = connected();
    for told in [working(true, None), working(true, Some((3, away()))), failing(Reason::SecretNotFound)] {
        let stored = written(&runs, &told, &runs, 100);
        for later in [standing(Standing::Starting), working(false, None), working(false, Some((1, away())))] {
            assert_eq!(again(&stored, &later, 200), stored);
        }
        let good = again(&stored, &working(true, None), 300);
        assert_eq!(shown(&good), GOOD);
    }
}

#[test]
fn what_was_said_of_another_generation_or_while_it_was_suspended_is_not_known_any_more() {
    let runs = connected();
    let unknown = ["Ready=True/Succeeded", "C1Connected=Unknown/Progressing"];
    let suspended = written(&runs, &standing(Standing::Silent), &runs, 100);
    assert_eq!(shown(&again(&suspended, &standing(Standing::Starting), 200)), unknown);
    let mut edited = written(&runs, &failing(Reason::CredentialMalformed), &runs, 100);
    edited.observed_generation += 1;
    assert_eq!(shown(&again(&edited, &standing(Standing::Starting), 200)), unknown);
}

#[test]
fn a_run_that_is_waited_for_changes_nothing_of_what_c1_keeps_a_connector_from() {
    let runs = connected();
    let told = failing(Reason::CredentialMalformed);
    let stored = written(&runs, &told, &runs, 100);
    let mut generation = 1;
    let begun = apply(&without(&stored, at(200)), &Step::Begin { edited: false }, &mut generation, 200);
    let begun = written(&stored, &told, &begun, 200);
    let expected = [
        "Ready=False/CredentialMalformed",
        "C1Connected=False/CredentialMalformed",
        "Reconciling=True/Progressing",
    ];
    assert_eq!(shown(&begun), expected);
    assert_eq!(again(&begun, &told, 300), begun);
    let healed = again(&begun, &working(true, None), 300);
    assert_eq!(
        shown(&healed),
        ["Ready=True/Succeeded", "C1Connected=True/Succeeded", "Reconciling=True/Progressing"]
    );
}

#[test]
fn a_connector_that_is_switched_off_lacks_nothing() {
    let suspended = apply(&ConnectorStatus::default(), &Step::Suspend, &mut 1, 100);
    let status = written(&suspended, &failing(Reason::CredentialMalformed), &suspended, 100);
    assert_eq!(shown(&status), ["Ready=True/Suspended", "C1Connected=False/CredentialMalformed"]);
}

#[test]
fn what_c1_took_is_remembered_when_a_worker_no_longer_knows() {
    let runs = connected();
    let mut told = working(true, None);
    told.view.last_upload = Some(LastUpload {
        task_id: "task".into(),
        sync_id: "run".into(),
        digest: "00".into(),
        size: 1,
        time: at(90),
    });
    let stored = written(&runs, &told, &runs, 100);
    assert_eq!(stored.c1.as_ref().unwrap().last_upload.as_ref().unwrap().digest, "sha256:00");
    assert_eq!(again(&stored, &working(true, None), 200), stored);
}

fn told() -> impl Strategy<Value = Told> {
    let failures: Vec<Reason> = Reason::ALL.iter().copied().filter(|it| it.class().is_some()).collect();
    let trouble = proptest::option::of((1_u32..5, any::<bool>()));
    prop_oneof![
        Just(standing(Standing::Starting)),
        Just(standing(Standing::Silent)),
        Just(standing(Standing::Shared(key("identity", "older")))),
        proptest::sample::select(failures).prop_map(failing),
        (any::<bool>(), trouble).prop_map(|(connected, trouble)| {
            let error = |lasts| if lasts { refusal() } else { away() };
            working(connected, trouble.map(|(failures, lasts)| (failures, error(lasts))))
        }),
    ]
}

/// The same, apart from what only C1 has to say, and from times.
fn of_runs(status: &ConnectorStatus) -> ConnectorStatus {
    let mut status = status.clone();
    status.c1 = None;
    status.remove_condition(ConditionType::C1Connected);
    for condition in &mut status.conditions {
        condition.last_transition_time = whole_seconds(at(0));
    }
    status
}

/// Flux's contract, and that times move only with what they are of.
fn assert_contract(before: &ConnectorStatus, after: &ConnectorStatus) -> Result<(), TestCaseError> {
    let status_of = |type_| after.condition(type_).map(|it| it.status.as_str());
    let (reconciling, stalled) = (status_of(ConditionType::Reconciling), status_of(ConditionType::Stalled));
    prop_assert!(reconciling != Some("False") && stalled != Some("False"), "removed, never False");
    prop_assert!(!(reconciling.is_some() && stalled.is_some()));
    prop_assert!(stalled.is_none() || status_of(ConditionType::Ready) != Some("True"));
    for condition in &after.conditions {
        let known = before.conditions.iter().find(|it| it.type_ == condition.type_);
        if let Some(known) = known {
            let same_time = known.last_transition_time == condition.last_transition_time;
            prop_assert_eq!(known.status == condition.status, same_time, "{:?} {:?}", known, condition);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn over_any_history_it_lies_on_what_the_runs_say_and_comes_off_again(
        history in proptest::collection::vec((step(), proptest::collection::vec(told(), 1..4)), 1..30)
    ) {
        let (mut generation, mut second) = (1, 10);
        let mut runs_alone = apply(&ConnectorStatus::default(), &Step::Begin { edited: false }, &mut generation, 0);
        let mut stored = runs_alone.clone();
        for (step, tolds) in history {
            let mut same_generation = generation;
            runs_alone = apply(&runs_alone, &step, &mut same_generation, second);
            let mut runs = apply(&without(&stored, at(second)), &step, &mut generation, second);
            for told in tolds {
                let after = written(&stored, &told, &runs, second);
                prop_assert_eq!(of_runs(&without(&after, at(second))), of_runs(&runs));
                prop_assert_eq!(of_runs(&runs), of_runs(&runs_alone), "runs go on as if there were no C1");
                assert_contract(&stored, &after)?;
                prop_assert_eq!(&again(&after, &told, second + 5), &after, "nothing changed");
                stored = after;
                second += 10;
                runs = without(&stored, at(second));
            }
        }
    }
}

#[test]
fn every_sentence_about_c1_says_what_is_wrong_and_what_to_do() {
    let (host, seconds) = (|| "acme.conductor.one".to_owned(), 60);
    let errors = vec![
        C1Error::Client("the proxy's address is none".into()),
        C1Error::Deposed,
        C1Error::Unreachable { host: host(), problem: "dns error".into() },
        C1Error::TokenRefused { host: host(), status: 401, detail: "invalid_client".into() },
        C1Error::NoToken { host: host(), problem: "answered 503".into() },
        refusal(),
        C1Error::Late { method: "GetTask", seconds },
    ];
    let troubles = errors.into_iter().map(|error| in_trouble(&Trouble { failures: 3, error }));
    let claimed = [shared(&own(), &key("identity", "older")), shared(&own(), &key("elsewhere", "older"))];
    let mut all = String::new();
    for Says { reason, message, .. } in troubles.chain(claimed) {
        crate::sync::assert_says_what_to_do(&message);
        all += &format!("{}: {message}\n", reason.as_str());
    }
    insta::assert_snapshot!(all);
}
