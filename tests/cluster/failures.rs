//! The rows of the table of states that are no good news: what is wrong, in which words, whether it is tried again,
//! and how it heals.

use axum::Router;
use axum::http::StatusCode;
use connector_operator::api::{
    ConditionType, ConnectorObject, PlanetScaleConnector, ScalrConnector, Trigger,
};
use connector_simulator::{PlanetScaleConfig, PlanetScaleSimulator};
use kube::ResourceExt;
use serde_json::json;
use testbed::probe;

use crate::operator::kubectl;
use crate::place::{Place, assert_up_to_date, message, shown};
use crate::upstream::{
    PLANETSCALE_SECRET, SCALR_SECRET, place_for, planetscale_spec, scalr, scalr_spec, with,
};

fn authority(base_url: &str) -> &str {
    base_url.strip_prefix("http://").unwrap()
}

/// The object, in a state that Ready's message explains, with an event and a `-o wide` that say the same.
async fn assert_explained<K: ConnectorObject>(place: &Place<'_>, object: &K, explanation: &str) {
    assert_up_to_date(object);
    assert_eq!(message(object, ConditionType::Ready), explanation);
    let reason = object.status().unwrap().condition(ConditionType::Ready).unwrap().reason.clone();
    let told = place.until_told(object, &reason).await;
    assert_eq!(told.last().unwrap(), &("Warning".to_owned(), reason, explanation.to_owned()));
    let line = place.line(&[K::crd().spec.names.plural.as_str(), &object.name_any(), "-o", "wide"]).await;
    assert!(line.ends_with(explanation), "{line}");
}

#[tokio::test]
async fn a_missing_secret_is_pending_and_heals_by_itself() {
    let scalr = scalr().await;
    let place = Place::new("no-secret").await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    let pending: ScalrConnector =
        place.until_condition("acme", ConditionType::Ready, "False/SecretNotFound").await;
    assert_eq!(
        shown(pending.status.as_ref().unwrap()),
        "Pending: Ready=False/SecretNotFound Connected=Unknown/SecretNotFound Syncing=False/Idle \
         Reconciling=True/SecretNotFound"
    );
    let explanation = "The Secret scalr-acme of spec.apiTokenSecretRef does not exist in namespace no-secret. \
                       Create it with the Scalr API token under the key api-token.";
    assert_explained(&place, &pending, explanation).await;

    place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
    let healed: ScalrConnector = place.until_connected("acme").await;
    assert_eq!(healed.status.as_ref().unwrap().last_sync.as_ref().unwrap().trigger, Trigger::SecretChanged);
    assert_eq!(healed.status.as_ref().unwrap().consecutive_failures, None);
    assert_eq!(healed.metadata.generation, pending.metadata.generation);
}

#[tokio::test]
async fn a_secret_that_goes_is_noticed_at_once_and_what_was_published_stays() {
    let scalr = scalr().await;
    let place = place_for(&scalr, "secret-gone").await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    let connected: ScalrConnector = place.until_connected("acme").await;
    place.delete_secret(SCALR_SECRET.0).await;
    let pending: ScalrConnector =
        place.until_condition("acme", ConditionType::Ready, "False/SecretNotFound").await;
    let (before, after) = (connected.status.unwrap(), pending.status.unwrap());
    assert_eq!(after.last_published, before.last_published);
    assert_eq!(after.last_success_time, before.last_success_time);
}

#[tokio::test]
async fn a_missing_key_is_named_and_heals_by_itself() {
    let scalr = scalr().await;
    let place = Place::new("no-key").await;
    place.put_secret(SCALR_SECRET.0, "token", &scalr.token()).await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    let pending: ScalrConnector =
        place.until_condition("acme", ConditionType::Ready, "False/SecretKeyMissing").await;
    assert_eq!(
        shown(pending.status.as_ref().unwrap()),
        "Pending: Ready=False/SecretKeyMissing Connected=Unknown/SecretKeyMissing Syncing=False/Idle \
         Reconciling=True/SecretKeyMissing"
    );
    let explanation = "The key api-token of spec.apiTokenSecretRef does not exist in the Secret scalr-acme. \
                       Put the Scalr API token there.";
    assert_explained(&place, &pending, explanation).await;

    place.correct_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
    place.until_connected::<ScalrConnector>("acme").await;
}

#[tokio::test]
async fn a_refused_token_is_an_error_and_heals_when_the_secret_is_corrected() {
    let scalr = scalr().await;
    let place = Place::new("refused").await;
    place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, "expired").await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    let refused: ScalrConnector =
        place.until_condition("acme", ConditionType::Ready, "False/Unauthorized").await;
    assert_eq!(
        shown(refused.status.as_ref().unwrap()),
        "Error: Ready=False/Unauthorized Connected=False/Unauthorized Syncing=False/Idle \
         Stalled=True/Unauthorized"
    );
    let explanation = format!(
        "Scalr refused the credential: GET {}/api/iacp/v3/accounts answered 401 Unauthorized: The authentication \
         token is absent or invalid. Create a new API token and put it into key api-token of Secret \
         scalr-acme.",
        authority(scalr.base_url())
    );
    assert_explained(&place, &refused, &explanation).await;
    assert_eq!(scalr.stats().total(), 1, "a refused token is not tried again and again");

    place.correct_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
    let healed: ScalrConnector = place.until_connected("acme").await;
    let told: Vec<String> =
        place.until_told(&healed, "Connected").await.into_iter().map(|(_, reason, _)| reason).collect();
    assert_eq!(told, ["Syncing", "Unauthorized", "Syncing", "Connected"]);
}

#[tokio::test]
async fn a_missing_grant_is_an_error_that_names_the_grant() {
    let planetscale = PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap();
    planetscale.set_granted("org-2", false).unwrap();
    let place = Place::new("no-grant").await;
    place.put_secret(PLANETSCALE_SECRET.0, PLANETSCALE_SECRET.1, &planetscale.token()).await;
    place.apply::<PlanetScaleConnector>("all", &planetscale_spec(&planetscale)).await;
    let refused: PlanetScaleConnector =
        place.until_condition("all", ConditionType::Ready, "False/MissingGrant").await;
    assert_eq!(
        shown(refused.status.as_ref().unwrap()),
        "Error: Ready=False/MissingGrant Connected=False/MissingGrant Syncing=False/Idle \
         Stalled=True/MissingGrant"
    );
    let explanation = format!(
        "PlanetScale does not let the credential read the members of the organization org-2: GET \
         {}/v1/organizations/org-2/members answered 404 Not Found. Give the service token in key service-token of \
         Secret planetscale the access grant read_organization on the organization org-2. Nothing has been \
         published yet.",
        authority(planetscale.base_url())
    );
    assert_explained(&place, &refused, &explanation).await;
}

#[tokio::test]
async fn an_unknown_account_is_an_error_that_waits_for_a_change() {
    let scalr = scalr().await;
    let place = place_for(&scalr, "unknown-account").await;
    let spec = with(scalr_spec(&scalr), json!({ "account": "amce" }));
    place.apply::<ScalrConnector>("acme", &spec).await;
    let unknown: ScalrConnector =
        place.until_condition("acme", ConditionType::Ready, "False/AccountNotFound").await;
    assert_eq!(
        shown(unknown.status.as_ref().unwrap()),
        "Error: Ready=False/AccountNotFound Connected=False/AccountNotFound Syncing=False/Idle \
         Stalled=True/AccountNotFound"
    );
    let explanation = format!(
        "{} shows this token no account named `amce`: the name is wrong, or the token is of another account. Check \
         spec.account, and that the API token in key api-token of Secret scalr-acme belongs to that account. Nothing has been \
         published yet.",
        authority(scalr.base_url())
    );
    assert_explained(&place, &unknown, &explanation).await;
}

#[tokio::test]
async fn an_unreachable_host_is_an_error_that_is_tried_again() {
    let scalr = scalr().await;
    let place = place_for(&scalr, "unreachable").await;
    let nobody = probe::free_address().unwrap();
    let spec = with(scalr_spec(&scalr), json!({ "baseUrl": format!("http://{nobody}") }));
    place.apply::<ScalrConnector>("acme", &spec).await;
    let unreachable: ScalrConnector =
        place.until_condition("acme", ConditionType::Ready, "False/Unreachable").await;
    place.delete::<ScalrConnector>("acme").await;
    let problem = format!(
        "{nobody} cannot be reached: Connection refused (os error 111). Check spec.baseUrl, DNS, proxy and network \
         policy. Nothing has been published yet."
    );
    assert_eq!(message(&unreachable, ConditionType::Ready), problem);
    let status = unreachable.status.clone().unwrap();
    assert_eq!(
        shown(&status),
        "Error: Ready=False/Unreachable Connected=False/Unreachable Syncing=False/Idle"
    );
    assert_eq!(status.consecutive_failures, Some(1));
    let wait =
        status.next_sync_time.unwrap().0.duration_since(status.last_sync.unwrap().completion_time.unwrap().0);
    assert!((15..=30).contains(&wait.as_secs()), "{wait}");
}

#[tokio::test]
async fn a_host_that_is_not_allowed_gets_no_token() {
    let scalr = scalr().await;
    let place = place_for(&scalr, "not-allowed").await;
    let spec = with(scalr_spec(&scalr), json!({ "baseUrl": "https://scalr.corp.example" }));
    place.apply::<ScalrConnector>("acme", &spec).await;
    let refused: ScalrConnector =
        place.until_condition("acme", ConditionType::Ready, "False/HostNotAllowed").await;
    assert_eq!(
        shown(refused.status.as_ref().unwrap()),
        "Error: Ready=False/HostNotAllowed Connected=False/HostNotAllowed Syncing=False/Idle \
         Stalled=True/HostNotAllowed"
    );
    let explanation = "The host scalr.corp.example is not among the hosts that this operator may send credentials \
                       to. Correct spec.baseUrl, or have the cluster's administrator allow it with \
                       --allow-upstream-host=scalr.corp.example.";
    assert_explained(&place, &refused, explanation).await;
}

#[tokio::test]
async fn a_token_of_the_wrong_form_is_never_sent() {
    let planetscale = PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap();
    let place = Place::new("wrong-form").await;
    place.put_secret(PLANETSCALE_SECRET.0, PLANETSCALE_SECRET.1, "pscale_tkn_without_its_id").await;
    place.apply::<PlanetScaleConnector>("all", &planetscale_spec(&planetscale)).await;
    let refused: PlanetScaleConnector =
        place.until_condition("all", ConditionType::Ready, "False/CredentialMalformed").await;
    assert_eq!(
        shown(refused.status.as_ref().unwrap()),
        "Error: Ready=False/CredentialMalformed Connected=False/CredentialMalformed Syncing=False/Idle \
         Stalled=True/CredentialMalformed"
    );
    assert_eq!(planetscale.stats().total(), 0);
    let explanation = "The service token has no colon between its id and its value: it must be \
                       <token-id>:<token-value>. Correct the service token in key service-token of Secret \
                       planetscale.";
    assert_explained(&place, &refused, explanation).await;
}

#[tokio::test]
async fn a_ca_bundle_that_is_missing_or_none_is_asked_for_by_name_and_key() {
    let scalr = scalr().await;
    let place = place_for(&scalr, "ca-bundle").await;
    let reference = json!({ "caBundleRef": { "kind": "ConfigMap", "name": "corp-ca" } });
    place.apply::<ScalrConnector>("acme", &with(scalr_spec(&scalr), reference)).await;
    let pending: ScalrConnector =
        place.until_condition("acme", ConditionType::Ready, "False/CaBundleNotFound").await;
    assert_eq!(
        shown(pending.status.as_ref().unwrap()),
        "Pending: Ready=False/CaBundleNotFound Connected=Unknown/CaBundleNotFound Syncing=False/Idle \
         Reconciling=True/CaBundleNotFound"
    );
    let explanation = "The ConfigMap corp-ca of spec.caBundleRef or its key ca.crt does not exist in namespace \
                       ca-bundle. Create it with the PEM certificates to trust, or remove spec.caBundleRef.";
    assert_explained(&place, &pending, explanation).await;

    let create = ["create", "configmap", "corp-ca", "--from-literal=ca.crt=none", "-n", "ca-bundle"];
    kubectl(place.control_plane, &create, None).await;
    place.request::<ScalrConnector>("acme", "now").await;
    let invalid: ScalrConnector =
        place.until_condition("acme", ConditionType::Ready, "False/CaBundleInvalid").await;
    assert_eq!(
        shown(invalid.status.as_ref().unwrap()),
        "Error: Ready=False/CaBundleInvalid Connected=False/CaBundleInvalid Syncing=False/Idle \
         Stalled=True/CaBundleInvalid"
    );
    let explanation = "The CA bundle cannot be used: it holds no certificate in PEM form. Put PEM certificates into \
                       what spec.caBundleRef names.";
    assert_explained(&place, &invalid, explanation).await;
}

/// Answers every request with 403, in Scalr's form.
async fn forbidding_upstream() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let body = r#"{"errors":[{"status":"403","title":"Forbidden","detail":"User unauthorized."}]}"#;
    let refuse = async move || (StatusCode::FORBIDDEN, [("content-type", "application/vnd.api+json")], body);
    tokio::spawn(axum::serve(listener, Router::new().fallback(refuse)).into_future());
    format!("http://{address}")
}

#[tokio::test]
async fn a_forbidden_account_is_an_error_that_says_what_may_not_be_read() {
    let scalr = scalr().await;
    let place = place_for(&scalr, "forbidden").await;
    let base_url = forbidding_upstream().await;
    let spec = with(scalr_spec(&scalr), json!({ "baseUrl": base_url }));
    place.apply::<ScalrConnector>("acme", &spec).await;
    let refused: ScalrConnector =
        place.until_condition("acme", ConditionType::Ready, "False/Forbidden").await;
    assert_eq!(
        shown(refused.status.as_ref().unwrap()),
        "Error: Ready=False/Forbidden Connected=False/Forbidden Syncing=False/Idle Stalled=True/Forbidden"
    );
    let explanation = format!(
        "Scalr does not let the credential read the accounts: GET {}/api/iacp/v3/accounts answered 403 Forbidden: \
         User unauthorized. Give that access to the API token in key api-token of Secret scalr-acme, or to the \
         user it belongs to.",
        authority(&base_url)
    );
    assert_explained(&place, &refused, &explanation).await;
}
