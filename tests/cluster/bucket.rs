//! Snapshots in a bucket of a real S3 server, asked over TLS with a certificate that only a CA bundle vouches for. Each test
//! has a control plane of its own, since the operators watch all of one.

use std::path::{Path, PathBuf};

use connector_operator::api::{ConditionType, ScalrConnector, Trigger};
use connector_simulator::{ScalrConfig, ScalrSimulator};
use tempfile::TempDir;
use testbed::{ControlPlane, S3Options, S3Server};

use crate::baton::Baton;
use crate::leaders::{fall_asleep_in_a_run, until_leads};
use crate::operator::{Operator, files_in};
use crate::place::{Place, message};
use crate::rbac::NAMESPACE;
use crate::restarts::own_control_plane;
use crate::upstream::{SCALR_SECRET, scalr_spec};

const ADDRESS: &str = "s3://snapshots/prod";

/// An S3 server, and all that an operator has to know of it.
struct Bucket {
    folder: TempDir,
    server: S3Server,
}

impl Bucket {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        make_certificate(folder.path());
        let server = S3Server::start(folder.path(), options(folder.path(), None)).await.unwrap();
        Self { folder, server }
    }

    /// Ends the server; what is returned starts it again, where it was.
    async fn stop(self) -> impl AsyncFnOnce() -> Self {
        let Self { folder, server } = self;
        let address = server.address();
        server.stop().await.unwrap();
        async move || {
            let options = options(folder.path(), Some(address));
            let server = S3Server::start(folder.path(), options).await.unwrap();
            Self { folder, server }
        }
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("CONNECTOR_SNAPSHOT_BUCKET", ADDRESS.to_owned()),
            ("AWS_ENDPOINT_URL", format!("https://localhost:{}", self.server.address().port())),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", S3Server::KEY_ID.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", S3Server::SECRET.to_owned()),
            ("SSL_CERT_FILE", self.folder.path().join("ca.pem").display().to_string()),
        ]
    }

    /// The files of what is in the bucket, which the server keeps as they are.
    fn files(&self) -> Vec<PathBuf> {
        files_in(&self.folder.path().join("buckets").join(S3Server::BUCKET))
    }

    /// Where the server keeps the object at this address.
    fn file(&self, uri: &str) -> PathBuf {
        let key = uri.strip_prefix("s3://snapshots/").unwrap();
        self.folder.path().join("buckets").join(S3Server::BUCKET).join(key)
    }

    /// In which term the snapshot was published that counts.
    fn published_in(&self) -> u64 {
        let latest = self.files().into_iter().find(|file| file.ends_with("latest.json")).unwrap();
        let latest: serde_json::Value = serde_json::from_slice(&std::fs::read(latest).unwrap()).unwrap();
        latest["leaseTransitions"].as_u64().unwrap()
    }
}

fn options(folder: &Path, address: Option<std::net::SocketAddr>) -> S3Options {
    S3Options { address, certificate: Some((folder.join("server.pem"), folder.join("server.key"))) }
}

fn make_certificate(folder: &Path) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::default();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &rcgen::Issuer::from_params(&ca, &ca_key)).unwrap();
    std::fs::write(folder.join("ca.pem"), ca_certificate.pem()).unwrap();
    std::fs::write(folder.join("server.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
}

async fn connector<'a>(control_plane: &'a ControlPlane, scalr: &ScalrSimulator) -> Place<'a> {
    let place = Place::on(control_plane, "identity").await;
    place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(scalr)).await;
    place
}

#[tokio::test]
async fn a_connector_is_connected_and_its_baseline_outlives_the_operator_and_an_outage_and_its_loss_is_held()
{
    let control_plane = own_control_plane().await;
    let bucket = Bucket::start().await;
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let operator = Operator::start_in(&control_plane, folder.path(), &[], &bucket.environment()).await;
    let place = connector(&control_plane, &scalr).await;

    // Connected, and the real baton opens what is in the bucket.
    let object: ScalrConnector = place.until_connected("acme").await;
    let published = object.status.unwrap().last_published.unwrap();
    assert!(
        published.uri.starts_with("s3://snapshots/prod/identity/scalrconnector/acme/"),
        "{}",
        published.uri
    );
    let users = Baton::open(bucket.file(&published.uri)).await.users().await;
    assert_eq!(users.len() as u64, published.counts["users"]);
    let served = operator.snapshot("identity/ScalrConnector/acme").await;
    assert!(served == std::fs::read(bucket.file(&published.uri)).unwrap(), "it is served as it is");

    // Another operator goes on from there.
    assert!(operator.terminate().await.success());
    let operator = Operator::start_in(&control_plane, folder.path(), &[], &bucket.environment()).await;
    scalr.add_user(None, None).unwrap();
    let object: ScalrConnector = place.read_again("acme", "after a restart").await;
    let status = object.status.unwrap();
    let users = status.last_sync.unwrap().changes["users"];
    assert_eq!((users.added, users.removed, users.changed), (1, 0, 0), "it is compared with the one before");
    let before = status.last_published.unwrap();

    // The server is away: the status says so, and what was published stays.
    let start_again = bucket.stop().await;
    place.request::<ScalrConnector>("acme", "while it is away").await;
    let object: ScalrConnector =
        place.until_condition("acme", ConditionType::Ready, "False/SnapshotFailed").await;
    let said = message(&object, ConditionType::Ready);
    for part in [
        "s3://snapshots/prod/identity/scalrconnector/acme/",
        "there was no answer: Connection refused",
        "Check the bucket's endpoint",
        "What was published before stays.",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(object.status.unwrap().last_published.unwrap().id, before.id);

    // It is back: the connector heals by itself.
    let bucket = start_again().await;
    let healed: ScalrConnector = place.until_connected("acme").await;
    assert_ne!(healed.status.unwrap().last_published.unwrap().id, before.id);

    // What was published is gone: that is a loss, and no first run.
    std::fs::remove_dir_all(bucket.folder.path().join("buckets/snapshots/prod")).unwrap();
    scalr.remove_user("user-000003@example.com").unwrap();
    place.request::<ScalrConnector>("acme", "after a loss").await;
    let held: ScalrConnector =
        place.until_condition("acme", ConditionType::Ready, "False/BaselineLost").await;
    let id = held.status.unwrap().held.unwrap().id;
    place.accept::<ScalrConnector>("acme", &id).await;
    place.until_connected::<ScalrConnector>("acme").await;

    let left: Vec<_> = operator.files().into_iter().filter(|file| file.extension().is_some()).collect();
    assert_eq!(
        left,
        [""; 0].map(PathBuf::from),
        "nothing is left in the scratch folder, and nothing in another"
    );
    assert!(!operator.log().contains(S3Server::SECRET));
    assert!(
        bucket.files().iter().all(|file| file.extension().is_none_or(|it| it != "tmp")),
        "{:?}",
        bucket.files()
    );
    assert!(operator.terminate().await.success());
}

#[tokio::test]
async fn of_two_operators_on_one_bucket_the_second_goes_on_and_the_first_publishes_nothing_when_it_wakes() {
    let control_plane = own_control_plane().await;
    let bucket = Bucket::start().await;
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let first = elected(&control_plane, folder.path(), "first", &bucket).await;
    until_leads(&first).await;
    let second = elected(&control_plane, folder.path(), "second", &bucket).await;
    let place = connector(&control_plane, &scalr).await;
    place.until_connected::<ScalrConnector>("acme").await;
    let term = bucket.published_in();

    fall_asleep_in_a_run(&first, &place, &scalr).await;
    until_leads(&second).await;
    let read: ScalrConnector = place
        .until("acme", "read by the second", |status| {
            status.last_handled_reconcile_at.as_deref() == Some("before the sleep")
                && status.last_sync.as_ref().is_some_and(|sync| sync.completion_time.is_some())
        })
        .await;
    assert_eq!(read.status.unwrap().last_sync.unwrap().trigger, Trigger::Requested);
    assert_eq!(bucket.published_in(), term + 1);
    let files = bucket.files();
    first.signal("CONT");
    assert!(!first.until_ended().await.success(), "it says that it has lost the Lease");
    assert_eq!(bucket.files(), files);
    assert_eq!(bucket.published_in(), term + 1);
    assert!(second.terminate().await.success());
}

async fn elected(control_plane: &ControlPlane, folder: &Path, name: &str, bucket: &Bucket) -> Operator {
    let flags = [
        "--leader-election=true".to_owned(),
        format!("--lease-namespace={NAMESPACE}"),
        format!("--instance={name}"),
    ];
    Operator::start_in(control_plane, &folder.join(name), &flags, &bucket.environment()).await
}
