//! Connectors of both kinds, each with a Secret and a token of its own: applied as people with manifests do, by
//! several at once, and looked at.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use connector_operator::api::{ConditionType, ConnectorObject, Phase, PlanetScaleConnector, ScalrConnector};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind, PartialObjectMeta};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::error::{Error, Result};

use super::replay::Replay;
use super::simulators::Simulators;
use super::stage::{NAMESPACE, Stage};

/// Those who apply at once.
const CLIENTS: usize = 8;
/// Objects that a list gives at once.
const PAGE: u32 = 500;
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// So many connectors that read these simulators: one half of each kind.
#[derive(Clone)]
pub(super) struct Load {
    connectors: usize,
    scalr: String,
    planetscale: String,
}

impl Load {
    pub(super) fn new(connectors: usize, simulators: &Simulators) -> Self {
        let scalr = format!("http://{}", simulators.scalr);
        Self { connectors, scalr, planetscale: format!("http://{}", simulators.planetscale) }
    }

    /// Applies everything, each Secret right before its connector.
    pub(super) async fn apply(&self, stage: &Stage) -> Result<()> {
        self.apply_then(stage, None).await
    }

    /// The same, and after each connector what a first run asks of the API server.
    pub(super) async fn apply_and_replay(&self, stage: &Stage, replay: Replay) -> Result<()> {
        self.apply_then(stage, Some(Arc::new(replay))).await
    }

    async fn apply_then(&self, stage: &Stage, replay: Option<Arc<Replay>>) -> Result<()> {
        let next = Arc::new(AtomicUsize::new(0));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (load, client, next) = (self.clone(), stage.administrator()?, Arc::clone(&next));
            let replay = replay.clone();
            clients.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= load.connectors {
                        return Ok(());
                    }
                    let [secret, connector] = load.objects(number);
                    apply(&client, &secret).await?;
                    apply(&client, &connector).await?;
                    if let Some(replay) = &replay {
                        replay.first_run(&client, &connector).await?;
                    }
                }
            });
        }
        while let Some(done) = clients.join_next().await {
            done.map_err(|error| Error::new(error.to_string()))??;
        }
        Ok(())
    }

    /// The Secret of a connector, and the connector.
    fn objects(&self, number: usize) -> [Value; 2] {
        let name = format!("connector-{number:05}");
        let (key, token, kind, spec) = if number.is_multiple_of(2) {
            let spec = json!({
                "account": "acme", "baseUrl": self.scalr, "apiTokenSecretRef": { "name": name },
                "owner": "ada@example.com",
            });
            ("api-token", format!("token-{number:05}"), ScalrConnector::KIND, spec)
        } else {
            let spec = json!({
                "apiUrl": self.planetscale, "serviceTokenSecretRef": { "name": name },
                "owner": "ada@example.com",
            });
            ("service-token", format!("id-{number:05}:value"), PlanetScaleConnector::KIND, spec)
        };
        let metadata = json!({ "name": name, "namespace": NAMESPACE });
        [
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": { key: token } }),
            json!({
                "apiVersion": "connectors.conductorone.com/v1alpha1", "kind": kind, "metadata": metadata,
                "spec": spec,
            }),
        ]
    }

    /// How many are Connected: the present generation has been read, and Ready is True.
    pub(super) async fn connected(&self, client: &Client) -> Result<usize> {
        Ok(connected::<ScalrConnector>(client).await? + connected::<PlanetScaleConnector>(client).await?)
    }

    /// What the operator has written of them.
    pub(super) async fn record(&self, client: &Client) -> Result<Replay> {
        Replay::record(client, &[0, 1].map(|number| resource_of(&self.objects(number)[1]))).await
    }

    /// Deletes everything, and waits until it is gone.
    pub(super) async fn delete(&self, client: &Client) -> Result<()> {
        delete::<ScalrConnector>(client).await?;
        delete::<PlanetScaleConnector>(client).await?;
        delete::<Secret>(client).await
    }
}

async fn apply(client: &Client, object: &Value) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| Error::new(format!("applying {object}: {error}"));
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), NAMESPACE, &resource_of(object));
    let params = PatchParams::apply("somebody");
    api.patch(text("/metadata/name"), &params, &Patch::Apply(object))
        .await
        .map(drop)
        .map_err(|error| failed(&error))
}

/// What a manifest is a manifest of.
pub(super) fn resource_of(manifest: &Value) -> ApiResource {
    let text = |field: &str| manifest.get(field).and_then(Value::as_str).unwrap_or_default();
    let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("kind")))
}

async fn connected<K: ConnectorObject>(client: &Client) -> Result<usize> {
    let api: Api<K> = Api::namespaced(client.clone(), NAMESPACE);
    let mut found = 0;
    visit_all(&api, |object| found += usize::from(is_connected(&object))).await?;
    Ok(found)
}

/// Visits all objects, page by page.
pub(super) async fn visit_all<K>(api: &Api<K>, mut visit: impl FnMut(K)) -> Result<()>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = api.list(&params).await.map_err(|error| looking(&error))?;
        page.items.into_iter().for_each(&mut visit);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(()),
        }
    }
}

fn is_connected<K: ConnectorObject>(object: &K) -> bool {
    let Some(status) = object.status() else { return false };
    let ready = status.condition(ConditionType::Ready).is_some_and(|ready| ready.status == "True");
    ready
        && status.phase == Some(Phase::Connected)
        && object.meta().generation == Some(status.observed_generation)
}

async fn delete<K>(client: &Client) -> Result<()>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), NAMESPACE);
    let deleted = api.delete_collection(&DeleteParams::default(), &ListParams::default()).await;
    deleted.map_err(|error| looking(&error))?;
    let names: Api<PartialObjectMeta<K>> = Api::namespaced(client.clone(), NAMESPACE);
    while !names
        .list_metadata(&ListParams::default().limit(1))
        .await
        .map_err(|error| looking(&error))?
        .items
        .is_empty()
    {
        sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

fn looking(error: &kube::Error) -> Error {
    Error::new(format!("asking the API server: {error}"))
}
