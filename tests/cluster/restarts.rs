//! What an operator that ends leaves behind, and what the next one makes of it. Each test has a control plane of its
//! own, since the operator watches all of one.

use std::time::{Duration, Instant};

use connector_operator::api::{ConditionType, PlanetScaleConnector, ScalrConnector, Trigger};
use connector_simulator::{PlanetScaleConfig, PlanetScaleSimulator, ScalrConfig, ScalrSimulator};
use testbed::ControlPlane;

use crate::operator::{Operator, SOON, files_in, prepare};
use crate::place::{Place, is_connected};
use crate::upstream::{PLANETSCALE_SECRET, SCALR_SECRET, planetscale_spec, scalr_spec};

pub(crate) async fn own_control_plane() -> ControlPlane {
    let control_plane = ControlPlane::start().await.unwrap();
    prepare(&control_plane).await;
    control_plane
}

#[tokio::test]
async fn a_restart_with_nothing_due_asks_nobody_and_writes_nothing() {
    let control_plane = own_control_plane().await;
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let planetscale = PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let operator = Operator::start(&control_plane, folder.path()).await;
    let place = Place::on(&control_plane, "identity").await;
    place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
    place.put_secret(PLANETSCALE_SECRET.0, PLANETSCALE_SECRET.1, &planetscale.token()).await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    place.apply::<PlanetScaleConnector>("all", &planetscale_spec(&planetscale)).await;
    place.until_connected::<ScalrConnector>("acme").await;
    place.until_connected::<PlanetScaleConnector>("all").await;

    let asked_to_end = Instant::now();
    let ended = operator.terminate().await;
    assert!(ended.success(), "{ended}");
    assert!(asked_to_end.elapsed() < Duration::from_secs(10), "{:?}", asked_to_end.elapsed());
    let before = (place.get::<ScalrConnector>("acme").await, place.get::<PlanetScaleConnector>("all").await);
    scalr.reset_stats();
    planetscale.reset_stats();

    let operator = Operator::start(&control_plane, folder.path()).await;
    // A connector that comes after the others has been read: the others have been looked at by then.
    for name in ["scalr-later", "planetscale-later"] {
        let missing = serde_json::json!({ "name": "missing" });
        let (field, mut spec) = match name {
            "scalr-later" => ("apiTokenSecretRef", scalr_spec(&scalr)),
            _ => ("serviceTokenSecretRef", planetscale_spec(&planetscale)),
        };
        spec[field] = missing;
        match name {
            "scalr-later" => drop(place.apply::<ScalrConnector>(name, &spec).await),
            _ => drop(place.apply::<PlanetScaleConnector>(name, &spec).await),
        }
    }
    let wanted = "False/SecretNotFound";
    place.until_condition::<ScalrConnector>("scalr-later", ConditionType::Ready, wanted).await;
    place.until_condition::<PlanetScaleConnector>("planetscale-later", ConditionType::Ready, wanted).await;
    let after = (place.get::<ScalrConnector>("acme").await, place.get::<PlanetScaleConnector>("all").await);
    assert_eq!(before.0.metadata.resource_version, after.0.metadata.resource_version);
    assert_eq!(before.1.metadata.resource_version, after.1.metadata.resource_version);
    assert_eq!((scalr.stats().total(), planetscale.stats().total()), (0, 0));
    assert!(operator.metrics().await.contains("connector_"));
}

#[tokio::test]
async fn killed_in_mid_run_it_completes_after_a_restart_and_nothing_is_half_published() {
    let control_plane = own_control_plane().await;
    let scalr = ScalrSimulator::start(ScalrConfig { users: 500, ..ScalrConfig::default() }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let operator = Operator::start(&control_plane, folder.path()).await;
    let place = Place::on(&control_plane, "identity").await;
    place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    let first: ScalrConnector = place.until_connected("acme").await;
    let published = files_in(&folder.path().join("snapshots"));

    scalr.reset_stats();
    scalr.set_latency(Duration::from_millis(700));
    place.request::<ScalrConnector>("acme", "now").await;
    place.until_condition::<ScalrConnector>("acme", ConditionType::Syncing, "True/Progressing").await;
    let deadline = Instant::now() + SOON;
    while scalr.stats().on("/api/iacp/v3/account-users") < 2 {
        assert!(Instant::now() < deadline, "{:?}", scalr.stats());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    operator.kill();
    assert_eq!(files_in(&folder.path().join("snapshots")), published);
    let interrupted: ScalrConnector = place.get("acme").await;
    let (before, during) = (first.status.unwrap(), interrupted.status.unwrap());
    assert_eq!(during.last_published, before.last_published);
    assert_eq!(during.last_sync.unwrap().completion_time, None);

    scalr.set_latency(Duration::ZERO);
    let operator = Operator::start(&control_plane, folder.path()).await;
    let completed: ScalrConnector = place
        .until("acme", "completed", |it| is_connected(it) && it.last_published != before.last_published)
        .await;
    let status = completed.status.unwrap();
    assert_eq!(status.last_sync.unwrap().trigger, Trigger::Requested);
    assert_eq!(status.last_handled_reconcile_at.as_deref(), Some("now"));
    assert!(operator.terminate().await.success());
    // Two snapshots, the pointer and the term, and nothing that either run has worked on.
    let published = files_in(&folder.path().join("snapshots"));
    assert_eq!(published.len(), 4, "{published:#?}");
    assert_eq!(files_in(&folder.path().join("scratch")), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn asked_to_end_in_mid_run_it_ends_within_seconds_and_publishes_nothing() {
    let control_plane = own_control_plane().await;
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    scalr.set_latency(Duration::from_secs(30));
    let folder = tempfile::tempdir().unwrap();
    let operator = Operator::start(&control_plane, folder.path()).await;
    let place = Place::on(&control_plane, "identity").await;
    place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    let deadline = Instant::now() + SOON;
    while scalr.stats().in_flight == 0 {
        assert!(Instant::now() < deadline, "{:?}", scalr.stats());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let asked_to_end = Instant::now();
    let ended = operator.terminate().await;
    assert!(ended.success(), "{ended}");
    assert!(asked_to_end.elapsed() < Duration::from_secs(10), "{:?}", asked_to_end.elapsed());
    assert_eq!(files_in(folder.path()), [folder.path().join("operator.log")]);
    let status = place.get::<ScalrConnector>("acme").await.status.unwrap();
    assert_eq!(status.last_published, None);

    scalr.set_latency(Duration::ZERO);
    let _operator = Operator::start(&control_plane, folder.path()).await;
    place.until_connected::<ScalrConnector>("acme").await;
}

#[tokio::test]
async fn a_connector_deleted_while_nobody_watched_is_found_deleted_after_a_restart() {
    let control_plane = own_control_plane().await;
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let operator = Operator::start(&control_plane, folder.path()).await;
    let place = Place::on(&control_plane, "identity").await;
    place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    place.until_connected::<ScalrConnector>("acme").await;
    operator.terminate().await;
    let deleted = control_plane.kubectl(&["delete", "scalr", "acme", "-n", "identity"], None).await.unwrap();
    assert!(deleted.status.success());

    let _operator = Operator::start(&control_plane, folder.path()).await;
    let marked = || files_in(folder.path()).iter().any(|file| file.ends_with("deleted-since"));
    let deadline = Instant::now() + SOON;
    while !marked() {
        assert!(Instant::now() < deadline, "{:?}", files_in(folder.path()));
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
