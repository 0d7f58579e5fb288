//! C1 made of the SDK's own types (`interop receive`). What it takes from the SDK's client breaks no rule, so what it
//! refuses is wrong.

use std::fs;
use std::path::Path;
use std::time::Duration;

use connector_simulator::{PlanetScaleConfig, PlanetScaleSimulator};
use serde_json::Value;
use testbed::Managed;

use crate::peer::{self, Access};
use crate::programs;

/// The longest that all of it may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// A running `interop receive`, and the folder of what it publishes.
pub(crate) struct Receiver {
    process: Managed,
    folder: tempfile::TempDir,
}

impl Receiver {
    /// Starts one that hands out these tasks.
    pub(crate) async fn start(tasks: &str) -> Self {
        Self::start_with(tasks, &[]).await
    }

    /// The same, with further flags.
    pub(crate) async fn start_with(tasks: &str, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("transcript");
        let mut process = Managed::spawn("interop receive", programs::interop(), &log, |command| {
            command.args(["receive", "--tasks", tasks, "--timeout", "80s"]).args(flags);
            command.arg("--dir").arg(folder.path());
        })
        .unwrap();
        let address = folder.path().join("address");
        process.wait_until("listening", PATIENCE, || async { address.exists() }).await.unwrap();
        Self { process, folder }
    }

    pub(crate) fn published(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits for the end of all tasks; the transcript, and whether no rule was broken.
    pub(crate) async fn end(&mut self) -> (Vec<Value>, bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.process.ended() {
                break status;
            }
            assert!(tokio::time::Instant::now() < deadline, "it goes on:\n{}", self.published("transcript"));
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let text = self.published("transcript");
        let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        (lines, status.success())
    }
}

/// The lines of the transcript about a kind of task, by one method.
pub(crate) fn about<'a>(lines: &'a [Value], method: &str, task: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["method"] == method && line["task"] == task).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_sdks_own_client_sends_breaks_none_of_the_sdks_rules() {
    let upstream = PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap();
    let mut receiver = Receiver::start("hello,sync_full,sync_resources,sync_without_grants,grant").await;
    let [host, ca_pem, client_id, client_secret] =
        ["address", "ca.pem", "client-id", "client-secret"].map(|name| receiver.published(name));
    let access =
        Access { host: &host, ca_pem: &ca_pem, client_id: &client_id, client_secret: &client_secret };
    let connector = peer::start(receiver.folder(), &upstream, &access);
    let (lines, good) = receiver.end().await;
    let log = fs::read_to_string(connector.log()).unwrap();
    assert!(good, "{lines:#?}\n{log}");

    assert_eq!(lines[0]["method"], "token");
    assert_eq!(about(&lines, "Hello", "hello").len(), 1);
    for (task, sync_type, has_entitlements, has_grants) in [
        ("sync_full", "full", true, true),
        ("sync_resources", "resources_only", false, false),
        ("sync_without_grants", "full", true, false),
    ] {
        let file = &about(&lines, "UploadAsset", task)[0]["file"];
        assert_eq!(file["syncType"], sync_type, "{file}");
        assert_eq!(file["resources"]["user"], upstream.counts().users, "{file}");
        let any = |records: &str| !file[records].as_object().unwrap().is_empty();
        assert_eq!((any("entitlements"), any("grants")), (has_entitlements, has_grants), "{file}");
        assert_eq!(about(&lines, "FinishTask", task)[0]["finished"]["success"], true);
    }
    let refused = &about(&lines, "FinishTask", "grant")[0]["finished"];
    assert_eq!((&refused["success"], &refused["nonRetryable"]), (&Value::Bool(false), &Value::Bool(true)));
}
