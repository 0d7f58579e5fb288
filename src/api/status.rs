//! What the operator says about a connector.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vecmap::VecMap;

use crate::access::Change;

use super::{C1Status, ConditionType, Hold, Reason, condition};

/// What the operator says about a connector. `observedGeneration` is -1 until it has said anything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectorStatus {
    /// The generation of the spec that this status is about; -1 before the operator has seen the object.
    #[serde(default = "never_observed")]
    pub observed_generation: i64,
    /// The label a person reads: Pending, Syncing, Connected, Held, Error or Suspended. Programs read the conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Ready, Connected and Syncing; with spec.c1 C1Connected; Reconciling or Stalled only while true.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// The last run, or the one under way where it has no completionTime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sync: Option<LastSync>,
    /// The last snapshot that was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_published: Option<LastPublished>,
    /// What the removal guard holds; absent where it holds nothing. Runs go on meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Box<Hold>>,
    /// When everything was last read and published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success_time: Option<Time>,
    /// When the next run is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_sync_time: Option<Time>,
    /// How many runs have failed since the last that succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consecutive_failures: Option<i32>,
    /// The value of the requestedAt annotation that was last acted upon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// The value of the acceptRemovals annotation that was last acted upon, or found to name nothing that is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_approval: Option<String>,
    /// The resourceVersion of the Secret that the last run used, or of a later one that says the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_secret_version: Option<String>,
    /// What was delivered to C1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub c1: Option<Box<C1Status>>,
}

fn never_observed() -> i64 {
    -1
}

impl Default for ConnectorStatus {
    fn default() -> Self {
        Self {
            observed_generation: never_observed(),
            phase: None,
            conditions: Vec::new(),
            last_sync: None,
            last_published: None,
            held: None,
            last_success_time: None,
            next_sync_time: None,
            consecutive_failures: None,
            last_handled_reconcile_at: None,
            last_handled_approval: None,
            observed_secret_version: None,
            c1: None,
        }
    }
}

impl ConnectorStatus {
    /// The condition of type `type_`.
    pub fn condition(&self, type_: ConditionType) -> Option<&Condition> {
        condition::find(&self.conditions, type_)
    }

    /// Sets a condition of this status' generation. `lastTransitionTime` moves only when the status does.
    pub fn set_condition(
        &mut self,
        type_: ConditionType,
        status: &str,
        reason: Reason,
        message: &str,
        now: Timestamp,
    ) {
        condition::set(&mut self.conditions, type_, status, reason, message, self.observed_generation, now);
    }

    /// Removes a condition.
    pub fn remove_condition(&mut self, type_: ConditionType) {
        condition::remove(&mut self.conditions, type_);
    }
}

/// The label a person reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Waits for its Secret.
    Pending,
    /// Reads for the first time, or since somebody asked or changed something.
    Syncing,
    /// Everything was read; periodic runs keep this.
    Connected,
    /// The last run failed; the Ready condition says why and what to do.
    Error,
    /// Everything was read, and the removal guard holds it until somebody says that it is right.
    Held,
    /// spec.suspend is true.
    Suspended,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Syncing, Self::Connected, Self::Held, Self::Error, Self::Suspended];

    /// What it means.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Pending => "Waits for its Secret.",
            Self::Syncing => "Reads for the first time, or since somebody asked or changed something.",
            Self::Connected => "Everything was read; periodic runs keep this.",
            Self::Held => {
                "Everything was read, and the removal guard holds it until somebody says that it is right."
            }
            Self::Error => "The last run failed; the Ready condition says why and what to do.",
            Self::Suspended => "spec.suspend is true.",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Why a run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Trigger {
    /// The connector is new.
    First,
    /// The spec changed.
    SpecChanged,
    /// The Secret changed.
    SecretChanged,
    /// The requestedAt annotation asked for it.
    Requested,
    /// The acceptRemovals annotation accepted what was held.
    Approved,
    /// C1 asked for it.
    C1Task,
    /// It was due.
    Scheduled,
    /// The run before it failed.
    Retry,
}

impl Trigger {
    /// Every trigger.
    pub const ALL: [Self; 8] = [
        Self::First,
        Self::SpecChanged,
        Self::SecretChanged,
        Self::Requested,
        Self::Approved,
        Self::C1Task,
        Self::Scheduled,
        Self::Retry,
    ];

    /// The word in status, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "First",
            Self::SpecChanged => "SpecChanged",
            Self::SecretChanged => "SecretChanged",
            Self::Requested => "Requested",
            Self::Approved => "Approved",
            Self::C1Task => "C1Task",
            Self::Scheduled => "Scheduled",
            Self::Retry => "Retry",
        }
    }

    /// Did somebody change or ask for something in Kubernetes? All other runs show nothing while they are short.
    pub fn announced(self) -> bool {
        !matches!(self, Self::C1Task | Self::Scheduled | Self::Retry)
    }

    /// Does anybody wait for this run?
    pub fn awaited(self) -> bool {
        self.announced() || self == Self::C1Task
    }
}

/// What there is per scope. A list, since the operator has one of these for each connector and most have a few entries:
/// a tree has room for eleven.
pub type PerScope<T> = VecMap<String, T>;

/// Counts per scope: users, organizations, teams, entitlements, grants.
pub type SnapshotCounts = PerScope<u64>;

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastSync {
    /// The run's id: a KSUID, which is also the id of its snapshot.
    pub id: String,
    /// Why it began.
    pub trigger: Trigger,
    /// When it began.
    pub start_time: Time,
    /// When it ended; absent while it is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// What it read, where it read everything: users, organizations, teams, entitlements, grants.
    #[serde(default, skip_serializing_if = "VecMap::is_empty")]
    #[schemars(with = "BTreeMap<String, u64>")]
    pub counts: SnapshotCounts,
    /// What differs from the snapshot published before it, per scope. Absent for a first snapshot.
    #[serde(default, skip_serializing_if = "VecMap::is_empty")]
    #[schemars(with = "BTreeMap<String, ChangeStatus>")]
    pub changes: PerScope<ChangeStatus>,
}

/// How many of one scope came, went, or are no longer the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeStatus {
    /// There now, not before.
    pub added: u64,
    /// There before, not now.
    pub removed: u64,
    /// There before and now, with other attributes. A later sign-in alone is not a change.
    pub changed: u64,
}

impl From<Change> for ChangeStatus {
    fn from(Change { added, removed, changed }: Change) -> Self {
        Self { added, removed, changed }
    }
}

/// A published snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastPublished {
    /// The id of the run that read it.
    pub id: String,
    /// The vendor's stable id of what was read.
    pub upstream_account_id: String,
    /// What it holds: users, organizations, teams, entitlements, grants.
    #[schemars(with = "BTreeMap<String, u64>")]
    pub counts: SnapshotCounts,
    /// How many of it are in each scope of the removal guard, by the scope's id.
    #[serde(default, skip_serializing_if = "VecMap::is_empty")]
    #[schemars(with = "BTreeMap<String, u64>")]
    pub scopes: SnapshotCounts,
    /// Where it is.
    pub uri: String,
    /// Its SHA-256, as sha256:<hex>.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
}
