//! The queue in which runs wait. New, edited, asked-for and secret-changed connectors overtake periodic ones; one
//! run per object and per credential; a fixed number at a time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::api::Trigger;
use crate::clock::Clock;
use crate::telemetry::TRACED;

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

/// A credential as specs name it, without looking at it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CredentialKey {
    /// The namespace of the Secret.
    pub namespace: String,
    /// The name of the Secret.
    pub secret: String,
    /// The key within it.
    pub key: String,
}

/// Which runs go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Somebody waits for it.
    Prompt,
    /// It is merely due.
    Periodic,
}

impl Class {
    /// Both, in the order in which they go.
    pub const ALL: [Self; 2] = [Self::Prompt, Self::Periodic];

    /// The word that runs are counted by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Periodic => "periodic",
        }
    }

    fn of(trigger: Trigger) -> Self {
        if trigger.awaited() { Self::Prompt } else { Self::Periodic }
    }
}

/// A run that is to wait in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// Its id.
    pub id: String,
    /// The generation of the spec that it runs for.
    pub generation: i64,
    /// Why it begins.
    pub trigger: Trigger,
    /// The id of the removals that it may publish.
    pub approved: Option<String>,
    /// What it reads with.
    pub credential: CredentialKey,
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
    /// The id of the removals that it may publish.
    pub approved: Option<String>,
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
    begun: OnceLock<WhenBegun>,
    clock: Clock,
}

/// Is told of each run that leaves the queue: its class, and how long it has waited.
type WhenBegun = Box<dyn Fn(Class, Duration) + Send + Sync>;

#[derive(Default)]
struct State {
    /// Runs that wait for a worker, in the order in which they are called.
    line: BTreeMap<Place, ObjectKey>,
    /// Runs that were called while what they need was taken, by that. Where there is such a line, either a run that
    /// has taken it is under way, or one that can is in `line`.
    behind: HashMap<Need, BTreeMap<Place, ObjectKey>>,
    /// What runs that a worker has begun and that have not ended, be they cancelled or not, keep from others.
    taken: HashSet<Need>,
    runs: HashMap<ObjectKey, Run>,
    reports: HashMap<&'static str, mpsc::UnboundedSender<ObjectKey>>,
    last_number: u64,
}

/// A place in line: by class, then first come, first served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    class: Class,
    number: u64,
}

/// What only one run at a time may have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Need {
    Object(ObjectKey),
    Credential(CredentialKey),
}

struct Run {
    place: Place,
    credential: CredentialKey,
    view: RunView,
    cancel: CancellationToken,
    submitted: Instant,
    /// All of it, from now until it is forgotten.
    span: Span,
    /// Its time in the queue.
    waiting: Span,
    job: Option<Job>,
    outcome: Option<Outcome>,
}

/// A run that a worker has begun.
struct Begun {
    key: ObjectKey,
    place: Place,
    credential: CredentialKey,
    span: Span,
}

/// The span of a whole run, which everything within it logs as its own. As an error's, whatever the level of the log: an
/// error without the object that it is about helps nobody. Its field is not `name`, for in JSON that is the span's own.
fn span_of(key: &ObjectKey, run: &NewRun) -> Span {
    let ObjectKey { kind, namespace, name, .. } = key;
    let (id, trigger) = (&run.id, run.trigger.as_str());
    tracing::error_span!(
        target: TRACED, parent: None, "run",
        kind, namespace, connector = name, run = id, trigger, result = Empty, otel.status_code = Empty
    )
}

/// How a run ends that is called off, where others end with a reason.
const CALLED_OFF: &str = "CalledOff";

impl Queue {
    /// A queue that works until `stop`.
    pub fn new(stop: CancellationToken) -> Self {
        Self::timed_by(Clock::system(), stop)
    }

    /// The same, in which runs begin by this clock.
    pub fn timed_by(clock: Clock, stop: CancellationToken) -> Self {
        let (state, arrived, begun) = (Mutex::default(), Notify::new(), OnceLock::new());
        Self { shared: Arc::new(Shared { state, arrived, stop, begun, clock }) }
    }

    /// Has `told` be told of each run that leaves the queue for a worker: its class, and how long it has waited. There is
    /// one who is told.
    pub fn when_begun(&self, told: impl Fn(Class, Duration) + Send + Sync + 'static) {
        let _ = self.shared.begun.set(Box::new(told));
    }

    /// Tells of each object of `kind` whose run began or ended.
    pub fn reports(&self, kind: &'static str) -> mpsc::UnboundedReceiver<ObjectKey> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.state().reports.insert(kind, sender);
        receiver
    }

    /// Puts a run into the queue, in place of the object's present one, which is cancelled. It begins only when that
    /// one has ended, and when no other run with its credential is under way.
    pub fn submit(&self, key: ObjectKey, run: NewRun, job: Job) {
        let span = span_of(&key, &run);
        let NewRun { id, generation, trigger, approved, credential } = run;
        let view = RunView { id, generation, trigger, approved, started: None, finished: false };
        {
            let mut state = self.state();
            state.remove(&key);
            state.last_number += 1;
            let place = Place { class: Class::of(trigger), number: state.last_number };
            let cancel = self.shared.stop.child_token();
            let class = place.class.as_str();
            let waiting = tracing::debug_span!(target: TRACED, parent: &span, "waiting", class);
            let (submitted, job, outcome) = (Instant::now(), Some(job), None);
            let run = Run { place, credential, view, cancel, submitted, span, waiting, job, outcome };
            state.runs.insert(key.clone(), run);
            state.line.insert(place, key);
        }
        self.shared.arrived.notify_one();
    }

    /// Stops an object's run, where there is one, and forgets it.
    pub fn cancel(&self, key: &ObjectKey) {
        self.state().remove(key);
        self.shared.arrived.notify_one();
    }

    /// Stops every run of an object that `keep` does not know.
    pub fn retain(&self, kind: &str, keep: impl Fn(&ObjectKey) -> bool) {
        {
            let mut state = self.state();
            let gone = state.runs.keys().filter(|key| key.kind == kind && !keep(key)).cloned();
            for key in gone.collect::<Vec<_>>() {
                state.remove(&key);
            }
        }
        self.shared.arrived.notify_one();
    }

    /// The object's run.
    pub fn view(&self, key: &ObjectKey) -> Option<RunView> {
        self.state().runs.get(key).map(|run| run.view.clone())
    }

    /// How the object's run ended. It is kept until [`Queue::forget`], so that it outlives a failed write.
    pub fn outcome(&self, key: &ObjectKey) -> Option<Outcome> {
        self.state().runs.get(key)?.outcome.clone()
    }

    /// The span of the object's run, for what is done about it outside; none where there is no run.
    pub fn span(&self, key: &ObjectKey) -> Span {
        self.state().runs.get(key).map_or_else(Span::none, |run| run.span.clone())
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
                Some((begun, job, cancel)) => {
                    let outcome = job(cancel).instrument(begun.span.clone()).await;
                    self.finish(begun, outcome);
                }
                None => tokio::select! {
                    () = self.shared.arrived.notified() => {}
                    () = self.shared.stop.cancelled() => {}
                },
            }
        }
    }

    fn take(&self) -> Option<(Begun, Job, CancellationToken)> {
        let mut state = self.state();
        while let Some((place, key)) = state.line.pop_first() {
            if let Some(need) = state.lacks(&key) {
                state.behind.entry(need).or_default().insert(place, key);
                continue;
            }
            let Some(run) = state.runs.get_mut(&key) else { continue };
            let Some(job) = run.job.take() else { continue };
            run.view.started = Some(self.shared.clock.now());
            run.waiting = Span::none();
            let (credential, cancel, span) = (run.credential.clone(), run.cancel.clone(), run.span.clone());
            if let Some(told) = self.shared.begun.get() {
                told(place.class, run.submitted.elapsed());
            }
            state.taken.insert(Need::Object(key.clone()));
            state.taken.insert(Need::Credential(credential.clone()));
            state.report(&key);
            if !state.line.is_empty() {
                // The next worker: one notification may have stood for several arrivals.
                self.shared.arrived.notify_one();
            }
            return Some((Begun { key, place, credential, span }, job, cancel));
        }
        None
    }

    /// The worker that calls this looks for its next run afterwards, so nobody else has to be told of who may begin now.
    fn finish(&self, Begun { key, place, credential, span }: Begun, outcome: Option<Outcome>) {
        span.record("result", outcome.as_ref().map_or(CALLED_OFF, |outcome| outcome.reason().as_str()));
        if outcome.as_ref().is_some_and(|outcome| outcome.result.is_err()) {
            span.record("otel.status_code", "ERROR");
        }
        let mut state = self.state();
        state.give_back(&Need::Object(key.clone()));
        state.give_back(&Need::Credential(credential));
        let Some(run) = state.runs.get_mut(&key).filter(|run| run.place == place) else { return };
        match outcome {
            Some(outcome) => {
                run.view.finished = true;
                run.outcome = Some(outcome);
            }
            None => {
                state.runs.remove(&key);
            }
        }
        state.report(&key);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // The state is consistent between any two statements, so a panic elsewhere does not spoil it.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What the object's run needs and another has.
    fn lacks(&self, key: &ObjectKey) -> Option<Need> {
        let credential = self.runs.get(key)?.credential.clone();
        // The object first: whoever waits for a credential alone can begin once it is free.
        let mut needs = [Need::Object(key.clone()), Need::Credential(credential)].into_iter();
        needs.find(|need| self.taken.contains(need))
    }

    fn give_back(&mut self, need: &Need) {
        self.taken.remove(need);
        self.call_next(need);
    }

    /// Who has waited longest for this is back in line, at its own place.
    fn call_next(&mut self, need: &Need) {
        let Some(behind) = self.behind.get_mut(need) else { return };
        self.line.extend(behind.pop_first());
        if behind.is_empty() {
            self.behind.remove(need);
        }
    }

    /// Cancels the object's run and forgets it. One that waits leaves its line, and calls the next in its stead.
    fn remove(&mut self, key: &ObjectKey) {
        let Some(run) = self.runs.remove(key) else { return };
        run.cancel.cancel();
        if run.job.is_none() {
            return;
        }
        run.span.record("result", CALLED_OFF);
        self.line.remove(&run.place);
        let credential = Need::Credential(run.credential);
        for need in [&Need::Object(key.clone()), &credential] {
            if let Some(behind) = self.behind.get_mut(need) {
                behind.remove(&run.place);
                if behind.is_empty() {
                    self.behind.remove(need);
                }
            }
        }
        if !self.taken.contains(&credential) {
            self.call_next(&credential);
        }
    }

    fn report(&self, key: &ObjectKey) {
        if let Some(reports) = self.reports.get(key.kind) {
            // Nobody listens any more only while the program ends.
            let _ = reports.send(key.clone());
        }
    }
}

#[cfg(test)]
mod tests;
