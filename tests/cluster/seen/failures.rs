//! A connector that lacks something, is refused, or does not reach its upstream.

use connector_operator::api::{ConditionType, PlanetScaleConnector, ScalrConnector};
use connector_simulator::{Extent, Fault};
use serde_json::{Value, json};
use testbed::probe;

use super::each_kind;
use super::model::Model;
use super::stage::{FAILED, IN_PROGRESS, Stage};
use crate::upstream::with;

async fn without_secret<K: Model>() {
    let stage = Stage::<K>::without_secret("no-secret").await;
    stage.apply(&stage.spec()).await;
    stage.until_not_ready("SecretNotFound").await;
    stage.assert_seen("Secret missing", IN_PROGRESS).await;
    stage.place.put_secret(K::SECRET.0, "another-key", "something").await;
    stage.until_not_ready("SecretKeyMissing").await;
    stage.assert_seen("key missing", IN_PROGRESS).await;
}

#[tokio::test]
async fn a_connector_whose_secret_or_key_is_missing_is_in_progress() {
    each_kind!(without_secret);
}

async fn without_ca_bundle<K: Model>() {
    let stage = Stage::<K>::set("no-ca-bundle").await;
    let reference = json!({ "caBundleRef": { "kind": "ConfigMap", "name": "corp-ca" } });
    stage.apply(&with(stage.spec(), reference)).await;
    stage.until_not_ready("CaBundleNotFound").await;
    stage.assert_seen("CA bundle missing", IN_PROGRESS).await;
    stage.place.put_config_map("corp-ca", "ca.crt", "none").await;
    stage.request().await;
    stage.until_not_ready("CaBundleInvalid").await;
    stage.assert_seen("CA bundle invalid", FAILED).await;
}

#[tokio::test]
async fn a_connector_whose_ca_bundle_is_missing_is_in_progress_and_one_whose_is_none_has_failed() {
    each_kind!(without_ca_bundle);
}

async fn refused<K: Model>() {
    let stage = Stage::<K>::connected("refused").await;
    stage.upstream.set_token("rotated-id:rotated-at-the-vendor").unwrap();
    stage.request().await;
    stage.until_not_ready("Unauthorized").await;
    stage.assert_seen("credential refused", FAILED).await;
    stage.place.correct_secret(K::SECRET.0, K::SECRET.1, "of the wrong form").await;
    stage.until_not_ready("CredentialMalformed").await;
    stage.assert_seen("credential malformed", FAILED).await;
}

#[tokio::test]
async fn a_connector_whose_credential_is_refused_or_malformed_has_failed() {
    each_kind!(refused);
}

/// Somewhere else than the upstream is.
fn elsewhere<K: Model>(address: &str) -> Value {
    json!({ K::ADDRESS: address })
}

async fn not_allowed<K: Model>() {
    let stage = Stage::<K>::set("not-allowed").await;
    stage.apply(&with(stage.spec(), elsewhere::<K>("https://iam.corp.example"))).await;
    stage.until_not_ready("HostNotAllowed").await;
    stage.assert_seen("host not allowed", FAILED).await;
}

#[tokio::test]
async fn a_connector_of_a_host_that_is_not_allowed_has_failed() {
    each_kind!(not_allowed);
}

async fn never_due<K: Model>() {
    let stage = Stage::<K>::set("never-due").await;
    stage.apply(&with(stage.spec(), json!({ "schedule": { "cron": "0 6 31 2 *" } }))).await;
    stage.until_not_ready("InvalidSpec").await;
    stage.assert_seen("spec that can never work", FAILED).await;
}

#[tokio::test]
async fn a_connector_that_would_never_be_due_has_failed() {
    each_kind!(never_due);
}

async fn unreachable<K: Model>() {
    let stage = Stage::<K>::set("unreachable").await;
    let nobody = probe::free_address().unwrap();
    stage.apply(&with(stage.spec(), elsewhere::<K>(&format!("http://{nobody}")))).await;
    stage.until_not_ready("Unreachable").await;
    stage.assert_seen("unreachable from the start", IN_PROGRESS).await;
}

async fn in_trouble<K: Model>() {
    let stage = Stage::<K>::connected("in-trouble").await;
    stage.upstream.switch_on(Fault::TruncatedBody, &Extent::default()).unwrap();
    stage.request().await;
    stage.until_not_ready("UnexpectedResponse").await;
    stage.assert_seen("truncated answer after a success", IN_PROGRESS).await;
    stage.apply(&with(stage.spec(), json!({ "suspend": true }))).await;
    stage.until(ConditionType::Syncing, "False/Suspended").await;
    stage.assert_seen("suspended after a failure", IN_PROGRESS).await;
}

#[tokio::test]
async fn a_connector_whose_failure_is_tried_again_is_in_progress() {
    each_kind!(unreachable);
    each_kind!(in_trouble);
}

#[tokio::test]
async fn a_connector_of_an_unknown_account_has_failed() {
    let stage = Stage::<ScalrConnector>::set("unknown-account").await;
    stage.apply(&with(stage.spec(), json!({ "account": "amce" }))).await;
    stage.until_not_ready("AccountNotFound").await;
    stage.assert_seen("unknown account", FAILED).await;
}

#[tokio::test]
async fn a_connector_that_may_not_read_an_organization_has_failed() {
    let stage = Stage::<PlanetScaleConnector>::set("no-grant").await;
    stage.upstream.set_granted("org-2", false).unwrap();
    stage.apply(&stage.spec()).await;
    stage.until_not_ready("MissingGrant").await;
    stage.assert_seen("missing grant", FAILED).await;
}
