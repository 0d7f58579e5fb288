//! One simulated server, one connector for it, and the store with what was published before.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use connector_operator::access::guard::Limits;
use connector_operator::api::Trigger;
use connector_operator::clock::Clock;
use connector_operator::connectors::Connector;
use connector_operator::connectors::http::{ClientOptions, RetryPolicy, Timeouts};
use connector_operator::connectors::{planetscale, scalr};
use connector_operator::network::HostPolicy;
use connector_operator::snapshot::{DirectoryStore, Entry, Owner, SyncId};
use connector_operator::sync::{
    Credential, Destination, Ended, Opened, Outcome, Plan, SecretSeen, Settings, Snapshots, Source, run,
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
    /// A server on which all is well, made ready for `fault`.
    pub(crate) async fn new(vendor: Vendor, fault: Option<Fault>) -> Self {
        let tls = fault.is_some_and(Fault::is_of_tls);
        let server = match vendor {
            Vendor::Scalr => {
                let token = format!("{CANARY}-5f1d3e9a");
                let config =
                    ScalrConfig { users: 250, service_accounts: 20, token, tls, ..ScalrConfig::default() };
                Server::Scalr(ScalrSimulator::start(config).await.unwrap())
            }
            Vendor::PlanetScale => {
                let token = format!("{CANARY}id:{CANARY}-5f1d3e9a");
                let mut organizations = OrganizationSize::several(2, 250, 2, 5);
                organizations[1].members = 5;
                organizations[1].teams = 1;
                let config = PlanetScaleConfig {
                    organizations,
                    analysts: true,
                    token,
                    tls,
                    ..PlanetScaleConfig::default()
                };
                let server = PlanetScaleSimulator::start(config).await.unwrap();
                add_large_team(&server);
                Server::PlanetScale(server)
            }
        };
        let ca_bundle = match &server {
            Server::Scalr(server) => server.ca_pem(),
            Server::PlanetScale(server) => server.ca_pem(),
        };
        let options = options(fault, ca_bundle);
        let owner = Owner::new("identity", &format!("{vendor}Connector"), "acme", "uid-1").unwrap();
        Self { server, options, folder: tempfile::tempdir().unwrap(), owner }
    }

    /// Publishes the truth.
    pub(crate) async fn runs_well(&self) {
        let outcome = self.run().await;
        assert!(matches!(outcome.result, Ok(Ended::Published(_))), "without a fault: {outcome:?}");
        assert!(self.published().is_of(&outcome.id));
        assert_eq!(self.read().difference(&self.truth(None)), [""; 0]);
    }

    /// Takes over what `other`, whose server is its twin, has published.
    pub(crate) fn takes_over(&self, other: &Self) {
        copy(other.store().root(), self.store().root());
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
            names: false,
            clock: Clock::system(),
        };
        let snapshots = Snapshots::new(self.store(), self.scratch().to_owned(), 2);
        let destination: Arc<dyn Destination> = Arc::new(snapshots.of(self.owner.clone()));
        let ended = run(plan, self, destination, |_| {}, CancellationToken::new()).await;
        ended.expect("nobody has cancelled it")
    }

    /// What the store has, byte by byte.
    pub(crate) fn published(&self) -> Published {
        let store = self.store();
        let latest = store.latest(&self.owner).unwrap().unwrap();
        let snapshots = store.list(&self.owner).unwrap();
        let read = |entry: Entry| {
            let file = std::fs::read(store.path(&self.owner, &entry.id)).unwrap();
            (entry.id.to_string(), file)
        };
        let pointer = store.path(&self.owner, &latest.id).with_file_name("latest.json");
        Published {
            latest: latest.id.to_string(),
            pointer: std::fs::read(pointer).unwrap(),
            snapshots: snapshots.into_iter().map(read).collect(),
        }
    }

    /// What the snapshot that counts says.
    pub(crate) fn read(&self) -> Picture {
        let (_, snapshot) = self.store().open_latest(&self.owner, self.scratch()).unwrap().unwrap();
        Picture::of_snapshot(&snapshot)
    }

    /// What it must say when the server has `fault`.
    pub(crate) fn truth(&self, fault: Option<Fault>) -> Picture {
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
        let credential = Credential {
            name: "token",
            place: "key token of Secret acme".to_owned(),
            address: "spec.baseUrl".into(),
            scope: "spec.account".into(),
            settings: Settings::Spec,
        };
        Opened { secret: SecretSeen::Version("7".to_owned()), connector: Ok((self.connector(), credential)) }
    }
}

/// What a store has of one connector.
#[derive(PartialEq, Eq)]
pub(crate) struct Published {
    latest: String,
    pointer: Vec<u8>,
    snapshots: BTreeMap<String, Vec<u8>>,
}

impl Published {
    /// Is it the run `id` that counts?
    pub(crate) fn is_of(&self, id: &str) -> bool {
        self.latest == id && self.snapshots.contains_key(id)
    }
}

/// A team with two pages of members, so that somebody can slide from one to the other; without those at the edges of
/// the pages of the organization's members, since whoever is in a team is not overlooked there.
fn add_large_team(server: &PlanetScaleSimulator) {
    let team = server.add_team("org-1", "Large").unwrap();
    for member in &server.truth().organizations[0].members[120..230] {
        server.add_team_member("org-1", &team, member.user.id.as_str()).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, place) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &place);
        } else {
            std::fs::copy(path, place).unwrap();
        }
    }
}

/// As the operator has them, but less patient, so that what takes minutes there takes moments here.
fn options(fault: Option<Fault>, ca_bundle: Option<&str>) -> ClientOptions {
    let silent = matches!(fault, Some(Fault::Hang | Fault::SlowDrip));
    let request = if silent { Duration::from_secs(1) } else { Duration::from_secs(10) };
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
        ..ClientOptions::new(HostPolicy::default().with_loopback(true))
    }
}
