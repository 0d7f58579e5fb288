//! One simulated server, one connector for it, and the store with what was published before.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use connector_operator::access::guard::Limits;
use connector_operator::api::Trigger;
use connector_operator::connectors::Connector;
use connector_operator::connectors::http::{self, ClientOptions, HostPolicy, RetryPolicy, Timeouts};
use connector_operator::connectors::{planetscale, scalr};
use connector_operator::snapshot::{DirectoryStore, Owner, SyncId};
use connector_operator::sync::{
    Credential, Destination, Opened, Outcome, Plan, SecretSeen, Snapshots, Source, run,
};
use connector_simulator::fault::{Fault, Vendor};
use connector_simulator::{
    OrganizationSize, PlanetScaleConfig, PlanetScaleSimulator, ScalrConfig, ScalrSimulator,
};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::picture::Picture;
use super::table::{Row, TRIES};

/// Stands in every token.
pub(crate) const CANARY: &str = "canary";

enum Server {
    Scalr(ScalrSimulator),
    PlanetScale(PlanetScaleSimulator),
}

pub(crate) struct Stage {
    server: Server,
    options: ClientOptions,
    folder: TempDir,
    owner: Owner,
}

impl Stage {
    pub(crate) async fn new(row: &Row) -> Self {
        let tls = row.fault.is_of_tls();
        let server = match row.vendor {
            Vendor::Scalr => {
                let token = format!("{CANARY}-5f1d3e9a");
                let config =
                    ScalrConfig { users: 250, service_accounts: 20, token, tls, ..ScalrConfig::default() };
                Server::Scalr(ScalrSimulator::start(config).await.unwrap())
            }
            Vendor::PlanetScale => {
                let token = format!("{CANARY}id:{CANARY}-5f1d3e9a");
                let mut organizations = OrganizationSize::several(2, 5, 1, 2);
                organizations[0] =
                    OrganizationSize { members: 250, teams: 2, team_members: 5, ..organizations[0].clone() };
                let config = PlanetScaleConfig {
                    organizations,
                    analysts: true,
                    token,
                    tls,
                    ..PlanetScaleConfig::default()
                };
                Server::PlanetScale(PlanetScaleSimulator::start(config).await.unwrap())
            }
        };
        let ca_bundle = match &server {
            Server::Scalr(server) => server.ca_pem(),
            Server::PlanetScale(server) => server.ca_pem(),
        };
        let options = options(row, ca_bundle);
        let owner = Owner::new("identity", &format!("{}Connector", row.vendor), "acme", "uid-1").unwrap();
        Self { server, options, folder: tempfile::tempdir().unwrap(), owner }
    }

    pub(crate) fn goes_wrong(&self, row: &Row) {
        let done = match &self.server {
            Server::Scalr(server) => {
                server.reset_stats();
                server.switch_on(row.fault, &row.extent)
            }
            Server::PlanetScale(server) => {
                server.reset_stats();
                server.switch_on(row.fault, &row.extent)
            }
        };
        done.unwrap();
    }

    /// Requests since it went wrong.
    pub(crate) fn requests(&self) -> u64 {
        match &self.server {
            Server::Scalr(server) => server.stats().arrived,
            Server::PlanetScale(server) => server.stats().arrived,
        }
    }

    /// Runs once, as the operator would.
    pub(crate) async fn run(&self) -> Outcome {
        let plan = Plan {
            id: SyncId::new(Timestamp::now()),
            generation: 1,
            trigger: Trigger::Scheduled,
            requested_at: None,
            timeout: Duration::from_secs(60),
            scratch: self.scratch().to_owned(),
            limits: Limits::default(),
            before: None,
            approved: None,
        };
        let snapshots = Snapshots::new(self.store(), self.scratch().to_owned(), 2);
        let destination: Arc<dyn Destination> = Arc::new(snapshots.of(self.owner.clone()));
        let ended = run(plan, self, destination, |_| {}, CancellationToken::new()).await;
        ended.expect("nobody has cancelled it")
    }

    /// The pointer and the file of the snapshot that counts, byte by byte.
    pub(crate) fn published(&self) -> (Vec<u8>, Vec<u8>) {
        let store = self.store();
        let latest = store.latest(&self.owner).unwrap().unwrap();
        let path = store.path(&self.owner, &latest.id);
        let pointer = std::fs::read(path.with_file_name("latest.json")).unwrap();
        (pointer, std::fs::read(path).unwrap())
    }

    /// What the snapshot that counts says.
    pub(crate) fn read(&self) -> Picture {
        let (_, snapshot) = self.store().open_latest(&self.owner, self.scratch()).unwrap().unwrap();
        Picture::of_snapshot(&snapshot)
    }

    /// What it must say when the server has `fault`.
    pub(crate) fn truth(&self, fault: Fault) -> Picture {
        match &self.server {
            Server::Scalr(server) => Picture::of_scalr(&server.truth(), fault),
            Server::PlanetScale(server) => Picture::of_planetscale(&server.truth(), fault),
        }
    }

    fn store(&self) -> DirectoryStore {
        DirectoryStore::new(self.folder.path().join("store"))
    }

    fn scratch(&self) -> &Path {
        self.folder.path()
    }

    fn connector(&self) -> Box<dyn Connector> {
        match &self.server {
            Server::Scalr(server) => {
                let settings = scalr::ScalrSettings {
                    account: "acme".to_owned(),
                    base_url: Some(server.base_url().parse().unwrap()),
                };
                Box::new(scalr::Scalr::new(settings, server.token().into(), self.options.clone()).unwrap())
            }
            Server::PlanetScale(server) => {
                let settings =
                    planetscale::PlanetScaleSettings { api_url: server.base_url().parse().unwrap() };
                let token = server.token().into();
                Box::new(planetscale::PlanetScale::new(settings, token, self.options.clone()).unwrap())
            }
        }
    }
}

#[async_trait]
impl Source for Stage {
    async fn open(&self) -> Opened {
        let credential = Credential { name: "token", place: "key token of Secret acme".to_owned() };
        Opened { secret: SecretSeen::Version("7".to_owned()), connector: Ok((self.connector(), credential)) }
    }
}

/// As the operator has them, but less patient, so that what takes minutes there takes moments here.
fn options(row: &Row, ca_bundle: Option<&str>) -> ClientOptions {
    let silent = matches!(row.fault, Fault::Hang | Fault::SlowDrip);
    let request = if silent { Duration::from_millis(500) } else { Duration::from_secs(10) };
    ClientOptions {
        ca_bundle: ca_bundle.map(|pem| pem.as_bytes().to_vec()),
        timeouts: Timeouts { request, idle: request, ..Timeouts::default() },
        retry: RetryPolicy {
            tries: usize::try_from(TRIES).unwrap(),
            first_wait: Duration::from_millis(2),
            longest_wait: Duration::from_millis(10),
            rate_limit_wait: Duration::from_millis(20),
            ..RetryPolicy::default()
        },
        limits: http::Limits { body: 4 << 20, ..http::Limits::default() },
        ..ClientOptions::new(HostPolicy::default().with_loopback(true))
    }
}
