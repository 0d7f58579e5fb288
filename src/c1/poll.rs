//! The loop: say hello, ask for tasks, do them, say how they ended. Until it is stopped, or C1 says that it will never
//! have this connector.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::finish::End;
use super::hand::Hand;
use super::{C1Error, Pace, Reader, Service, View};
use crate::proto::c1::connectorapi::baton::v1 as api;

use api::task::TaskType;

/// How many ended tasks are remembered that C1 has not heard of, until it gives them out again.
const REMEMBERED: usize = 32;

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
    let Work { service, reader, view, pace, at_once, ends_when_refused } = work;
    let service = service.within(pace.call);
    let mut desk = Desk {
        hand: Arc::new(Hand { service, reader, view, pace, stop }),
        at_once: at_once.max(1),
        failures: 0,
        due: Instant::now(),
        in_hand: HashMap::new(),
        doing: JoinSet::new(),
        unheard: VecDeque::new(),
    };
    let ended = desk.work(ends_when_refused).await;
    desk.clear().await;
    ended
}

/// The state of the loop.
struct Desk {
    hand: Arc<Hand>,
    at_once: usize,
    /// How many polls in a row have failed.
    failures: u32,
    /// When the next poll is due.
    due: Instant,
    /// The tasks that are being done, by the ids of what does them.
    in_hand: HashMap<Id, String>,
    doing: JoinSet<Option<End>>,
    /// The last tasks of whose end C1 has not heard.
    unheard: VecDeque<(String, End)>,
}

impl Desk {
    async fn work(&mut self, ends_when_refused: bool) -> Ended {
        let mut ends_when_refused = ends_when_refused;
        loop {
            if let Err(ended) = self.greet(ends_when_refused).await {
                return ended;
            }
            ends_when_refused = false;
            match self.poll().await {
                Some(refusal) => tracing::warn!(error = %refusal, "C1 is greeted anew"),
                None => return Ended::Stopped,
            }
        }
    }

    /// Says hello until C1 has heard it.
    async fn greet(&mut self, ends_when_refused: bool) -> Result<(), Ended> {
        let hand = Arc::clone(&self.hand);
        let mut failures = 0;
        loop {
            let greeting = hand.greeting("");
            let answer = tokio::select! {
                answer = hand.service.hello(&greeting) => answer,
                () = hand.stop.cancelled() => return Err(Ended::Stopped),
            };
            let Err(error) = answer else {
                // Where polls are refused, a greeting that is not has mended nothing yet.
                if self.failures == 0 {
                    hand.answered();
                }
                return Ok(());
            };
            if error.lasts() && ends_when_refused {
                hand.view.send_modify(|view| view.failed(error.clone()));
                return Err(Ended::Refused(error));
            }
            failures += 1;
            let wait = if error.lasts() {
                hand.pace.after_refusal
            } else {
                hand.pace.after(failures, fastrand::f64())
            };
            hand.failed(&error, wait);
            tokio::select! {
                () = sleep(wait) => {}
                () = hand.stop.cancelled() => return Err(Ended::Stopped),
            }
        }
    }

    /// Asks for tasks and does them, until it is stopped (`None`) or C1 says no.
    async fn poll(&mut self) -> Option<C1Error> {
        let hand = Arc::clone(&self.hand);
        loop {
            if !self.is_due().await {
                return None;
            }
            let answer = tokio::select! {
                answer = hand.service.get_task() => answer,
                () = hand.stop.cancelled() => return None,
            };
            match answer {
                Ok(response) => {
                    self.failures = 0;
                    hand.answered();
                    self.due = Instant::now() + hand.pace.until_next_poll(response.next_poll);
                    let first_heartbeat = hand.pace.until_next_heartbeat(response.next_heartbeat);
                    if let Some(task) = response.task {
                        self.take(task, first_heartbeat);
                    }
                }
                Err(error) => {
                    self.failures = self.failures.saturating_add(1);
                    let wait = hand.pace.after(self.failures, fastrand::f64());
                    hand.failed(&error, wait);
                    self.due = Instant::now() + wait;
                    if error.lasts() {
                        return Some(error);
                    }
                }
            }
        }
    }

    /// Waits until the next poll is due and there is room for another task; false when it is stopped before.
    async fn is_due(&mut self) -> bool {
        loop {
            let has_room = self.doing.len() < self.at_once;
            tokio::select! {
                () = self.hand.stop.cancelled() => return false,
                Some(done) = self.doing.join_next_with_id() => self.put_down(done),
                () = sleep_until(self.due), if has_room => return true,
            }
        }
    }

    fn take(&mut self, task: api::Task, first_heartbeat: Duration) {
        let api::Task { id, task_type, .. } = task;
        if matches!(task_type, Some(TaskType::None(_))) || (task_type.is_none() && id.is_empty()) {
            return;
        }
        // One may have ended while C1 was asked, and come again because C1 has not heard of it.
        while let Some(done) = self.doing.try_join_next_with_id() {
            self.put_down(done);
        }
        if self.in_hand.values().any(|in_hand| *in_hand == id) {
            tracing::debug!(task = id, "C1 gives out a task again that is in hand");
            return;
        }
        let hand = Arc::clone(&self.hand);
        let unheard = self.unheard.iter().find(|(unheard, _)| *unheard == id).map(|(_, end)| end.clone());
        let span = tracing::error_span!("task", task = id);
        let doing = {
            let id = id.clone();
            async move {
                match unheard {
                    Some(end) => hand.end(&id, end).await,
                    None => hand.handle(&id, task_type, first_heartbeat).await,
                }
            }
        };
        let handle = self.doing.spawn(doing.instrument(span));
        self.in_hand.insert(handle.id(), id);
    }

    fn put_down(&mut self, done: Result<(Id, Option<End>), JoinError>) {
        let (doer, unheard) = done.unwrap_or_else(|error| {
            tracing::error!(%error, "A task of C1 was given up");
            (error.id(), None)
        });
        let Some(id) = self.in_hand.remove(&doer) else { return };
        self.unheard.retain(|(before, _)| *before != id);
        if let Some(end) = unheard {
            self.unheard.push_back((id, end));
            if self.unheard.len() > REMEMBERED {
                self.unheard.pop_front();
            }
        }
    }

    /// Waits for the tasks in hand, which the stop has called off.
    async fn clear(&mut self) {
        let all = async { while self.doing.join_next().await.is_some() {} };
        if timeout(self.hand.pace.hand_back, all).await.is_err() {
            tracing::warn!("Not every task could be given back to C1 in time; it will give them out again");
        }
    }
}
