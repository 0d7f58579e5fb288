//! A token, and what must never be kept of the upstream's answers, stands nowhere but in the Secret and in the
//! requests to the upstream. The operator logs at debug level here.

use std::time::{Duration, Instant};

use connector_operator::api::{ConditionType, ConnectorStatus, PlanetScaleConnector, ScalrConnector};
use connector_simulator::planetscale::NEVER_KEEP;
use connector_simulator::{PlanetScaleConfig, PlanetScaleSimulator, ScalrConfig, ScalrSimulator};
use serde_json::json;

use crate::operator::{kubectl, shared_operator};
use crate::place::Place;
use crate::upstream::{
    PLANETSCALE_SECRET, SCALR_SECRET, place_for, planetscale_spec, scalr, scalr_spec, with,
};

const GOOD: &str = "canary-that-is-accepted";
const REFUSED: &str = "canary-that-is-refused";
const MALFORMED: &str = "canary of the wrong form";

#[tokio::test]
async fn a_token_stands_nowhere_but_in_its_secret() {
    let scalr_config = ScalrConfig { token: GOOD.to_owned(), ..ScalrConfig::default() };
    let scalr = ScalrSimulator::start(scalr_config).await.unwrap();
    let token = format!("canary-id:{GOOD}");
    let planetscale_config = PlanetScaleConfig { token: token.clone(), ..PlanetScaleConfig::default() };
    let planetscale = PlanetScaleSimulator::start(planetscale_config).await.unwrap();
    let place = Place::new("canary").await;
    place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, MALFORMED).await;
    place.put_secret(PLANETSCALE_SECRET.0, PLANETSCALE_SECRET.1, MALFORMED).await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    place.apply::<PlanetScaleConnector>("all", &planetscale_spec(&planetscale)).await;

    // Every way that a token can take through the program: of the wrong form, refused, accepted.
    for (token, wanted) in [(MALFORMED, "False/CredentialMalformed"), (REFUSED, "False/Unauthorized")] {
        place.correct_secret(SCALR_SECRET.0, SCALR_SECRET.1, token).await;
        let refused = if token == REFUSED { format!("canary-id:{token}") } else { token.to_owned() };
        place.correct_secret(PLANETSCALE_SECRET.0, PLANETSCALE_SECRET.1, &refused).await;
        place.until_condition::<ScalrConnector>("acme", ConditionType::Ready, wanted).await;
        place.until_condition::<PlanetScaleConnector>("all", ConditionType::Ready, wanted).await;
    }
    place.correct_secret(SCALR_SECRET.0, SCALR_SECRET.1, GOOD).await;
    place.correct_secret(PLANETSCALE_SECRET.0, PLANETSCALE_SECRET.1, &token).await;
    place.until_connected::<ScalrConnector>("acme").await;
    let connected: PlanetScaleConnector = place.until_connected("all").await;
    place.until_told(&connected, "Connected").await;

    let operator = shared_operator().await;
    let log = operator.log();
    assert!(log.contains("DEBUG") && log.contains("canary"), "the log is of this test, and at debug level");
    assert_clean("the log", log.as_bytes());
    let objects = [
        "get",
        "connectors,events.events.k8s.io,events",
        "-n",
        "canary",
        "-o",
        "yaml",
        "--show-managed-fields",
    ];
    let objects = kubectl(place.control_plane, &objects, None).await;
    assert!(objects.contains("CredentialMalformed") && objects.contains("upstreamAccountId"), "{objects}");
    assert_clean("objects and events", objects.as_bytes());
    let metrics = operator.metrics().await;
    assert!(metrics.contains("namespace=\"canary\""), "{metrics}");
    assert_clean("the metrics", metrics.as_bytes());

    let of_this_test =
        |path: &&std::path::PathBuf| path.components().any(|part| part.as_os_str() == "canary");
    let files = operator.files();
    let snapshots: Vec<_> = files
        .iter()
        .filter(of_this_test)
        .filter(|path| path.extension().is_some_and(|it| it == "c1z"))
        .collect();
    assert_eq!(snapshots.len(), 2, "{files:#?}");
    for path in snapshots {
        let packed = std::fs::read(path).unwrap();
        let database = zstd::decode_all(packed.strip_prefix(b"C1ZF\0").unwrap()).unwrap();
        assert!(
            contains(&database, "user-000001@example.com"),
            "the database is unpacked and is of this test"
        );
        assert_clean(&path.display().to_string(), &database);
    }
    // Whatever else there is: pointers, and what other runs are working on at this moment.
    for path in files {
        if let Ok(content) = std::fs::read(&path) {
            assert_clean(&path.display().to_string(), &content);
        }
    }
}

#[tokio::test]
async fn a_secret_of_another_namespace_cannot_be_named() {
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let owner = Place::new("secret-owner").await;
    owner.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
    let thief = Place::new("secret-thief").await;
    let reference =
        |name: &str| json!({ "apiTokenSecretRef": { "name": name, "namespace": "secret-owner" } });
    for (connector, secret) in [("a", SCALR_SECRET.0), ("b", "secret-owner/scalr-acme")] {
        // As somebody who does not care for the schema: what it does not know goes.
        let spec = with(scalr_spec(&scalr), reference(secret));
        let manifest = json!({
            "apiVersion": "connectors.conductorone.com/v1alpha1", "kind": "ScalrConnector",
            "metadata": { "name": connector, "namespace": "secret-thief" }, "spec": spec,
        });
        let create = ["create", "--validate=false", "-f", "-"];
        let created = thief.control_plane.kubectl(&create, Some(&manifest.to_string())).await.unwrap();
        if secret == SCALR_SECRET.0 {
            assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
            let pending: ScalrConnector =
                thief.until_condition("a", ConditionType::Ready, "False/SecretNotFound").await;
            assert_eq!(
                serde_json::to_value(&pending.spec.api_token_secret_ref).unwrap(),
                json!({ "name": secret })
            );
        } else {
            assert!(!created.status.success(), "no Secret has such a name");
        }
    }
    assert_eq!(scalr.stats().total(), 0);
}

fn assert_clean(what: &str, content: &[u8]) {
    let content = String::from_utf8_lossy(content);
    // The tokens in plain, and the beginnings of the accepted and the malformed one as a Secret has them.
    for secret in [GOOD, REFUSED, MALFORMED, NEVER_KEEP, "Y2FuYXJ5LXRoYXQtaXMt", "Y2FuYXJ5IG9mIHRoZSB3cm9u"] {
        if let Some((before, _)) = content.split_once(secret) {
            let around: String =
                before.chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect();
            panic!("{what} has {secret:?} after: {around}");
        }
    }
}

fn contains(content: &[u8], part: &str) -> bool {
    String::from_utf8_lossy(content).contains(part)
}

#[test]
fn the_search_finds_what_it_searches_for() {
    let found = std::panic::catch_unwind(|| assert_clean("this", format!("a {GOOD} b").as_bytes()));
    assert!(found.is_err());
}

#[tokio::test]
async fn an_edited_label_of_a_secret_starts_nothing_and_another_token_does_within_two_seconds() {
    let scalr = scalr().await;
    let place = place_for(&scalr, "labelled").await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    let read: ScalrConnector = place.until_connected("acme").await;
    let before = read.status.unwrap();
    let requests = scalr.stats().arrived;

    let label = ["label", "secret", "-n", "labelled", SCALR_SECRET.0, "team=identity"];
    kubectl(place.control_plane, &label, None).await;
    let version = |status: &ConnectorStatus| status.observed_secret_version.clone();
    let seen: ScalrConnector =
        place.until("acme", "aware of the new version", |status| version(status) != version(&before)).await;
    let after = seen.status.unwrap();
    assert_eq!((after.last_sync, after.next_sync_time), (before.last_sync, before.next_sync_time));
    assert_eq!(scalr.stats().arrived, requests, "the upstream was asked nothing");

    let began = Instant::now();
    place.correct_secret(SCALR_SECRET.0, SCALR_SECRET.1, "another").await;
    place.until_condition::<ScalrConnector>("acme", ConditionType::Ready, "False/Unauthorized").await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
