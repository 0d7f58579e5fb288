//! What becomes of stored snapshots after they are published: they are served on loopback, and swept when their
//! connector is gone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

use std::path::Path;

use connector_operator::api::ScalrConnector;
use connector_operator::clock::Clock;
use connector_operator::connectors::scalr;
use connector_operator::controller::{Scope, Sweep};
use connector_operator::leadership::Leadership;
use connector_operator::server::serve_snapshots;
use connector_operator::snapshot::{DirectoryStore, Latest, Owner, Receipt, SnapshotWriter, SyncId};
use http::{Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use kube::client::Body;
use kube::runtime::reflector::{self, Store, store::Writer};
use kube::runtime::watcher::Event;
use serde_json::json;
use tokio::net::TcpListener;

fn owner(name: &str) -> Owner {
    Owner::new("identity", "ScalrConnector", name, &format!("uid-of-{name}")).unwrap()
}

fn publish(store: &DirectoryStore, owner: &Owner, second: i64) -> Latest {
    let now = Timestamp::from_second(1_790_000_000 + second).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let writer = SnapshotWriter::create(scratch.path(), &[scalr::USER], SyncId::new(now), now).unwrap();
    store.publish(owner, &writer.finish(now).unwrap(), Receipt::default(), &|| false).unwrap()
}

async fn get(address: &str, path: &str) -> (StatusCode, Vec<u8>) {
    let answer = reqwest::get(format!("http://{address}{path}")).await.unwrap();
    (answer.status(), answer.bytes().await.unwrap().to_vec())
}

#[test]
fn snapshots_are_served_nowhere_but_on_loopback() {
    let folder = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_connector-operator"))
        .env_clear()
        .args(["run", "--listen=127.0.0.1:0", "--snapshot-listen=0.0.0.0:0", "--snapshot-dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("--snapshot-listen 0.0.0.0:0: must be a loopback address"), "{said}");
}

#[tokio::test]
async fn the_latest_snapshot_is_served_and_any_other_by_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirectoryStore::new(folder.path());
    let first = publish(&store, &owner("acme"), 0);
    let second = publish(&store, &owner("acme"), 10);
    let file = |latest: &Latest| std::fs::read(store.path(&owner("acme"), &latest.id)).unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(serve_snapshots(listener, store.clone(), folder.path().to_owned(), std::future::pending()));

    let acme = "/snapshots/identity/scalrconnector/acme";
    assert_eq!(get(&address, acme).await, (StatusCode::OK, file(&second)));
    assert_eq!(get(&address, "/snapshots/identity/ScalrConnector/acme").await.1, file(&second));
    assert_eq!(get(&address, &format!("{acme}/{}", first.id)).await.1, file(&first));
    let ids = format!("{}\n{}\n", first.id, second.id).into_bytes();
    assert_eq!(get(&address, &format!("{acme}/ids")).await, (StatusCode::OK, ids));
    for missing in [
        "/snapshots/identity/scalrconnector/other",
        "/snapshots/identity/scalrconnector/other/ids",
        "/snapshots/identity/scalrconnector/acme/3IPXFz8OxYGYDoOUaaaaaaaaaaa",
        "/snapshots/identity/scalrconnector/acme/..%2flatest.json",
        "/snapshots/..%2f..%2fetc/passwd/acme",
        "/snapshots",
    ] {
        assert_eq!(get(&address, missing).await.0, StatusCode::NOT_FOUND, "{missing}");
    }
}

#[tokio::test]
async fn what_is_held_can_be_looked_at_until_something_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirectoryStore::new(folder.path());
    publish(&store, &owner("acme"), 0);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(serve_snapshots(listener, store.clone(), folder.path().to_owned(), std::future::pending()));

    let held = "/snapshots/identity/ScalrConnector/acme/held";
    let nothing = b"nothing of it is held by the removal guard\n".to_vec();
    assert_eq!(get(&address, held).await, (StatusCode::NOT_FOUND, nothing.clone()));
    // More than is sent at once.
    let mut text = String::new();
    let mut hold = store.begin_hold(&owner("acme")).unwrap();
    for number in 0..10_000 {
        let line = format!("- user:user-{number:05}");
        hold.line(&line).unwrap();
        text += &line;
        text += "\n";
    }
    assert_eq!(get(&address, held).await.0, StatusCode::NOT_FOUND, "it is not complete yet");
    hold.keep().unwrap();
    assert_eq!(get(&address, held).await, (StatusCode::OK, text.into_bytes()));
    assert_eq!(get(&address, "/snapshots/identity/ScalrConnector/other/held").await.0, StatusCode::NOT_FOUND);

    publish(&store, &owner("acme"), 10);
    assert_eq!(get(&address, held).await, (StatusCode::NOT_FOUND, nothing));
}

#[tokio::test]
async fn of_two_objects_of_one_name_what_the_living_one_holds_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirectoryStore::new(folder.path());
    let owner = |uid| Owner::new("identity", "ScalrConnector", "acme", uid).unwrap();
    let hold = |owner: &Owner, line| {
        let mut hold = store.begin_hold(owner).unwrap();
        hold.line(line).unwrap();
        hold.keep().unwrap();
    };
    let (former, present) = (owner("uid-b"), owner("uid-a"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(serve_snapshots(listener, store.clone(), folder.path().to_owned(), std::future::pending()));
    let held = "/snapshots/identity/ScalrConnector/acme/held";

    // The present one lost its snapshot; the former wrote the newest, and nothing of it is held.
    publish(&store, &former, 0);
    hold(&present, "- user:present");
    assert_eq!(get(&address, held).await, (StatusCode::OK, b"- user:present\n".to_vec()));
    hold(&former, "- user:former");
    assert_eq!(get(&address, held).await, (StatusCode::OK, b"- user:former\n".to_vec()));
    store.retire(&former, Timestamp::now(), SignedDuration::from_hours(1)).unwrap();
    assert_eq!(get(&address, held).await, (StatusCode::OK, b"- user:present\n".to_vec()));
}

/// An API server that knows the connector `stays` alone.
fn api_server() -> Client {
    let service = tower::service_fn(|request: Request<Body>| async move {
        let body = if request.uri().path().ends_with("/stays") {
            let metadata = json!({ "name": "stays", "namespace": "identity", "uid": "uid-of-stays" });
            (
                200,
                json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata }),
            )
        } else if request.uri().path().ends_with("/unknown") {
            (
                503,
                json!({ "kind": "Status", "apiVersion": "v1", "code": 503, "reason": "ServiceUnavailable" }),
            )
        } else {
            (404, json!({ "kind": "Status", "apiVersion": "v1", "code": 404, "reason": "NotFound" }))
        };
        let answer = Response::builder().status(body.0).body(Body::from(body.1.to_string().into_bytes()));
        Ok::<_, std::convert::Infallible>(answer.unwrap())
    });
    Client::new(service, "identity")
}

/// What the watch has listed.
fn listed(names: &[&str]) -> (Store<ScalrConnector>, Writer<ScalrConnector>) {
    let (store, mut writer) = reflector::store();
    writer.apply_watcher_event(&Event::Init);
    for name in names {
        let spec = json!({ "account": "acme", "apiTokenSecretRef": { "name": "token" } });
        let mut object = ScalrConnector::new(name, serde_json::from_value(spec).unwrap());
        object.metadata.namespace = Some("identity".to_owned());
        object.metadata.uid = Some(format!("uid-of-{name}"));
        writer.apply_watcher_event(&Event::InitApply(object));
    }
    writer.apply_watcher_event(&Event::InitDone);
    (store, writer)
}

fn names(root: &Path) -> Vec<String> {
    DirectoryStore::new(root).owners().unwrap().iter().map(|owner| owner.name().to_owned()).collect()
}

#[tokio::test]
async fn only_snapshots_of_connectors_that_are_surely_gone_are_swept_and_only_after_the_retention() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirectoryStore::new(folder.path());
    for name in ["listed", "stays", "unknown", "gone"] {
        publish(&store, &owner(name), 0);
    }
    let (objects, _writer) = listed(&["listed"]);
    let sweep = |retention| Sweep::<ScalrConnector> {
        scope: Scope::default(),
        client: api_server(),
        objects: objects.clone(),
        snapshots: store.clone().into(),
        retention,
        leadership: Leadership::alone(),
        clock: Clock::system(),
    };
    let long = SignedDuration::from_hours(168);
    sweep(long).once().await.unwrap();
    sweep(long).once().await.unwrap();
    assert_eq!(names(folder.path()), ["gone", "listed", "stays", "unknown"], "the retention has only begun");
    sweep(SignedDuration::ZERO).once().await.unwrap();
    assert_eq!(names(folder.path()), ["listed", "stays", "unknown"]);
}
