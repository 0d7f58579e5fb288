//! Delivering to C1: for each object with `spec.c1` a worker that follows the object, and what its status says of it.

mod claims;
mod counting;
mod requests;
mod told;
mod worker;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::Client;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::c1::{About, Channels, View};
use crate::leadership::Leadership;
use crate::network::HostPolicy;
use crate::server::Metrics;
use crate::sync::ObjectKey;

use super::decide::has_changed;
use super::secrets::{Known, as_version};

pub(super) use claims::Age;
pub(super) use requests::{Request, Requests};
pub(super) use told::{Told, without};
pub(super) use worker::{Standing, Terms};

use claims::Claims;
use counting::Counted;
use worker::{Office, Worker};

/// All work for C1.
#[derive(Clone)]
pub struct Deliveries {
    office: Arc<Office>,
    desks: Arc<Mutex<Desks>>,
    metrics: Metrics,
    wake: Arc<Mutex<HashMap<&'static str, mpsc::UnboundedSender<ObjectKey>>>>,
    workers: TaskTracker,
    stop: CancellationToken,
}

#[derive(Default)]
struct Desks {
    seated: HashMap<ObjectKey, Desk>,
    /// Workers that were sent away and still give back what they have in hand. Each token ends with its worker.
    leaving: HashMap<ObjectKey, CancellationToken>,
}

/// Where one object's worker sits.
struct Desk {
    terms: Terms,
    /// Tells the worker what the watch shows of its Secret.
    shows: watch::Sender<Option<Known>>,
    /// The version that the worker has used, or tried to.
    used: watch::Receiver<Option<String>>,
    standing: watch::Receiver<Standing>,
    view: watch::Receiver<View>,
    stop: CancellationToken,
    /// Ends when the worker has.
    ended: CancellationToken,
}

impl Desk {
    /// Tells the worker of a Secret that is another than the one that it uses.
    fn show(&self, secret: Option<Known>) {
        if has_changed(self.used.borrow().as_deref(), as_version(secret.as_ref())) {
            self.shows.send_if_modified(|shown| {
                let changed = *shown != secret;
                *shown = secret;
                changed
            });
        }
    }
}

/// Who worked for an object before.
struct Former {
    ended: CancellationToken,
    /// What it did last is told by its successor.
    view: Option<watch::Receiver<View>>,
}

impl Deliveries {
    /// Deliveries to the hosts that `hosts` allows, until `stop`, and for as long as this operator leads; to `api_host` instead of the host that a client id
    /// names, where it is given.
    pub fn new(
        client: Client,
        hosts: HostPolicy,
        api_host: Option<String>,
        leadership: Leadership,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> Self {
        let office = Office {
            client,
            channels: Channels::new(hosts),
            api_host,
            claims: Claims::default(),
            leadership,
            requests: Requests::default(),
        };
        Self {
            office: Arc::new(office),
            desks: Arc::default(),
            metrics,
            wake: Arc::default(),
            workers: TaskTracker::new(),
            stop,
        }
    }

    /// Nobody works before all objects of this kind are known: [`Deliveries::listed`] says so.
    pub fn awaits(&self, kind: &'static str) {
        self.office.claims.awaits(kind);
    }

    /// Returns when everybody has stopped.
    pub async fn until_stopped(self) {
        self.stop.cancelled().await;
        self.workers.close();
        self.workers.wait().await;
    }

    /// Tells of each object of `kind` that should be looked at.
    pub(super) fn reports(&self, kind: &'static str) -> mpsc::UnboundedReceiver<ObjectKey> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.wake.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, sender);
        receiver
    }

    /// All objects of this kind are known.
    pub(super) fn listed(&self, kind: &'static str) {
        self.office.claims.listed(kind);
    }

    /// This object is to deliver; its worker follows.
    pub(super) fn expect(&self, age: &Age) {
        self.office.claims.expect(age);
    }

    /// What runs have to answer.
    pub(super) fn requests(&self) -> &Requests {
        &self.office.requests
    }

    /// Has the object's work done by these terms, with the Secret as the watch shows it; a worker with other terms is
    /// replaced.
    pub(super) fn follow(&self, age: &Age, about: About, terms: Terms, secret: Option<Known>) {
        let mut desks = self.desks();
        let former = match desks.seated.get(&age.key) {
            Some(desk) if desk.terms == terms => return desk.show(secret),
            Some(desk) => {
                desk.stop.cancel();
                Some(Former { ended: desk.ended.clone(), view: Some(desk.view.clone()) })
            }
            None => desks.leaving.get(&age.key).map(|ended| Former { ended: ended.clone(), view: None }),
        };
        let desk = self.seat(age, about, terms, secret, former);
        desks.seated.insert(age.key.clone(), desk);
    }

    /// The worker begins when the former one has given back what it had in hand.
    fn seat(
        &self,
        age: &Age,
        about: About,
        terms: Terms,
        secret: Option<Known>,
        former: Option<Former>,
    ) -> Desk {
        let first = if terms.silent { Standing::Silent } else { Standing::Starting };
        let (standing, stands) = watch::channel(first);
        let (using, used) = watch::channel(None);
        let (shows, shown) = watch::channel(secret);
        let (view, seen) = watch::channel(View::default());
        let (stop, ended) = (self.stop.child_token(), CancellationToken::new());
        let wake = self.wake_of(age.key.kind);
        let worker = Worker {
            office: Arc::clone(&self.office),
            age: age.clone(),
            about,
            terms: terms.clone(),
            shown,
            used: using,
            standing,
            view,
            wake: wake.clone(),
        };
        let (stopping, ends) = (stop.clone(), ended.clone().drop_guard());
        let mut looking =
            Looking { key: age.key.clone(), view: seen.clone(), wake, counted: Counted::default() };
        let metrics = self.metrics.clone();
        let span = tracing::error_span!(
            parent: None, "c1", kind = age.key.kind, namespace = age.key.namespace, connector = age.key.name
        );
        let working = async move {
            let _ends = ends;
            if let Some(former) = former {
                former.ended.cancelled().await;
                worker.follows(former.view.as_ref().map(|view| view.borrow().clone()));
            }
            tokio::select! {
                () = worker.work(stopping) => {}
                () = looking.look(&metrics) => {}
            }
            looking.count(&metrics);
        };
        self.workers.spawn(working.instrument(span));
        Desk { terms, shows, used, standing: stands, view: seen, stop, ended }
    }

    /// How it stands with the object's work; `None` where it has none.
    pub(super) fn told(&self, key: &ObjectKey) -> Option<Told> {
        let desks = self.desks();
        let desk = desks.seated.get(key)?;
        Some(Told { standing: desk.standing.borrow().clone(), view: desk.view.borrow().clone() })
    }

    /// The object is gone, or no longer delivers: what is in hand is given back. Its client id is free only then, lest
    /// two speak for it at once.
    pub(super) fn forget(&self, key: &ObjectKey) {
        let mut desks = self.desks();
        if let Some(desk) = desks.seated.remove(key) {
            desk.stop.cancel();
            desks.leaving.insert(key.clone(), desk.ended.clone());
            let (all, key) = (self.clone(), key.clone());
            self.workers.spawn(async move {
                desk.ended.cancelled().await;
                all.left(&key);
            });
        } else if !desks.leaving.contains_key(key) {
            self.clear(key);
        }
    }

    /// The worker of an object that was forgotten has ended.
    fn left(&self, key: &ObjectKey) {
        let mut desks = self.desks();
        desks.leaving.remove(key);
        if !desks.seated.contains_key(key) {
            self.clear(key);
        }
    }

    fn clear(&self, key: &ObjectKey) {
        self.office.requests.forget(key);
        self.office.claims.release(key);
    }

    /// Forgets every object of `kind` that `keep` does not know.
    pub(super) fn retain(&self, kind: &str, keep: impl Fn(&ObjectKey) -> bool) {
        // Also those that were seen and have no worker yet: others wait for their word.
        let known = self.office.claims.all_of(kind);
        known.iter().filter(|key| !keep(key)).for_each(|key| self.forget(key));
    }

    fn wake_of(&self, kind: &'static str) -> mpsc::UnboundedSender<ObjectKey> {
        let senders = self.wake.lock().unwrap_or_else(PoisonError::into_inner);
        // Without a controller nobody has to look.
        senders.get(kind).cloned().unwrap_or_else(|| mpsc::unbounded_channel().0)
    }

    fn desks(&self) -> MutexGuard<'_, Desks> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows a worker's view.
struct Looking {
    key: ObjectKey,
    view: watch::Receiver<View>,
    wake: mpsc::UnboundedSender<ObjectKey>,
    counted: Counted,
}

impl Looking {
    /// Has the object looked at whenever its worker's view has changed, and what has happened counted.
    async fn look(&mut self, metrics: &Metrics) {
        while self.view.changed().await.is_ok() {
            self.count(metrics);
            if self.wake.send(self.key.clone()).is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    }

    fn count(&mut self, metrics: &Metrics) {
        let Self { key, view, counted, .. } = self;
        counted.count(key.kind, &view.borrow_and_update(), metrics);
    }
}
