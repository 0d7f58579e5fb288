//! Every request that a reconcile sends to the API server: method, path and body, in order. The API server is a
//! script, the upstream a simulator.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "reconcile/api_server.rs"]
mod api_server;
#[path = "reconcile/c1.rs"]
mod c1;
#[path = "reconcile/held.rs"]
mod held;
#[path = "reconcile/operator.rs"]
mod operator;

use std::sync::Arc;

use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::Event;
use serde_json::json;

use api_server::ApiServer;
use connector_operator::api::ScalrConnector;
use operator::{Operator, STATUS, connector, secret, with_status};

/// Reconciles a fresh object up to the point where its run waits in the queue, and returns the object as stored.
async fn begin(operator: &Operator, api: &mut ApiServer) -> Arc<ScalrConnector> {
    let fresh = connector(&operator.upstream());
    let (_, written) = tokio::join!(operator.reconcile(&fresh), async {
        let status = api.expect("PATCH", STATUS).await;
        let written = status.body["status"].clone();
        status.echo();
        api.expect("POST", EVENTS).await.echo();
        written
    });
    with_status(&fresh, &written)
}

const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/identity/events";
const SECRET: &str = "/api/v1/namespaces/identity/secrets/scalr-acme";

#[tokio::test]
async fn a_first_sync_is_two_status_writes_two_events_and_one_secret_read() {
    let (operator, mut api) = Operator::start().await;
    let fresh = connector(&operator.upstream());

    let (requeue, ()) = tokio::join!(operator.reconcile(&fresh), async {
        let status = api.expect("PATCH", STATUS).await;
        assert_eq!(status.query, "force=true&fieldManager=connector-operator");
        assert_eq!(status.body["apiVersion"], "connectors.conductorone.com/v1alpha1");
        assert_eq!(status.body["metadata"], json!({ "name": "acme", "uid": "uid-1" }));
        assert_eq!(status.phase(), "Syncing");
        assert_eq!(status.body["status"]["observedGeneration"], 1);
        assert_eq!(
            status.conditions(),
            ["Ready=Unknown", "Connected=Unknown", "Syncing=True", "Reconciling=True"]
        );
        assert_eq!(status.body["status"]["lastSync"]["trigger"], "First");
        status.echo();
        let event = api.expect("POST", EVENTS).await;
        assert_eq!((&event.body["type"], &event.body["reason"]), (&json!("Normal"), &json!("Syncing")));
        assert_eq!(event.body["note"], "Reading the Scalr account acme.");
        event.echo();
    });
    assert_eq!(requeue.unwrap(), operator::await_change());

    let run = operator.work_one(async {
        api.expect("GET", SECRET).await.answer(&secret("7", operator.token()));
    });
    run.await;

    let stored = operator.unseen(&fresh);
    let (requeue, ()) = tokio::join!(operator.reconcile(&stored), async {
        let status = api.expect("PATCH", STATUS).await;
        assert_eq!(status.phase(), "Connected");
        assert_eq!(status.conditions(), ["Ready=True", "Connected=True", "Syncing=False"]);
        let status_body = &status.body["status"];
        assert_eq!(status_body["observedSecretVersion"], "7");
        assert_eq!(status_body["lastPublished"]["counts"]["users"], operator.users());
        assert_eq!(status_body["lastSync"]["id"], status_body["lastPublished"]["id"]);
        assert!(status_body["nextSyncTime"].is_string());
        status.echo();
        let event = api.expect("POST", EVENTS).await;
        assert_eq!(event.body["reason"], "Connected");
        assert_eq!(event.body["note"], format!("Read {} users.", operator.users()));
        event.echo();
    });
    assert!(requeue.unwrap() != operator::await_change(), "it looks again when the next sync is due");
    api.expect_nothing().await;
}

#[tokio::test]
async fn an_unchanged_object_that_is_not_due_asks_for_nothing() {
    let (operator, mut api) = Operator::start().await;
    let settled = operator.settled(&mut api).await;
    let requeue = operator.reconcile(&settled).await.unwrap();
    assert!(requeue != operator::await_change());
    api.expect_nothing().await;
}

#[tokio::test]
async fn the_echo_of_our_own_write_may_come_late_without_a_second_run() {
    let (operator, mut api) = Operator::start().await;
    operator.settled(&mut api).await;
    let as_the_watch_still_shows_it = connector(&operator.upstream());
    operator.reconcile(&as_the_watch_still_shows_it).await.unwrap();
    assert_eq!(operator.queued(), 0);
    api.expect_nothing().await;
}

#[tokio::test]
async fn what_the_watch_shows_by_now_counts_and_not_what_the_controller_took_before() {
    let (operator, mut api) = Operator::start().await;
    let settled = operator.settled(&mut api).await;
    let (operator, mut api) = operator.restarted();
    let taken_before = connector(&operator.upstream());
    let mut shown = Writer::default();
    shown.apply_watcher_event(&Event::Apply(settled.as_ref().clone()));
    operator.reconcile_where(&taken_before, &shown).await.unwrap();
    assert_eq!(operator.queued(), 0);

    // One that was made after this one was deleted is none of its.
    let mut another = taken_before.as_ref().clone();
    another.metadata.uid = Some("uid-2".to_owned());
    shown.apply_watcher_event(&Event::Apply(another));
    operator.reconcile_where(&settled, &shown).await.unwrap();
    api.expect_nothing().await;
}

#[tokio::test]
async fn a_missing_secret_is_pending_and_says_what_to_create() {
    let (operator, mut api) = Operator::start().await;
    let begun = begin(&operator, &mut api).await;
    operator.work_one(async { api.expect("GET", SECRET).await.not_found() }).await;

    let (requeue, ()) = tokio::join!(operator.reconcile(&begun), async {
        let status = api.expect("PATCH", STATUS).await;
        let message = "The Secret scalr-acme of spec.apiTokenSecretRef does not exist in namespace identity. \
                       Create it with the Scalr API token under the key api-token.";
        assert_eq!(status.phase(), "Pending");
        assert_eq!(
            status.conditions(),
            ["Ready=False", "Connected=Unknown", "Syncing=False", "Reconciling=True"]
        );
        assert_eq!(status.body["status"]["conditions"][0]["reason"], "SecretNotFound");
        assert_eq!(status.body["status"]["conditions"][0]["message"], message);
        assert_eq!(status.body["status"].get("observedSecretVersion"), None);
        status.echo();
        let event = api.expect("POST", EVENTS).await;
        assert_eq!(event.body["type"], "Warning");
        assert_eq!(event.body["note"], message);
        event.echo();
    });
    assert!(requeue.unwrap() != operator::await_change(), "it tries again by itself");
    api.expect_nothing().await;
}

#[tokio::test]
async fn a_refused_token_is_an_error_that_waits_for_a_change() {
    let (operator, mut api) = Operator::start().await;
    let begun = begin(&operator, &mut api).await;
    let wrong = secret("7", "wrong-token-canary");
    operator.work_one(async { api.expect("GET", SECRET).await.answer(&wrong) }).await;

    let (result, ()) = tokio::join!(operator.reconcile(&begun), async {
        let status = api.expect("PATCH", STATUS).await;
        assert_eq!(status.phase(), "Error");
        assert_eq!(status.conditions(), ["Ready=False", "Connected=False", "Syncing=False", "Stalled=True"]);
        assert_eq!(status.body["status"]["conditions"][0]["reason"], "Unauthorized");
        let message = status.body["status"]["conditions"][0]["message"].as_str().unwrap().to_owned();
        assert!(
            message.ends_with("Create a new API token and put it into key api-token of Secret scalr-acme.")
        );
        assert!(!status.body.to_string().contains("canary"));
        status.echo();
        let event = api.expect("POST", EVENTS).await;
        assert_eq!(event.body["note"], message);
        event.echo();
    });
    result.unwrap();
    api.expect_nothing().await;
}

#[tokio::test]
async fn a_conflict_on_the_status_loses_no_outcome() {
    let (operator, mut api) = Operator::start().await;
    let begun = begin(&operator, &mut api).await;
    let secret = secret("7", operator.token());
    operator.work_one(async { api.expect("GET", SECRET).await.answer(&secret) }).await;

    let (failed, ()) = tokio::join!(operator.reconcile(&begun), async {
        api.expect("PATCH", STATUS).await.conflict();
    });
    assert_eq!(failed.unwrap_err().to_string(), "the object has changed meanwhile");

    let (again, ()) = tokio::join!(operator.reconcile(&begun), async {
        let status = api.expect("PATCH", STATUS).await;
        assert_eq!(status.phase(), "Connected");
        status.echo();
        api.expect("POST", EVENTS).await.echo();
    });
    again.unwrap();
    api.expect_nothing().await;
}

#[tokio::test]
async fn an_object_deleted_in_mid_run_is_left_alone() {
    let (operator, mut api) = Operator::start().await;
    let begun = begin(&operator, &mut api).await;
    let secret = secret("7", operator.token());
    operator.work_one(async { api.expect("GET", SECRET).await.answer(&secret) }).await;

    let (gone, ()) = tokio::join!(operator.reconcile(&begun), async {
        api.expect("PATCH", STATUS).await.not_found();
    });
    assert_eq!(gone.unwrap(), operator::await_change());
    assert_eq!(operator.queued(), 0);
    api.expect_nothing().await;
}

#[tokio::test]
async fn an_object_that_is_being_deleted_is_not_touched_and_its_run_ends() {
    let (operator, mut api) = Operator::start().await;
    let begun = begin(&operator, &mut api).await;
    let mut deleting = begun.as_ref().clone();
    deleting.metadata.deletion_timestamp = Some(operator::some_time());
    assert_eq!(operator.reconcile(&Arc::new(deleting)).await.unwrap(), operator::await_change());
    assert_eq!(operator.queued(), 0);
    api.expect_nothing().await;
}

#[tokio::test]
async fn suspending_cancels_the_run_and_says_so() {
    let (operator, mut api) = Operator::start().await;
    let begun = begin(&operator, &mut api).await;
    let mut suspended = begun.as_ref().clone();
    suspended.metadata.generation = Some(2);
    suspended.spec.common.suspend = Some(true);
    let suspended = Arc::new(suspended);
    let (requeue, ()) = tokio::join!(operator.reconcile(&suspended), async {
        let status = api.expect("PATCH", STATUS).await;
        assert_eq!(status.phase(), "Suspended");
        assert_eq!(status.conditions(), ["Ready=True", "Connected=Unknown", "Syncing=False"]);
        assert_eq!(status.body["status"]["observedGeneration"], 2);
        assert_eq!(status.body["status"].get("lastSync"), None);
        status.echo();
        let event = api.expect("POST", EVENTS).await;
        assert_eq!(event.body["reason"], "Suspended");
        event.echo();
    });
    assert_eq!(requeue.unwrap(), operator::await_change());
    assert_eq!(operator.queued(), 0);
    api.expect_nothing().await;
}
