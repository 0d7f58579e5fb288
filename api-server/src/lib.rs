//! A Kubernetes API server in memory: as much of one as an operator with custom resources, Secrets, events and a Lease
//! sees. What it does wrong it does on demand: it cuts a connection before or after a write takes effect, fails a request,
//! shows an older moment, forgets what watches missed.
//!
//! `request` understands what is asked, `store` is the state, `store/writing` its rules, `apply` merges what a manager applies,
//! `watching` streams what changed, `connection` is what one client sees of all that, and what goes wrong there. A
//! client's time is the clock of the runtime that it runs in.
//!
//! It knows no kinds but those it is told of, checks no schema but by the [`Kind`]'s own word, and lets everybody do
//! everything. Nothing here may be linked into the operator.

mod apply;
mod connection;
mod kind;
mod object;
mod request;
mod selector;
mod store;
mod watching;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

pub use connection::{Connection, Fault, When};
pub use kind::Kind;
pub use store::{Change, ChangeType};

use request::{Asked, Request};
use store::Store;

/// An API server in memory. Clones share it.
#[derive(Clone)]
pub struct ApiServer(Arc<Shared>);

struct Shared {
    store: Mutex<Store>,
    /// The latest resourceVersion.
    latest: watch::Sender<u64>,
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

/// What the server answers: an HTTP status, and an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub code: u16,
    /// The object, or a Status that says what is wrong.
    pub body: Value,
}

impl Answer {
    /// Was it done?
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.code < 300
    }
}

impl ApiServer {
    /// A server that knows Kubernetes' own kinds as far as an operator needs them, and these; `clock` says what time
    /// objects are made at.
    pub fn new(
        kinds: impl IntoIterator<Item = Kind>,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        let store = Store::new(kind::of_kubernetes().into_iter().chain(kinds));
        let latest = watch::channel(store.version()).0;
        Self(Arc::new(Shared { store: Mutex::new(store), latest, clock: Box::new(clock) }))
    }

    /// Makes another kind known, as a CustomResourceDefinition does that is applied.
    pub fn serve(&self, kind: Kind) {
        self.store().serve(kind);
    }

    /// A client of its own, whose default namespace this is.
    #[must_use]
    pub fn connect(&self, namespace: &str) -> (kube::Client, Connection) {
        connection::connect(self, namespace)
    }

    /// Does at once what a request asks that is no watch; `target` is a path, with a query where it has one.
    ///
    /// Nothing goes wrong here on purpose: this is how a test looks at what is stored, and how people change it.
    #[must_use]
    pub fn ask(&self, method: &str, target: &str, body: &Value) -> Answer {
        match Request::understand(method, target, "", body.clone()) {
            Ok(request) => self.answer(&request),
            Err(refusal) => refusal,
        }
    }

    /// The resourceVersion of the latest change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.store().version()
    }

    /// Follows the resourceVersion of the latest change.
    #[must_use]
    pub fn versions(&self) -> watch::Receiver<u64> {
        self.0.latest.subscribe()
    }

    /// Every change so far of one kind's objects, by the kind's plural name; the earliest first.
    #[must_use]
    pub fn history(&self, plural: &str) -> Vec<Change> {
        self.store().history(plural)
    }

    /// The objects of a kind as they are, by namespace and name.
    #[must_use]
    pub fn objects(&self, plural: &str) -> BTreeMap<(String, String), Value> {
        self.store().objects(plural)
    }

    /// Forgets all changes up to now: watches and continued lists from before are Gone.
    pub fn compact(&self) {
        self.store().compact();
    }

    fn answer(&self, request: &Request) -> Answer {
        let now = (self.0.clock)();
        let mut store = self.store();
        let answer = store.answer(request, now);
        let version = store.version();
        drop(store);
        self.0.latest.send_if_modified(|latest| std::mem::replace(latest, version) != version);
        answer
    }

    fn list_as_of(&self, asked: &Asked, version: u64) -> Answer {
        self.store().list(asked, Some(version))
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
