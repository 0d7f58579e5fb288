//! The requests of all first runs, sent again by clients that do nothing else: what the API server itself takes for them,
//! which no operator can go below.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::error::{Error, Result};

use super::load;
use super::stage::NAMESPACE;

/// What the operator has written of each connector, by kind and name.
pub(super) struct Replay {
    statuses: BTreeMap<(String, String), Value>,
    /// One of the events.
    event: Event,
}

impl Replay {
    /// What is there now of these kinds.
    pub(super) async fn record(client: &Client, kinds: &[ApiResource]) -> Result<Self> {
        let mut statuses = BTreeMap::new();
        for kind in kinds {
            let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), NAMESPACE, kind);
            load::visit_all(&api, |object| {
                let status = object.data.get("status").cloned().unwrap_or_default();
                statuses.insert((kind.kind.clone(), object.name_any()), status);
            })
            .await?;
        }
        let events: Api<Event> = Api::namespaced(client.clone(), NAMESPACE);
        let event = events.list(&ListParams::default().limit(1)).await.map_err(failed)?.items.pop();
        let event = event.ok_or_else(|| Error::new("the operator has published no event"))?;
        Ok(Self { statuses, event })
    }

    /// Sends what a first run does of the connector that was applied just now: its Secret is read, and its status and an
    /// event are written, twice.
    pub(super) async fn first_run(&self, client: &Client, applied: &Value) -> Result<()> {
        let text = |pointer: &str| applied.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (kind, name) = (text("/kind"), text("/metadata/name"));
        let Some(status) = self.statuses.get(&(kind.to_owned(), name.to_owned())) else { return Ok(()) };
        let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
        secrets.get(name).await.map_err(failed)?;
        let objects: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), NAMESPACE, &load::resource_of(applied));
        let events: Api<Event> = Api::namespaced(client.clone(), NAMESPACE);
        let params = PatchParams::apply("connector-operator").force();
        for phase in ["Syncing", "Connected"] {
            let mut status = status.clone();
            if let Some(fields) = status.as_object_mut() {
                fields.insert("phase".to_owned(), json!(phase));
            }
            let patch = json!({
                "apiVersion": text("/apiVersion"), "kind": kind, "metadata": { "name": name }, "status": status,
            });
            objects.patch_status(name, &params, &Patch::Apply(&patch)).await.map_err(failed)?;
            let mut event = self.event.clone();
            event.metadata.name = Some(format!("{name}.replay-{}", phase.to_lowercase()));
            event.metadata.resource_version = None;
            events.create(&PostParams::default(), &event).await.map_err(failed)?;
        }
        Ok(())
    }
}

fn failed(error: kube::Error) -> Error {
    Error::new(format!("sending the requests of the first runs again: {error}"))
}
