//! A namespace of a test's own, and what a person does in one: apply, look, wait, delete.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use connector_operator::api::{
    ACCEPT_REMOVALS, ConditionType, ConnectorObject, ConnectorStatus, Phase, REQUESTED_AT,
};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ListParams, Patch, PatchParams};
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use testbed::ControlPlane;
use tokio::task::AbortHandle;

use crate::operator::{SOON, kubectl, shared_control_plane, shared_operator};

/// A namespace of a test's own.
pub(crate) struct Place<'a> {
    pub(crate) control_plane: &'a ControlPlane,
    pub(crate) namespace: String,
    client: Client,
}

/// An event, as `kubectl get events` shows it: type, reason, message.
pub(crate) type Told = (String, String, String);

impl Place<'static> {
    /// A namespace that the shared operator looks after.
    pub(crate) async fn new(namespace: &str) -> Self {
        shared_operator().await;
        Self::on(shared_control_plane().await, namespace).await
    }
}

impl<'a> Place<'a> {
    /// A namespace of this control plane.
    pub(crate) async fn on(control_plane: &'a ControlPlane, namespace: &str) -> Self {
        let client = control_plane.admin_client().unwrap();
        kubectl(control_plane, &["create", "namespace", namespace], None).await;
        Self { control_plane, namespace: namespace.to_owned(), client }
    }

    pub(crate) fn api<K: ConnectorObject>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Applies a connector as somebody with a manifest does, and gives what the API server makes of it.
    pub(crate) async fn apply<K: ConnectorObject>(&self, name: &str, spec: &Value) -> K {
        let object = json!({
            "apiVersion": K::api_version(&()), "kind": K::KIND,
            "metadata": { "name": name }, "spec": spec,
        });
        let params = PatchParams::apply("somebody").force();
        self.api::<K>().patch(name, &params, &Patch::Apply(&object)).await.unwrap()
    }

    pub(crate) async fn get<K: ConnectorObject>(&self, name: &str) -> K {
        self.api::<K>().get(name).await.unwrap()
    }

    pub(crate) async fn delete<K: ConnectorObject>(&self, name: &str) {
        self.api::<K>().delete(name, &Default::default()).await.unwrap();
    }

    /// Asks for a run now.
    pub(crate) async fn request<K: ConnectorObject>(&self, name: &str, value: &str) {
        self.annotate::<K>(name, REQUESTED_AT, Some(value)).await;
    }

    /// Accepts the removals with this id.
    pub(crate) async fn accept<K: ConnectorObject>(&self, name: &str, id: &str) {
        self.annotate::<K>(name, ACCEPT_REMOVALS, Some(id)).await;
    }

    /// Sets an annotation, or removes it.
    pub(crate) async fn annotate<K: ConnectorObject>(
        &self,
        name: &str,
        annotation: &str,
        value: Option<&str>,
    ) {
        let patch = json!({ "metadata": { "annotations": { annotation: value } } });
        let api = self.api::<K>();
        api.patch_metadata(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }

    /// Asks for a run now, and gives the object when that run has succeeded.
    pub(crate) async fn read_again<K: ConnectorObject>(&self, name: &str, value: &str) -> K {
        self.request::<K>(name, value).await;
        self.until(name, "read again", |status| {
            status.last_handled_reconcile_at.as_deref() == Some(value) && is_connected(status)
        })
        .await
    }

    /// Creates a Secret with one key.
    pub(crate) async fn put_secret(&self, name: &str, key: &str, value: &str) {
        self.put_secret_of(name, &json!({ key: value })).await;
    }

    /// Creates a Secret with these keys.
    pub(crate) async fn put_secret_of(&self, name: &str, content: &Value) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": content,
        });
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let secret: Secret = serde_json::from_value(secret).unwrap();
        api.create(&Default::default(), &secret).await.unwrap();
    }

    /// Changes one key of a Secret that is there.
    pub(crate) async fn correct_secret(&self, name: &str, key: &str, value: &str) {
        self.correct_secret_of(name, &json!({ key: value })).await;
    }

    /// Changes these keys of a Secret that is there, at once.
    pub(crate) async fn correct_secret_of(&self, name: &str, content: &Value) {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let patch = json!({ "stringData": content });
        api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }

    /// Creates a ConfigMap with one key.
    pub(crate) async fn put_config_map(&self, name: &str, key: &str, value: &str) {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let config_map = ConfigMap {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            data: Some([(key.to_owned(), value.to_owned())].into()),
            ..ConfigMap::default()
        };
        api.create(&Default::default(), &config_map).await.unwrap();
    }

    pub(crate) async fn delete_secret(&self, name: &str) {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        api.delete(name, &Default::default()).await.unwrap();
    }

    /// Waits until the status is so, and gives the object.
    pub(crate) async fn until<K: ConnectorObject>(
        &self,
        name: &str,
        what: &str,
        so: impl Fn(&ConnectorStatus) -> bool,
    ) -> K {
        let deadline = Instant::now() + SOON;
        loop {
            let object = self.get::<K>(name).await;
            if object.status().is_some_and(&so) {
                return object;
            }
            assert!(Instant::now() < deadline, "{name} was not {what} in time: {:#?}", object.status());
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Waits until a run for the present generation has succeeded.
    pub(crate) async fn until_connected<K: ConnectorObject>(&self, name: &str) -> K {
        let generation = self.get::<K>(name).await.meta().generation.unwrap();
        self.until(name, "Connected", |status| {
            status.observed_generation == generation && is_connected(status)
        })
        .await
    }

    /// Waits until a condition has this status and reason.
    pub(crate) async fn until_condition<K: ConnectorObject>(
        &self,
        name: &str,
        type_: ConditionType,
        wanted: &str,
    ) -> K {
        self.until(name, wanted, |status| shown_condition(status, type_).as_deref() == Some(wanted)).await
    }

    /// What has been told about the object with this uid, in order.
    pub(crate) async fn told(&self, object: &impl ResourceExt) -> Vec<Told> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let of = format!("regarding.uid={}", object.uid().unwrap());
        let mut events = api.list(&ListParams::default().fields(&of)).await.unwrap().items;
        events.sort_by(|a, b| a.event_time.cmp(&b.event_time));
        let told = |event: Event| {
            (
                event.type_.unwrap_or_default(),
                event.reason.unwrap_or_default(),
                event.note.unwrap_or_default(),
            )
        };
        events.into_iter().map(told).collect()
    }

    /// Waits until something is told with this reason: an event follows the status that it is about. What a run changed is
    /// told after it, and is left out.
    pub(crate) async fn until_told(&self, object: &impl ResourceExt, reason: &str) -> Vec<Told> {
        let deadline = Instant::now() + SOON;
        loop {
            let mut told = self.told(object).await;
            while reason != ACCESS_CHANGED && told.last().is_some_and(|(_, last, _)| last == ACCESS_CHANGED) {
                told.pop();
            }
            if told.last().is_some_and(|(_, last, _)| last == reason) {
                return told;
            }
            assert!(Instant::now() < deadline, "{reason} was not told in time: {told:#?}");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// The line that `kubectl get` prints about an object, with blanks squeezed.
    pub(crate) async fn line(&self, arguments: &[&str]) -> String {
        let mut all = vec!["get", "--no-headers", "-n", &self.namespace];
        all.extend(arguments);
        let output = kubectl(self.control_plane, &all, None).await;
        output.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Notes every status that an object of this name has from now on.
    pub(crate) async fn record<K: ConnectorObject>(&self, name: &str) -> Recording {
        let of = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut events = watcher(self.api::<K>(), of).boxed();
        while !matches!(events.next().await.unwrap().unwrap(), watcher::Event::InitDone) {}
        let seen: Arc<Mutex<Vec<ConnectorStatus>>> = Arc::default();
        let noted = Arc::clone(&seen);
        let noting = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if let Ok(watcher::Event::Apply(object)) = event {
                    noted.lock().unwrap().extend(object.status().cloned());
                }
            }
        });
        Recording { seen, noting: noting.abort_handle() }
    }
}

/// Every status that an object has had, since [`Place::record`].
pub(crate) struct Recording {
    seen: Arc<Mutex<Vec<ConnectorStatus>>>,
    noting: AbortHandle,
}

impl Recording {
    /// Every status up to the first that is `last`.
    pub(crate) async fn up_to(&self, last: impl Fn(&ConnectorStatus) -> bool) -> Vec<ConnectorStatus> {
        let deadline = Instant::now() + SOON;
        loop {
            let seen = self.seen.lock().unwrap().clone();
            if let Some(end) = seen.iter().position(&last) {
                return seen.into_iter().take(end + 1).collect();
            }
            assert!(Instant::now() < deadline, "the last was not seen in time: {seen:#?}");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.noting.abort();
    }
}

pub(crate) fn is_held(status: &ConnectorStatus) -> bool {
    status.phase == Some(Phase::Held)
}

pub(crate) fn is_connected(status: &ConnectorStatus) -> bool {
    shown(status) == CONNECTED
}

/// Why an event tells what a run changed.
const ACCESS_CHANGED: &str = "AccessChanged";

/// What [`shown`] says of a good status.
pub(crate) const CONNECTED: &str =
    "Connected: Ready=True/Succeeded Connected=True/Succeeded Syncing=False/Idle";

/// A row of the table of states: phase and conditions, in one line.
pub(crate) fn shown(status: &ConnectorStatus) -> String {
    let phase = status.phase.map_or_else(|| "-".to_owned(), |phase| phase.to_string());
    let conditions = ConditionType::ALL
        .into_iter()
        .filter_map(|type_| Some(format!(" {}={}", type_.as_str(), shown_condition(status, type_)?)));
    format!("{phase}:{}", conditions.collect::<String>())
}

/// Status and reason of a condition.
pub(crate) fn shown_condition(status: &ConnectorStatus, type_: ConditionType) -> Option<String> {
    let condition = status.condition(type_)?;
    Some(format!("{}/{}", condition.status, condition.reason))
}

/// The message of a condition.
pub(crate) fn message(object: &impl ConnectorObject, type_: ConditionType) -> String {
    object.status().unwrap().condition(type_).unwrap().message.clone()
}

/// What every status must be: of the object's present generation, in each of its conditions.
pub(crate) fn assert_up_to_date(object: &impl ConnectorObject) {
    let (generation, status) = (object.meta().generation, object.status().unwrap());
    assert_eq!(Some(status.observed_generation), generation);
    for condition in &status.conditions {
        assert_eq!(condition.observed_generation, generation, "{condition:?}");
    }
}
