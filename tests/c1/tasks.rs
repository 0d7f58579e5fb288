//! Several tasks at once, and tasks that come twice.

use std::time::Duration;

use connector_operator::c1::Pace;
use connector_simulator::c1::Finished;
use connector_simulator::{C1Config, C1Fault, TaskSpec};
use tonic::Code;

use crate::reader::FakeReader;
use crate::stage::{SOON, Setup, Stage, count, pace, quick};

#[tokio::test]
async fn as_many_tasks_are_in_hand_as_there_is_room_for() {
    let setup = Setup { at_once: 2, ..Setup::default() };
    let stage = Stage::with(quick(), setup, FakeReader::of_a_snapshot()).await;
    stage.reader.hold();
    let tasks = [(); 3].map(|()| stage.give(TaskSpec::sync_full()));
    stage.reader.until("two reads begin", |reads| reads.begun == 2).await;
    let polls = count(&stage.c1, "GetTask");
    for task in &tasks[..2] {
        let before = stage.task(task).heartbeats;
        stage.until(|_| stage.task(task).heartbeats > before + 2).await;
    }
    assert_eq!((stage.task(&tasks[2]).handed_out, count(&stage.c1, "GetTask")), (0, polls));
    assert_eq!(stage.reader.reads().running(), 2);
    stage.reader.let_go();
    for task in &tasks {
        assert_eq!(stage.finished(task).await, Finished::Success);
        stage.has_the_file(task);
    }
}

#[tokio::test]
async fn a_task_that_comes_again_while_it_is_in_hand_is_done_once() {
    let stage = Stage::new().await;
    let task = stage.reading().await;
    stage.c1.switch_on(C1Fault::DuplicateTask, Some(3));
    stage.until(|_| stage.task(&task).handed_out == 4).await;
    stage.reader.let_go();
    assert_eq!(stage.finished(&task).await, Finished::Success);
    stage.polls(2).await;
    assert_eq!(stage.reader.reads().begun, 1);
    stage.has_the_file(&task);
}

#[tokio::test]
async fn an_end_that_c1_did_not_hear_is_told_again_without_another_read() {
    let stage = Stage::new().await;
    stage.c1.switch_on(C1Fault::FinishUnavailable, Some(5));
    let task = stage.give(TaskSpec::sync_full());
    assert_eq!(stage.finished(&task).await, Finished::Success);
    assert_eq!((stage.task(&task).handed_out, stage.reader.reads().begun), (2, 1));
    assert_eq!(count(&stage.c1, "FinishTask"), 6);
    stage.has_the_file(&task);
}

/// What was called off is done when C1 asks for it again after all.
#[tokio::test]
async fn a_task_that_lost_its_heartbeats_is_done_when_it_comes_again() {
    let stage = Stage::new().await;
    stage.c1.switch_on(C1Fault::HeartbeatFails, None);
    stage.c1.switch_on(C1Fault::FinishUnavailable, Some(5));
    let task = stage.reading().await;
    stage.reader.until("the read is dropped", |reads| reads.dropped == 1).await;
    stage.c1.switch_off(C1Fault::HeartbeatFails);
    stage.reader.let_go();
    assert_eq!(stage.finished(&task).await, Finished::Success);
    assert_eq!(stage.reader.reads().begun, 2);
    stage.has_the_file(&task);
}

#[tokio::test]
async fn a_refusal_that_c1_did_not_hear_is_told_again_in_the_same_words() {
    let stage = Stage::new().await;
    stage.c1.switch_on(C1Fault::FinishUnavailable, Some(5));
    let task = stage.give(TaskSpec::Grant);
    let Finished::Error { code, non_retryable, .. } = stage.finished(&task).await else { panic!() };
    assert_eq!((code, non_retryable, stage.task(&task).handed_out), (Code::FailedPrecondition, true, 2));
}

#[tokio::test]
async fn an_upload_that_makes_no_headway_begins_anew() {
    let pace = Pace { stall: Duration::from_millis(300), ..pace() };
    let config = C1Config { next_heartbeat: SOON, heartbeat_timeout: SOON, ..quick() };
    let stage =
        Stage::with(config, Setup { pace, at_once: 1, ..Setup::default() }, FakeReader::of_a_snapshot());
    let stage = stage.await;
    let task = stage.reading().await;
    // With no room for another task and no heartbeat due, the upload is the only call.
    stage.c1.switch_on(C1Fault::Hang, Some(1));
    stage.reader.let_go();
    assert_eq!(stage.finished(&task).await, Finished::Success);
    assert!(stage.c1.faults().is_empty());
    assert_eq!(count(&stage.c1, "UploadAsset"), 2);
    stage.has_the_file(&task);
}

/// It may have forgotten whom it was talking to.
#[tokio::test]
async fn a_c1_that_refuses_a_poll_is_greeted_anew() {
    let stage = Stage::new().await;
    stage.polls(1).await;
    // With the first token, and with the new one.
    stage.c1.switch_on(C1Fault::UnauthenticatedOnce, Some(2));
    stage.until(|_| stage.c1.hellos().len() == 2).await;
    let task = stage.give(TaskSpec::sync_full());
    assert_eq!(stage.finished(&task).await, Finished::Success);
    stage.sees("the trouble is over", |view| view.connected && view.trouble.is_none()).await;
}
