//! How a run ended.

use jiff::Timestamp;

use crate::access::guard::{Removal, ScopeCounts};
use crate::access::{AccessNews, Counts};
use crate::api::{Reason, Trigger};

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
    /// The id of the held run whose removals it was allowed to publish.
    pub approved: Option<String>,
    /// What it found of the Secret.
    pub secret: SecretSeen,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub completed: Timestamp,
    /// How it ended, or why it published nothing.
    pub result: Result<Ended, Failure>,
}

impl Outcome {
    /// How it ended, in the word of the Ready condition.
    pub fn reason(&self) -> Reason {
        match &self.result {
            Ok(Ended::Published(_)) => Reason::Succeeded,
            Ok(Ended::Held(held)) => Reason::of_hold(held.removals.iter().map(|removal| removal.why.into())),
            Err(failure) => failure.reason,
        }
    }
}

/// How a run ended that read everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was published.
    Published(Published),
    /// The removal guard holds it until a person says that it is right.
    Held(Held),
}

/// A run that the removal guard holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What to approve it by. The same for as long as the same would go.
    pub id: String,
    /// What would go, for each scope that is held.
    pub removals: Vec<Removal>,
    /// What was read.
    pub counts: Counts,
    /// What would go and how to accept it, as one message for the condition, the event and the log.
    pub message: String,
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
    /// How many of it are in each scope of the removal guard.
    pub scopes: ScopeCounts,
    /// What it changes for people; `None` where there was none before.
    pub news: Option<AccessNews>,
    /// Where it is.
    pub uri: String,
    /// Its SHA-256, as `sha256:<hex>`.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
}
