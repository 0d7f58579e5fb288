//! Snapshots on a real S3 server: that it does what the store stands on, and what is said where it does not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

use std::io::BufRead;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::thread;

use connector_operator::connectors::scalr;
use connector_operator::snapshot::{
    BucketAddress, BucketStore, Finished, Latest, Owner, Pruned, Receipt, Replaces, Retired, SnapshotWriter,
    Store, StoreError, SyncId,
};
use jiff::{SignedDuration, Timestamp};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path as Key;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, PutMode};
use rstest::rstest;
use tempfile::TempDir;
use testbed::{S3Options, S3Server};

/// Longer than a page of a listing, which has 1,000.
const SEVERAL_PAGES: usize = 1_100;

/// A key of a service account that signs nothing: with it, tokens are not asked for.
const GOOGLE_KEY: &str = r#"{"private_key": "none", "private_key_id": "1", "client_email": "ada@example.com", "disable_oauth": true}"#;

/// A server with an empty bucket.
struct Stage {
    folder: TempDir,
    server: S3Server,
}

impl Stage {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = S3Server::start(folder.path(), S3Options::default()).await.unwrap();
        Self { folder, server }
    }

    fn objects(&self) -> Arc<dyn ObjectStore> {
        let builder = AmazonS3Builder::new()
            .with_endpoint(format!("http://{}", self.server.address()))
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .with_bucket_name(S3Server::BUCKET)
            .with_access_key_id(S3Server::KEY_ID)
            .with_secret_access_key(S3Server::SECRET)
            .with_disable_bulk_delete(true);
        Arc::new(builder.build().unwrap())
    }

    fn store(&self) -> Store {
        let address: BucketAddress = "s3://snapshots/prod".parse().unwrap();
        let store = BucketStore::over(self.objects(), address, self.folder.path().to_owned()).unwrap();
        store.prove().unwrap();
        store.into()
    }

    fn scratch(&self) -> &Path {
        self.folder.path()
    }

    /// Runs the program with the server's own address and this key.
    async fn command(&self, arguments: &[&str], bucket: &str, secret: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_connector-operator"));
        command
            .env_clear()
            .env("AWS_ENDPOINT_URL", format!("http://{}", self.server.address()))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_ACCESS_KEY_ID", S3Server::KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .args(arguments)
            .arg(format!("--snapshot-bucket={bucket}"));
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }
}

fn owner(name: &str) -> Owner {
    Owner::new("identity", "ScalrConnector", name, &format!("uid-of-{name}")).unwrap()
}

fn run(scratch: &Path, second: i64) -> Finished {
    let now = Timestamp::from_second(1_790_000_000 + second).unwrap();
    let writer = SnapshotWriter::create(scratch, &[scalr::USER], SyncId::new(now), now).unwrap();
    writer.finish(now).unwrap()
}

fn publish(store: &Store, scratch: &Path, second: i64, receipt: Receipt) -> Result<Latest, StoreError> {
    store.publish(&owner("acme"), &run(scratch, second), receipt, &|| false)
}

/// The store waits on its own threads, and is asked from one that may wait.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn snapshots_are_published_read_pruned_and_removed() {
    let stage = Stage::start().await;
    let stage = blocking(move || {
        let (store, acme) = (stage.store(), owner("acme"));
        let leader = |lease_transitions| Receipt { lease_transitions, ..Receipt::default() };
        let first = publish(&store, stage.scratch(), 0, leader(7)).unwrap();
        let second = publish(&store, stage.scratch(), 10, leader(8)).unwrap();
        let error = publish(&store, stage.scratch(), 20, leader(7)).unwrap_err();
        assert!(matches!(error, StoreError::Fenced { stored: 8, ours: 7, .. }), "{error}");
        let (latest, snapshot) = store.open_latest(&acme, stage.scratch()).unwrap().unwrap();
        assert_eq!((&latest, &snapshot.run().id), (&second, &second.id));
        assert_eq!(store.list(&acme).unwrap().len(), 2);
        assert_eq!(store.owners().unwrap(), std::slice::from_ref(&acme));
        let file = store.fetch(&acme, &first.id, stage.scratch()).unwrap().unwrap();
        assert_eq!(std::fs::metadata(&*file).unwrap().len(), first.size);
        let now = Timestamp::now();
        assert_eq!(store.prune(&acme, 1, now).unwrap(), Pruned { snapshots: 1, leftovers: 0 });
        assert!(store.fetch(&acme, &first.id, stage.scratch()).unwrap().is_none());
        let kept = store.retire(&acme, now, SignedDuration::from_hours(1)).unwrap();
        assert!(matches!(kept, Retired::Kept { .. }));
        assert_eq!(store.retire(&acme, now, SignedDuration::ZERO).unwrap(), Retired::Removed);
        assert_eq!(store.owners().unwrap(), []);
        stage
    });
    drop(stage.await);
}

#[tokio::test]
async fn of_many_who_replace_the_same_snapshot_one_does() {
    let stage = Stage::start().await;
    let stage = blocking(move || {
        for round in 0..5 {
            let first = publish(&stage.store(), stage.scratch(), round * 100, Receipt::default()).unwrap();
            let receipt = Receipt { replaces: Replaces::Run(first.id), ..Receipt::default() };
            let published = thread::scope(|scope| {
                let publishing: Vec<_> = (1..7)
                    .map(|number| {
                        let (store, receipt) = (stage.store(), receipt.clone());
                        let scratch = stage.scratch();
                        scope.spawn(move || publish(&store, scratch, round * 100 + number, receipt))
                    })
                    .collect();
                let ended: Vec<_> = publishing.into_iter().map(|it| it.join().unwrap()).collect();
                ended.into_iter().filter_map(Result::ok).collect::<Vec<_>>()
            });
            assert_eq!(published.len(), 1, "round {round}: {published:?}");
            assert_eq!(stage.store().latest(&owner("acme")).unwrap().unwrap(), published[0]);
        }
        stage
    });
    drop(stage.await);
}

#[tokio::test]
async fn of_many_who_write_on_one_condition_one_does() {
    let stage = Stage::start().await;
    let (objects, key) = (stage.objects(), Key::parse("prod/contended").unwrap());
    let mut version = objects.put(&key, "0".into()).await.unwrap();
    for round in 0..50 {
        let writing = (0..8).map(|number| {
            let (objects, key) = (Arc::clone(&objects), key.clone());
            let mode = PutMode::Update(version.clone().into());
            tokio::spawn(async move {
                objects.put_opts(&key, format!("{round}-{number}").into(), mode.into()).await
            })
        });
        let mut done = Vec::new();
        for one in writing.collect::<Vec<_>>() {
            done.extend(one.await.unwrap().ok());
        }
        assert_eq!(done.len(), 1, "round {round}");
        version = done.remove(0);
    }
}

#[tokio::test]
async fn a_large_text_goes_up_in_parts_and_a_listing_of_several_pages_is_whole() {
    let stage = Stage::start().await;
    let objects = stage.objects();
    for number in 0..SEVERAL_PAGES {
        let key = format!("prod/identity/scalrconnector/c{number}/uid/latest.json");
        objects.put(&Key::parse(key).unwrap(), "{}".into()).await.unwrap();
    }
    let stage = blocking(move || {
        let store = stage.store();
        assert_eq!(store.owners().unwrap().len(), SEVERAL_PAGES);
        // What cannot be packed well: more than two parts of it.
        let mut random = fastrand::Rng::with_seed(1);
        let mut line = || format!("{:032x}{:032x}", random.u128(..), random.u128(..));
        let lines: Vec<String> = (0..400_000).map(|_| line()).collect();
        let mut hold = store.begin_hold(&owner("acme")).unwrap();
        for line in &lines {
            hold.line(line).unwrap();
        }
        hold.keep().unwrap();
        let kept = stage
            .scratch()
            .join("buckets/snapshots/prod/identity/scalrconnector/acme/uid-of-acme/held.txt.zst");
        assert!(std::fs::metadata(kept).unwrap().len() > 10 << 20);
        let held = store.held(&owner("acme")).unwrap().unwrap();
        assert!(held.lines().map(Result::unwrap).eq(lines));
        stage
    });
    drop(stage.await);
}

#[tokio::test]
async fn what_is_wrong_with_a_bucket_is_one_sentence_that_says_what_to_do() {
    let stage = Stage::start().await;
    let run = ["run", "--listen=127.0.0.1:0", "--snapshot-listen=127.0.0.1:0", "--instance=one"];
    let scratch = format!("--scratch-dir={}", stage.scratch().join("scratch").display());
    let run = [&run[..], &[scratch.as_str()]].concat();
    let listing = ["snapshot", "list"];
    let wrong = "wrong-secret-canary";
    let bucket = "s3://snapshots/prod";
    for (arguments, bucket, secret, parts) in [
        (
            &run[..],
            bucket,
            wrong,
            [
                "trying s3://snapshots/prod/.probe/",
                "access was denied (403 Forbidden, SignatureDoesNotMatch)",
                "Check the credentials for the bucket",
            ],
        ),
        (
            &run[..],
            "s3://elsewhere",
            S3Server::SECRET,
            [
                "trying s3://elsewhere/.probe/",
                "there is no such bucket (404 Not Found, NoSuchBucket)",
                "Make the bucket",
            ],
        ),
        (
            &run[..],
            "s3://",
            S3Server::SECRET,
            ["s3://", "is not the address of a bucket", "must read s3://BUCKET"],
        ),
        (&listing[..], bucket, wrong, ["listing s3://snapshots/prod", "access was denied", "403"]),
    ] {
        let output = stage.command(arguments, bucket, secret).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{said}");
        for part in parts {
            assert!(said.contains(part), "{part}: {said}");
        }
        for secret in [wrong, S3Server::SECRET, S3Server::KEY_ID] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

/// What the program says of a bucket in an environment of nothing but these variables.
fn said_with(bucket: &str, variables: &[(&str, &str)]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_connector-operator"))
        .env_clear()
        .envs(variables.iter().copied())
        .args(["snapshot", "list"])
        .arg(format!("--snapshot-bucket={bucket}"))
        .output()
        .unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[rstest]
#[case("s3://snapshots", "AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP")]
#[case("s3://snapshots", "AWS_ENDPOINT_URL_S3", "AWS_ALLOW_HTTP")]
#[case("az://snapshots", "AZURE_ENDPOINT", "AZURE_ALLOW_HTTP")]
fn an_endpoint_without_tls_needs_leave(#[case] bucket: &str, #[case] variable: &str, #[case] leave: &str) {
    let said = said_with(bucket, &[(variable, "http://127.0.0.1:9"), ("AZURE_STORAGE_ACCOUNT_NAME", "acme")]);
    assert!(said.contains("http://127.0.0.1:9: the endpoint for"), "{said}");
    assert!(
        said.contains("must begin with https://") && said.contains(&format!("set {leave}=true")),
        "{said}"
    );
}

#[rstest]
#[case("s3://snapshots", &[("AWS_ACCESS_KEY_ID", "canary")], "Missing SecretAccessKey")]
#[case("gs://snapshots", &[("GOOGLE_SERVICE_ACCOUNT_KEY", "\"canary\"")], "")]
#[case("gs://snapshots", &[("GOOGLE_SERVICE_ACCOUNT_KEY", "{\"private_key\": \"canary\"}")], "")]
#[case("gs://snapshots", &[("GOOGLE_APPLICATION_CREDENTIALS", "/no/such/file")], "")]
#[case("az://snapshots", &[("AZURE_STORAGE_ACCOUNT_KEY", "canary")], "Account must be specified")]
#[case("az://snapshots", &[("AZURE_STORAGE_ACCOUNT_NAME", "acme"), ("AZURE_STORAGE_ACCOUNT_KEY", "canary!")], "")]
fn settings_that_cannot_be_used_are_told_without_what_stands_in_them(
    #[case] bucket: &str,
    #[case] variables: &[(&str, &str)],
    #[case] problem: &str,
) {
    let said = said_with(bucket, variables);
    assert!(
        said.contains(&format!("--snapshot-bucket {bucket}: its settings cannot be used: {problem}")),
        "{said}"
    );
    assert!(!said.contains("canary"), "{said}");
}

#[rstest]
#[case("gs://snapshots", &[("GOOGLE_SERVICE_ACCOUNT_KEY", GOOGLE_KEY), ("GOOGLE_BASE_URL", "https://127.0.0.1:9")])]
#[case("az://snapshots", &[
    ("AZURE_STORAGE_ACCOUNT_NAME", "acme"),
    ("AZURE_STORAGE_ACCOUNT_KEY", "Y2FuYXJ5"),
    ("AZURE_ENDPOINT", "https://127.0.0.1:9"),
])]
fn who_does_not_answer_is_told_of(#[case] bucket: &str, #[case] variables: &[(&str, &str)]) {
    let said = said_with(bucket, variables);
    assert!(said.contains(&format!("listing {bucket}: there was no answer: Connection refused")), "{said}");
}

#[tokio::test]
async fn the_commands_know_buckets_too() {
    let stage = Stage::start().await;
    let (stage, latest) = blocking(move || {
        let store = stage.store();
        publish(&store, stage.scratch(), 0, Receipt::default()).unwrap();
        let latest = publish(&store, stage.scratch(), 10, Receipt::default()).unwrap();
        (stage, latest)
    })
    .await;
    let bucket = "s3://snapshots/prod";
    let output = stage.command(&["snapshot", "prune", "--keep=1"], bucket, S3Server::SECRET).await;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "removed 1 snapshots and 0 incomplete files\n");
    let output = stage.command(&["snapshot", "list", "-o", "json"], bucket, S3Server::SECRET).await;
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let uri = format!("{bucket}/identity/scalrconnector/acme/uid-of-acme/{}.c1z", latest.id);
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!((&rows[0]["uri"], &rows[0]["latest"]), (&uri.into(), &true.into()));
}
