//! A simulated C1, and the loop that works for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use connector_operator::c1::{C1Error, Channels, Credentials, Ended, Pace, Service, View, Work, work};
use connector_operator::network::HostPolicy;
use connector_simulator::c1::{Entry, Finished, GivenTask};
use connector_simulator::{C1Client, C1Config, C1Simulator, TaskId, TaskSpec};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::reader::FakeReader;

/// How long a test waits for what should be there at once.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// What the place is called where the loop runs.
pub(crate) const HOST: &str = "pod-0";

const MOMENT: Duration = Duration::from_millis(20);

pub(crate) fn pace() -> Pace {
    Pace {
        first_wait: MOMENT,
        longest_wait: 5 * MOMENT,
        shortest_poll: MOMENT / 4,
        longest_poll: 5 * MOMENT,
        after_refusal: 5 * MOMENT,
        hand_back: Duration::from_secs(4),
        call: Duration::from_secs(10),
        usual_heartbeat: Duration::from_secs(5),
        shortest_heartbeat: MOMENT / 4,
        stall: SOON,
        again: MOMENT,
    }
}

/// Everything comes soon, and a silent host's tasks are offered again after a second.
pub(crate) fn quick() -> C1Config {
    C1Config {
        next_poll: MOMENT,
        next_heartbeat: MOMENT,
        heartbeat_timeout: Duration::from_secs(1),
        slow_poll: Duration::from_millis(300),
        ..C1Config::default()
    }
}

/// How the loop is set up.
pub(crate) struct Setup {
    pub(crate) pace: Pace,
    pub(crate) at_once: usize,
    pub(crate) ends_when_refused: bool,
    /// How often something may still be sent: each call asks, and each part of a file.
    pub(crate) permits: Arc<AtomicI64>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            pace: pace(),
            at_once: 3,
            ends_when_refused: false,
            permits: Arc::new(AtomicI64::new(i64::MAX)),
        }
    }
}

pub(crate) struct Stage {
    pub(crate) c1: C1Simulator,
    pub(crate) reader: Arc<FakeReader>,
    pub(crate) view: watch::Receiver<View>,
    pub(crate) stop: CancellationToken,
    working: JoinHandle<Ended>,
}

pub(crate) fn credentials(client: &C1Client) -> Credentials {
    Credentials::new(&client.client_id, &client.client_secret.clone().into()).unwrap()
}

pub(crate) fn service(c1: &C1Simulator) -> Service {
    let policy = HostPolicy::default().with_loopback(true);
    let ca = Some(c1.ca_pem().as_bytes());
    Service::new(&Channels::new(policy), credentials(&c1.client(0).unwrap()), Some(c1.host()), ca, HOST)
        .unwrap()
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(quick(), Setup::default(), FakeReader::of_a_snapshot()).await
    }

    pub(crate) async fn with(config: C1Config, setup: Setup, reader: Arc<FakeReader>) -> Self {
        Self::of(C1Simulator::start(config).await.unwrap(), setup, reader)
    }

    /// The loop for a C1 that is there, and may have faults that are on.
    pub(crate) fn of(c1: C1Simulator, setup: Setup, reader: Arc<FakeReader>) -> Self {
        let (view, seen) = watch::channel(View::default());
        let stop = CancellationToken::new();
        let Setup { pace, at_once, ends_when_refused, permits } = setup;
        let service = service(&c1).only_while(Arc::new(move || permits.fetch_sub(1, Ordering::SeqCst) > 0));
        let reading = Arc::clone(&reader);
        let work_ = Work { service, reader: reading, view, pace, at_once, ends_when_refused };
        let working = tokio::spawn(work(work_, stop.clone()));
        Self { c1, reader, view: seen, stop, working }
    }

    pub(crate) fn give(&self, task: TaskSpec) -> TaskId {
        self.c1.give(0, task).unwrap()
    }

    /// Gives out a full sync whose read waits, and waits until it has begun.
    pub(crate) async fn reading(&self) -> TaskId {
        let begun = self.reader.reads().begun;
        self.reader.hold();
        let task = self.give(TaskSpec::sync_full());
        self.reader.until("a read begins", |reads| reads.begun > begun).await;
        task
    }

    pub(crate) async fn finished(&self, task: &TaskId) -> Finished {
        self.c1.until_finished(task, SOON).await.unwrap()
    }

    pub(crate) fn task(&self, task: &TaskId) -> GivenTask {
        self.c1.task(task).unwrap()
    }

    /// Waits until C1 has answered so.
    pub(crate) async fn until(&self, condition: impl FnMut(&[Entry]) -> bool) {
        self.c1.until(SOON, condition).await.unwrap();
    }

    /// Waits until so many more polls were answered well.
    pub(crate) async fn polls(&self, more: usize) {
        let polls =
            |entries: &[Entry]| calls(entries, "GetTask").filter(|entry| entry.answer.is_ok()).count();
        let before = polls(&self.c1.transcript());
        self.until(|entries| polls(entries) >= before + more).await;
    }

    pub(crate) async fn sees(&self, what: &str, holds: impl FnMut(&View) -> bool) -> View {
        let mut view = self.view.clone();
        let waited = tokio::time::timeout(SOON, view.wait_for(holds)).await.map(|view| view.unwrap().clone());
        waited.unwrap_or_else(|_| panic!("{what}: {:?}", self.view.borrow().clone()))
    }

    /// What keeps C1 from being asked, once something does.
    pub(crate) async fn trouble(&self) -> C1Error {
        let view = self.sees("there is trouble", |view| view.trouble.is_some()).await;
        view.trouble.unwrap().error
    }

    /// What the loop ends in once it is stopped, and the C1, which goes on.
    pub(crate) async fn stopped(self) -> (Ended, C1Simulator) {
        self.stop.cancel();
        self.ended().await
    }

    /// What the loop ends in by itself.
    pub(crate) async fn ended(self) -> (Ended, C1Simulator) {
        let ended = tokio::time::timeout(SOON, self.working).await.expect("the loop does not end").unwrap();
        (ended, self.c1)
    }

    /// Exactly one good file came for the task: the reader's.
    pub(crate) fn has_the_file(&self, task: &TaskId) {
        let files = self.c1.files(task);
        let transcript = connector_simulator::c1::listed_transcript(&self.c1.transcript());
        assert_eq!(files.len(), 1, "{transcript}");
        assert!(files[0].bytes[..] == self.reader.bytes(), "{transcript}");
    }
}

/// The answers to one kind of call.
pub(crate) fn calls<'e>(entries: &'e [Entry], method: &'static str) -> impl Iterator<Item = &'e Entry> {
    entries.iter().filter(move |entry| entry.method == method)
}

pub(crate) fn count(c1: &C1Simulator, method: &'static str) -> usize {
    calls(&c1.transcript(), method).count()
}
