//! What the simulated C1 can be made to do wrong, by name, and which of it is on. Where each acts is where the name
//! stands in the code of what it spoils.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::fault::faults;

faults! {
    /// Something that the simulated C1 can be made to do wrong.
    C1Fault:

    /// Every call is answered with Unavailable.
    "unavailable" Unavailable,
    /// The token endpoint answers 503 with the HTML page of a proxy.
    "token-unavailable" TokenUnavailable,
    /// The token endpoint refuses the client with a 401.
    "token-refused" TokenRefused,
    /// Tokens are ended a second after they were handed out, whatever their answer said.
    "token-expires" TokenExpires,
    /// One call is answered with Unauthenticated although its token is good.
    "unauthenticated-once" UnauthenticatedOnce,
    /// The connection is reset after the first data of an upload.
    "drop-upload" DropUpload,
    /// An upload is refused with DataLoss although its checksum is right.
    "bad-checksum-answer" BadChecksumAnswer,
    /// The second heartbeat of a task is told that the task is no longer wanted.
    "cancel-while-reading" CancelWhileReading,
    /// Every second task, beginning with the first, goes to another host with the same credentials, which never says
    /// anything about it again.
    "shared-credentials" SharedCredentials,
    /// Heartbeats are answered with Unavailable.
    "heartbeat-fails" HeartbeatFails,
    /// Heartbeats are answered with NotFound.
    "heartbeat-not-found" HeartbeatNotFound,
    /// Polls are held back as long as the configuration says.
    "slow-poll" SlowPoll,
    /// A task in hand is handed out again.
    "duplicate-task" DuplicateTask,
    /// A poll is given a task of no type that is known.
    "unknown-task" UnknownTask,
    /// That a task is finished is answered with Unavailable, and forgotten.
    "finish-unavailable" FinishUnavailable,
    /// Hello is answered with PermissionDenied.
    "hello-refused" HelloRefused,
    /// Polls are answered with PermissionDenied.
    "poll-refused" PollRefused,
    /// Calls are never answered.
    "hang" Hang,
    /// Polls are told to come again at once.
    "next-poll-zero" NextPollZero,
}

/// A fault of the simulated C1 that is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct C1SwitchedOn {
    /// The fault.
    pub fault: C1Fault,
    /// How many times it will still strike; `None` until it is switched off.
    pub left: Option<u32>,
}

/// The faults that are on, with how often they will still strike.
#[derive(Debug, Default)]
pub(super) struct Switches(Mutex<BTreeMap<C1Fault, Option<u32>>>);

impl Switches {
    pub(super) fn switch_on(&self, fault: C1Fault, times: Option<u32>) {
        let left = times.or_else(|| (fault == C1Fault::UnauthenticatedOnce).then_some(1));
        if left == Some(0) {
            self.switch_off(fault);
        } else {
            self.on().insert(fault, left);
        }
    }

    pub(super) fn switch_off(&self, fault: C1Fault) {
        self.on().remove(&fault);
    }

    pub(super) fn switch_all_off(&self) {
        self.on().clear();
    }

    pub(super) fn list(&self) -> Vec<C1SwitchedOn> {
        self.on().iter().map(|(fault, left)| C1SwitchedOn { fault: *fault, left: *left }).collect()
    }

    pub(super) fn is_on(&self, fault: C1Fault) -> bool {
        self.on().contains_key(&fault)
    }

    /// Does the fault strike now? One that is over is switched off.
    pub(super) fn strike(&self, fault: C1Fault) -> bool {
        let mut on = self.on();
        match on.get_mut(&fault) {
            None => return false,
            Some(None) => return true,
            Some(Some(left)) if *left > 1 => *left -= 1,
            Some(Some(_)) => drop(on.remove(&fault)),
        }
        true
    }

    fn on(&self) -> MutexGuard<'_, BTreeMap<C1Fault, Option<u32>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All faults with what they do, a paragraph each, as the program's help has them.
#[must_use]
pub fn listed() -> String {
    let mut list = String::from("Faults of C1:\n");
    for fault in C1Fault::ALL {
        list.push_str(&format!("\n  {fault}\n      {}", fault.does()));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_documented_with_its_own_sentence() {
        let page = include_str!("../../../docs/simulator.md");
        for fault in C1Fault::ALL {
            let row = format!("| `{fault}` | {} |", fault.does());
            assert!(page.contains(&row), "docs/simulator.md has no line {row}");
        }
    }

    #[test]
    fn a_fault_strikes_as_often_as_asked_and_is_over() {
        let switches = Switches::default();
        switches.switch_on(C1Fault::Unavailable, Some(2));
        assert_eq!([(); 3].map(|()| switches.strike(C1Fault::Unavailable)), [true, true, false]);
        switches.switch_on(C1Fault::UnauthenticatedOnce, None);
        assert_eq!([(); 2].map(|()| switches.strike(C1Fault::UnauthenticatedOnce)), [true, false]);
        switches.switch_on(C1Fault::Hang, None);
        assert_eq!([(); 3].map(|()| switches.strike(C1Fault::Hang)), [true; 3]);
        switches.switch_off(C1Fault::Hang);
        assert!(!switches.strike(C1Fault::Hang) && switches.list().is_empty());
    }
}
