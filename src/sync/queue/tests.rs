use std::sync::Mutex as StdMutex;

use futures::FutureExt;

use proptest::prelude::*;

use super::*;
use crate::api::Reason;
use crate::sync::Failure;

fn key(name: &str) -> ObjectKey {
    ObjectKey { kind: "ScalrConnector", namespace: "identity".into(), name: name.into(), uid: name.into() }
}

/// A run with a credential of its own.
fn run(id: &str, generation: i64, trigger: Trigger) -> NewRun {
    NewRun { id: id.into(), generation, trigger, approved: None, credential: credential(id) }
}

fn credential(secret: &str) -> CredentialKey {
    CredentialKey { namespace: "identity".into(), secret: secret.into(), key: "api-token".into() }
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
    queue.submit(key("due"), run("due", 1, Trigger::Scheduled), records(&log, "due"));
    queue.submit(key("again"), run("again", 1, Trigger::Retry), records(&log, "again"));
    queue.submit(key("new"), run("new", 1, Trigger::First), records(&log, "new"));
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
    queue.submit(key("a"), run("a", 1, Trigger::First), ends_at_once("run"));
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
    queue.submit(key("a"), run("a", 1, Trigger::First), runs_until_cancelled());
    reports.recv().await.unwrap();
    queue.submit(key("a"), run("a", 2, Trigger::SpecChanged), ends_at_once("second"));
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
    queue.submit(key("a"), run("first", 1, Trigger::First), ends_when_let_go(&let_go));
    reports.recv().await.unwrap();
    queue.submit(key("a"), run("second", 2, Trigger::SpecChanged), records(&log, "second"));
    queue.submit(key("a"), run("third", 3, Trigger::SpecChanged), records(&log, "third"));
    queue.submit(key("b"), run("b", 1, Trigger::First), records(&log, "b"));
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
    queue.submit(key("a"), run("first", 1, Trigger::First), ends_when_let_go(&let_go));
    reports.recv().await.unwrap();
    queue.cancel(&key("a"));
    queue.submit(key("a"), run("gone", 2, Trigger::SpecChanged), records(&log, "gone"));
    queue.cancel(&key("a"));
    queue.submit(key("a"), run("again", 3, Trigger::Scheduled), records(&log, "again"));
    queue.submit(key("b"), run("b", 1, Trigger::Scheduled), records(&log, "b"));
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
    queue.submit(key("gone"), run("gone", 1, Trigger::First), runs_until_cancelled());
    queue.submit(key("stays"), run("stays", 1, Trigger::First), runs_until_cancelled());
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
    queue.submit(key("a"), run("a", 1, Trigger::First), runs_until_cancelled());
    reports.recv().await.unwrap();
    stop.cancel();
    work.await.unwrap();
    assert_eq!(queue.view(&key("a")), None);
}

#[tokio::test]
async fn one_credential_takes_one_worker_however_many_connectors_have_it() {
    let queue = Queue::new(CancellationToken::new());
    let mut reports = queue.reports("ScalrConnector");
    let let_go = Arc::new(Notify::new());
    for number in 0..200 {
        let name = format!("greedy-{number}");
        let shared = NewRun { credential: credential("greedy"), ..run(&name, 1, Trigger::First) };
        queue.submit(key(&name), shared, ends_when_let_go(&let_go));
    }
    queue.submit(key("other"), run("other", 1, Trigger::Scheduled), ends_at_once("other"));
    tokio::spawn(queue.clone().work(10));
    for expected in ["greedy-0", "other", "other"] {
        let report = tokio::time::timeout(std::time::Duration::from_secs(10), reports.recv()).await;
        assert_eq!(report.expect("a worker is left").unwrap(), key(expected));
    }
    assert!(queue.view(&key("other")).unwrap().finished);
    assert_eq!(queue.depth(Class::Prompt), 199);
    // The others follow in the order in which they came.
    for number in 1..200 {
        let_go.notify_one();
        assert_eq!(reports.recv().await.unwrap(), key(&format!("greedy-{}", number - 1)));
        assert_eq!(reports.recv().await.unwrap(), key(&format!("greedy-{number}")));
    }
}

#[tokio::test]
async fn within_a_credential_what_somebody_waits_for_goes_first_too() {
    let queue = Queue::new(CancellationToken::new());
    let mut reports = queue.reports("ScalrConnector");
    tokio::spawn(queue.clone().work(2));
    let (let_go, log) = (Arc::new(Notify::new()), Arc::default());
    let shared = |id, trigger| NewRun { credential: credential("shared"), ..run(id, 1, trigger) };
    queue.submit(key("first"), shared("first", Trigger::First), ends_when_let_go(&let_go));
    reports.recv().await.unwrap();
    queue.submit(key("due"), shared("due", Trigger::Scheduled), records(&log, "due"));
    queue.submit(key("gone"), shared("gone", Trigger::First), records(&log, "gone"));
    queue.submit(key("new"), shared("new", Trigger::First), records(&log, "new"));
    queue.submit(key("b"), run("b", 1, Trigger::Scheduled), records(&log, "b"));
    for _begun_and_ended in 0..2 {
        assert_eq!(reports.recv().await.unwrap(), key("b"));
    }
    queue.cancel(&key("gone"));
    let_go.notify_one();
    for _ in 0..5 {
        reports.recv().await.unwrap();
    }
    assert_eq!(*log.lock().unwrap(), ["b", "new", "due"]);
}

#[tokio::test]
async fn a_run_that_is_cancelled_when_its_turn_has_come_leaves_it_to_the_next_of_its_credential() {
    let queue = Queue::new(CancellationToken::new());
    let mut reports = queue.reports("ScalrConnector");
    tokio::spawn(queue.clone().work(2));
    let [first, busy, prompt] = [(); 3].map(|()| Arc::new(Notify::new()));
    let shared = |id| NewRun { credential: credential("shared"), ..run(id, 1, Trigger::Scheduled) };
    queue.submit(key("first"), shared("first"), ends_when_let_go(&first));
    queue.submit(key("second"), shared("second"), ends_at_once("second"));
    queue.submit(key("third"), shared("third"), ends_at_once("third"));
    queue.submit(key("busy"), run("busy", 1, Trigger::Scheduled), ends_when_let_go(&busy));
    for begun in ["first", "busy"] {
        assert_eq!(reports.recv().await.unwrap(), key(begun));
    }
    queue.submit(key("prompt"), run("prompt", 1, Trigger::First), ends_when_let_go(&prompt));
    first.notify_one();
    for ended_and_begun in ["first", "prompt"] {
        assert_eq!(reports.recv().await.unwrap(), key(ended_and_begun));
    }
    queue.cancel(&key("second"));
    prompt.notify_one();
    for expected in ["prompt", "third", "third"] {
        let report = tokio::time::timeout(std::time::Duration::from_secs(10), reports.recv()).await;
        assert_eq!(report.expect("the third is called").unwrap(), key(expected));
    }
}

/// What happens to a queue.
#[derive(Debug, Clone)]
enum Step {
    Submit { object: usize, credential: usize, prompt: bool, takes: usize, heeds: bool },
    Cancel { object: usize },
    Retain { objects: Vec<bool> },
    Pass { turns: usize },
}

const OBJECTS: usize = 6;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..OBJECTS, 0..3_usize, any::<bool>(), 0..12_usize, any::<bool>()).prop_map(
            |(object, credential, prompt, takes, heeds)| Step::Submit { object, credential, prompt, takes, heeds }
        ),
        2 => (0..OBJECTS).prop_map(|object| Step::Cancel { object }),
        1 => proptest::collection::vec(any::<bool>(), OBJECTS).prop_map(|objects| Step::Retain { objects }),
        4 => (1..20_usize).prop_map(|turns| Step::Pass { turns }),
    ]
}

/// Takes its turns, and fails where another run has its object or its credential meanwhile.
fn takes_turns(
    under_way: &Arc<StdMutex<HashSet<String>>>,
    needs: [String; 2],
    takes: usize,
    heeds: bool,
) -> Job {
    let under_way = Arc::clone(under_way);
    Box::new(move |cancel| {
        async move {
            for need in &needs {
                let alone = under_way.lock().unwrap().insert(need.clone());
                assert!(alone, "{need} is taken twice");
            }
            let mut left = takes;
            while left > 0 && !(heeds && cancel.is_cancelled()) {
                tokio::task::yield_now().await;
                left -= 1;
            }
            for need in &needs {
                under_way.lock().unwrap().remove(need);
            }
            (!cancel.is_cancelled()).then(|| outcome("run"))
        }
        .boxed()
    })
}

async fn turns(number: usize) {
    for _ in 0..number {
        tokio::task::yield_now().await;
    }
}

/// Lets all this happen, and then everything that waits run.
async fn happens(steps: Vec<Step>, workers: usize) {
    let stop = CancellationToken::new();
    let queue = Queue::new(stop.clone());
    let work = tokio::spawn(queue.clone().work(workers));
    let under_way = Arc::default();
    let name = |object: usize| object.to_string();
    let mut expected = std::collections::BTreeSet::new();
    for step in steps {
        match step {
            Step::Submit { object, credential: shared, prompt, takes, heeds } => {
                let trigger = if prompt { Trigger::First } else { Trigger::Scheduled };
                let new =
                    NewRun { credential: credential(&shared.to_string()), ..run(&name(object), 1, trigger) };
                let needs = [format!("object {object}"), format!("credential {shared}")];
                queue.submit(key(&name(object)), new, takes_turns(&under_way, needs, takes, heeds));
                expected.insert(object);
            }
            Step::Cancel { object } => {
                queue.cancel(&key(&name(object)));
                expected.remove(&object);
            }
            Step::Retain { objects } => {
                let stays = |object: usize| objects[object];
                queue.retain("ScalrConnector", |key| stays(key.name.parse().unwrap()));
                expected.retain(|object| stays(*object));
            }
            Step::Pass { turns: number } => turns(number).await,
        }
        let state = queue.state();
        let waiting = state.runs.values().filter(|run| run.job.is_some()).count();
        let in_line = state.line.len() + state.behind.values().map(BTreeMap::len).sum::<usize>();
        assert_eq!(in_line, waiting, "nobody is left in line who does not wait");
    }
    // More turns than all of them can take.
    turns(5_000).await;
    for object in expected {
        assert!(queue.view(&key(&name(object))).unwrap().finished, "the run of {object} never ended");
    }
    {
        let state = queue.state();
        assert!(state.taken.is_empty() && state.line.is_empty() && state.behind.is_empty());
    }
    stop.cancel();
    work.await.unwrap();
}

proptest! {
    #[test]
    fn whatever_happens_every_run_ends_and_none_shares_its_object_or_credential(
        steps in proptest::collection::vec(step(), 1..60),
        workers in 1..5_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(happens(steps, workers));
    }
}
