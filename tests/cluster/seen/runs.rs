//! A connector that is new, read, edited, asked for, suspended and deleted.

use connector_operator::api::{ConditionType, ConnectorStatus};
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::time::Duration;

use super::each_kind;
use super::judge::judge;
use super::model::Model;
use super::stage::{CURRENT, IN_PROGRESS, Stage, TERMINATING, with_status};
use crate::upstream::with;

async fn new<K: Model>() {
    let stage = Stage::<K>::set("new").await;
    stage.hang();
    let fresh = stage.apply(&stage.spec()).await;
    let judged = judge(&[serde_json::to_value(&fresh).unwrap()]).remove(0);
    let not_looked_at = format!("{} generation is 1, but latest observed generation is -1", K::KIND);
    assert_eq!((judged.status.as_str(), judged.message), (IN_PROGRESS, not_looked_at));
    stage.until_running().await;
    stage.assert_seen("first run", IN_PROGRESS).await;
}

#[tokio::test]
async fn a_new_connector_is_in_progress_before_anybody_has_looked_at_it_and_while_it_is_read() {
    each_kind!(new);
}

async fn connected<K: Model>() {
    let stage = Stage::<K>::connected("connected").await;
    stage.place.until_told(&stage.place.get::<K>(K::NAME).await, "Connected").await;
    stage.assert_seen("connected", CURRENT).await;
}

#[tokio::test]
async fn a_connector_that_was_read_is_current() {
    each_kind!(connected);
}

async fn edited<K: Model>() {
    let stage = Stage::<K>::connected("edited").await;
    stage.hang();
    let edited = stage.apply(&with(stage.spec(), json!({ "owner": "ada@example.com" }))).await;
    let judged = judge(&[serde_json::to_value(&edited).unwrap()]).remove(0);
    assert_eq!(judged.status, IN_PROGRESS, "before anybody has looked at it");
    stage.until_running().await;
    stage.assert_seen("edited and being read", IN_PROGRESS).await;
}

#[tokio::test]
async fn an_edited_connector_is_in_progress_until_it_was_read() {
    each_kind!(edited);
}

async fn asked_for<K: Model>() {
    let stage = Stage::<K>::connected("asked-for").await;
    stage.hang();
    stage.request().await;
    stage.until_running().await;
    stage.assert_seen("asked for and being read", IN_PROGRESS).await;
}

#[tokio::test]
async fn a_connector_that_is_read_because_somebody_asked_is_in_progress() {
    each_kind!(asked_for);
}

async fn periodic<K: Model>() {
    let stage = Stage::<K>::set("periodic").await;
    stage.apply(&with(stage.spec(), json!({ "schedule": { "interval": "2s" } }))).await;
    let object: K = stage.place.until_connected(K::NAME).await;
    let recording = stage.place.record::<K>(K::NAME).await;
    // Long enough to be shown.
    stage.upstream.set_latency(Duration::from_millis(1500));
    let runs = |status: &ConnectorStatus| status.last_sync.as_ref().unwrap().completion_time.is_none();
    let running = recording.up_to(runs).await.pop().unwrap();
    stage.assert_seen("periodic run", CURRENT).await;
    let id = running.last_sync.unwrap().id;
    let seen = recording
        .up_to(|status| {
            let run = status.last_sync.as_ref().unwrap();
            run.id == id && run.completion_time.is_some()
        })
        .await;
    let objects: Vec<_> = seen.iter().map(|status| with_status(&object, status)).collect();
    for judged in judge(&objects) {
        assert_eq!(judged.status, CURRENT, "{judged:?}");
    }
    stage.place.delete::<K>(K::NAME).await;
}

#[tokio::test]
async fn a_connector_stays_current_through_a_periodic_run_that_is_long_enough_to_be_shown() {
    each_kind!(periodic);
}

async fn suspended<K: Model>() {
    let stage = Stage::<K>::connected("suspended").await;
    stage.apply(&with(stage.spec(), json!({ "suspend": true }))).await;
    let object = stage.until(ConditionType::Syncing, "False/Suspended").await;
    stage.place.until_told(&object, "Suspended").await;
    stage.assert_seen("suspended", CURRENT).await;
}

#[tokio::test]
async fn a_suspended_connector_that_was_read_is_current() {
    each_kind!(suspended);
}

async fn suspended_from_the_start<K: Model>() {
    let stage = Stage::<K>::set("never-ran").await;
    stage.apply(&with(stage.spec(), json!({ "suspend": true }))).await;
    let object = stage.until(ConditionType::Syncing, "False/Suspended").await;
    stage.place.until_told(&object, "Suspended").await;
    stage.assert_seen("suspended from the start", CURRENT).await;
}

#[tokio::test]
async fn a_connector_that_was_suspended_from_the_start_is_current() {
    each_kind!(suspended_from_the_start);
}

async fn deleted<K: Model>() {
    let stage = Stage::<K>::connected("deleted").await;
    stage.hang();
    stage.request().await;
    stage.until_running().await;
    // Somebody else's, since the operator has none: otherwise the object is gone before anybody can look.
    let finalizers = |them: serde_json::Value| Patch::Merge(json!({ "metadata": { "finalizers": them } }));
    let api = stage.place.api::<K>();
    let change = PatchParams::default();
    api.patch(K::NAME, &change, &finalizers(json!(["example.com/somebody-elses"]))).await.unwrap();
    stage.place.delete::<K>(K::NAME).await;
    stage.assert_seen("being deleted", TERMINATING).await;
    api.patch(K::NAME, &change, &finalizers(json!([]))).await.unwrap();
    assert!(api.get_opt(K::NAME).await.unwrap().is_none());
}

#[tokio::test]
async fn a_connector_that_is_being_deleted_is_terminating() {
    each_kind!(deleted);
}
