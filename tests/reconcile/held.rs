//! A run that the removal guard holds, and how somebody accepts it.

use std::sync::Arc;
use std::time::Duration;

use connector_operator::access::guard::{Removal, Why};
use connector_operator::api::{ACCEPT_REMOVALS, Reason, ScalrConnector};
use connector_operator::sync::{Ended, Failure, Held};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::api_server::ApiServer;
use super::operator::{self, OBJECT, Operator, STATUS, secret, with_status};
use super::{EVENTS, SECRET};

const MESSAGE: &str = "36 of 48 users would go.";
const HELD: [&str; 4] = ["Ready=False", "Connected=True", "Syncing=False", "Stalled=True"];

fn removals(id: &str) -> Result<Ended, Failure> {
    let removal = Removal { scope: "users".into(), before: 48, removed: 36, disabled: 0, why: Why::TooMany };
    Ok(Ended::Held(Held {
        id: id.into(),
        removals: vec![removal],
        counts: [("users".to_owned(), 12)].into(),
        message: MESSAGE.into(),
    }))
}

fn unreachable() -> Result<Ended, Failure> {
    Err(Failure::new(Reason::Unreachable, "Scalr cannot be reached. Check the network."))
}

fn annotated(object: &Arc<ScalrConnector>, id: Option<&str>) -> Arc<ScalrConnector> {
    let mut object = object.as_ref().clone();
    object.annotations_mut().remove(ACCEPT_REMOVALS);
    object.annotations_mut().extend(id.map(|id| (ACCEPT_REMOVALS.to_owned(), id.to_owned())));
    Arc::new(object)
}

/// Restarts the operator when the object's next run is due, and lets that run begin.
async fn begin_when_due(
    operator: Operator,
    object: &Arc<ScalrConnector>,
) -> (Operator, ApiServer, Arc<ScalrConnector>) {
    let (operator, mut api) = operator.restarted();
    let mut due = object.as_ref().clone();
    due.status.as_mut().unwrap().next_sync_time = Some(operator::some_time());
    let due = Arc::new(due);
    // One who has just begun asks whether its view is the present one, before a run that nobody waits for.
    let answered = async {
        let object = serde_json::to_value(due.as_ref()).unwrap();
        api.expect("GET", OBJECT).await.answer(&object);
    };
    let (begun, ()) = tokio::join!(operator.reconcile(&due), answered);
    assert_eq!(begun.unwrap(), operator::await_change());
    assert_eq!(operator.queued(), 1);
    api.expect_nothing().await;
    (operator, api, due)
}

/// What a reconcile writes: the status, and the type, reason and note of the event where there is one.
struct Written {
    conditions: Vec<String>,
    phase: String,
    status: Value,
    event: Option<(String, String, String)>,
}

/// Reconciles, which must write one status and then `events` (none or one), and gives both.
async fn reconciled(
    operator: &Operator,
    api: &mut ApiServer,
    object: &Arc<ScalrConnector>,
    events: usize,
) -> Written {
    let taken = async {
        let patch = api.expect("PATCH", STATUS).await;
        let (conditions, phase) = (patch.conditions(), patch.phase().to_owned());
        let status = patch.body["status"].clone();
        patch.echo();
        let mut written = Written { conditions, phase, status, event: None };
        for _ in 0..events {
            let event = api.expect("POST", EVENTS).await;
            let text = |field: &str| event.body[field].as_str().unwrap().to_owned();
            written.event = Some((text("type"), text("reason"), text("note")));
            event.echo();
        }
        written
    };
    let both = async { tokio::join!(operator.reconcile(object), taken) };
    // One event too many would be waited for without end.
    let (requeue, written) = tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();
    requeue.unwrap();
    api.expect_nothing().await;
    written
}

/// Lets the next run, once it is due, end in this way: what is written then, and the object with it.
async fn next_run(
    operator: Operator,
    object: &Arc<ScalrConnector>,
    result: Result<Ended, Failure>,
    events: usize,
) -> (Operator, Arc<ScalrConnector>, Written) {
    let (operator, mut api, due) = begin_when_due(operator, object).await;
    operator.end_run(&due, result).await;
    let written = reconciled(&operator, &mut api, &due, events).await;
    let after = with_status(&due, &written.status);
    (operator, after, written)
}

/// An object of which the removals `a` are held.
async fn held() -> (Operator, Arc<ScalrConnector>, Written) {
    let (operator, mut api) = Operator::start().await;
    let settled = operator.settled(&mut api).await;
    next_run(operator, &settled, removals("a"), 1).await
}

/// Lets the run in the queue read all there is, and gives what is written then.
async fn read_whole(operator: &Operator, api: &mut ApiServer, object: &Arc<ScalrConnector>) -> Written {
    let secret = secret("7", operator.token());
    operator.work_one(async { api.expect("GET", SECRET).await.answer(&secret) }).await;
    reconciled(operator, api, object, 1).await
}

fn event(type_: &str, reason: &str, note: &str) -> Option<(String, String, String)> {
    Some((type_.to_owned(), reason.to_owned(), note.to_owned()))
}

#[tokio::test]
async fn a_run_that_is_held_is_one_status_and_one_warning() {
    let (operator, mut api) = Operator::start().await;
    let settled = operator.settled(&mut api).await;
    let before = serde_json::to_value(&settled.status).unwrap();
    let (operator, _, written) = next_run(operator, &settled, removals("a"), 1).await;
    assert_eq!((written.phase.as_str(), written.conditions), ("Held", HELD.map(str::to_owned).to_vec()));
    let status = written.status;
    assert_eq!(status["conditions"][0]["reason"], "RemovalsHeld");
    assert_eq!(status["conditions"][0]["message"], MESSAGE);
    assert_eq!(status["held"]["id"], "a");
    assert_eq!(status["held"]["runId"], status["lastSync"]["id"]);
    assert_eq!(
        status["held"]["removals"],
        json!([{ "scope": "users", "before": 48, "removed": 36, "disabled": 0, "why": "TooMany" }])
    );
    assert_eq!(status["lastSync"]["counts"], json!({ "users": 12 }));
    for kept in ["lastPublished", "lastSuccessTime"] {
        assert_eq!(status[kept], before[kept]);
    }
    assert!(status["nextSyncTime"].is_string());
    assert_eq!(written.event, event("Warning", "RemovalsHeld", MESSAGE));
    let metrics = operator.metrics(&with_status(&settled, &status));
    for line in [
        "connector_resource_held{kind=\"ScalrConnector\",namespace=\"identity\",name=\"acme\"} 1\n",
        "connector_sync_total{kind=\"ScalrConnector\",result=\"RemovalsHeld\",trigger=\"Scheduled\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{line}{metrics}");
    }
}

#[tokio::test]
async fn the_same_held_again_is_one_status_and_no_event_and_other_removals_are_told() {
    let (operator, object, first) = held().await;
    let (operator, object, again) = next_run(operator, &object, removals("a"), 0).await;
    assert_eq!(again.status["held"]["since"], first.status["held"]["since"]);
    assert_eq!(again.status["conditions"], first.status["conditions"]);
    let (_, _, others) = next_run(operator, &object, removals("b"), 1).await;
    assert_eq!(others.status["held"]["id"], "b");
    assert_eq!(others.event, event("Warning", "RemovalsHeld", MESSAGE));
}

#[tokio::test]
async fn accepting_what_is_held_starts_a_run_at_once_that_publishes_and_clears_it() {
    let (operator, object, _) = held().await;
    let (operator, mut api) = operator.restarted();
    let approved = annotated(&object, Some("a"));
    let begun = reconciled(&operator, &mut api, &approved, 1).await;
    assert_eq!(begun.phase, "Syncing");
    assert_eq!(begun.conditions, ["Ready=False", "Connected=True", "Syncing=True", "Reconciling=True"]);
    assert_eq!(begun.status["lastSync"]["trigger"], "Approved");
    assert_eq!(begun.status["held"]["id"], "a", "until it is published");
    assert_eq!(begun.status.get("lastHandledApproval"), None);

    let done = read_whole(&operator, &mut api, &approved).await;
    assert_eq!(done.phase, "Connected");
    assert_eq!(done.conditions, ["Ready=True", "Connected=True", "Syncing=False"]);
    assert_eq!(done.status.get("held"), None);
    assert_eq!(done.status["lastHandledApproval"], "a");
    assert_eq!(done.event.unwrap().1, "Connected");
    assert!(operator.metrics(&with_status(&approved, &done.status)).contains(
        "connector_resource_held{kind=\"ScalrConnector\",namespace=\"identity\",name=\"acme\"} 0\n"
    ));

    operator.reconcile(&approved).await.unwrap();
    assert_eq!(operator.queued(), 0, "the annotation that is left behind is quiet");
    api.expect_nothing().await;
}

#[tokio::test]
async fn withdrawing_the_approval_replaces_the_run_that_carries_it_by_one_without() {
    let (operator, object, _) = held().await;
    let (operator, mut api) = operator.restarted();
    let approved = annotated(&object, Some("a"));
    let begun = reconciled(&operator, &mut api, &approved, 1).await;
    let withdrawn = annotated(&with_status(&approved, &begun.status), None);
    for _look in 0..3 {
        operator.reconcile(&withdrawn).await.unwrap();
        assert_eq!(operator.queued(), 1);
    }
    api.expect_nothing().await;
    operator.end_run(&withdrawn, removals("a")).await;
    let done = reconciled(&operator, &mut api, &withdrawn, 1).await;
    assert_eq!((done.phase.as_str(), &done.status["lastSync"]["trigger"]), ("Held", &json!("Scheduled")));
    assert_eq!(done.status.get("lastHandledApproval"), None, "nothing carried it to its end");
}

#[tokio::test]
async fn an_approval_withdrawn_after_its_run_failed_asks_a_person_again() {
    let (operator, object, _) = held().await;
    let (operator, mut api) = operator.restarted();
    let approved = annotated(&object, Some("a"));
    let begun = reconciled(&operator, &mut api, &approved, 1).await;
    let approved = with_status(&approved, &begun.status);
    operator.end_run(&approved, unreachable()).await;
    let failed = reconciled(&operator, &mut api, &approved, 1).await;
    assert_eq!(failed.status["held"]["accepted"], true);
    assert_eq!(failed.conditions, ["Ready=False", "Connected=False", "Syncing=False"]);

    let withdrawn = annotated(&with_status(&approved, &failed.status), None);
    let noted = reconciled(&operator, &mut api, &withdrawn, 0).await;
    assert_eq!(noted.status["held"].get("accepted"), None);
    assert_eq!(noted.conditions, ["Ready=False", "Connected=False", "Syncing=False", "Stalled=True"]);
}

#[tokio::test]
async fn accepting_something_else_is_told_once_and_changes_nothing() {
    let (operator, object, held) = held().await;
    let (operator, mut api) = operator.restarted();
    let mistaken = annotated(&object, Some("b"));
    let noted = reconciled(&operator, &mut api, &mistaken, 1).await;
    let mut expected = held.status.clone();
    expected["lastHandledApproval"] = json!("b");
    assert_eq!(noted.status, expected);
    let (type_, reason, note) = noted.event.unwrap();
    assert_eq!((type_.as_str(), reason.as_str()), ("Warning", "ApprovalDoesNotMatch"));
    assert_eq!(
        note,
        "The annotation connectors.conductorone.com/acceptRemovals names b, but a is held. Look at status.held, \
         and set the annotation to its id to accept it."
    );
    operator.reconcile(&mistaken).await.unwrap();
    assert_eq!(operator.queued(), 0);
    api.expect_nothing().await;

    // Nor after a restart; and the right one is still to be had.
    let mistaken = with_status(&mistaken, &noted.status);
    let (operator, mut api) = operator.restarted();
    operator.reconcile(&mistaken).await.unwrap();
    api.expect_nothing().await;
    let corrected = annotated(&mistaken, Some("a"));
    assert_eq!(reconciled(&operator, &mut api, &corrected, 1).await.phase, "Syncing");
}

#[tokio::test]
async fn accepting_where_nothing_is_held_is_told_and_accepts_nothing_that_is_held_later() {
    let (operator, mut api) = Operator::start().await;
    let settled = operator.settled(&mut api).await;
    let early = annotated(&settled, Some("a"));
    let noted = reconciled(&operator, &mut api, &early, 1).await;
    assert_eq!(
        noted.event.unwrap().2,
        "The annotation connectors.conductorone.com/acceptRemovals names a, but nothing is held. Remove it."
    );
    let early = with_status(&early, &noted.status);
    let (operator, held, written) = next_run(operator, &early, removals("a"), 1).await;
    assert_eq!(written.phase, "Held");
    let (operator, mut api) = operator.restarted();
    operator.reconcile(&held).await.unwrap();
    assert_eq!(operator.queued(), 0);
    api.expect_nothing().await;

    // Removed and set again, it is somebody's word on what is held.
    let removed = annotated(&held, None);
    let forgotten = reconciled(&operator, &mut api, &removed, 0).await;
    assert_eq!(forgotten.status.get("lastHandledApproval"), None);
    let again = annotated(&with_status(&removed, &forgotten.status), Some("a"));
    assert_eq!(reconciled(&operator, &mut api, &again, 1).await.status["lastSync"]["trigger"], "Approved");
}

#[tokio::test]
async fn a_failure_while_something_is_held_is_told_and_forgets_nothing_of_it() {
    let (operator, object, held) = held().await;
    let (_, _, failed) = next_run(operator, &object, unreachable(), 1).await;
    assert_eq!(failed.phase, "Error");
    assert_eq!(failed.conditions, ["Ready=False", "Connected=False", "Syncing=False", "Stalled=True"]);
    assert_eq!(failed.status["conditions"][0]["reason"], "Unreachable");
    assert_eq!(failed.status["conditions"][3]["reason"], "RemovalsHeld");
    assert_eq!(failed.status["held"], held.status["held"]);
    assert_eq!(failed.event.unwrap().1, "Unreachable");
}

#[tokio::test]
async fn a_later_run_within_the_limits_clears_what_was_held() {
    let (operator, object, _) = held().await;
    let (operator, mut api, due) = begin_when_due(operator, &object).await;
    let done = read_whole(&operator, &mut api, &due).await;
    assert_eq!((done.phase.as_str(), done.status.get("held")), ("Connected", None));
    assert_eq!(done.status["lastPublished"]["id"], done.status["lastSync"]["id"]);
    let users = operator.users();
    assert_eq!(done.event, event("Normal", "Connected", &format!("Read {users} users.")));
}
