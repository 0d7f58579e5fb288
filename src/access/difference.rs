//! What changed between two snapshots, counted per scope.

use std::collections::BTreeMap;

/// How many of one scope came, went, or are no longer the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Change {
    /// There now, not before.
    pub added: u64,
    /// There before, not now.
    pub removed: u64,
    /// There before and now, with other attributes. A later sign-in alone is not a change.
    pub changed: u64,
}

/// The changes of each scope: the plural of each resource type, and `grants`.
pub type Changes = BTreeMap<String, Change>;
