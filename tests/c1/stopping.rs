//! Tasks that are called off: by C1, or because the connector is stopped.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use connector_operator::c1::{C1Error, Ended, Pace, View};
use connector_simulator::c1::{Finished, listed_transcript};
use connector_simulator::{C1Config, C1Fault, C1Simulator, TaskId, TaskSpec};
use tonic::Code;

use crate::reader::FakeReader;
use crate::stage::{SOON, Setup, Stage, calls, count, pace, quick};

fn canceled(c1: &C1Simulator, task: &TaskId) -> bool {
    matches!(c1.finished(task), Some(Finished::Error { code: Code::Cancelled, non_retryable: false, .. }))
}

#[tokio::test]
async fn a_task_that_c1_no_longer_wants_is_dropped_at_once() {
    let stage = Stage::new().await;
    let task = stage.reading().await;
    stage.c1.cancel(&task).unwrap();
    stage.reader.until("the read is dropped", |reads| reads.dropped == 1).await;
    stage.finished(&task).await;
    assert!(canceled(&stage.c1, &task));
    // It goes on with the next.
    stage.reader.let_go();
    let next = stage.give(TaskSpec::sync_full());
    assert_eq!(stage.finished(&next).await, Finished::Success);
}

#[tokio::test]
async fn a_stop_in_the_middle_of_a_read_gives_the_task_back() {
    let stage = Stage::new().await;
    let task = stage.reading().await;
    let (reader, stopped_at) = (stage.reader.clone(), Instant::now());
    let (ended, c1) = stage.stopped().await;
    assert_eq!(ended, Ended::Stopped);
    assert!(canceled(&c1, &task));
    assert_eq!((reader.reads().dropped, reader.reads().running()), (1, 0));
    assert!(stopped_at.elapsed() < pace().hand_back / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_of_an_upload_gives_the_task_back() {
    let config = C1Config { next_heartbeat: SOON, heartbeat_timeout: SOON, ..quick() };
    let setup = Setup { at_once: 1, ..Setup::default() };
    let stage = Stage::with(config, setup, FakeReader::of(&vec![1; 8 << 20])).await;
    let task = stage.reading().await;
    // With no room for another task and no heartbeat due, the upload is the only call.
    stage.c1.switch_on(C1Fault::Hang, Some(1));
    stage.reader.let_go();
    while !stage.c1.faults().is_empty() {
        tokio::task::yield_now().await;
    }
    stage.stop.cancel();
    let (ended, c1) = stage.ended().await;
    assert_eq!(ended, Ended::Stopped);
    assert!(canceled(&c1, &task));
    assert!(c1.files(&task).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_c1_answers_nothing_is_over_in_time() {
    let pace = Pace { hand_back: pace().hand_back / 8, ..pace() };
    let stage = Stage::with(quick(), Setup { pace, ..Setup::default() }, FakeReader::of_a_snapshot()).await;
    stage.reading().await;
    stage.c1.switch_on(C1Fault::Hang, None);
    let reader = stage.reader.clone();
    let stopped_at = Instant::now();
    let (ended, _) = stage.stopped().await;
    assert_eq!((ended, reader.reads().running()), (Ended::Stopped, 0));
    assert!(stopped_at.elapsed() < 2 * pace.hand_back + pace.hand_back);
}

/// Whichever comes first, the stop or the end: C1 has the file exactly if it was told of a success.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_at_any_moment_of_an_upload_ends_the_task_as_it_is() {
    let mut ends = [0, 0];
    for microseconds in (0..40).map(|step| step * 75) {
        let stage = Stage::new().await;
        let task = stage.reading().await;
        stage.reader.let_go();
        tokio::time::sleep(std::time::Duration::from_micros(microseconds)).await;
        let reader = stage.reader.clone();
        let (_, c1) = stage.stopped().await;
        let finished = c1.finished(&task);
        let files = c1.files(&task);
        match finished {
            Some(Finished::Success) => assert_eq!(files.len(), 1),
            _ => assert!(
                canceled(&c1, &task) && files.is_empty(),
                "{finished:?}, {} files\n{}",
                files.len(),
                listed_transcript(&c1.transcript())
            ),
        }
        ends[files.len()] += 1;
        assert_eq!((reader.reads().running(), count(&c1, "FinishTask")), (0, 1));
    }
    println!("{} given back, {} done", ends[0], ends[1]);
}

#[tokio::test]
async fn whoever_leads_no_longer_sends_nothing_more() {
    let setup = Setup::default();
    let permits = Arc::clone(&setup.permits);
    let stage = Stage::with(quick(), setup, FakeReader::of_a_snapshot()).await;
    let task = stage.reading().await;
    permits.store(0, Ordering::SeqCst);
    assert_eq!(stage.trouble().await, C1Error::Deposed);
    let failed = |times: u32| move |view: &View| view.trouble.as_ref().is_some_and(|it| it.failures >= times);
    stage.sees("what was on its way has come", failed(3)).await;
    let heard = stage.c1.transcript().len();
    stage.reader.let_go();
    stage.sees("there was time for the file", failed(12)).await;
    assert_eq!(stage.c1.transcript().len(), heard, "{}", listed_transcript(&stage.c1.transcript()));
    assert!(stage.c1.files(&task).is_empty());
    // Only that kept it from being sent.
    permits.store(i64::MAX, Ordering::SeqCst);
    let next = stage.give(TaskSpec::sync_full());
    assert_eq!(stage.finished(&next).await, Finished::Success);
}

#[tokio::test]
async fn a_file_of_which_the_rest_may_not_be_sent_is_none() {
    let config = C1Config { next_heartbeat: SOON, heartbeat_timeout: SOON, ..quick() };
    let setup = Setup { at_once: 1, ..Setup::default() };
    let permits = Arc::clone(&setup.permits);
    let stage = Stage::with(config, setup, FakeReader::of(&vec![1; 8 << 20])).await;
    let task = stage.reading().await;
    // With no room for another task and no heartbeat due, these are for the upload: the call and its first two parts.
    permits.store(3, Ordering::SeqCst);
    stage.reader.let_go();
    stage.until(|entries| calls(entries, "UploadAsset").any(|entry| !entry.answer.is_ok())).await;
    assert!(permits.load(Ordering::SeqCst) < 0, "it was asked before each part");
    assert!(stage.c1.files(&task).is_empty());
}
