//! What can be given to a connector to do.

use std::fmt;

use c1_protocol::c1::connector::v2::{Resource, ResourceId};
use c1_protocol::c1::connectorapi::baton::v1::task::{
    EventFeedTask, GrantTask, HelloTask, ListTicketSchemasTask, NoneTask, SyncFullTask, TaskType,
};
use serde::{Deserialize, Serialize};

/// What a connector shall do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TaskSpec {
    /// Nothing. Over as soon as it was handed out.
    None,
    /// Say hello again.
    Hello,
    /// Read everything and upload it.
    SyncFull(SyncFull),
    /// Grant an entitlement, which a connector that only reads refuses.
    Grant,
    /// Send events, which a connector that has none refuses.
    EventFeed,
    /// List ticket schemas, which a connector without tickets refuses.
    ListTicketSchemas,
    /// A task of a type that nobody has heard of: it arrives without one.
    Unknown,
}

/// How to read everything; the fields of C1's message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SyncFull {
    /// C1 works out by itself who gets what through whom.
    pub skip_expand_grants: bool,
    /// Only resources.
    pub skip_entitlements_and_grants: bool,
    /// No grants, but resources and entitlements.
    pub skip_grants: bool,
    /// Only these resources.
    pub targeted_sync_resources: Vec<Target>,
    /// Only resources of these types; all where there are none.
    pub sync_resource_type_ids: Vec<String>,
    /// `sqlite`, `pebble` or nothing.
    pub storage_engine: String,
}

/// A resource that alone shall be read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its type's id.
    pub resource_type: String,
    /// Its own id.
    pub resource: String,
}

impl TaskSpec {
    /// A full sync as C1 asks for it: it expands grants itself.
    #[must_use]
    pub fn sync_full() -> Self {
        Self::SyncFull(SyncFull { skip_expand_grants: true, ..SyncFull::default() })
    }

    pub(super) fn to_message(&self) -> Option<TaskType> {
        Some(match self {
            Self::None => TaskType::None(NoneTask::default()),
            Self::Hello => TaskType::Hello(HelloTask::default()),
            Self::SyncFull(sync) => TaskType::SyncFull(sync.to_message()),
            Self::Grant => TaskType::Grant(GrantTask {}),
            Self::EventFeed => TaskType::EventFeed(EventFeedTask {}),
            Self::ListTicketSchemas => TaskType::ListTicketSchemas(ListTicketSchemasTask {}),
            Self::Unknown => return None,
        })
    }
}

impl fmt::Display for TaskSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Hello => "hello",
            Self::SyncFull(_) => "sync_full",
            Self::Grant => "grant",
            Self::EventFeed => "event_feed",
            Self::ListTicketSchemas => "list_ticket_schemas",
            Self::Unknown => "unknown",
        })
    }
}

impl SyncFull {
    fn to_message(&self) -> SyncFullTask {
        let targets = self.targeted_sync_resources.iter().map(Target::to_message);
        SyncFullTask {
            annotations: Vec::new(),
            skip_expand_grants: self.skip_expand_grants,
            skip_entitlements_and_grants: self.skip_entitlements_and_grants,
            targeted_sync_resources: targets.collect(),
            sync_resource_type_ids: self.sync_resource_type_ids.clone(),
            skip_grants: self.skip_grants,
            storage_engine: self.storage_engine.clone(),
        }
    }
}

impl Target {
    fn to_message(&self) -> Resource {
        let id = ResourceId {
            resource_type: self.resource_type.clone(),
            resource: self.resource.clone(),
            ..ResourceId::default()
        };
        Resource { id: Some(id), ..Resource::default() }
    }
}
