//! A connector with its Secret and its upstream, brought from one state to the next, and looked at.

use std::path::Path;
use std::time::Duration;

use connector_operator::api::{ConditionType, ConnectorObject};
use connector_simulator::Simulator;
use serde_json::{Value, json};

use super::judge::{Judgement, judge};
use super::model::Model;
use crate::operator::kubectl;
use crate::place::{Place, message};

/// What kstatus calls its statuses.
pub(super) const IN_PROGRESS: &str = "InProgress";
pub(super) const CURRENT: &str = "Current";
pub(super) const FAILED: &str = "Failed";
pub(super) const TERMINATING: &str = "Terminating";

/// Longer than any test looks at a run.
const ENDLESS: Duration = Duration::from_secs(60);

/// A place with a connector's Secret in it, and the upstream that accepts what is in the Secret.
pub(super) struct Stage<K: Model> {
    pub(super) place: Place<'static>,
    pub(super) upstream: Simulator<K::Upstream>,
}

impl<K: Model> Stage<K> {
    /// In a namespace of this name and the kind's.
    pub(super) async fn set(name: &str) -> Self {
        let stage = Self::without_secret(name).await;
        stage.place.put_secret(K::SECRET.0, K::SECRET.1, &stage.upstream.token()).await;
        stage
    }

    pub(super) async fn without_secret(name: &str) -> Self {
        let namespace = format!("seen-{name}-{}", K::VENDOR.to_lowercase());
        Self { place: Place::new(&namespace).await, upstream: K::simulate().await }
    }

    /// The same, where a first run has ended well.
    pub(super) async fn connected(name: &str) -> Self {
        let stage = Self::set(name).await;
        stage.apply(&stage.spec()).await;
        stage.place.until_connected::<K>(K::NAME).await;
        stage
    }

    pub(super) fn spec(&self) -> Value {
        K::spec(&self.upstream)
    }

    pub(super) async fn apply(&self, spec: &Value) -> K {
        self.place.apply(K::NAME, spec).await
    }

    /// From now on no answer comes.
    pub(super) fn hang(&self) {
        self.upstream.set_latency(ENDLESS);
    }

    /// Asks for a run.
    pub(super) async fn request(&self) {
        self.place.request::<K>(K::NAME, "now").await;
    }

    pub(super) async fn until(&self, type_: ConditionType, wanted: &str) -> K {
        self.place.until_condition(K::NAME, type_, wanted).await
    }

    pub(super) async fn until_running(&self) {
        self.until(ConditionType::Syncing, "True/Progressing").await;
    }

    /// Waits until the connector is not Ready for this reason, and until that was told.
    pub(super) async fn until_not_ready(&self, reason: &str) {
        let object = self.until(ConditionType::Ready, &format!("False/{reason}")).await;
        self.place.until_told(&object, reason).await;
    }

    /// Looks at the connector in this state: kstatus must say `wanted` of it, for the reason that the status gives, and
    /// whoever describes it must be told that reason too.
    pub(super) async fn assert_seen(&self, state: &str, wanted: &str) -> Judgement {
        assert_seen::<K>(&self.place, K::NAME, state, wanted).await
    }
}

/// The same of a connector of this name.
pub(super) async fn assert_seen<K: ConnectorObject>(
    place: &Place<'_>,
    name: &str,
    state: &str,
    wanted: &str,
) -> Judgement {
    let kind = K::crd().spec.names.plural;
    let get = ["get", &kind, name, "-n", &place.namespace, "-o", "json"];
    let stored = kubectl(place.control_plane, &get, None).await;
    let described = describe(place, &kind, name, state).await;
    let object: K = serde_json::from_str(&stored).unwrap();
    let judgement = judge(&[serde_json::from_str(&stored).unwrap()]).remove(0);
    assert_eq!(judgement.status, wanted, "{state}: {judgement:?} of {:#?}", object.status());
    let status = object.status().unwrap();
    let why = [ConditionType::Reconciling, ConditionType::Stalled, ConditionType::Ready]
        .into_iter()
        .find_map(|type_| status.condition(type_))
        .unwrap();
    if [IN_PROGRESS, FAILED].contains(&wanted) {
        assert_eq!(judgement.message, why.message, "{state}");
    }
    for told in [&why.message, &message(&object, ConditionType::Ready)] {
        assert!(described.contains(told.as_str()), "{state}: {told:?} is not in {described}");
    }
    judgement
}

async fn describe(place: &Place<'_>, kind: &str, name: &str, state: &str) -> String {
    let describe = ["describe", kind, name, "-n", &place.namespace];
    let described = kubectl(place.control_plane, &describe, None).await;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("describe");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("{kind}-{}.txt", state.replace(' ', "-")));
    std::fs::write(file, format!("$ kubectl {}\n{described}", describe.join(" "))).unwrap();
    described
}

/// The object as somebody who watches it has it with this status.
pub(super) fn with_status<K: Model>(object: &K, status: &impl serde::Serialize) -> Value {
    let mut object = serde_json::to_value(object).unwrap();
    object["status"] = json!(status);
    object
}
