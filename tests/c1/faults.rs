//! Runs each row of the table, and prints what came of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use connector_operator::c1::{Ended, Pace};
use connector_simulator::c1::{Finished, listed_transcript};
use connector_simulator::{C1Fault, C1Simulator, TaskId, TaskSpec};
use futures::StreamExt;
use tonic::Code;

use crate::reader::{FakeReader, Reads};
use crate::stage::{Setup, Stage, calls, count, pace, quick};
use crate::table::{End, Read, Row, rows};

/// Rows that run at once. Most of them wait for something most of the time.
const AT_ONCE: usize = 8;
/// What a call may take where C1 answers nothing.
const HUNG: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_comes_to_what_the_table_says() {
    let running = futures::stream::iter(rows()).map(|row| tokio::spawn(line(row)));
    let lines: Vec<Line> = running.buffered(AT_ONCE).map(Result::unwrap).collect().await;
    println!("{}", table(&lines));
}

#[test]
fn every_fault_has_a_row() {
    let covered: BTreeSet<_> = rows().iter().map(|row| row.fault).collect();
    assert_eq!(covered, C1Fault::ALL.iter().copied().collect());
}

/// What C1 and the reader have seen.
struct Line {
    row: Row,
    reads: Reads,
    files: usize,
    tokens: usize,
    polls: usize,
    ends: usize,
    took: Duration,
}

async fn line(row: Row) -> Line {
    let begun = Instant::now();
    let (c1, reads) = end(row).await;
    let (files, took) = (c1.all_files().len(), begun.elapsed());
    let (tokens, polls, ends) = (count(&c1, "Token"), count(&c1, "GetTask"), count(&c1, "FinishTask"));
    Line { row, reads, files, tokens, polls, ends, took }
}

async fn end(row: Row) -> (C1Simulator, Reads) {
    let c1 = C1Simulator::start(quick()).await.unwrap();
    if row.read != Read::UntilStruck {
        c1.switch_on(row.fault, row.times);
    }
    let call = if row.fault == C1Fault::Hang { HUNG } else { pace().call };
    let pace = Pace { call, stall: call.min(pace().stall), ..pace() };
    let setup = Setup { pace, ends_when_refused: row.end == End::Ends, ..Setup::default() };
    let stage = Stage::of(c1, setup, FakeReader::of_a_snapshot());
    let reader = stage.reader.clone();
    if row.end == End::Ends {
        assert!(stage.trouble().await.lasts());
        let (ended, c1) = stage.ended().await;
        assert!(matches!(ended, Ended::Refused(error) if error.code() == Code::Unauthenticated
            || error.code() == Code::PermissionDenied));
        return (c1, reader.reads());
    }
    let task = given(&row, &stage).await;
    let finished = stage.finished(&task).await;
    let transcript = listed_transcript(&stage.c1.transcript());
    let place = format!("{}: {finished}\n{transcript}", row.name());
    match (row.end, finished) {
        (End::Done { reads }, Finished::Success) => assert_eq!(reader.reads().begun, reads, "{place}"),
        (End::Waits { .. }, Finished::Success) => {}
        (End::Fails(expected), Finished::Error { code, non_retryable, .. }) => {
            assert_eq!((code, non_retryable), (expected, false), "{place}");
            assert!(stage.c1.files(&task).is_empty(), "{place}");
        }
        _ => panic!("{place}"),
    }
    if !matches!(row.end, End::Fails(_)) {
        stage.has_the_file(&task);
    }
    peculiarities(&row, &stage, &task).await;
    let (ended, c1) = stage.stopped().await;
    assert_eq!(ended, Ended::Stopped);
    // What is over is not read any more.
    assert_eq!(reader.reads().running(), 0, "{place}");
    (c1, reader.reads())
}

/// Gives a full sync, and lets it be done when the time has come.
async fn given(row: &Row, stage: &Stage) -> TaskId {
    if let End::Waits { lasts } = row.end {
        let task = stage.give(TaskSpec::sync_full());
        assert_eq!(stage.trouble().await.lasts(), lasts);
        let often = |view: &connector_operator::c1::View| {
            view.trouble.as_ref().is_some_and(|trouble| trouble.failures >= 3)
        };
        stage.sees("it is asked again", often).await;
        assert_eq!(stage.reader.reads().begun, 0);
        stage.c1.switch_off(row.fault);
        return task;
    }
    if row.read == Read::AtOnce {
        return stage.give(TaskSpec::sync_full());
    }
    let task = stage.reading().await;
    match row.read {
        Read::UntilStruck => {
            stage.c1.switch_on(row.fault, row.times);
            while !stage.c1.faults().is_empty() {
                tokio::task::yield_now().await;
            }
        }
        Read::UntilTokens(tokens) => {
            stage.until(|entries| calls(entries, "Token").count() >= tokens).await;
        }
        Read::AtOnce | Read::Forever => return task,
    }
    stage.reader.let_go();
    task
}

/// What else must hold for some.
async fn peculiarities(row: &Row, stage: &Stage, task: &TaskId) {
    match row.fault {
        // A call that is given up in the middle may lose one that it has just been given.
        C1Fault::UnauthenticatedOnce => assert!((2..=3).contains(&count(&stage.c1, "Token"))),
        C1Fault::SharedCredentials => assert!(stage.task(task).handed_out >= 2),
        C1Fault::UnknownTask => {
            let tasks = stage.c1.tasks();
            let unknown = tasks.iter().find(|task| task.spec == TaskSpec::Unknown).unwrap();
            let Finished::Error { code, non_retryable, .. } = stage.finished(&unknown.id).await else {
                panic!()
            };
            assert_eq!((code, non_retryable), (Code::Unimplemented, true));
        }
        C1Fault::FinishUnavailable => {
            let handed_out = row.times.unwrap() as usize / 5 + 1;
            assert!(stage.task(task).handed_out as usize >= handed_out);
        }
        C1Fault::NextPollZero => {
            stage.polls(20).await;
            let transcript = stage.c1.transcript();
            let polls: Vec<_> = calls(&transcript, "GetTask").map(|entry| entry.at).collect();
            let shortest = polls.windows(2).map(|two| two[1] - two[0]).min().unwrap();
            assert!(shortest >= pace().shortest_poll, "{shortest:?}");
        }
        C1Fault::CancelWhileReading | C1Fault::HeartbeatFails | C1Fault::HeartbeatNotFound
            if row.read == Read::Forever =>
        {
            assert_eq!(stage.reader.reads_of(task.as_str()).dropped, 1);
        }
        _ => {}
    }
}

fn table(lines: &[Line]) -> String {
    let mut table = format!(
        "{:<38} {:<23} {:>5} {:>5} {:>6} {:>5} {:>4} {:>5}\n",
        "FAULT", "COMES TO", "READS", "FILES", "TOKENS", "POLLS", "ENDS", "MS"
    );
    for Line { row, reads, files, tokens, polls, ends, took } in lines {
        let (name, end, reads, took) = (row.name(), row.end.to_string(), reads.begun, took.as_millis());
        writeln!(
            table,
            "{name:<38} {end:<23} {reads:>5} {files:>5} {tokens:>6} {polls:>5} {ends:>4} {took:>5}"
        )
        .unwrap();
    }
    table
}
