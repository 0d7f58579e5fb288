//! One client id serves one connector.

use connector_operator::api::{ConditionType, PlanetScaleConnector, ScalrConnector};
use connector_simulator::{PlanetScaleConfig, PlanetScaleSimulator};

use super::*;
use crate::place::message;
use crate::upstream::{PLANETSCALE_SECRET, planetscale_spec, scalr_spec};

/// A connector that is told apart in C1's transcript.
pub(super) fn at_host(spec: Value, secret: &str, host: &str) -> Value {
    let mut spec = for_c1(spec, secret);
    spec["c1"]["hostId"] = json!(host);
    spec
}

async fn assert_kept_away<K: ConnectorObject>(place: &Place<'_>, name: &str, who: &str) {
    let wanted = "False/CredentialsShared";
    place.until_condition::<K>(name, ConditionType::C1Connected, wanted).await;
    let object: K = place.until_condition(name, ConditionType::Ready, wanted).await;
    assert!(message(&object, ConditionType::Ready).starts_with(who), "{:?}", object.status());
    let stalled = shown_condition(object.status().unwrap(), ConditionType::Stalled);
    assert_eq!(stalled.as_deref(), Some("True/CredentialsShared"));
}

/// Whoever has come with this client's credentials, in order.
fn hosts_of(client: &C1Client) -> Vec<String> {
    let mut hosts: Vec<String> =
        of_client(&shared_c1().transcript(), client).map(|entry| entry.host_id.clone()).collect();
    hosts.retain(|host| !host.is_empty());
    hosts.dedup();
    hosts
}

#[tokio::test]
async fn the_older_of_two_keeps_the_client_id_until_it_is_deleted() {
    let (scalr, client, place) = scalr_for_c1("c1-shared").await;
    place.apply::<ScalrConnector>("a-older", &at_host(scalr_spec(&scalr), C1_SECRET, "older")).await;
    until_delivering::<ScalrConnector>(&place, "a-older").await;
    place.apply::<ScalrConnector>("b-younger", &at_host(scalr_spec(&scalr), C1_SECRET, "younger")).await;
    assert_kept_away::<ScalrConnector>(&place, "b-younger", "ScalrConnector a-older is older").await;
    let (_, finished) = sync(shared_c1(), &client).await;
    assert_eq!(finished, Finished::Success);
    assert_eq!(hosts_of(&client), ["older"]);

    place.delete::<ScalrConnector>("a-older").await;
    let younger = until_delivering::<ScalrConnector>(&place, "b-younger").await;
    assert_eq!(younger.status.unwrap().condition(ConditionType::Stalled), None);
    let (_, finished) = sync(shared_c1(), &client).await;
    assert_eq!(finished, Finished::Success);
    assert_eq!(hosts_of(&client), ["older", "younger"]);
}

#[tokio::test]
async fn it_is_the_same_of_two_kinds_in_two_namespaces_until_the_older_has_credentials_of_its_own() {
    let planetscale = PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap();
    let (scalr, client, place) = scalr_for_c1("c1-shared-younger").await;
    let elsewhere = Place::new("c1-shared-older").await;
    elsewhere.put_secret(PLANETSCALE_SECRET.0, PLANETSCALE_SECRET.1, &planetscale.token()).await;
    elsewhere.put_secret_of(C1_SECRET, &secret_of(&client)).await;
    trust(&elsewhere, shared_c1()).await;
    let spec = at_host(planetscale_spec(&planetscale), C1_SECRET, "older");
    elsewhere.apply::<PlanetScaleConnector>("all", &spec).await;
    until_delivering::<PlanetScaleConnector>(&elsewhere, "all").await;
    place.apply::<ScalrConnector>("acme", &at_host(scalr_spec(&scalr), C1_SECRET, "younger")).await;
    assert_kept_away::<ScalrConnector>(&place, "acme", "A connector in another namespace is older").await;
    assert_eq!(hosts_of(&client), ["older"]);

    let own = shared_c1().add_client("c1-shared-own").unwrap();
    elsewhere.correct_secret_of(C1_SECRET, &secret_of(&own)).await;
    until_delivering::<ScalrConnector>(&place, "acme").await;
    let own_hello = |entries: &[Entry]| hellos_of(entries, &own) > 0;
    shared_c1().until(SOON, own_hello).await.unwrap();
    assert_eq!(hosts_of(&client), ["older", "younger"]);
    assert_eq!(hosts_of(&own), ["older"]);
}
