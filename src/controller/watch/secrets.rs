//! The watch on the names and versions of Secrets.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Event, watcher};
use kube::{Client, ResourceExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::joined::{Events, joined};
use super::scope::{Scope, paged};
use crate::controller::SecretIndex;
use crate::server::Metrics;
use crate::sync::ObjectKey;

type Named = PartialObjectMeta<Secret>;

/// What the watch is counted as.
const COUNTED_AS: &str = "secrets";

/// Watches the names and versions of all Secrets where connectors are looked after, until `stop`, and wakes the
/// connectors that use them.
pub async fn watch_secrets(
    client: Client,
    scope: Scope,
    index: Arc<SecretIndex>,
    wake: HashMap<&'static str, mpsc::UnboundedSender<ObjectKey>>,
    metrics: Metrics,
    stop: CancellationToken,
) {
    metrics.watch_begins(COUNTED_AS);
    let watching = events(&client, &scope, &index).for_each(|event| {
        match event {
            Ok(event) => concerned(&index, event).into_iter().for_each(|key| {
                if let Some(kind) = wake.get(key.kind) {
                    // Nobody listens any more only while the program ends.
                    let _ = kind.send(key);
                }
            }),
            Err(error) => {
                metrics.watch_restarted(COUNTED_AS);
                tracing::warn!(%error, "The watch on Secrets was interrupted; it goes on");
            }
        }
        std::future::ready(())
    });
    tokio::select! {
        () = watching => {}
        () = stop.cancelled() => {}
    }
}

/// Secrets have no labels that a connector's selector would pick, so this one picks all.
fn events(client: &Client, scope: &Scope, index: &Arc<SecretIndex>) -> Events<Named> {
    let watches = scope.apis::<Named>(client).into_iter().map(|(name, api)| {
        let watch = watcher(api, paged()).default_backoff().modify(drop_what_nobody_reads);
        (name, watch.boxed())
    });
    let index = Arc::clone(index);
    joined(watches.collect(), move |namespace| {
        let known = |(name, version)| {
            let mut secret = Named::default();
            secret.metadata.namespace = Some(namespace.to_owned());
            secret.metadata.name = Some(name);
            secret.metadata.resource_version = Some(version);
            secret
        };
        index.present(namespace).into_iter().map(known).collect()
    })
}

/// Annotations may hold the whole Secret, as somebody applied it.
fn drop_what_nobody_reads(secret: &mut Named) {
    secret.managed_fields_mut().clear();
    secret.annotations_mut().clear();
    secret.labels_mut().clear();
}

fn concerned(index: &SecretIndex, event: Event<Named>) -> Vec<ObjectKey> {
    let parts = |secret: &Named| {
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
