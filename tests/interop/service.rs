//! The SDK's client and the simulated C1: what the SDK does and C1 demands is what the simulated C1 takes.

use std::time::Duration;

use connector_operator::snapshot::Snapshot;
use connector_simulator::c1::{Finished, SyncFull};
use connector_simulator::{C1Config, C1Simulator, PlanetScaleConfig, PlanetScaleSimulator, TaskSpec};
use tempfile::TempDir;
use testbed::Managed;

use crate::peer::{self, Access, HOST_ID};

/// The longest that the client may take for anything: it says hello, waits and starts a process of its own first.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Both simulators, and between them a connector on the SDK, which ends with this.
pub(crate) struct Stage {
    pub(crate) upstream: PlanetScaleSimulator,
    pub(crate) c1: C1Simulator,
    pub(crate) folder: TempDir,
    connector: Managed,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let upstream = PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap();
        let config = C1Config { next_poll: Duration::from_millis(50), ..C1Config::default() };
        let c1 = C1Simulator::start(config).await.unwrap();
        let client = c1.client(0).unwrap();
        let access = Access {
            host: c1.host(),
            ca_pem: c1.ca_pem(),
            client_id: &client.client_id,
            client_secret: &client.client_secret,
        };
        let connector = peer::start(folder.path(), &upstream, &access);
        Self { upstream, c1, folder, connector }
    }

    /// Gives a full sync to do, waits for its end, and gives the path of the file that was uploaded.
    pub(crate) async fn sync(&self, task: SyncFull) -> std::path::PathBuf {
        let task = self.c1.give(0, TaskSpec::SyncFull(task)).unwrap();
        let end = self.c1.until_finished(&task, PATIENCE).await;
        let end = end.unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
        assert_eq!(end, Finished::Success, "{}", self.log());
        let files = self.c1.files(&task);
        assert_eq!(files.len(), 1, "one file for the task");
        let path = self.folder.path().join(format!("{task}.c1z"));
        std::fs::write(&path, &files[0].bytes).unwrap();
        path
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.connector.log()).unwrap()
    }
}

/// A full sync into the form that is read here; by itself the SDK uploads version 3.
pub(crate) fn sqlite() -> SyncFull {
    SyncFull { skip_expand_grants: true, storage_engine: "sqlite".to_owned(), ..SyncFull::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sdks_client_does_a_hello_and_a_full_sync_for_the_simulated_c1() {
    let stage = Stage::set().await;
    let hello = stage.c1.give(0, TaskSpec::Hello).unwrap();
    let answered = |_: &[_]| stage.c1.hellos().iter().any(|it| it.task.as_ref() == Some(&hello));
    stage.c1.until(PATIENCE, answered).await.unwrap_or_else(|error| panic!("{error}\n{}", stage.log()));
    let path = stage.sync(sqlite()).await;

    // The first hello belongs to no task.
    let hellos = stage.c1.hellos();
    assert_eq!(hellos[0].task, None);
    assert_eq!(hellos[0].request.host_id, HOST_ID);
    assert!(hellos[0].user_agent.contains("baton-sdk/"), "{}", hellos[0].user_agent);

    let snapshot = Snapshot::open(&path, stage.folder.path()).unwrap();
    let (truth, counts) = (stage.upstream.counts(), snapshot.counts(&[]).unwrap());
    assert_eq!(counts["grants"], (truth.memberships + truth.team_memberships) as u64);
    assert_eq!(counts["entitlements"], (2 * truth.organizations + truth.teams) as u64);

    let transcript = stage.c1.transcript();
    let refused: Vec<_> = transcript.iter().filter(|entry| !entry.answer.is_ok()).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    let order: Vec<_> = ["Token", "Hello", "GetTask", "Heartbeat", "UploadAsset", "FinishTask"]
        .map(|method| transcript.iter().position(|entry| entry.method == method))
        .into();
    assert!(order.is_sorted() && order[0].is_some(), "{order:?} of {transcript:#?}");
}
