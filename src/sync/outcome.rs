//! How a run ended.

use jiff::Timestamp;

use crate::access::{Changes, Counts};
use crate::api::Trigger;

use super::Failure;

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The run's id, which is also that of its snapshot.
    pub id: String,
    /// The generation of the spec that it ran for.
    pub generation: i64,
    /// Why it began.
    pub trigger: Trigger,
    /// The value of the requestedAt annotation when it began.
    pub requested_at: Option<String>,
    /// What it found of the Secret.
    pub secret: SecretSeen,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub completed: Timestamp,
    /// What it published, or why it published nothing.
    pub result: Result<Published, Failure>,
}

/// What a run found of the Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSeen {
    /// Nothing: it could not be asked for.
    Unread,
    /// There is none.
    Missing,
    /// It is there, with this `metadata.resourceVersion`, whatever is in it.
    Version(String),
}

/// A snapshot that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The vendor's stable id of what was read.
    pub account_id: String,
    /// What it holds.
    pub counts: Counts,
    /// What differs from the one before; `None` where there was none before.
    pub changes: Option<Changes>,
    /// Where it is.
    pub uri: String,
    /// Its SHA-256, as `sha256:<hex>`.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
}
