//! The condition types, and how a list of conditions is changed without touching what stays the same.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::Reason;

/// The types of condition that a connector has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// The summary: is what was asked for there?
    Ready,
    /// Did the upstream accept the credential, the last time it was asked?
    Connected,
    /// Is a run under way?
    Syncing,
    /// Does C1 take what is delivered? Only with spec.c1.
    C1Connected,
    /// kstatus: something is being done about a change. Present only while true.
    Reconciling,
    /// kstatus: nothing more will be done until somebody changes something. Present only while true.
    Stalled,
}

impl ConditionType {
    /// Every type, in the order in which they are written.
    pub const ALL: [Self; 6] =
        [Self::Ready, Self::Connected, Self::Syncing, Self::C1Connected, Self::Reconciling, Self::Stalled];

    /// What it says while it is True.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Ready => {
                "Everything was read and published, and C1 gets what it is to get. The summary of the others."
            }
            Self::Connected => "The upstream has accepted the credential, the last time it was asked.",
            Self::Syncing => "A run is under way.",
            Self::C1Connected => "C1 takes what is delivered. Only with spec.c1.",
            Self::Reconciling => "Something is being done about a change (kstatus). Present only while True.",
            Self::Stalled => {
                "Nothing more is done until somebody changes something (kstatus). Present only while True."
            }
        }
    }

    /// The type as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Connected => "Connected",
            Self::Syncing => "Syncing",
            Self::C1Connected => "C1Connected",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
        }
    }
}

/// The condition of type `type_` in `conditions`.
pub(super) fn find(conditions: &[Condition], type_: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == type_.as_str())
}

/// Sets a condition. `lastTransitionTime` moves only when the status does.
pub(super) fn set(
    conditions: &mut Vec<Condition>,
    type_: ConditionType,
    status: &str,
    reason: Reason,
    message: &str,
    generation: i64,
    now: Timestamp,
) {
    let last_transition_time = match find(conditions, type_) {
        Some(present) if present.status == status => present.last_transition_time.clone(),
        _ => Time(Timestamp::from_second(now.as_second()).unwrap_or(now)),
    };
    let condition = Condition {
        type_: type_.as_str().to_owned(),
        status: status.to_owned(),
        reason: reason.as_str().to_owned(),
        message: message.to_owned(),
        observed_generation: Some(generation),
        last_transition_time,
    };
    match conditions.iter_mut().find(|present| present.type_ == condition.type_) {
        Some(present) => *present = condition,
        None => conditions.push(condition),
    }
    conditions.sort_by_key(|condition| {
        ConditionType::ALL.iter().position(|type_| type_.as_str() == condition.type_)
    });
}

/// Removes a condition.
pub(super) fn remove(conditions: &mut Vec<Condition>, type_: ConditionType) {
    conditions.retain(|condition| condition.type_ != type_.as_str());
}
