//! The tasks of all clients: waiting, in a host's hand, or finished. Pure data; who waits for a change to it is told
//! elsewhere.

use std::fmt;
use std::time::{Duration, Instant};

use c1_protocol::c1::connectorapi::baton::v1::{Task, task};
use serde::Serialize;
use svix_ksuid::{Ksuid, KsuidLike as _};
use tonic::Code;

use super::spec::TaskSpec;

/// A task's id: 27 letters and digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct TaskId(pub(super) String);

impl TaskId {
    fn new() -> Self {
        Self(Ksuid::from_seconds(None, None).to_string())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for TaskId {
    fn from(id: &str) -> Self {
        Self(id.to_owned())
    }
}

/// How a connector said that a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finished {
    /// It was done.
    Success,
    /// It was not.
    Error {
        /// The code of its status.
        code: Code,
        /// The message of its status.
        message: String,
        /// Trying again would not help.
        non_retryable: bool,
    },
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success => f.write_str("success"),
            Self::Error { code, message, non_retryable } => {
                let retry = if *non_retryable { "not to be retried" } else { "may be retried" };
                write!(f, "error {code:?} ({retry}): {message}")
            }
        }
    }
}

/// Where a task is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nobody has it.
    Waiting,
    /// It was handed out, or its last heartbeat came, at this time.
    InHand {
        /// Whose it is.
        host_id: String,
        /// When the host was last heard of.
        heard: Instant,
    },
    /// The connector said how it ended.
    Finished(Finished),
}

/// A task, and what has become of it.
#[derive(Clone, Debug)]
pub struct GivenTask {
    /// Its id.
    pub id: TaskId,
    /// The index of the client that it is for.
    pub client: usize,
    /// What shall be done.
    pub spec: TaskSpec,
    /// Where it is.
    pub progress: Progress,
    /// It is no longer wanted.
    pub cancelled: bool,
    /// How many heartbeats came for it.
    pub heartbeats: u32,
    /// How many times it was handed out.
    pub handed_out: u32,
}

impl GivenTask {
    pub(super) fn to_message(&self) -> Task {
        Task {
            id: self.id.0.clone(),
            status: task::Status::Running.into(),
            debug: false,
            task_type: self.spec.to_message(),
        }
    }

    fn is_offered(&self, now: Instant, patience: Duration) -> bool {
        !self.cancelled
            && match &self.progress {
                Progress::Waiting => true,
                Progress::InHand { heard, .. } => now.saturating_duration_since(*heard) >= patience,
                Progress::Finished(_) => false,
            }
    }

    pub(super) fn is_in_hand_of(&self, host: &str) -> bool {
        matches!(&self.progress, Progress::InHand { host_id, .. } if host_id == host)
    }

    fn hand_to(&mut self, host: &str, now: Instant) {
        self.handed_out += 1;
        self.progress = if self.spec == TaskSpec::None {
            Progress::Finished(Finished::Success)
        } else {
            Progress::InHand { host_id: host.to_owned(), heard: now }
        };
    }
}

/// Who polls, and what a poll depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Poll<'a> {
    pub(super) client: usize,
    pub(super) host: &'a str,
    pub(super) now: Instant,
    /// How long a host may be silent before its tasks are offered again.
    pub(super) patience: Duration,
}

/// All tasks, in the order in which they were given.
#[derive(Debug, Default)]
pub(super) struct Tasks(Vec<GivenTask>);

impl Tasks {
    pub(super) fn give(&mut self, client: usize, spec: TaskSpec) -> TaskId {
        let id = TaskId::new();
        self.0.push(GivenTask {
            id: id.clone(),
            client,
            spec,
            progress: Progress::Waiting,
            cancelled: false,
            heartbeats: 0,
            handed_out: 0,
        });
        id
    }

    pub(super) fn all(&self) -> &[GivenTask] {
        &self.0
    }

    pub(super) fn get(&self, id: &TaskId) -> Option<&GivenTask> {
        self.0.iter().find(|task| task.id == *id)
    }

    pub(super) fn get_mut(&mut self, id: &TaskId) -> Option<&mut GivenTask> {
        self.0.iter_mut().find(|task| task.id == *id)
    }

    /// Would a poll be given something?
    pub(super) fn has_for(&self, poll: Poll<'_>) -> bool {
        self.0.iter().any(|task| task.client == poll.client && task.is_offered(poll.now, poll.patience))
    }

    /// Hands out what is offered, but for what the host says that it knows, up to `most`.
    pub(super) fn hand_out(&mut self, poll: Poll<'_>, known: &[String], most: usize) -> Vec<Task> {
        let offered = self.0.iter_mut().filter(|task| {
            task.client == poll.client
                && task.is_offered(poll.now, poll.patience)
                && !known.contains(&task.id.0)
        });
        let handed = offered.take(most).map(|task| {
            task.hand_to(poll.host, poll.now);
            task.to_message()
        });
        handed.collect()
    }

    /// The first task of the host that is in its hand already, for handing it out again.
    pub(super) fn again(&mut self, client: usize, host: &str) -> Option<Task> {
        let mut all = self.0.iter_mut();
        let task = all.find(|task| task.client == client && !task.cancelled && task.is_in_hand_of(host))?;
        task.handed_out += 1;
        Some(task.to_message())
    }

    /// The task, if this host of this client has it in hand.
    pub(super) fn in_hand(&mut self, client: usize, host: &str, id: &str) -> Option<&mut GivenTask> {
        let mut all = self.0.iter_mut();
        all.find(|task| task.id.0 == id && task.client == client && task.is_in_hand_of(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn poll(client: usize, host: &str, now: Instant) -> Poll<'_> {
        Poll { client, host, now, patience: PATIENCE }
    }

    fn ids(tasks: &[Task]) -> Vec<&str> {
        tasks.iter().map(|task| task.id.as_str()).collect()
    }

    #[test]
    fn a_task_goes_to_one_host_of_its_client_until_that_host_falls_silent() {
        let (mut tasks, now) = (Tasks::default(), Instant::now());
        let id = tasks.give(0, TaskSpec::sync_full());
        assert!(tasks.hand_out(poll(1, "other", now), &[], 1).is_empty());
        assert_eq!(ids(&tasks.hand_out(poll(0, "one", now), &[], 1)), [id.as_str()]);
        assert!(tasks.hand_out(poll(0, "two", now + PATIENCE / 2), &[], 1).is_empty());
        assert!(tasks.hand_out(poll(0, "one", now + PATIENCE), std::slice::from_ref(&id.0), 1).is_empty());
        assert_eq!(ids(&tasks.hand_out(poll(0, "two", now + PATIENCE), &[], 1)), [id.as_str()]);
        assert!(tasks.in_hand(0, "one", id.as_str()).is_none());
        assert!(tasks.in_hand(0, "two", id.as_str()).is_some());
    }

    #[test]
    fn tasks_are_handed_out_in_the_order_in_which_they_were_given() {
        let (mut tasks, now) = (Tasks::default(), Instant::now());
        let given = [(); 3].map(|()| tasks.give(0, TaskSpec::Grant));
        let handed = tasks.hand_out(poll(0, "one", now), &[], 2);
        assert_eq!(ids(&handed), [given[0].as_str(), given[1].as_str()]);
        assert!(given.iter().all(|id| id.as_str().len() == 27));
    }

    #[test]
    fn what_is_no_longer_wanted_is_not_offered() {
        let (mut tasks, now) = (Tasks::default(), Instant::now());
        let id = tasks.give(0, TaskSpec::Hello);
        tasks.get_mut(&id).unwrap().cancelled = true;
        assert!(!tasks.has_for(poll(0, "one", now)));
    }
}
