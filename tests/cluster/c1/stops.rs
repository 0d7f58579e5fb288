//! Whatever ends the work for C1 gives back what is in hand, and ends it.

use connector_operator::api::{ConditionType, ScalrConnector};
use kube::api::{Patch, PatchParams};

use super::*;
use crate::upstream::scalr_spec;

async fn suspend(place: &Place<'_>, suspend: bool) {
    let patch = json!({ "spec": { "suspend": suspend } });
    let api = place.api::<ScalrConnector>();
    api.patch("acme", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
}

/// A connector in the middle of a read for a task.
async fn reading(namespace: &str) -> (ScalrSimulator, C1Client, Place<'static>, ScalrConnector, TaskId) {
    let (scalr, client, place) = scalr_for_c1(namespace).await;
    place.apply::<ScalrConnector>("acme", &for_c1(scalr_spec(&scalr), C1_SECRET)).await;
    let before = until_delivering(&place, "acme").await;
    scalr.set_latency(Duration::from_secs(20));
    let task = shared_c1().give(client.index, TaskSpec::sync_full()).unwrap();
    until_reading(shared_c1(), &task, &scalr).await;
    (scalr, client, place, before, task)
}

async fn assert_given_back(task: &TaskId) {
    let finished = shared_c1().until_finished(task, SOON).await.unwrap();
    assert_eq!(refused(&finished).0, "Cancelled");
    assert!(!refused(&finished).2, "it may be retried");
    assert!(shared_c1().files(task).is_empty());
}

#[tokio::test]
async fn a_suspended_connector_gives_its_task_back_and_is_silent_until_it_is_resumed() {
    let (scalr, client, place, before, task) = reading("c1-suspended").await;
    let recording = place.record::<ScalrConnector>("acme").await;
    suspend(&place, true).await;
    assert_given_back(&task).await;
    let suspended: ScalrConnector =
        place.until_condition("acme", ConditionType::C1Connected, "False/Suspended").await;
    let status = suspended.status.as_ref().unwrap();
    assert_eq!(shown_condition(status, ConditionType::Ready).as_deref(), Some(CONNECTED));
    assert_silent(shared_c1(), &client).await;
    let gave_back = |status: &ConnectorStatus| {
        let last = status.c1.as_ref().and_then(|c1| c1.last_task.as_ref());
        last.is_some_and(|last| last.id == task.as_str() && last.result == "Cancelled")
    };
    let settled: ScalrConnector = place.until("acme", "told of the task", gave_back).await;
    assert!(settled.status.as_ref().unwrap().c1.as_ref().is_some_and(|c1| c1.last_upload.is_none()));
    assert_eq!(
        settled.status.as_ref().unwrap().last_published,
        before.status.as_ref().unwrap().last_published
    );

    scalr.set_latency(Duration::ZERO);
    let hellos = hellos_of(&shared_c1().transcript(), &client);
    suspend(&place, false).await;
    until_delivering::<ScalrConnector>(&place, "acme").await;
    assert_eq!(hellos_of(&shared_c1().transcript(), &client), hellos + 1);
    let seen = recording.up_to(is_delivering).await;
    let ready = |status: &ConnectorStatus| shown_condition(status, ConditionType::Ready).unwrap();
    assert!(seen.iter().all(|status| ready(status) == CONNECTED), "{seen:#?}");
    let (_, finished) = sync(shared_c1(), &client).await;
    assert_eq!(finished, Finished::Success);
}

#[tokio::test]
async fn a_deleted_connector_is_gone_at_once_and_gives_its_task_back() {
    let (_scalr, client, place, _, task) = reading("c1-deleted").await;
    place.delete::<ScalrConnector>("acme").await;
    assert!(place.api::<ScalrConnector>().get_opt("acme").await.unwrap().is_none());
    assert_given_back(&task).await;
    assert_silent(shared_c1(), &client).await;
    let operator = crate::operator::shared_operator().await;
    let metrics = operator.metrics().await;
    assert!(!metrics.contains("namespace=\"c1-deleted\""), "{metrics}");
}

#[tokio::test]
async fn a_run_that_c1_no_longer_wants_is_called_off_and_is_no_failure() {
    let (scalr, _, place, before, task) = reading("c1-cancelled").await;
    let shown = |status: &ConnectorStatus| {
        let sync = status.last_sync.as_ref().unwrap();
        sync.completion_time.is_none()
    };
    // It has taken long enough to be shown.
    place.until::<ScalrConnector>("acme", "shown", shown).await;
    shared_c1().cancel(&task).unwrap();
    assert_given_back(&task).await;
    let after: ScalrConnector = place
        .until("acme", "idle", |status| {
            status.last_sync.as_ref().is_some_and(|sync| sync.completion_time.is_some())
        })
        .await;
    let (before, after) = (before.status.unwrap(), after.status.unwrap());
    assert!(is_delivering(&after));
    assert_eq!(shown_condition(&after, ConditionType::Syncing).as_deref(), Some("False/Idle"));
    assert_eq!(after.next_sync_time, before.next_sync_time);
    assert_eq!((after.consecutive_failures, after.last_published), (None, before.last_published));
    let deadline = Instant::now() + SOON;
    while scalr.stats().in_flight > 0 {
        assert!(Instant::now() < deadline, "{:?}", scalr.stats());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let asked = scalr.stats().arrived;
    scalr.set_latency(Duration::ZERO);
    let client = shared_c1().client(shared_c1().task(&task).unwrap().client).unwrap();
    let calls = calls_of(&shared_c1().transcript(), &client);
    shared_c1().until(SOON, |entries| calls_of(entries, &client) > calls + 1).await.unwrap();
    assert_eq!(scalr.stats().arrived, asked, "nobody reads any more");
}

#[tokio::test]
async fn a_connector_that_no_longer_delivers_says_nothing_of_c1_nor_to_it() {
    let (scalr, client, place, _, task) = reading("c1-removed").await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    assert_given_back(&task).await;
    scalr.set_latency(Duration::ZERO);
    let object: ScalrConnector = place.until_connected("acme").await;
    let status = object.status.unwrap();
    assert_eq!((status.condition(ConditionType::C1Connected), &status.c1), (None, &None));
    assert_silent(shared_c1(), &client).await;
}
