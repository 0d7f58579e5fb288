//! The removal guard: how much of what was published may be missing from what comes next, before a person has to
//! say that it is right. Pure: the numbers come from whoever compared the two.

mod census;
mod scope;

pub use census::{Census, Headcount, OWNERS_COUNTED};
pub use scope::{Part, ScopeChange};

use std::collections::BTreeMap;

/// How much may go without anybody's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Percent of a scope, 0 to 100. More than this is held.
    pub max_percent: u8,
    /// Fewer than this many are never held for their share alone.
    pub min_removed: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_percent: 20, min_removed: 3 }
    }
}

/// What the people of a connector are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scoping {
    /// By the account: its people, and its service accounts.
    Users,
    /// By each resource of one type: who has a role on it, who administers it, and who is in what belongs to it.
    Roles {
        /// The id of the resource type, such as `organization`.
        owner: &'static str,
        /// The slug of the entitlement that administrators hold, such as `admin`.
        administrator: &'static str,
    },
}

/// How many are in each scope, by the scope's id, such as `users` or `organization:a1b2c3d4e5f6/members`.
pub type ScopeCounts = BTreeMap<String, u64>;

/// Why a scope is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// More of it would go than the limits let.
    TooMany,
    /// Nobody would be left.
    Emptied,
    /// Nobody who administers would be left.
    NoAdministrator,
    /// The resource itself would go, with all that belongs to it.
    OwnerGone,
    /// It is another account than the one published before.
    AnotherAccount,
    /// The snapshot published last is lost, and there are fewer than is remembered of it.
    BaselineLost,
}

/// What would go from one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The scope as a person reads it, such as `members of acme`.
    pub scope: String,
    /// How many were published.
    pub before: u64,
    /// How many of them would go.
    pub removed: u64,
    /// How many of them would be there but disabled.
    pub disabled: u64,
    /// Why it is held.
    pub why: Why,
}

/// The scopes that must be held, of all that lose somebody. Nothing is held for what comes anew.
pub fn judge(changes: &[ScopeChange], another_account: bool, limits: Limits) -> Vec<Removal> {
    let why = |change: &ScopeChange| match change.part {
        Part::Users | Part::ServiceAccounts if another_account => Some(Why::AnotherAccount),
        _ => change.why(limits),
    };
    changes.iter().filter_map(|change| Some(change.held_for(why(change)?))).collect()
}

/// The same where the snapshot published last is lost, and only `before` is remembered of it: whatever there is less
/// of now is held, since nobody can tell whether it is the same people.
pub fn judge_lost(before: &ScopeCounts, another_account: bool, now: &Census) -> Vec<Removal> {
    const NOBODY_KNOWS: &str = "all that was published";
    let removal = |scope: String, before: u64, removed: u64| {
        let why = if another_account { Why::AnotherAccount } else { Why::BaselineLost };
        Removal { scope, before, removed, disabled: 0, why }
    };
    if before.is_empty() {
        return vec![removal(NOBODY_KNOWS.to_owned(), 0, 0)];
    }
    let fewer = fewer(before, now);
    let removals = before.iter().filter_map(|(scope, before)| {
        let removed = fewer.get(scope).copied().unwrap_or_default();
        (removed > 0 || another_account).then(|| removal(now.title(scope), *before, removed))
    });
    removals.collect()
}

/// Of `before`, the scopes of which there are fewer in `now`, and by how many: what [`judge_lost`] holds, for programs.
pub fn fewer(before: &ScopeCounts, now: &Census) -> ScopeCounts {
    let counts = now.counted_like(before);
    let fewer = before.iter().filter_map(|(scope, before)| {
        let removed = before.saturating_sub(counts.get(scope).copied().unwrap_or_default());
        (removed > 0).then(|| (scope.clone(), removed))
    });
    fewer.collect()
}

#[cfg(test)]
mod tests;
