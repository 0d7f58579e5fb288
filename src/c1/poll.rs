//! The loop: say hello, ask for tasks, do them, say how they ended. Until it is stopped, or C1 says that it will never
//! have this connector.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tracing::Instrument;

use super::finish::{End, finish};
use super::heartbeat;
use super::hello::greeting;
use super::sync_full::sync_full;
use super::{C1Error, Reader, Refused, Service, SyncTask, View};
use crate::proto::c1::connectorapi::baton::v1 as api;

use api::task::TaskType;

/// How many ended tasks are remembered, in case C1 has not heard of their end and gives them out again.
const REMEMBERED: usize = 32;

/// When the loop asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The wait after the first failed call; it doubles with each further one.
    pub first_wait: Duration,
    /// What the doubling ends at.
    pub longest_wait: Duration,
    /// The shortest time between two polls, whatever C1 says.
    pub shortest_poll: Duration,
    /// The longest.
    pub longest_poll: Duration,
    /// The wait before C1 is asked again that has said no.
    pub after_refusal: Duration,
    /// How long tasks in hand may take to be given back at the end.
    pub hand_back: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(5 * 60),
            shortest_poll: Duration::from_secs(1),
            longest_poll: Duration::from_secs(5 * 60),
            after_refusal: Duration::from_secs(15 * 60),
            hand_back: Duration::from_secs(12),
        }
    }
}

impl Pace {
    /// The wait after so many failures in a row, spread over its upper half by `chance`, from 0 to 1: a thousand
    /// connectors must not come back at once.
    fn after(&self, failures: u32, chance: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        let full = self.first_wait.saturating_mul(1 << doublings).min(self.longest_wait);
        full.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
    }

    fn until_next_poll(&self, asked: Option<prost_types::Duration>) -> Duration {
        let asked = asked.and_then(|asked| Duration::try_from(asked).ok()).unwrap_or_default();
        asked.clamp(self.shortest_poll, self.longest_poll)
    }
}

/// What the loop works with.
pub struct Work {
    /// Whom it works for.
    pub service: Service,
    /// Who reads.
    pub reader: Arc<dyn Reader>,
    /// Where it can be seen how it goes.
    pub view: watch::Sender<View>,
    /// When it asks.
    pub pace: Pace,
    /// How many tasks it does at once.
    pub at_once: usize,
    /// Does it end when C1 refuses the first greeting for good, rather than ask again now and then?
    pub ends_when_refused: bool,
}

/// Why the loop has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was stopped.
    Stopped,
    /// C1 will not have it.
    Refused(C1Error),
}

/// Works until `stop`. Tasks in hand are then given back.
pub async fn work(work: Work, stop: CancellationToken) -> Ended {
    let hand = Arc::new(Hand { service: work.service, reader: work.reader, view: work.view });
    let mut desk = Desk {
        hand,
        pace: work.pace,
        at_once: work.at_once,
        stop: stop.clone(),
        in_hand: HashMap::new(),
        doing: JoinSet::new(),
        done: VecDeque::new(),
        refused: 0,
    };
    let ended = loop {
        match desk.greet(work.ends_when_refused).await {
            Ok(()) => {}
            Err(ended) => break ended,
        }
        match desk.poll().await {
            Some(refusal) => tracing::warn!("{refusal}. C1 is greeted anew"),
            None => break Ended::Stopped,
        }
        if !desk.before_greeting_anew().await {
            break Ended::Stopped;
        }
    };
    desk.clear().await;
    ended
}

/// What every task needs.
struct Hand {
    service: Service,
    reader: Arc<dyn Reader>,
    view: watch::Sender<View>,
}

/// The state of the loop.
struct Desk {
    hand: Arc<Hand>,
    pace: Pace,
    at_once: usize,
    stop: CancellationToken,
    /// The tasks that are being done, by the ids of what does them.
    in_hand: HashMap<tokio::task::Id, String>,
    doing: JoinSet<Option<(String, End)>>,
    /// The last tasks that were done, and how they ended.
    done: VecDeque<(String, End)>,
    /// How often in a row C1 took the greeting and then refused to give tasks.
    refused: u32,
}

impl Desk {
    /// Says hello until C1 has heard it.
    async fn greet(&mut self, ends_when_refused: bool) -> Result<(), Ended> {
        let mut failures = 0;
        loop {
            let greeting = greeting(self.hand.service.host_id(), "", &self.hand.reader.about());
            let answer = tokio::select! {
                answer = self.hand.service.hello(&greeting) => answer,
                () = self.stop.cancelled() => return Err(Ended::Stopped),
            };
            let Err(error) = answer else {
                self.hand.answered();
                return Ok(());
            };
            if error.lasts() && ends_when_refused {
                return Err(Ended::Refused(error));
            }
            failures += 1;
            let wait = if error.lasts() {
                self.pace.after_refusal
            } else {
                self.pace.after(failures, fastrand::f64())
            };
            self.hand.failed(&error, wait);
            if !self.pause(wait).await {
                return Err(Ended::Stopped);
            }
        }
    }

    /// Waits before C1 is greeted once more that takes greetings and gives no tasks. The first time it is greeted at
    /// once: it may only have forgotten who is there.
    async fn before_greeting_anew(&mut self) -> bool {
        self.refused = self.refused.saturating_add(1);
        match self.refused {
            1 => true,
            times => self.pause(self.pace.after(times - 1, fastrand::f64())).await,
        }
    }

    /// Asks for tasks and does them, until it is stopped (`None`) or C1 says no.
    async fn poll(&mut self) -> Option<C1Error> {
        let mut failures = 0;
        let mut due = Instant::now();
        loop {
            if !self.until(due).await {
                return None;
            }
            let answer = tokio::select! {
                answer = self.hand.service.get_task() => answer,
                () = self.stop.cancelled() => return None,
            };
            match answer {
                Ok(response) => {
                    (failures, self.refused) = (0, 0);
                    self.hand.answered();
                    due = Instant::now() + self.pace.until_next_poll(response.next_poll);
                    let first_heartbeat = heartbeat::due(response.next_heartbeat);
                    if let Some(task) = response.task {
                        self.take(task, first_heartbeat);
                    }
                }
                Err(error) if error.lasts() => {
                    self.hand.view.send_modify(|view| view.failed(error.clone()));
                    return Some(error);
                }
                Err(error) => {
                    failures += 1;
                    let wait = self.pace.after(failures, fastrand::f64());
                    self.hand.failed(&error, wait);
                    due = Instant::now() + wait;
                }
            }
        }
    }

    /// Waits until `due` and until there is room for another task; false when it is stopped before.
    async fn until(&mut self, due: Instant) -> bool {
        loop {
            let has_room = self.doing.len() < self.at_once;
            tokio::select! {
                () = self.stop.cancelled() => return false,
                Some(done) = self.doing.join_next_with_id() => self.put_down(done),
                () = sleep_until(due), if has_room => return true,
            }
        }
    }

    async fn pause(&mut self, wait: Duration) -> bool {
        tokio::select! {
            () = sleep(wait) => true,
            () = self.stop.cancelled() => false,
        }
    }

    fn take(&mut self, task: api::Task, first_heartbeat: Duration) {
        let api::Task { id, task_type, .. } = task;
        if matches!(task_type, Some(TaskType::None(_))) || (task_type.is_none() && id.is_empty()) {
            return;
        }
        if self.in_hand.values().any(|in_hand| *in_hand == id) {
            tracing::debug!(task = id, "C1 gives out a task again that is in hand");
            return;
        }
        let (hand, stop) = (Arc::clone(&self.hand), self.stop.clone());
        let before = self.done.iter().find(|(done, _)| *done == id).map(|(_, end)| end.clone());
        let span = tracing::info_span!("task", task = id);
        let doing = {
            let id = id.clone();
            async move {
                match before {
                    // It has not heard of the end.
                    Some(end) => hand.end(id, end).await,
                    None => hand.handle(id, task_type, first_heartbeat, &stop).await,
                }
            }
        };
        let handle = self.doing.spawn(doing.instrument(span));
        self.in_hand.insert(handle.id(), id);
    }

    fn put_down(&mut self, done: Result<(tokio::task::Id, Option<(String, End)>), tokio::task::JoinError>) {
        let (doer, end) = match done {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "A task of C1 was given up");
                (error.id(), None)
            }
        };
        self.in_hand.remove(&doer);
        if let Some(end) = end {
            self.done.retain(|(id, _)| *id != end.0);
            self.done.push_back(end);
            if self.done.len() > REMEMBERED {
                self.done.pop_front();
            }
        }
    }

    /// Waits for the tasks in hand, which the stop has called off.
    async fn clear(&mut self) {
        let all = async { while self.doing.join_next().await.is_some() {} };
        if timeout(self.pace.hand_back, all).await.is_err() {
            tracing::warn!("Not every task could be given back to C1 in time; it will give them out again");
        }
    }
}

impl Hand {
    fn answered(&self) {
        if self.view.send_if_modified(View::answered) {
            tracing::info!("Connected to C1 at {}; waiting for tasks", self.service.host());
        }
    }

    fn failed(&self, error: &C1Error, wait: Duration) {
        self.view.send_modify(|view| view.failed(error.clone()));
        tracing::warn!("{error}. C1 is asked again in {} s", wait.as_secs_f64().ceil());
    }

    /// Does a task. What comes of it is kept if C1 was to be told.
    async fn handle(
        &self,
        id: String,
        task: Option<TaskType>,
        first_heartbeat: Duration,
        stop: &CancellationToken,
    ) -> Option<(String, End)> {
        let kind = kind_of(task.as_ref());
        tracing::info!(kind, "A task has come from C1");
        let task = match task {
            Some(TaskType::Hello(_)) => {
                self.greet_again(&id).await;
                return None;
            }
            task => task,
        };
        self.view.send_modify(|view| view.began(&id, kind, Timestamp::now()));
        let end = match task {
            Some(TaskType::SyncFull(task)) => match SyncTask::new(&id, &task) {
                Ok(task) => {
                    sync_full(&self.service, &self.reader, &task, first_heartbeat, &self.view, stop).await
                }
                Err(refused) => Err(refused),
            },
            task => Err(unsupported(kind, task.as_ref())),
        };
        self.end(id, end).await
    }

    async fn greet_again(&self, id: &str) {
        let greeting = greeting(self.service.host_id(), id, &self.reader.about());
        match self.service.hello(&greeting).await {
            Ok(()) => tracing::info!("C1 is greeted once more, as it asked"),
            // One that C1 has not heard is asked for again.
            Err(error) => tracing::warn!(%error, "A greeting that C1 asked for was not taken"),
        }
    }

    async fn end(&self, id: String, end: End) -> Option<(String, End)> {
        match &end {
            Ok(()) => tracing::info!("The task is done"),
            Err(refused) => {
                tracing::warn!(code = ?refused.code, "The task has failed: {}", refused.message)
            }
        }
        if let Err(error) = finish(&self.service, &id, &end).await {
            tracing::warn!(%error, "C1 could not be told that the task has ended; it will give it out again");
        }
        self.view.send_modify(|view| view.ended(&id, (&end).into(), Timestamp::now()));
        Some((id, end))
    }
}

/// Whatever writes, or wants what no connector here has. It stays so, however often C1 asks.
fn unsupported(kind: &'static str, task: Option<&TaskType>) -> Refused {
    let (code, message) = match task {
        Some(
            TaskType::Grant(_)
            | TaskType::Revoke(_)
            | TaskType::CreateAccount(_)
            | TaskType::CreateResource(_)
            | TaskType::DeleteResource(_)
            | TaskType::RotateCredentials(_)
            | TaskType::IssueCredential(_),
        ) => (
            Code::FailedPrecondition,
            format!(
                "This connector only reads: provisioning is not supported (unsupported task type {kind})."
            ),
        ),
        _ => {
            (Code::Unimplemented, format!("This connector does not do that (unsupported task type {kind})."))
        }
    };
    Refused { code, message, non_retryable: true }
}

fn kind_of(task: Option<&TaskType>) -> &'static str {
    match task {
        None => "unknown",
        Some(task) => match task {
            TaskType::None(_) => "none",
            TaskType::Hello(_) => "hello",
            TaskType::SyncFull(_) => "sync_full",
            TaskType::Grant(_) => "grant",
            TaskType::Revoke(_) => "revoke",
            TaskType::CreateAccount(_) => "create_account",
            TaskType::CreateResource(_) => "create_resource",
            TaskType::DeleteResource(_) => "delete_resource",
            TaskType::RotateCredentials(_) => "rotate_credentials",
            TaskType::EventFeed(_) => "event_feed",
            TaskType::CreateTicketTask(_) => "create_ticket",
            TaskType::ListTicketSchemas(_) => "list_ticket_schemas",
            TaskType::GetTicket(_) => "get_ticket",
            TaskType::BulkCreateTickets(_) => "bulk_create_tickets",
            TaskType::BulkGetTickets(_) => "bulk_get_tickets",
            TaskType::ActionListSchemas(_) => "action_list_schemas",
            TaskType::ActionGetSchema(_) => "action_get_schema",
            TaskType::ActionInvoke(_) => "action_invoke",
            TaskType::ActionStatus(_) => "action_status",
            TaskType::CreateSyncDiff(_) => "create_sync_diff",
            TaskType::CompactSyncs(_) => "compact_syncs",
            TaskType::ListEventFeeds(_) => "list_event_feeds",
            TaskType::ListEvents(_) => "list_events",
            TaskType::IssueCredential(_) => "issue_credential",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c1_is_asked_again_less_and_less_often_and_never_all_at_once() {
        let pace = Pace::default();
        let latest = |failures| pace.after(failures, 1.0).as_secs();
        assert_eq!([latest(1), latest(2), latest(3), latest(9), latest(1000)], [1, 2, 4, 256, 300]);
        assert_eq!(pace.after(3, 0.0), Duration::from_secs(2));
    }

    #[test]
    fn c1_says_when_it_is_asked_again_within_bounds() {
        let pace = Pace::default();
        let next =
            |seconds| pace.until_next_poll(Some(prost_types::Duration { seconds, nanos: 0 })).as_secs();
        assert_eq!([next(0), next(-1), next(30), next(3600)], [1, 1, 30, 300]);
        assert_eq!(pace.until_next_poll(None).as_secs(), 1);
    }

    #[test]
    fn what_writes_is_refused_for_good() {
        let grant = TaskType::Grant(api::task::GrantTask {});
        let refused = unsupported("grant", Some(&grant));
        assert_eq!((refused.code, refused.non_retryable), (Code::FailedPrecondition, true));
        let refused = unsupported("unknown", None);
        assert_eq!((refused.code, refused.non_retryable), (Code::Unimplemented, true));
        assert!(refused.message.contains("unsupported task type"), "{}", refused.message);
    }
}
