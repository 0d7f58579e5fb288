//! A token, and what must never be kept of the upstream's answers, stands nowhere but in the Secret and in the
//! requests to the upstream. The operator logs at debug level here.

use connector_operator::api::{ConditionType, PlanetScaleConnector, ScalrConnector};
use connector_simulator::planetscale::NEVER_KEEP;
use connector_simulator::{PlanetScaleConfig, PlanetScaleSimulator, ScalrConfig, ScalrSimulator};

use crate::operator::{kubectl, shared_operator};
use crate::place::Place;
use crate::upstream::{PLANETSCALE_SECRET, SCALR_SECRET, planetscale_spec, scalr_spec};

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
