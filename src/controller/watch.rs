//! The watches, and how they lead to reconciles.

mod changes;
mod guarded;
mod joined;
mod legible;
mod scope;
mod secrets;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt, stream};
use kube::ResourceExt;
use kube::runtime::controller::{self, Action, Config};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{Controller, WatchStreamExt, reflector};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;

use crate::api;
use crate::kinds::Kind;
use crate::server::{Readiness, Shown};
use crate::sync::ObjectKey;

use super::context::Context;
use super::reconcile::{Error, key_of, reconcile};
use super::sweep::Sweep;
use changes::{Changes, Named};
use guarded::Guarded;
use joined::joined;
use legible::Legible;

pub(super) use guarded::Illegible;
pub use scope::Scope;
pub use secrets::watch_secrets;

/// The wait before an object whose reconcile could not be finished is looked at again.
const AFTER_ERROR: Duration = Duration::from_secs(5);
/// The same where the watch has not shown yet what has changed.
const WHEN_OUTDATED: Duration = Duration::from_millis(500);
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
    let resource = K::plural(&());
    let metrics = context.metrics().clone();
    metrics.watch_begins(&resource);
    metrics.shows(K::KIND, every(store.clone()));
    let legible = Arc::new(Mutex::new(Legible::new(store.clone())));
    let mut changes = Changes::default();
    let objects = events(&context, store.clone(), Arc::clone(&legible))
        .reflect(writer)
        .inspect_err(move |error| {
            metrics.watch_restarted(&resource);
            tracing::warn!(kind = K::KIND, %error, "The watch was interrupted; it goes on");
        })
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
        .flat_map({
            let store = store.clone();
            move |event| {
                let worth_a_look = event.map(|event| changes.worth_a_look(&event, digest));
                stream::iter(as_shown(worth_a_look, store.clone()))
            }
        });
    let sweep = Sweep::<K> {
        client: context.client().clone(),
        scope: context.scope().clone(),
        objects: store.clone(),
        snapshots: context.snapshots().store().clone(),
        retention: context.retention(),
        leadership: context.leadership().clone(),
        clock: context.clock().clone(),
    };
    let sweeping = tokio::spawn(sweep.forever(listed.clone(), stop.clone()));
    let mut leadership = context.leadership().clone();
    let telling = Arc::clone(&context);
    let leads = async move {
        leadership.begins().await;
        // Whoever led before may have known nothing of them.
        lock(&legible).illegible().for_each(|object| telling.tell_of_illegible::<K>(object));
    };
    let runs = UnboundedReceiverStream::new(context.queue().reports(K::KIND));
    let for_c1 = UnboundedReceiverStream::new(context.deliveries().reports(K::KIND));
    let woken = futures::stream::select(runs, UnboundedReceiverStream::new(woken_by_secrets));
    let woken = futures::stream::select(woken, for_c1);
    let shown = store.clone();
    let controlling = Controller::for_stream(objects, store)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .reconcile_all_on(stream::once(leads))
        .reconcile_on(woken.map(|key| ObjectRef::new(&key.name).within(&key.namespace)))
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(
            move |object, context| reconcile(object, shown.clone(), context),
            look_again::<K>,
            Arc::clone(&context),
        )
        .for_each(|done| {
            if let Err(controller::Error::ObjectNotFound(gone)) = done {
                // It went while a reconcile was under way, which may have begun a run since.
                let same = |key: &ObjectKey| {
                    key.name == gone.name && Some(&key.namespace) == gone.namespace.as_ref()
                };
                context.retain(K::KIND, |key| !same(key));
            }
            std::future::ready(())
        });
    // Before everything is listed nothing is being reconciled, and the controller would not end before.
    let never_began = async {
        stop.cancelled().await;
        if listed.is_cancelled() {
            std::future::pending().await
        }
    };
    tokio::select! {
        () = controlling => {}
        () = never_began => {}
    }
    if let Err(error) = sweeping.await {
        tracing::error!(%error, "The sweep of deleted connectors' snapshots has failed");
    }
}

/// The objects that are worth a look, one after the other: together they are as many as all.
fn as_shown<K: Kind>(
    worth_a_look: watcher::Result<Vec<Named>>,
    store: Store<K>,
) -> impl Iterator<Item = watcher::Result<K>> {
    let (named, error) = match worth_a_look {
        Ok(named) => (named, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let shown = named.into_iter().filter_map(move |(namespace, name)| {
        let object = store.get(&ObjectRef::new(&name).within(&namespace))?;
        Some(object.as_ref().clone())
    });
    shown.map(Ok).chain(error.map(Err))
}

/// What happens to the objects that are looked after; `store` has what was told of them.
fn events<K: Kind>(
    context: &Arc<Context>,
    store: Store<K>,
    legible: Arc<Mutex<Legible<K>>>,
) -> impl Stream<Item = watcher::Result<Event<K>>> + use<K> {
    let scope = context.scope();
    let watches = scope.apis::<Guarded<K>>(context.client()).into_iter().map(|(name, api)| {
        let watch = watcher(api, scope.config()).default_backoff().modify(drop_what_nobody_reads);
        (name, watch.boxed())
    });
    let unread = Arc::clone(&legible);
    let known = move |namespace: &str| {
        let here = |object: &Guarded<K>| object.namespace().as_deref() == Some(namespace);
        let read = store.state().into_iter().map(|object| Guarded(Ok(object.as_ref().clone())));
        let mut known: Vec<Guarded<K>> = read.filter(here).collect();
        let unread = lock(&unread);
        known.extend(unread.illegible().map(|object| Guarded(Err(object.clone()))).filter(here));
        known
    };
    let context = Arc::clone(context);
    joined(watches.collect(), known).filter_map(move |event| {
        let passed = event.map(|event| {
            let mut legible = lock(&legible);
            let (event, news) = legible.pass(event);
            context.metrics().undecodable_objects(K::KIND, legible.illegible().len());
            if let Some(object) = news {
                context.cannot_read::<K>(&object);
            }
            event
        });
        std::future::ready(passed.transpose())
    })
}

/// For metrics, which are made of what the watch shows.
fn every<K: Kind>(store: Store<K>) -> Shown {
    Box::new(move |visit| {
        for object in store.state() {
            if let Some(status) = object.status() {
                visit(object.meta(), status);
            }
        }
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every method leaves it consistent, so a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A third of an object is who set which field, and nobody here asks.
fn drop_what_nobody_reads<K: ResourceExt>(object: &mut K) {
    // The list itself too, not only what is in it.
    object.meta_mut().managed_fields = None;
    object.annotations_mut().retain(|name, _| ANNOTATIONS.contains(&name.as_str()));
}

/// Changes when something changed that a decision depends on; our own status is not among it.
fn digest<K: Kind>(object: &K) -> u64 {
    let mut hasher = DefaultHasher::new();
    let meta = object.meta();
    meta.generation.hash(&mut hasher);
    meta.uid.hash(&mut hasher);
    meta.deletion_timestamp.is_some().hash(&mut hasher);
    for annotation in ANNOTATIONS {
        object.annotations().get(annotation).hash(&mut hasher);
    }
    hasher.finish()
}

fn look_again<K: Kind>(object: Arc<K>, error: &Error, _: Arc<Context>) -> Action {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    if matches!(error, Error::Outdated) {
        tracing::debug!(kind = K::KIND, namespace, connector = name, "{error}; it is looked at again");
        return Action::requeue(WHEN_OUTDATED);
    }
    tracing::warn!(kind = K::KIND, namespace, connector = name, %error, "A reconcile could not be finished; it is repeated");
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
            let keyed = |object: Arc<K>| Some((key_of(object.as_ref()).ok()?, object));
            let present: HashMap<ObjectKey, Arc<K>> = store.state().into_iter().filter_map(keyed).collect();
            context.listed(K::KIND, |key| present.contains_key(key));
            present.iter().for_each(|(key, object)| context.saw(key, object.as_ref()));
        }
        Event::Apply(object) => {
            if let Ok(key) = key_of(object) {
                context.saw(&key, object);
            }
        }
        // The store has none of it before the list is complete.
        Event::Init | Event::InitApply(_) => {}
    }
}
