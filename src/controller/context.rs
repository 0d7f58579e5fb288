//! What the operator is made of, as its watches and reconciles see it, and what it knows of each object for as long as
//! there is one.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use tokio_util::sync::CancellationToken;

use crate::access::guard::Limits;
use crate::clock::Clock;
use crate::connectors::http::ClientOptions;
use crate::kinds::Kind;
use crate::leadership::Leadership;
use crate::server::Metrics;
use crate::sync::{ObjectKey, Queue, Snapshots};

use super::delivery::{Age, Deliveries};
use super::events::{Events, News};
use super::fingerprints::Fingerprints;
use super::schedule::Defaults;
use super::secrets::SecretIndex;
use super::store::Unseen;
use super::watch::{Illegible, Scope};

/// What the operator is made of, as its reconciles see it.
pub struct Shared {
    /// The Kubernetes client.
    pub client: Client,
    /// Which objects are looked after.
    pub scope: Scope,
    /// What this instance calls itself in events.
    pub instance: String,
    /// The queue in which runs wait.
    pub queue: Queue,
    /// Where snapshots go.
    pub snapshots: Snapshots,
    /// How long the snapshots of a deleted connector are kept.
    pub retention: Duration,
    /// How upstreams are asked: the hosts that credentials may be sent to, and how much each may ask.
    pub upstream: ClientOptions,
    /// What is filled in where a spec is silent.
    pub defaults: Defaults,
    /// No connector may set a limit of the removal guard higher, whatever it says.
    pub highest_limits: Limits,
    /// What is known of Secrets.
    pub secrets: Arc<SecretIndex>,
    /// Work for C1.
    pub deliveries: Deliveries,
    /// May events name people?
    pub names_in_events: bool,
    /// Whether this operator leads; one that does not decides nothing.
    pub leadership: Leadership,
    /// What is counted.
    pub metrics: Metrics,
    /// What time it is.
    pub clock: Clock,
}

/// What all reconciles share.
pub struct Context {
    pub(super) shared: Shared,
    pub(super) events: Events,
    pub(super) unseen: Unseen,
    pub(super) fingerprints: Arc<Fingerprints>,
}

impl Context {
    /// The context of an operator made of these.
    pub fn new(shared: Shared) -> Self {
        let events = Events::of(shared.instance.clone());
        Self { shared, events, unseen: Unseen::default(), fingerprints: Arc::default() }
    }

    /// The Kubernetes client.
    pub fn client(&self) -> &Client {
        &self.shared.client
    }

    /// The queue in which runs wait.
    pub fn queue(&self) -> &Queue {
        &self.shared.queue
    }

    /// Which objects are looked after.
    pub(super) fn scope(&self) -> &Scope {
        &self.shared.scope
    }

    /// What is known of Secrets.
    pub(super) fn secrets(&self) -> &Arc<SecretIndex> {
        &self.shared.secrets
    }

    /// What time it is.
    pub(super) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Whether this operator leads.
    pub(super) fn leadership(&self) -> &Leadership {
        &self.shared.leadership
    }

    /// Work for C1.
    pub(super) fn deliveries(&self) -> &Deliveries {
        &self.shared.deliveries
    }

    /// The snapshots of all connectors.
    pub(super) fn snapshots(&self) -> &Snapshots {
        &self.shared.snapshots
    }

    /// How long the snapshots of a deleted connector are kept.
    pub(super) fn retention(&self) -> SignedDuration {
        SignedDuration::try_from(self.shared.retention).unwrap_or(SignedDuration::MAX)
    }

    /// Publishes the events that wait to be told, and those to come until `complete`.
    pub async fn publish_events(&self, complete: &CancellationToken) {
        self.events.publish(&self.shared.client, &self.shared.leadership, complete).await;
    }

    /// What is counted.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// The watch shows an object that cannot be read.
    pub(super) fn cannot_read<K: Kind>(&self, object: &Illegible) {
        let (namespace, name) = (&object.metadata.namespace, &object.metadata.name);
        let news = News::of_illegible(K::KIND, &object.problem);
        tracing::warn!(kind = K::KIND, namespace, connector = name, "{}", news.note);
        self.tell_of_illegible::<K>(object);
    }

    /// Has an event tell of an object that cannot be read.
    pub(super) fn tell_of_illegible<K: Kind>(&self, Illegible { metadata, problem }: &Illegible) {
        let about = ObjectReference {
            api_version: Some(K::api_version(&()).into_owned()),
            kind: Some(K::KIND.to_owned()),
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone(),
            uid: metadata.uid.clone(),
            ..ObjectReference::default()
        };
        let Some(term) = self.shared.leadership.term() else { return };
        let (events, news) = (self.events.clone(), News::of_illegible(K::KIND, problem));
        let now = self.shared.clock.now();
        tokio::spawn(async move { events.tell(about, &news, now, term).await });
    }

    /// The watch shows the object.
    pub(super) fn saw<K: Kind>(&self, key: &ObjectKey, object: &K) {
        self.unseen.saw(key, object.status(), object.meta().resource_version.as_deref());
        // One that is going has no worker that would say whose client id it has.
        if object.common().c1.is_some() && object.meta().deletion_timestamp.is_none() {
            self.shared.deliveries.expect(&age_of(object, key));
        }
    }

    /// The object is gone: stop its run, forget it.
    pub(super) fn forget(&self, key: &ObjectKey) {
        self.shared.queue.cancel(key);
        self.shared.deliveries.forget(key);
        self.unseen.forget(key);
        self.fingerprints.forget(key);
        self.shared.secrets.forget(key);
        self.shared.metrics.forget(key);
    }

    /// A list is complete, and knows only what `keep` knows.
    pub(super) fn listed(&self, kind: &'static str, keep: impl Fn(&ObjectKey) -> bool) {
        self.retain(kind, keep);
        self.unseen.relisted(kind);
    }

    /// Forgets what `keep` does not know.
    pub(super) fn retain(&self, kind: &'static str, keep: impl Fn(&ObjectKey) -> bool) {
        self.shared.queue.retain(kind, &keep);
        self.shared.deliveries.retain(kind, &keep);
        self.unseen.retain(kind, &keep);
        self.fingerprints.retain(kind, &keep);
        self.shared.secrets.retain(kind, &keep);
        self.shared.metrics.retain(kind, &keep);
    }
}

/// How old an object is, by which it is ranked among those that deliver to C1.
pub(super) fn age_of<K: Kind>(object: &K, key: &ObjectKey) -> Age {
    // The API server always says when it made an object.
    let created = object.meta().creation_timestamp.as_ref().map_or(Timestamp::MAX, |time| time.0);
    Age { created, key: key.clone() }
}
