//! Two operators, of which one leads: what happens when it ends, is killed, or sleeps. Each test has a control plane of its
//! own, since the operators watch all of one.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use connector_operator::api::{ScalrConnector, Trigger};
use connector_simulator::{ScalrConfig, ScalrSimulator};
use tempfile::TempDir;
use testbed::ControlPlane;

use crate::operator::{Operator, SOON, files_in};
use crate::place::Place;
use crate::rbac::NAMESPACE;
use crate::restarts::own_control_plane;
use crate::upstream::{SCALR_SECRET, scalr_spec};

/// A Lease lasts 15 s, and is looked at every 2 s.
const RUN_OUT: Duration = Duration::from_secs(20);

/// Two operators that share their snapshots, a connector that the first has read, and its upstream.
struct Stage<'a> {
    first: Operator,
    second: Operator,
    place: Place<'a>,
    scalr: ScalrSimulator,
    folder: TempDir,
}

/// The operator `name`, whose snapshots are those of all.
async fn operator(control_plane: &ControlPlane, folder: &Path, name: &str) -> Operator {
    let own = folder.join(name);
    std::fs::create_dir_all(folder.join("snapshots")).unwrap();
    std::fs::create_dir_all(&own).unwrap();
    symlink(folder.join("snapshots"), own.join("snapshots")).unwrap();
    let flags = [
        "--leader-election=true".to_owned(),
        format!("--lease-namespace={NAMESPACE}"),
        format!("--instance={name}"),
    ];
    Operator::start_with(control_plane, &own, &flags).await
}

async fn stage(control_plane: &ControlPlane) -> Stage<'_> {
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let first = operator(control_plane, folder.path(), "first").await;
    until_leads(&first).await;
    let second = operator(control_plane, folder.path(), "second").await;
    let place = Place::on(control_plane, "identity").await;
    place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    place.until_connected::<ScalrConnector>("acme").await;
    assert!(!leads(&second), "a follower is ready, and does not lead");
    Stage { first, second, place, scalr, folder }
}

fn leads(operator: &Operator) -> bool {
    operator.log().contains("This operator leads")
}

pub(crate) async fn until_leads(operator: &Operator) {
    let deadline = Instant::now() + SOON;
    while !leads(operator) {
        assert!(Instant::now() < deadline, "it does not lead: {}", operator.log());
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// The process stops in the middle of a run of `acme`, which was asked for.
pub(crate) async fn fall_asleep_in_a_run(leader: &Operator, place: &Place<'_>, scalr: &ScalrSimulator) {
    scalr.set_latency(Duration::from_millis(500));
    let asked = scalr.stats().total();
    place.request::<ScalrConnector>("acme", "before the sleep").await;
    while scalr.stats().total() == asked {
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    leader.signal("STOP");
    scalr.set_latency(Duration::ZERO);
}

/// In which term the snapshot was published that counts.
fn published_in(folder: &Path) -> u64 {
    let files = files_in(&folder.join("snapshots"));
    let latest = files.iter().find(|file| file.ends_with("latest.json")).unwrap();
    let latest: serde_json::Value = serde_json::from_slice(&std::fs::read(latest).unwrap()).unwrap();
    latest["leaseTransitions"].as_u64().unwrap()
}

#[tokio::test]
async fn one_reads_and_the_other_goes_on_at_once_when_it_ends() {
    let control_plane = own_control_plane().await;
    let Stage { first, second, place, scalr, folder } = stage(&control_plane).await;
    let before =
        (place.get::<ScalrConnector>("acme").await, scalr.stats().total(), published_in(folder.path()));
    let asked = Instant::now();
    assert!(first.terminate().await.success());
    until_leads(&second).await;
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    let read = place.read_again::<ScalrConnector>("acme", "by the second").await;
    assert_eq!(read.status.unwrap().last_sync.unwrap().trigger, Trigger::Requested);
    assert_eq!(scalr.stats().total(), 2 * before.1, "what was read once is read once more, as asked");
    assert_eq!(published_in(folder.path()), before.2 + 1);
    assert_ne!(
        place.get::<ScalrConnector>("acme").await.metadata.resource_version,
        before.0.metadata.resource_version
    );
    assert!(second.terminate().await.success());
}

#[tokio::test]
async fn a_leader_that_is_killed_in_mid_run_is_followed_when_its_lease_has_run_out() {
    let control_plane = own_control_plane().await;
    let Stage { first, second, place, scalr, .. } = stage(&control_plane).await;
    scalr.set_latency(Duration::from_millis(500));
    let asked = scalr.stats().total();
    place.request::<ScalrConnector>("acme", "before the end").await;
    while scalr.stats().total() == asked {
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let killed = Instant::now();
    first.kill();
    scalr.set_latency(Duration::ZERO);
    let done = place
        .until::<ScalrConnector>("acme", "read by the second", |status| {
            status.last_handled_reconcile_at.as_deref() == Some("before the end")
        })
        .await;
    println!("the second operator went on after {:?}", killed.elapsed());
    assert!(killed.elapsed() < RUN_OUT, "{:?}", killed.elapsed());
    assert_eq!(done.status.unwrap().last_sync.unwrap().trigger, Trigger::Requested);
    assert!(second.terminate().await.success());
}

#[tokio::test]
async fn a_leader_that_wakes_after_its_lease_has_run_out_writes_nothing() {
    let control_plane = own_control_plane().await;
    let Stage { first, second, place, scalr, folder } = stage(&control_plane).await;
    fall_asleep_in_a_run(&first, &place, &scalr).await;
    until_leads(&second).await;
    place
        .until::<ScalrConnector>("acme", "read by the second", |status| {
            status.last_handled_reconcile_at.as_deref() == Some("before the sleep")
                && status.last_sync.as_ref().is_some_and(|sync| sync.completion_time.is_some())
        })
        .await;
    let object = place.get::<ScalrConnector>("acme").await;
    let (told, term) = (place.told(&object).await, published_in(folder.path()));

    first.signal("CONT");
    let ended = first.until_ended().await;
    assert!(!ended.success(), "it says that it has lost the Lease: {ended}");
    let after = place.get::<ScalrConnector>("acme").await;
    assert_eq!(after.metadata.resource_version, object.metadata.resource_version);
    assert_eq!(place.told(&object).await, told);
    assert_eq!(published_in(folder.path()), term);
    assert!(second.terminate().await.success());
}
