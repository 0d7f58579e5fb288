//! How much the operator asks of the API server, counted by the API server itself: little for a first run, and nothing
//! is written while nothing is due, nor after a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use connector_operator::api::{ConditionType, PlanetScaleConnector, ScalrConnector};
use connector_simulator::{
    PlanetScale, PlanetScaleConfig, PlanetScaleSimulator, Scalr, ScalrConfig, ScalrSimulator,
};
use serde_json::json;
use testbed::{Asked, AuditLog, ControlPlane};

use crate::operator::{Operator, SOON, prepare};
use crate::place::Place;
use crate::rbac::{ACCOUNT, NAMESPACE};
use crate::upstream::{PLANETSCALE_SECRET, SCALR_SECRET, planetscale_spec, scalr_spec, with};

/// Connectors of each kind.
const CONNECTORS: usize = 10;
/// How long the operator is watched while nothing is due. Nothing can be awaited that must not come.
const IDLE: Duration = Duration::from_secs(3);

/// The requests with this verb for these resources, by the object that they are about. Secrets have the names of the
/// connectors that use them, and events are called after them.
fn counted(asked: &[Asked], verb: &str, resources: &[&str]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for it in asked.iter().filter(|it| it.verb == verb && resources.contains(&it.resource.as_str())) {
        let about = it.name.split('.').next().unwrap();
        *counts.entry(about.to_owned()).or_default() += 1;
    }
    counts
}

fn writes(log: &mut AuditLog) -> Vec<Asked> {
    log.news().unwrap().into_iter().filter(Asked::writes).collect()
}

fn names() -> impl Iterator<Item = (String, String)> {
    (0..CONNECTORS).map(|number| (format!("scalr-{number}"), format!("planetscale-{number}")))
}

/// Connectors with a Secret and a token each, all of which are Connected.
async fn connected(place: &Place<'_>, scalr: &Scalr, planetscale: &PlanetScale) {
    for (number, (of_scalr, of_planetscale)) in names().enumerate() {
        place.put_secret(&of_scalr, SCALR_SECRET.1, &format!("token-{number}")).await;
        let secret = json!({ "apiTokenSecretRef": { "name": of_scalr } });
        place.apply::<ScalrConnector>(&of_scalr, &with(scalr_spec(scalr), secret)).await;
        place.put_secret(&of_planetscale, PLANETSCALE_SECRET.1, &format!("id-{number}:value")).await;
        let secret = json!({ "serviceTokenSecretRef": { "name": of_planetscale } });
        place
            .apply::<PlanetScaleConnector>(&of_planetscale, &with(planetscale_spec(planetscale), secret))
            .await;
    }
    for (of_scalr, of_planetscale) in names() {
        place.until_connected::<ScalrConnector>(&of_scalr).await;
        place.until_connected::<PlanetScaleConnector>(&of_planetscale).await;
    }
}

/// A connector of each kind that comes now and lacks its Secret: when it says so, all others have been looked at.
async fn latecomers(place: &Place<'_>, scalr: &Scalr, planetscale: &PlanetScale) {
    let missing = |field: &str| json!({ field: { "name": "missing" } });
    let of_scalr = with(scalr_spec(scalr), missing("apiTokenSecretRef"));
    place.apply::<ScalrConnector>("later-scalr", &of_scalr).await;
    let of_planetscale = with(planetscale_spec(planetscale), missing("serviceTokenSecretRef"));
    place.apply::<PlanetScaleConnector>("later-planetscale", &of_planetscale).await;
    let wanted = "False/SecretNotFound";
    place.until_condition::<ScalrConnector>("later-scalr", ConditionType::Ready, wanted).await;
    place.until_condition::<PlanetScaleConnector>("later-planetscale", ConditionType::Ready, wanted).await;
}

/// The API server has answered every watch: whatever it is asked from now on is about single objects. That an operator is
/// ready says only that everything is listed.
async fn until_it_watches(log: &mut AuditLog) {
    let deadline = Instant::now() + SOON;
    let mut awaited = BTreeSet::from(["planetscaleconnectors", "scalrconnectors", "secrets"]);
    while !awaited.is_empty() {
        assert!(Instant::now() < deadline, "it does not watch {awaited:?}");
        tokio::time::sleep(Duration::from_millis(25)).await;
        for asked in log.news().unwrap().iter().filter(|asked| asked.verb == "watch") {
            awaited.remove(asked.resource.as_str());
        }
    }
}

#[tokio::test]
async fn a_first_run_reads_one_secret_writes_two_statuses_and_two_events_and_then_nothing_is_written() {
    let user = format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}");
    let control_plane = ControlPlane::builder().audited(user).start().await.unwrap();
    prepare(&control_plane).await;
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let planetscale = PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap();
    scalr.accept_any_token();
    planetscale.accept_any_token();
    let folder = tempfile::tempdir().unwrap();
    let operator = Operator::start(&control_plane, folder.path()).await;
    let place = Place::on(&control_plane, "identity").await;
    let mut log = control_plane.audit_log().unwrap();
    until_it_watches(&mut log).await;

    connected(&place, &scalr, &planetscale).await;
    // An event comes after the status that it tells of.
    tokio::time::sleep(IDLE).await;
    let asked = log.news().unwrap();
    let statuses = ["scalrconnectors/status", "planetscaleconnectors/status"];
    for (verb, resources, allowed) in
        [("get", &["secrets"][..], 1), ("patch", &statuses[..], 2), ("create", &["events"][..], 2)]
    {
        let counts = counted(&asked, verb, resources);
        assert_eq!(counts.len(), 2 * CONNECTORS, "{verb} {resources:?}: {counts:?}");
        assert!(counts.values().all(|count| *count == allowed), "{verb} {resources:?}: {counts:?}");
    }
    let expected = 2 * CONNECTORS * (1 + 2 + 2);
    assert_eq!(asked.len(), expected, "{asked:#?}");

    tokio::time::sleep(IDLE).await;
    assert_eq!(log.news().unwrap(), [], "while idle");

    assert!(operator.terminate().await.success());
    scalr.reset_stats();
    planetscale.reset_stats();
    log.news().unwrap();
    let _operator = Operator::start(&control_plane, folder.path()).await;
    latecomers(&place, &scalr, &planetscale).await;
    let others = |it: &Asked| !it.name.starts_with("later-");
    let written: Vec<Asked> = writes(&mut log).into_iter().filter(others).collect();
    assert_eq!(written, [], "after a restart");
    assert_eq!((scalr.stats().total(), planetscale.stats().total()), (0, 0));
}
