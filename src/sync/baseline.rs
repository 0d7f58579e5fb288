//! What a run is compared with: the snapshot published last, or what is remembered of it where it is lost. It is
//! never taken for lost lightly, and never for a first run.

use crate::access::guard::ScopeCounts;
use crate::snapshot::{Replaces, Snapshot, SyncId};

/// What is remembered of a published snapshot apart from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedBefore {
    /// The run that read it.
    pub id: SyncId,
    /// The vendor's stable id of what was read.
    pub account_id: String,
    /// How many of it are in each scope of the removal guard.
    pub scopes: ScopeCounts,
}

/// What a run is compared with.
#[derive(Debug)]
pub struct Baseline {
    /// What is known of what was published last.
    pub known: Known,
    /// What must still count when the run's own snapshot takes its place.
    pub replaces: Replaces,
}

/// What is known of what was published last.
#[derive(Debug)]
pub enum Known {
    /// Nothing was ever published.
    Nothing,
    /// All of it.
    Snapshot {
        /// The snapshot.
        snapshot: Box<Snapshot>,
        /// The vendor's stable id of what was read.
        account_id: Option<String>,
    },
    /// The snapshot is lost.
    Lost {
        /// What is remembered of it, where anything is.
        remembered: Option<PublishedBefore>,
        /// What tells this loss from another: the run that is lost, as far as it is known.
        lost: String,
    },
}

/// What people were told of last, beside the baseline. A run may have published, and been cut off before it was told of.
#[derive(Debug)]
pub enum Told {
    /// The baseline.
    Baseline,
    /// This one, which the baseline has replaced without a word.
    Earlier(Box<Snapshot>),
    /// Nothing, or something that is gone.
    Nothing,
}

impl Known {
    /// The snapshot is lost.
    pub(super) fn lost(remembered: Option<PublishedBefore>, newest: Option<SyncId>) -> Self {
        let lost = remembered.as_ref().map(|it| it.id.clone()).or(newest);
        Self::Lost { remembered, lost: lost.map_or_else(|| "unknown".to_owned(), String::from) }
    }

    /// The account that was read, where it is known.
    pub(super) fn account_id(&self) -> Option<&str> {
        let id = match self {
            Self::Nothing => None,
            Self::Snapshot { account_id, .. } => account_id.as_deref(),
            Self::Lost { remembered, .. } => remembered.as_ref().map(|it| it.account_id.as_str()),
        };
        id.filter(|id| !id.is_empty())
    }
}
