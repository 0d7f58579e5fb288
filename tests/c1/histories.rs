//! Random histories: tasks, faults and cancellations in any order, and at the end a C1 that does everything right.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use connector_operator::c1::{Ended, Pace, Refused};
use connector_simulator::c1::{Finished, Progress, listed_transcript};
use connector_simulator::{C1Fault, TaskId, TaskSpec};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{RngSeed, TestRunner};
use tonic::Code;

use crate::reader::FakeReader;
use crate::stage::{Setup, Stage, calls, pace, quick};

const HISTORIES: u32 = 24;
const STEPS: std::ops::Range<usize> = 5..25;
/// How long a history may take to come to its end.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
enum Step {
    Give(TaskSpec),
    Cancel(prop::sample::Index),
    Fault(C1Fault, Option<u32>),
    AllRight,
    EndTokens,
    Hold,
    LetGo,
    Refuse,
    /// Lets time pass, in milliseconds.
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let specs =
        vec![TaskSpec::sync_full(), TaskSpec::Hello, TaskSpec::Grant, TaskSpec::None, TaskSpec::Unknown];
    let step = prop_oneof![
        4 => Just(Step::Give(TaskSpec::sync_full())),
        2 => select(specs).prop_map(Step::Give),
        1 => any::<prop::sample::Index>().prop_map(Step::Cancel),
        4 => (select(C1Fault::ALL.to_vec()), prop::option::weighted(0.8, 1..6_u32))
            .prop_map(|(fault, times)| Step::Fault(fault, times)),
        1 => Just(Step::AllRight),
        1 => Just(Step::EndTokens),
        1 => Just(Step::Hold),
        1 => Just(Step::LetGo),
        1 => Just(Step::Refuse),
        6 => (1..60_u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, STEPS)
}

#[test]
fn whatever_happens_every_task_is_ended_once_and_read_no_longer_than_it_is_wanted() {
    let config = ProptestConfig {
        cases: HISTORIES,
        rng_seed: RngSeed::Fixed(7),
        max_shrink_iters: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let totals = Cell::new((0, 0));
    let ran = TestRunner::new(config).run(&steps(), |steps| {
        let counts = runtime.block_on(history(&steps)).map_err(TestCaseError::fail)?;
        let (done, ended) = totals.get();
        totals.set((done + counts.0, ended + counts.1));
        Ok(())
    });
    let (done, ended) = totals.get();
    println!("{HISTORIES} histories: {done} syncs done, {ended} tasks ended otherwise");
    if let Err(error) = ran {
        panic!("{error}");
    }
    assert!(done > 0 && ended > 0);
}

/// Runs a history, and says how many syncs were done, and how many tasks ended otherwise.
async fn history(steps: &[Step]) -> Result<(usize, usize), String> {
    let pace = Pace { call: Duration::from_millis(200), stall: Duration::from_millis(400), ..pace() };
    let config = connector_simulator::C1Config { heartbeat_timeout: Duration::from_millis(600), ..quick() };
    let setup = Setup { pace, ..Setup::default() };
    let stage = Stage::with(config, setup, FakeReader::of_a_snapshot()).await;
    let mut given = Vec::new();
    for step in steps {
        act(&stage, step, &mut given).await;
    }
    stage.c1.switch_all_off();
    stage.reader.let_go();

    let over = |id: &TaskId| {
        let task = stage.task(id);
        task.cancelled && task.progress == Progress::Waiting || matches!(task.progress, Progress::Finished(_))
    };
    let all_over =
        stage.c1.until(PATIENCE, |_| stage.c1.tasks().iter().all(|task| over(&task.id) || task.cancelled));
    all_over.await.map_err(|error| error.to_string())?;
    stage.reader.until("no read goes on", |reads| reads.running() == 0).await;
    let reader = stage.reader.clone();
    let (ended, c1) = stage.stopped().await;
    let transcript = c1.transcript();
    let wrong = |what: &str, id: &TaskId| Err(format!("{id} {what}\n{}", listed_transcript(&transcript)));
    let mut counts = (0, 0);
    for task in c1.tasks() {
        let id = &task.id;
        let told = calls(&transcript, "FinishTask")
            .filter(|entry| entry.answer.is_ok() && entry.text.contains(id.as_str()));
        let told = told.count();
        let tells = !matches!(task.spec, TaskSpec::None | TaskSpec::Hello);
        let is_finished = matches!(task.progress, Progress::Finished(_));
        if told > 1 || (tells && is_finished && told != 1) {
            return wrong(&format!("was ended {told} times"), id);
        }
        let files = c1.files(id);
        if files.iter().any(|file| file.bytes[..] != reader.bytes()) {
            return wrong("has another file", id);
        }
        match &task.progress {
            Progress::Finished(Finished::Success) if matches!(task.spec, TaskSpec::SyncFull(_)) => {
                counts.0 += 1;
                if files.is_empty() || (files.len() > 1 && !may_lose_an_answer(steps)) {
                    return wrong(&format!("has {} files", files.len()), id);
                }
            }
            Progress::Finished(Finished::Error { .. }) => counts.1 += 1,
            _ => {}
        }
    }
    if ended != Ended::Stopped || reader.reads().running() > 0 {
        return Err(format!("{ended:?}, {:?}", reader.reads()));
    }
    Ok(counts)
}

/// C1 can take a file and its answer be lost, where connections are reset or a call is given up. It is then uploaded
/// once more.
fn may_lose_an_answer(steps: &[Step]) -> bool {
    let lossy: BTreeSet<_> = [
        C1Fault::DropUpload,
        C1Fault::Hang,
        C1Fault::HeartbeatFails,
        C1Fault::HeartbeatNotFound,
        C1Fault::CancelWhileReading,
    ]
    .into();
    steps.iter().any(|step| matches!(step, Step::Fault(fault, _) if lossy.contains(fault)))
}

async fn act(stage: &Stage, step: &Step, given: &mut Vec<TaskId>) {
    match step {
        Step::Give(spec) => given.push(stage.give(spec.clone())),
        Step::Cancel(index) => {
            if !given.is_empty() {
                stage.c1.cancel(index.get(given)).unwrap();
            }
        }
        Step::Fault(fault, times) => stage.c1.switch_on(*fault, *times),
        Step::AllRight => stage.c1.switch_all_off(),
        Step::EndTokens => stage.c1.end_tokens(),
        Step::Hold => stage.reader.hold(),
        Step::LetGo => stage.reader.let_go(),
        Step::Refuse => stage.reader.refuse(Refused {
            code: Code::Aborted,
            message: "Refused in a random history.".to_owned(),
            non_retryable: false,
        }),
        Step::Pass(milliseconds) => tokio::time::sleep(Duration::from_millis(*milliseconds)).await,
    }
}
