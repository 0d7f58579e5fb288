//! A connector that was read, and of which C1 does not get what it is to get.

use connector_operator::api::{ConditionType, ScalrConnector};
use connector_simulator::{C1Config, C1Fault};
use serde_json::json;

use super::each_kind;
use super::model::Model;
use super::stage::{CURRENT, FAILED, IN_PROGRESS, Stage, assert_seen};
use crate::c1::away;
use crate::c1::{C1_SECRET, for_c1, secret_of, trust, until_delivering};
use crate::operator::shared_c1;
use crate::upstream::{scalr_spec, with};

/// What stands in the way is told by the condition of C1 first, and by Ready then.
async fn until_kept_from<K: Model>(stage: &Stage<K>, reason: &str) {
    stage.until(ConditionType::C1Connected, &format!("False/{reason}")).await;
    stage.until_not_ready(reason).await;
}

async fn delivering<K: Model>() {
    let stage = Stage::<K>::set("c1").await;
    let client = shared_c1().add_client(&stage.place.namespace).unwrap();
    let spec = for_c1(stage.spec(), C1_SECRET);
    trust(&stage.place, shared_c1()).await;
    stage.apply(&spec).await;
    until_kept_from(&stage, "SecretNotFound").await;
    stage.assert_seen("C1 Secret missing", IN_PROGRESS).await;
    stage.place.put_secret_of(C1_SECRET, &secret_of(&client)).await;
    until_delivering::<K>(&stage.place, K::NAME).await;
    stage.assert_seen("C1 connected", CURRENT).await;

    let other = shared_c1().add_client(&format!("{}-other", stage.place.namespace)).unwrap();
    stage.place.correct_secret(C1_SECRET, "client-secret", &other.client_secret).await;
    until_kept_from(&stage, "C1Refused").await;
    stage.assert_seen("C1 refuses", FAILED).await;
    stage.hang();
    stage.request().await;
    stage.until_running().await;
    stage.assert_seen("C1 refuses, and being read", IN_PROGRESS).await;

    stage.apply(&with(spec, json!({ "suspend": true }))).await;
    stage.until(ConditionType::C1Connected, "False/Suspended").await;
    stage.assert_seen("suspended with C1", CURRENT).await;
}

#[tokio::test]
async fn a_connector_that_c1_does_not_get_is_in_progress_or_has_failed_by_what_is_in_the_way() {
    each_kind!(delivering);
}

async fn sharing<K: Model>() {
    let stage = Stage::<K>::set("c1-shared").await;
    let client = shared_c1().add_client(&stage.place.namespace).unwrap();
    let spec = for_c1(stage.spec(), C1_SECRET);
    trust(&stage.place, shared_c1()).await;
    stage.place.put_secret_of(C1_SECRET, &secret_of(&client)).await;
    stage.place.apply::<K>("a-older", &spec).await;
    until_delivering::<K>(&stage.place, "a-older").await;
    stage.apply(&spec).await;
    until_kept_from(&stage, "CredentialsShared").await;
    stage.assert_seen("C1 client id shared", FAILED).await;
}

#[tokio::test]
async fn a_connector_with_the_client_id_of_an_older_one_has_failed() {
    each_kind!(sharing);
}

#[tokio::test]
async fn a_connector_whose_c1_is_away_is_in_progress() {
    let stage = away::Stage::set(C1Config::default()).await;
    let _operator = stage.operator().await;
    let place = stage.place().await;
    place.apply::<ScalrConnector>("acme", &for_c1(scalr_spec(&stage.scalr), C1_SECRET)).await;
    until_delivering::<ScalrConnector>(&place, "acme").await;
    stage.c1.switch_on(C1Fault::Unavailable, None);
    let away: ScalrConnector =
        place.until_condition("acme", ConditionType::Ready, "False/C1Unavailable").await;
    place.until_told(&away, "C1Unavailable").await;
    assert_seen::<ScalrConnector>(&place, "acme", "C1 away", IN_PROGRESS).await;
}

#[tokio::test]
async fn a_connector_whose_c1_is_not_allowed_has_failed() {
    let config = C1Config { tenant_host: "c1.example.com".to_owned(), ..C1Config::default() };
    let stage = away::Stage::set(config).await;
    let _operator = stage.operator_with(&[]).await;
    let place = stage.place().await;
    place.apply::<ScalrConnector>("acme", &stage.spec()).await;
    let refused: ScalrConnector =
        place.until_condition("acme", ConditionType::Ready, "False/HostNotAllowed").await;
    place.until_told(&refused, "HostNotAllowed").await;
    assert_seen::<ScalrConnector>(&place, "acme", "C1 host not allowed", FAILED).await;
}
