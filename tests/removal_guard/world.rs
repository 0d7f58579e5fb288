//! A connector that shows what it is told to, and the operator's store beside it.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use connector_operator::access::guard::{Limits, Scoping};
use connector_operator::access::{RecordId, RecordSender, ResourceType};
use connector_operator::api::Trigger;
use connector_operator::clock::Clock;
use connector_operator::connectors::{Connector, LookUp, ReadError, Upstream};
use connector_operator::proto::c1::connector::v2::Resource;
use connector_operator::snapshot::{DirectoryStore, Owner, ReadError as SnapshotError, SyncId};
use connector_operator::sync::{
    Credential, Destination, Ended, Failure, Held, Opened, Outcome, Plan, Published, PublishedBefore,
    SecretSeen, Settings, Snapshots, Source, run,
};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::truth::{self, Truth};

/// What one reading shows.
#[derive(Debug, Clone)]
pub enum Listing {
    /// This, be it true or not.
    Shows(Truth),
    /// It contradicts itself.
    Drifts,
}

/// What becomes of looking up one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// It tells the truth.
    Honest,
    /// It cannot be done.
    Impossible,
    /// It never ends.
    Hangs,
    /// It fails.
    Fails,
}

/// The upstream.
pub struct Account {
    pub scoping: Scoping,
    pub truth: Truth,
    /// What the next readings show; the truth when there is nothing left here.
    pub listings: VecDeque<Listing>,
    pub lookup: Lookup,
    /// What every reading showed so far.
    pub readings: Vec<Truth>,
    /// How many were looked up, each time.
    pub looked_up: Vec<usize>,
}

/// Reads the account.
#[derive(Clone)]
pub struct Fake(pub Arc<Mutex<Account>>);

#[async_trait]
impl Connector for Fake {
    fn resource_types(&self) -> &'static [ResourceType] {
        truth::types(self.scoping())
    }

    fn scoping(&self) -> Scoping {
        self.0.lock().unwrap().scoping
    }

    async fn validate(&self) -> Result<(), ReadError> {
        Ok(())
    }

    async fn read(&self, records: &RecordSender) -> Result<Upstream, ReadError> {
        let shown = {
            let mut account = self.0.lock().unwrap();
            match account.listings.pop_front() {
                Some(Listing::Drifts) => {
                    return Err(ReadError::ListingChanged {
                        listing: "the users".to_owned(),
                        problem: "there were 7, and there are 8".to_owned(),
                    });
                }
                Some(Listing::Shows(shown)) => shown,
                None => account.truth.clone(),
            }
        };
        self.0.lock().unwrap().readings.push(shown.clone());
        for page in shown.pages(self.scoping()) {
            records.progress().page_read();
            records.send(page).await?;
        }
        Ok(Upstream { account_id: shown.account.to_owned() })
    }

    async fn look_up(&self, missing: &[RecordId]) -> Result<LookUp, ReadError> {
        let (lookup, found) = {
            let mut account = self.0.lock().unwrap();
            account.looked_up.push(missing.len());
            let found = missing.iter().filter_map(|it| account.truth.in_place_of(it)).collect();
            (account.lookup, found)
        };
        match lookup {
            Lookup::Honest => Ok(LookUp::Found(found)),
            Lookup::Impossible => Ok(LookUp::Impossible),
            Lookup::Hangs => std::future::pending().await,
            Lookup::Fails => Err(ReadError::EmptyAccount("nobody answers".to_owned())),
        }
    }
}

#[async_trait]
impl Source for Fake {
    async fn open(&self) -> Opened {
        let credential = Credential {
            name: "token",
            place: "key token of Secret acme".to_owned(),
            address: "spec.baseUrl".into(),
            scope: "spec.account".into(),
            settings: Settings::Spec,
        };
        Opened {
            secret: SecretSeen::Version("1".to_owned()),
            connector: Ok((Box::new(self.clone()), credential)),
        }
    }
}

/// An account, the operator's store, and what the object's status remembers.
pub struct World {
    pub folder: TempDir,
    pub account: Fake,
    pub owner: Owner,
    pub limits: Limits,
    pub status: Option<PublishedBefore>,
    pub timeout: Duration,
    runs: i64,
}

impl World {
    pub fn new(scoping: Scoping, truth: Truth) -> Self {
        let account = Account {
            scoping,
            truth,
            listings: VecDeque::new(),
            lookup: Lookup::Honest,
            readings: Vec::new(),
            looked_up: Vec::new(),
        };
        Self {
            folder: tempfile::tempdir().unwrap(),
            account: Fake(Arc::new(Mutex::new(account))),
            owner: Owner::new("identity", "ScalrConnector", "acme", "uid-of-acme").unwrap(),
            limits: Limits::default(),
            status: None,
            timeout: Duration::from_secs(60),
            runs: 0,
        }
    }

    pub fn store(&self) -> DirectoryStore {
        DirectoryStore::new(self.folder.path().join("store"))
    }

    /// The owner's folder in the store.
    pub fn own_folder(&self) -> PathBuf {
        let nobody = SyncId::new(Timestamp::UNIX_EPOCH);
        self.store().path(&self.owner, &nobody).parent().unwrap().to_owned()
    }

    pub fn now(&self, truth: Truth) {
        self.account.0.lock().unwrap().truth = truth;
    }

    pub fn shows(&self, listings: impl IntoIterator<Item = Listing>) {
        self.account.0.lock().unwrap().listings = listings.into_iter().collect();
    }

    pub fn lookup(&self, lookup: Lookup) {
        self.account.0.lock().unwrap().lookup = lookup;
    }

    /// How many readings there were since this was asked last, and what was looked up.
    pub fn requests(&self) -> (usize, Vec<usize>) {
        let mut account = self.account.0.lock().unwrap();
        (std::mem::take(&mut account.readings).len(), std::mem::take(&mut account.looked_up))
    }

    pub fn scratch(&self) -> &Path {
        self.folder.path()
    }

    /// The plan of the next run, an hour after the last.
    pub fn plan(&mut self, approved: Option<&str>) -> Plan {
        self.runs += 1;
        let now = Timestamp::from_second(1_790_000_000 + self.runs * 3600).unwrap();
        Plan {
            id: SyncId::new(now),
            generation: 1,
            trigger: Trigger::Scheduled,
            requested_at: None,
            timeout: self.timeout,
            scratch: self.scratch().to_owned(),
            limits: self.limits,
            before: self.status.clone(),
            approved: approved.map(str::to_owned),
            names: false,
            clock: Clock::system(),
        }
    }

    pub fn destination(&self) -> Arc<dyn Destination> {
        Arc::new(Snapshots::new(self.store(), self.scratch().to_owned(), 3).of(self.owner.clone()))
    }

    /// Runs, without a word in the status.
    pub async fn run_unnoticed(&mut self, approved: Option<&str>) -> Result<Ended, Failure> {
        let plan = self.plan(approved);
        self.run_plan(plan, CancellationToken::new()).await.unwrap().result
    }

    pub async fn run_plan(&self, plan: Plan, cancel: CancellationToken) -> Option<Outcome> {
        run(plan, &self.account, self.destination(), |_| {}, cancel).await
    }

    /// Runs, and keeps in the status what was published.
    pub async fn run(&mut self, approved: Option<&str>) -> Result<Ended, Failure> {
        let ended = self.run_unnoticed(approved).await;
        if let Ok(Ended::Published(published)) = &ended {
            self.note(published);
        }
        ended
    }

    pub fn note(&mut self, published: &Published) {
        let latest = self.store().latest(&self.owner).unwrap().unwrap();
        self.status = Some(PublishedBefore {
            id: latest.id,
            account_id: published.account_id.clone(),
            scopes: published.scopes.clone(),
        });
    }

    pub async fn publishes(&mut self, approved: Option<&str>) -> Published {
        match self.run(approved).await {
            Ok(Ended::Published(published)) => published,
            other => panic!("not published: {other:?}"),
        }
    }

    pub async fn holds(&mut self, approved: Option<&str>) -> Held {
        match self.run(approved).await {
            Ok(Ended::Held(held)) => held,
            other => panic!("not held: {other:?}"),
        }
    }

    pub async fn fails(&mut self) -> Failure {
        self.run(None).await.unwrap_err()
    }

    /// The ids of all that is published.
    pub fn published(&self) -> Option<BTreeSet<String>> {
        let (_, snapshot) = self.store().open_latest(&self.owner, self.scratch()).unwrap()?;
        let mut ids = BTreeSet::new();
        let resource = |it: Resource| {
            let id = it.id.unwrap();
            ids.insert(format!("{}:{}", id.resource_type, id.resource));
            Ok::<_, SnapshotError>(())
        };
        snapshot.resources(resource).unwrap();
        snapshot
            .grants(|it| {
                ids.insert(it.id);
                Ok::<_, SnapshotError>(())
            })
            .unwrap();
        Some(ids)
    }

    /// The lines of what is held.
    pub fn held(&self) -> Option<String> {
        let text = self.store().held(&self.owner).unwrap()?;
        Some(std::io::read_to_string(text).unwrap())
    }

    pub fn lose_the_store(&self) {
        fs::remove_dir_all(self.own_folder()).unwrap();
    }

    pub fn damage_the_pointer(&self) {
        fs::write(self.own_folder().join("latest.json"), "{").unwrap();
    }

    pub fn lose_the_snapshot(&self) {
        let id = self.store().latest(&self.owner).unwrap().unwrap().id;
        fs::remove_file(self.store().path(&self.owner, &id)).unwrap();
    }
}
