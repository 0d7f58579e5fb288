//! The watches, and how they lead to reconciles.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{self, Action, Config};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{Controller, PredicateConfig, WatchStreamExt, reflector};
use kube::{Api, Client, ResourceExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;

use crate::api;
use crate::kinds::Kind;
use crate::server::Readiness;
use crate::sync::ObjectKey;

use super::reconcile::{Context, Error, key_of, reconcile};
use super::secrets::SecretIndex;
use super::sweep::Sweep;

/// The wait before an object whose reconcile could not be finished is looked at again.
const AFTER_ERROR: Duration = Duration::from_secs(5);
/// The annotations that mean something to this operator.
const ANNOTATIONS: [&str; 2] = [api::REQUESTED_AT, api::ACCEPT_REMOVALS];
/// Reconciles of one kind at once. Each is a few requests to the API server.
const CONCURRENCY: u16 = 16;

/// Watches every object of kind `K` until `stop`, and reconciles it whenever something about it changes.
pub async fn control<K: Kind>(
    context: Arc<Context>,
    woken_by_secrets: mpsc::UnboundedReceiver<ObjectKey>,
    readiness: Readiness,
    stop: CancellationToken,
) {
    let (store, writer) = reflector::store();
    let listed = CancellationToken::new();
    let api: Api<K> = Api::all(context.client().clone());
    let objects = watcher(api, watcher::Config::default())
        .default_backoff()
        .modify(drop_what_nobody_reads)
        .reflect(writer)
        .inspect_err(|error| tracing::warn!(kind = K::KIND, %error, "The watch was interrupted; it goes on"))
        .inspect_ok({
            let (context, store) = (Arc::clone(&context), store.clone());
            let listed = listed.clone();
            move |event| {
                notice(event, &context, &store);
                if matches!(event, Event::InitDone) {
                    listed.cancel();
                    context.deliveries().listed(K::KIND);
                    readiness.reached(K::KIND);
                }
            }
        })
        .applied_objects()
        .predicate_filter(worth_a_look::<K>, PredicateConfig::default());
    let sweep = Sweep::<K> {
        client: context.client().clone(),
        objects: store.clone(),
        snapshots: context.snapshots().store().clone(),
        retention: context.retention(),
        leadership: context.leadership().clone(),
    };
    let sweeping = tokio::spawn(sweep.forever(listed, stop.clone()));
    let mut leadership = context.leadership().clone();
    let leads = async move { leadership.begins().await };
    let runs = UnboundedReceiverStream::new(context.queue().reports(K::KIND));
    let for_c1 = UnboundedReceiverStream::new(context.deliveries().reports(K::KIND));
    let woken = futures::stream::select(runs, UnboundedReceiverStream::new(woken_by_secrets));
    let woken = futures::stream::select(woken, for_c1);
    Controller::for_stream(objects, store)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .reconcile_all_on(stream::once(leads))
        .reconcile_on(woken.map(|key| ObjectRef::new(&key.name).within(&key.namespace)))
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(reconcile::<K>, look_again::<K>, Arc::clone(&context))
        .for_each(|done| {
            if let Err(controller::Error::ObjectNotFound(gone)) = done {
                // It went while a reconcile was under way, which may have begun a run since.
                let same = |key: &ObjectKey| {
                    key.name == gone.name && Some(&key.namespace) == gone.namespace.as_ref()
                };
                context.retain(K::KIND, |key| !same(key));
            }
            std::future::ready(())
        })
        .await;
    if let Err(error) = sweeping.await {
        tracing::error!(%error, "The sweep of deleted connectors' snapshots has failed");
    }
}

/// A third of an object is who set which field, and nobody here asks.
fn drop_what_nobody_reads<K: Kind>(object: &mut K) {
    object.managed_fields_mut().clear();
    object.annotations_mut().retain(|name, _| ANNOTATIONS.contains(&name.as_str()));
}

/// Changes when something changed that a decision depends on; our own status is not among it.
fn worth_a_look<K: Kind>(object: &K) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    let meta = object.meta();
    meta.generation.hash(&mut hasher);
    meta.uid.hash(&mut hasher);
    meta.deletion_timestamp.is_some().hash(&mut hasher);
    for annotation in ANNOTATIONS {
        object.annotations().get(annotation).hash(&mut hasher);
    }
    Some(hasher.finish())
}

fn look_again<K: Kind>(object: Arc<K>, error: &Error, context: Arc<Context>) -> Action {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    tracing::warn!(kind = K::KIND, namespace, name, %error, "A reconcile could not be finished; it is repeated");
    context.reconcile_failed(K::KIND);
    Action::requeue(AFTER_ERROR)
}

fn notice<K: Kind>(event: &Event<K>, context: &Context, store: &Store<K>) {
    match event {
        Event::Delete(object) => {
            if let Ok(key) = key_of(object) {
                context.forget(&key);
            }
        }
        Event::InitDone => {
            let present: HashSet<ObjectKey> =
                store.state().iter().filter_map(|object| key_of(object.as_ref()).ok()).collect();
            context.retain(K::KIND, |key| present.contains(key));
        }
        Event::Apply(object) | Event::InitApply(object) => {
            if let Ok(key) = key_of(object) {
                context.saw(&key, object);
            }
        }
        Event::Init => {}
    }
}

/// Watches the names and versions of all Secrets until `stop`, and wakes the connectors that use them.
pub async fn watch_secrets(
    client: Client,
    index: Arc<SecretIndex>,
    wake: HashMap<&'static str, mpsc::UnboundedSender<ObjectKey>>,
    stop: CancellationToken,
) {
    let api: Api<PartialObjectMeta<Secret>> = Api::all(client);
    let events = watcher(api, watcher::Config::default()).default_backoff();
    let watching = events.for_each(|event| {
        match event {
            Ok(event) => concerned(&index, event).into_iter().for_each(|key| {
                if let Some(kind) = wake.get(key.kind) {
                    // Nobody listens any more only while the program ends.
                    let _ = kind.send(key);
                }
            }),
            Err(error) => tracing::warn!(%error, "The watch on Secrets was interrupted; it goes on"),
        }
        std::future::ready(())
    });
    tokio::select! {
        () = watching => {}
        () = stop.cancelled() => {}
    }
}

fn concerned(index: &SecretIndex, event: Event<PartialObjectMeta<Secret>>) -> Vec<ObjectKey> {
    let parts = |secret: &PartialObjectMeta<Secret>| {
        (
            secret.namespace().unwrap_or_default(),
            secret.name_any(),
            secret.resource_version().unwrap_or_default(),
        )
    };
    match event {
        Event::Init => {
            index.list_begins();
            Vec::new()
        }
        Event::InitApply(secret) => {
            let (namespace, name, version) = parts(&secret);
            index.listed(&namespace, &name, &version);
            Vec::new()
        }
        Event::InitDone => index.list_ends(),
        Event::Apply(secret) => {
            let (namespace, name, version) = parts(&secret);
            index.changed(&namespace, &name, &version)
        }
        Event::Delete(secret) => {
            let (namespace, name, version) = parts(&secret);
            index.deleted(&namespace, &name, &version)
        }
    }
}
