//! What the status says of a run that the removal guard holds.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::guard::{Removal, Why};

use super::Reason;

/// A status names so many removals, and counts the others.
const NAMED: usize = 20;

/// What the removal guard holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// What to set the acceptRemovals annotation to, to accept exactly these removals. The same for as long as the
    /// same would go.
    pub id: String,
    /// The last run that was held.
    pub run_id: String,
    /// Since when this is held.
    pub since: Time,
    /// What would go, for each scope that is held; 20 at most.
    #[schemars(length(max = 20))]
    pub removals: Vec<HeldRemoval>,
    /// How many further scopes are held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<u64>,
    /// True when it was accepted, but the run that was to publish it failed: the next one carries the acceptance.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accepted: bool,
}

impl Hold {
    /// What a run holds: the first removals by name, the others by their number.
    pub fn new(id: &str, run_id: &str, since: Time, removals: &[Removal]) -> Self {
        let more = removals.len().saturating_sub(NAMED) as u64;
        Self {
            id: id.to_owned(),
            run_id: run_id.to_owned(),
            since,
            removals: removals.iter().take(NAMED).map(HeldRemoval::from).collect(),
            more: Some(more).filter(|more| *more > 0),
            accepted: false,
        }
    }

    /// Why it is held, in one word.
    pub fn reason(&self) -> Reason {
        Reason::of_hold(self.removals.iter().map(|removal| removal.why))
    }
}

impl Reason {
    /// Why a run is held, from why each of its scopes is.
    pub fn of_hold(whys: impl IntoIterator<Item = WhyHeld>) -> Self {
        let mut whys = whys.into_iter().peekable();
        if whys.peek().is_some() && whys.all(|why| why == WhyHeld::BaselineLost) {
            Self::BaselineLost
        } else {
            Self::RemovalsHeld
        }
    }
}

/// What would go from one scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldRemoval {
    /// The scope, such as users, or members of acme.
    pub scope: String,
    /// How many were published last.
    pub before: u64,
    /// How many of them would go.
    pub removed: u64,
    /// How many of them would be there, but disabled.
    pub disabled: u64,
    /// Why it is held.
    pub why: WhyHeld,
}

impl From<&Removal> for HeldRemoval {
    fn from(removal: &Removal) -> Self {
        let Removal { scope, before, removed, disabled, why } = removal;
        Self {
            scope: scope.clone(),
            before: *before,
            removed: *removed,
            disabled: *disabled,
            why: (*why).into(),
        }
    }
}

/// Why a scope is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WhyHeld {
    /// More of it would go than spec.removalGuard lets.
    TooMany,
    /// Nobody would be left.
    Emptied,
    /// Nobody who administers would be left.
    NoAdministrator,
    /// The organization itself would go, with all that belongs to it.
    OwnerGone,
    /// Another account answers than the one published last.
    AnotherAccount,
    /// The snapshot published last is lost, and there are fewer than the status remembers.
    BaselineLost,
}

impl From<Why> for WhyHeld {
    fn from(why: Why) -> Self {
        match why {
            Why::TooMany => Self::TooMany,
            Why::Emptied => Self::Emptied,
            Why::NoAdministrator => Self::NoAdministrator,
            Why::OwnerGone => Self::OwnerGone,
            Why::AnotherAccount => Self::AnotherAccount,
            Why::BaselineLost => Self::BaselineLost,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rstest::rstest;

    use super::*;

    fn hold(whys: &[Why]) -> Hold {
        let removal =
            |why: &Why| Removal { scope: "users".into(), before: 9, removed: 8, disabled: 1, why: *why };
        let removals: Vec<Removal> = whys.iter().map(removal).collect();
        Hold::new("id", "run", Time(Timestamp::UNIX_EPOCH), &removals)
    }

    #[rstest]
    #[case(0, None)]
    #[case(20, None)]
    #[case(21, Some(1))]
    #[case(5000, Some(4980))]
    fn twenty_are_named_and_the_others_counted(#[case] scopes: usize, #[case] more: Option<u64>) {
        let hold = hold(&vec![Why::OwnerGone; scopes]);
        assert_eq!((hold.removals.len(), hold.more), (scopes.min(20), more));
    }

    #[rstest]
    #[case(&[Why::BaselineLost, Why::BaselineLost], Reason::BaselineLost)]
    #[case(&[Why::BaselineLost, Why::Emptied], Reason::RemovalsHeld)]
    #[case(&[Why::TooMany], Reason::RemovalsHeld)]
    #[case(&[], Reason::RemovalsHeld)]
    fn the_baseline_is_to_blame_only_where_nothing_else_is(#[case] whys: &[Why], #[case] reason: Reason) {
        assert_eq!(hold(whys).reason(), reason);
    }
}
