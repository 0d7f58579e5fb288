//! The queue in which runs wait. New, edited, asked-for and secret-changed connectors overtake periodic ones; one
//! run per object; a fixed number at a time.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::api::Trigger;

use super::Outcome;

/// One object of one kind. The uid tells it from another of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// The kind, such as `ScalrConnector`.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its `metadata.uid`.
    pub uid: String,
}

/// Which runs go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Somebody waits for it.
    Prompt,
    /// It is merely due.
    Periodic,
}

impl Class {
    fn of(trigger: Trigger) -> Self {
        if trigger.announced() { Self::Prompt } else { Self::Periodic }
    }
}

/// What the rest of the program sees of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunView {
    /// Its id.
    pub id: String,
    /// The generation of the spec that it runs for.
    pub generation: i64,
    /// Why it began.
    pub trigger: Trigger,
    /// When it left the queue; `None` while it waits.
    pub started: Option<Timestamp>,
    /// Has it ended?
    pub finished: bool,
}

/// The work of a run. It must end soon after its token is cancelled, and then has no outcome.
pub type Job = Box<dyn FnOnce(CancellationToken) -> BoxFuture<'static, Option<Outcome>> + Send>;

/// The queue in which runs wait.
#[derive(Clone)]
pub struct Queue {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    arrived: Notify,
    stop: CancellationToken,
}

#[derive(Default)]
struct State {
    prompt: VecDeque<Ticket>,
    periodic: VecDeque<Ticket>,
    /// Objects with a run that a worker has begun and that has not ended, be it cancelled or not.
    busy: HashSet<ObjectKey>,
    /// Tickets that were called while a former run of their object had not ended.
    behind: HashMap<ObjectKey, Ticket>,
    runs: HashMap<ObjectKey, Run>,
    reports: HashMap<&'static str, mpsc::UnboundedSender<ObjectKey>>,
    last_ticket: u64,
}

/// A place in the queue. A run that was replaced leaves its ticket behind, which then opens nothing.
struct Ticket {
    number: u64,
    key: ObjectKey,
}

struct Run {
    ticket: u64,
    view: RunView,
    cancel: CancellationToken,
    job: Option<Job>,
    outcome: Option<Outcome>,
}

impl Queue {
    /// A queue that works until `stop`.
    pub fn new(stop: CancellationToken) -> Self {
        Self { shared: Arc::new(Shared { state: Mutex::default(), arrived: Notify::new(), stop }) }
    }

    /// Tells of each object of `kind` whose run began or ended.
    pub fn reports(&self, kind: &'static str) -> mpsc::UnboundedReceiver<ObjectKey> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.state().reports.insert(kind, sender);
        receiver
    }

    /// Puts a run into the queue, in place of the object's present one, which is cancelled. It begins only when that
    /// one has ended.
    pub fn submit(&self, key: ObjectKey, id: &str, generation: i64, trigger: Trigger, job: Job) {
        {
            let mut state = self.state();
            state.last_ticket += 1;
            let ticket = state.last_ticket;
            let view = RunView { id: id.to_owned(), generation, trigger, started: None, finished: false };
            let cancel = self.shared.stop.child_token();
            let run = Run { ticket, view, cancel, job: Some(job), outcome: None };
            if let Some(replaced) = state.runs.insert(key.clone(), run) {
                replaced.cancel.cancel();
            }
            state.line(Class::of(trigger)).push_back(Ticket { number: ticket, key });
        }
        self.shared.arrived.notify_one();
    }

    /// Stops an object's run, where there is one, and forgets it.
    pub fn cancel(&self, key: &ObjectKey) {
        if let Some(run) = self.state().runs.remove(key) {
            run.cancel.cancel();
        }
    }

    /// Stops every run of an object that `keep` does not know.
    pub fn retain(&self, kind: &str, keep: impl Fn(&ObjectKey) -> bool) {
        self.state().runs.retain(|key, run| {
            let stays = key.kind != kind || keep(key);
            if !stays {
                run.cancel.cancel();
            }
            stays
        });
    }

    /// The object's run.
    pub fn view(&self, key: &ObjectKey) -> Option<RunView> {
        self.state().runs.get(key).map(|run| run.view.clone())
    }

    /// How the object's run ended. It is kept until [`Queue::forget`], so that it outlives a failed write.
    pub fn outcome(&self, key: &ObjectKey) -> Option<Outcome> {
        self.state().runs.get(key)?.outcome.clone()
    }

    /// Forgets the run with this id, once its outcome is written down.
    pub fn forget(&self, key: &ObjectKey, id: &str) {
        let mut state = self.state();
        let written = |run: &Run| run.outcome.as_ref().is_some_and(|outcome| outcome.id == id);
        if state.runs.get(key).is_some_and(written) {
            state.runs.remove(key);
        }
    }

    /// How many runs wait in each class.
    pub fn depth(&self, class: Class) -> usize {
        let state = self.state();
        state.runs.values().filter(|run| run.job.is_some() && Class::of(run.view.trigger) == class).count()
    }

    /// Works until the queue is stopped, with `workers` runs at a time; returns when the last has ended.
    pub async fn work(self, workers: usize) {
        let workers = (0..workers).map(|_| tokio::spawn(self.clone().work_one_by_one()));
        futures::future::join_all(workers.collect::<Vec<_>>()).await;
    }

    async fn work_one_by_one(self) {
        while !self.shared.stop.is_cancelled() {
            match self.take() {
                Some((ticket, job, cancel)) => {
                    let outcome = job(cancel).await;
                    self.finish(&ticket, outcome);
                }
                None => tokio::select! {
                    () = self.shared.arrived.notified() => {}
                    () = self.shared.stop.cancelled() => {}
                },
            }
        }
    }

    fn take(&self) -> Option<(Ticket, Job, CancellationToken)> {
        let mut state = self.state();
        loop {
            let ticket = match state.prompt.pop_front() {
                Some(ticket) => ticket,
                None => state.periodic.pop_front()?,
            };
            if !state.prompt.is_empty() || !state.periodic.is_empty() {
                // The next worker: one notification may have stood for several arrivals.
                self.shared.arrived.notify_one();
            }
            if !state.opens(&ticket) {
                continue;
            }
            if state.busy.contains(&ticket.key) {
                state.behind.insert(ticket.key.clone(), ticket);
                continue;
            }
            let Some(run) = state.runs.get_mut(&ticket.key) else { continue };
            let Some(job) = run.job.take() else { continue };
            run.view.started = Some(Timestamp::now());
            let cancel = run.cancel.clone();
            state.busy.insert(ticket.key.clone());
            state.report(&ticket.key);
            return Some((ticket, job, cancel));
        }
    }

    fn finish(&self, ticket: &Ticket, outcome: Option<Outcome>) {
        let mut state = self.state();
        if state.let_next_begin(&ticket.key) {
            self.shared.arrived.notify_one();
        }
        let Some(run) = state.runs.get_mut(&ticket.key).filter(|run| run.ticket == ticket.number) else {
            return;
        };
        match outcome {
            Some(outcome) => {
                run.view.finished = true;
                run.outcome = Some(outcome);
            }
            None => {
                state.runs.remove(&ticket.key);
            }
        }
        state.report(&ticket.key);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // The state is consistent between any two statements, so a panic elsewhere does not spoil it.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn line(&mut self, class: Class) -> &mut VecDeque<Ticket> {
        match class {
            Class::Prompt => &mut self.prompt,
            Class::Periodic => &mut self.periodic,
        }
    }

    /// Is this the ticket of the object's present run?
    fn opens(&self, ticket: &Ticket) -> bool {
        self.runs.get(&ticket.key).is_some_and(|run| run.ticket == ticket.number)
    }

    /// A run of the object has ended: the one that waited for that is next in its line. Is there one?
    fn let_next_begin(&mut self, key: &ObjectKey) -> bool {
        self.busy.remove(key);
        let Some(ticket) = self.behind.remove(key).filter(|ticket| self.opens(ticket)) else { return false };
        let Some(class) = self.runs.get(key).map(|run| Class::of(run.view.trigger)) else { return false };
        self.line(class).push_front(ticket);
        true
    }

    fn report(&self, key: &ObjectKey) {
        if let Some(reports) = self.reports.get(key.kind) {
            // Nobody listens any more only while the program ends.
            let _ = reports.send(key.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;

    use futures::FutureExt;

    use super::*;
    use crate::api::Reason;
    use crate::sync::Failure;

    fn key(name: &str) -> ObjectKey {
        ObjectKey {
            kind: "ScalrConnector",
            namespace: "identity".into(),
            name: name.into(),
            uid: name.into(),
        }
    }

    fn outcome(id: &str) -> Outcome {
        let now = Timestamp::UNIX_EPOCH;
        Outcome {
            id: id.into(),
            generation: 1,
            trigger: Trigger::First,
            requested_at: None,
            approved: None,
            secret: crate::sync::SecretSeen::Missing,
            started: now,
            completed: now,
            result: Err(Failure::new(Reason::Unreachable, "down")),
        }
    }

    fn ends_at_once(id: &str) -> Job {
        let outcome = outcome(id);
        Box::new(|_| async { Some(outcome) }.boxed())
    }

    fn runs_until_cancelled() -> Job {
        Box::new(|cancel| async move { cancel.cancelled().await }.map(|()| None).boxed())
    }

    fn records(log: &Arc<StdMutex<Vec<String>>>, name: &'static str) -> Job {
        let log = Arc::clone(log);
        Box::new(move |_| {
            log.lock().unwrap().push(name.to_owned());
            async { Some(outcome(name)) }.boxed()
        })
    }

    #[tokio::test]
    async fn what_somebody_waits_for_overtakes_what_is_merely_due() {
        let stop = CancellationToken::new();
        let queue = Queue::new(stop.clone());
        let mut reports = queue.reports("ScalrConnector");
        let log = Arc::default();
        queue.submit(key("due"), "due", 1, Trigger::Scheduled, records(&log, "due"));
        queue.submit(key("again"), "again", 1, Trigger::Retry, records(&log, "again"));
        queue.submit(key("new"), "new", 1, Trigger::First, records(&log, "new"));
        assert_eq!((queue.depth(Class::Prompt), queue.depth(Class::Periodic)), (1, 2));
        let worker = tokio::spawn(queue.clone().work(1));
        for _ in 0..6 {
            reports.recv().await.unwrap();
        }
        assert_eq!(*log.lock().unwrap(), ["new", "due", "again"]);
        stop.cancel();
        worker.await.unwrap();
    }

    #[tokio::test]
    async fn an_outcome_is_kept_until_it_is_written_down() {
        let queue = Queue::new(CancellationToken::new());
        let mut reports = queue.reports("ScalrConnector");
        tokio::spawn(queue.clone().work(1));
        queue.submit(key("a"), "a", 1, Trigger::First, ends_at_once("run"));
        reports.recv().await.unwrap();
        reports.recv().await.unwrap();
        assert!(queue.view(&key("a")).unwrap().finished);
        queue.forget(&key("a"), "another run");
        assert_eq!(queue.outcome(&key("a")).unwrap().id, "run");
        queue.forget(&key("a"), "run");
        assert_eq!(queue.view(&key("a")), None);
    }

    #[tokio::test]
    async fn a_replaced_run_is_cancelled_and_its_end_says_nothing() {
        let queue = Queue::new(CancellationToken::new());
        let mut reports = queue.reports("ScalrConnector");
        tokio::spawn(queue.clone().work(1));
        queue.submit(key("a"), "a", 1, Trigger::First, runs_until_cancelled());
        reports.recv().await.unwrap();
        queue.submit(key("a"), "a", 2, Trigger::SpecChanged, ends_at_once("second"));
        reports.recv().await.unwrap();
        reports.recv().await.unwrap();
        assert_eq!(queue.outcome(&key("a")).unwrap().id, "second");
    }

    /// Ends when it is let go, however long it has been cancelled.
    fn ends_when_let_go(let_go: &Arc<Notify>) -> Job {
        let let_go = Arc::clone(let_go);
        Box::new(|_| async move { let_go.notified().await }.map(|()| None).boxed())
    }

    #[tokio::test]
    async fn the_run_in_place_of_another_begins_only_when_that_one_has_ended() {
        let queue = Queue::new(CancellationToken::new());
        let mut reports = queue.reports("ScalrConnector");
        tokio::spawn(queue.clone().work(2));
        let (let_go, log) = (Arc::new(Notify::new()), Arc::default());
        queue.submit(key("a"), "first", 1, Trigger::First, ends_when_let_go(&let_go));
        reports.recv().await.unwrap();
        queue.submit(key("a"), "second", 2, Trigger::SpecChanged, records(&log, "second"));
        queue.submit(key("a"), "third", 3, Trigger::SpecChanged, records(&log, "third"));
        queue.submit(key("b"), "b", 1, Trigger::First, records(&log, "b"));
        // The other worker is free, and nobody else has to wait.
        for _begun_and_ended in 0..2 {
            assert_eq!(reports.recv().await.unwrap(), key("b"));
        }
        assert_eq!(queue.view(&key("a")).unwrap().started, None);
        assert_eq!(queue.depth(Class::Prompt), 1);
        let_go.notify_one();
        for _begun_and_ended in 0..2 {
            assert_eq!(reports.recv().await.unwrap(), key("a"));
        }
        assert_eq!(*log.lock().unwrap(), ["b", "third"]);
        assert_eq!(queue.outcome(&key("a")).unwrap().id, "third");
    }

    #[tokio::test]
    async fn a_run_after_a_cancelled_one_waits_for_its_end_too() {
        let queue = Queue::new(CancellationToken::new());
        let mut reports = queue.reports("ScalrConnector");
        tokio::spawn(queue.clone().work(2));
        let (let_go, log) = (Arc::new(Notify::new()), Arc::default());
        queue.submit(key("a"), "first", 1, Trigger::First, ends_when_let_go(&let_go));
        reports.recv().await.unwrap();
        queue.cancel(&key("a"));
        queue.submit(key("a"), "gone", 2, Trigger::SpecChanged, records(&log, "gone"));
        queue.cancel(&key("a"));
        queue.submit(key("a"), "again", 3, Trigger::Scheduled, records(&log, "again"));
        queue.submit(key("b"), "b", 1, Trigger::Scheduled, records(&log, "b"));
        for _begun_and_ended in 0..2 {
            assert_eq!(reports.recv().await.unwrap(), key("b"));
        }
        let_go.notify_one();
        for _begun_and_ended in 0..2 {
            assert_eq!(reports.recv().await.unwrap(), key("a"));
        }
        assert_eq!(*log.lock().unwrap(), ["b", "again"]);
    }

    #[tokio::test]
    async fn runs_of_objects_that_are_gone_are_stopped() {
        let queue = Queue::new(CancellationToken::new());
        let mut reports = queue.reports("ScalrConnector");
        tokio::spawn(queue.clone().work(2));
        queue.submit(key("gone"), "gone", 1, Trigger::First, runs_until_cancelled());
        queue.submit(key("stays"), "stays", 1, Trigger::First, runs_until_cancelled());
        reports.recv().await.unwrap();
        reports.recv().await.unwrap();
        queue.retain("ScalrConnector", |key| key.name == "stays");
        assert_eq!(queue.view(&key("gone")), None);
        assert!(queue.view(&key("stays")).is_some());
        queue.retain("PlanetScaleConnector", |_| false);
        assert!(queue.view(&key("stays")).is_some());
    }

    #[tokio::test]
    async fn stopping_cancels_what_runs_and_waits_for_it() {
        let stop = CancellationToken::new();
        let queue = Queue::new(stop.clone());
        let mut reports = queue.reports("ScalrConnector");
        let work = tokio::spawn(queue.clone().work(4));
        queue.submit(key("a"), "a", 1, Trigger::First, runs_until_cancelled());
        reports.recv().await.unwrap();
        stop.cancel();
        work.await.unwrap();
        assert_eq!(queue.view(&key("a")), None);
    }
}
