//! A connector of which more would go than may without somebody's word.

use connector_operator::api::{ACCEPT_REMOVALS, ConditionType};
use connector_simulator::{Extent, Fault};

use super::each_kind;
use super::model::Model;
use super::stage::{FAILED, IN_PROGRESS, Stage};
use crate::baton::published_file;

async fn held<K: Model>() {
    let stage = Stage::<K>::connected("held").await;
    K::lose_many(&stage.upstream);
    stage.request().await;
    stage.until_not_ready("RemovalsHeld").await;
    let held = stage.assert_seen("removals held", FAILED).await;
    let id = stage.place.get::<K>(K::NAME).await.status().unwrap().held.clone().unwrap().id;
    assert!(held.message.contains(ACCEPT_REMOVALS) && held.message.contains(&id), "{held:?}");

    stage.upstream.switch_on(Fault::TruncatedBody, &Extent::default()).unwrap();
    stage.place.request::<K>(K::NAME, "in trouble").await;
    stage.until_not_ready("UnexpectedResponse").await;
    let waits = stage.assert_seen("truncated answer while removals are held", FAILED).await;
    assert!(waits.message.contains(ACCEPT_REMOVALS) && waits.message.contains(&id), "{waits:?}");

    stage.place.accept::<K>(K::NAME, &id).await;
    let accepted = |status: &connector_operator::api::ConnectorStatus| {
        status.held.as_ref().is_some_and(|hold| hold.accepted)
            && status.condition(ConditionType::Stalled).is_none()
    };
    stage.place.until::<K>(K::NAME, "accepted in vain", accepted).await;
    stage.assert_seen("truncated answer after removals were accepted", IN_PROGRESS).await;
}

#[tokio::test]
async fn a_connector_whose_removals_are_held_has_failed_until_somebody_accepts_them() {
    each_kind!(held);
}

async fn lost<K: Model>() {
    let stage = Stage::<K>::connected("lost").await;
    let published = published_file(&stage.place.get::<K>(K::NAME).await);
    std::fs::remove_dir_all(published.parent().unwrap()).unwrap();
    K::lose_one(&stage.upstream);
    stage.request().await;
    stage.until_not_ready("BaselineLost").await;
    stage.assert_seen("baseline lost", FAILED).await;
}

#[tokio::test]
async fn a_connector_whose_baseline_is_lost_has_failed() {
    each_kind!(lost);
}
