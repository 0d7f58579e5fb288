//! Kubernetes events: one for each transition, none for what stays the same, and never a reason to fail.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};

use crate::api::{ACCEPT_REMOVALS, ConditionType, ConnectorStatus, Phase, Reason};

/// The API server takes no longer note.
const LONGEST_NOTE: usize = 1024;

/// Something to tell about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct News {
    pub(super) warning: bool,
    pub(super) reason: String,
    pub(super) note: String,
}

impl News {
    /// What a person should hear of the step from `before` to `after`.
    pub(super) fn of(before: &ConnectorStatus, after: &ConnectorStatus) -> Option<Self> {
        let ready = after.condition(ConditionType::Ready)?;
        let syncing = |status: &ConnectorStatus| {
            status
                .condition(ConditionType::Reconciling)
                .filter(|c| c.reason == Reason::Progressing.as_str())
                .is_some()
        };
        if syncing(after) && !syncing(before) {
            let note = after.condition(ConditionType::Syncing)?.message.clone();
            return Some(Self { warning: false, reason: "Syncing".to_owned(), note });
        }
        let known = before.condition(ConditionType::Ready);
        let same = known.is_some_and(|known| known.status == ready.status && known.reason == ready.reason);
        let held = |status: &ConnectorStatus| status.held.as_ref().map(|hold| hold.id.clone());
        let other_removals = after.phase == Some(Phase::Held) && held(before) != held(after);
        if before.phase == after.phase && same && !other_removals || ready.status == "Unknown" {
            return None;
        }
        if after.phase == Some(Phase::Suspended) {
            let note = "Suspended by spec.suspend; what was published stays.".to_owned();
            return Some(Self { warning: false, reason: Reason::Suspended.as_str().to_owned(), note });
        }
        let warning = ready.status == "False";
        let reason = if warning { ready.reason.clone() } else { "Connected".to_owned() };
        Some(Self { warning, reason, note: ready.message.clone() })
    }

    /// Somebody accepted something else than what `status` holds.
    pub(super) fn of_mistaken_approval(status: &ConnectorStatus, given: &str) -> Self {
        let note = match &status.held {
            Some(hold) => format!(
                "The annotation {ACCEPT_REMOVALS} names {given}, but {} is held. Look at status.held, and set the \
                 annotation to its id to accept it.",
                hold.id
            ),
            None => {
                format!("The annotation {ACCEPT_REMOVALS} names {given}, but nothing is held. Remove it.")
            }
        };
        Self { warning: true, reason: "ApprovalDoesNotMatch".to_owned(), note }
    }
}

/// Publishes events in the name of this operator.
#[derive(Clone)]
pub(super) struct Events {
    client: Client,
    instance: String,
}

impl Events {
    pub(super) fn new(client: Client, instance: String) -> Self {
        Self { client, instance }
    }

    /// Publishes `news` about the object. A failure is logged: an event is never worth a reconcile.
    pub(super) async fn publish(&self, about: ObjectReference, news: &News, now: Timestamp) {
        let namespace = about.namespace.clone().unwrap_or_default();
        let event = self.event(about, news, now);
        let api: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
        if let Err(error) = api.create(&PostParams::default(), &event).await {
            tracing::warn!(%error, reason = news.reason, "An event could not be published");
        }
    }

    fn event(&self, about: ObjectReference, news: &News, now: Timestamp) -> Event {
        let name = about.name.as_deref().unwrap_or("connector");
        Event {
            metadata: ObjectMeta {
                name: Some(format!("{name}.{:x}", now.as_nanosecond())),
                namespace: about.namespace.clone(),
                ..ObjectMeta::default()
            },
            action: Some("Sync".to_owned()),
            event_time: Some(MicroTime(now)),
            note: Some(shortened(&news.note).to_owned()),
            reason: Some(news.reason.clone()),
            regarding: Some(about),
            reporting_controller: Some(super::FIELD_MANAGER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            type_: Some(if news.warning { "Warning" } else { "Normal" }.to_owned()),
            ..Event::default()
        }
    }
}

fn shortened(note: &str) -> &str {
    note.get(..note.floor_char_boundary(LONGEST_NOTE)).unwrap_or_default()
}
