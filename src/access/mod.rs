//! Who has access to what, in the terms of C1: resource types, resources, entitlements, grants, and their ids.
//!
//! This is the common language between the connectors, which produce [`Record`]s, and the snapshot, which keeps
//! them. It must not know a SaaS, Kubernetes or SQLite.

pub mod difference;
pub mod guard;
mod id;
mod model;
mod news;
mod stream;
mod words;

pub use difference::{Change, Changes};
pub use id::{EntitlementId, RecordId, ResourceId};
pub use model::{
    AccountType, Counts, Entitlement, Grant, Profile, ProfileValue, Purpose, Record, Resource, ResourceKind,
    ResourceType, Status, Trait, User,
};
pub use news::AccessNews;
pub use stream::{Progress, RecordReceiver, RecordSender, SinkClosed, channel};
pub use words::{in_words, thousands};
