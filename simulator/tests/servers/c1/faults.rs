//! Each fault acts, and ends.

use std::time::{Duration, Instant};

use connector_simulator::c1::Answer;
use connector_simulator::{C1Config, C1Fault, C1Simulator, TaskSpec};
use serde_json::json;
use tonic::Code;

use super::connector::{Assertion, Connector, SOON, c1};

/// A connector, and one task in its hand.
async fn at_work() -> (C1Simulator, Connector, String) {
    let c1 = c1().await;
    let connector = Connector::greeted(&c1).await;
    let task = c1.give(0, TaskSpec::sync_full()).unwrap();
    connector.task().await.unwrap();
    (c1, connector, task.to_string())
}

async fn token(c1: &C1Simulator) -> crate::client::Answer {
    Assertion::new(&c1.client(0).unwrap()).send(c1).await
}

fn code<T>(answer: Result<T, tonic::Status>) -> Code {
    answer.map_or_else(|refused| refused.code(), |_| Code::Ok)
}

#[tokio::test]
async fn unavailable_strikes_every_call_until_it_is_switched_off() {
    let (c1, connector, task) = at_work().await;
    c1.switch_on(C1Fault::Unavailable, None);
    assert_eq!(code(connector.say(connector.hello()).await), Code::Unavailable);
    assert_eq!(code(connector.poll().await), Code::Unavailable);
    assert_eq!(code(connector.beat(connector.pulse(&task)).await), Code::Unavailable);
    assert_eq!(code(connector.upload(connector.parts(&task, &[b"x"])).await), Code::Unavailable);
    assert_eq!(c1.faults().len(), 1);
    c1.switch_off(C1Fault::Unavailable);
    assert_eq!(code(connector.poll().await), Code::Ok);
}

#[tokio::test]
async fn the_token_endpoint_fails_and_recovers() {
    let c1 = c1().await;
    c1.switch_on(C1Fault::TokenUnavailable, Some(1));
    let answer = token(&c1).await;
    assert_eq!((answer.status, answer.body.starts_with("<html>")), (503, true));
    c1.switch_on(C1Fault::TokenRefused, Some(1));
    let answer = token(&c1).await;
    assert_eq!((answer.status, answer.at("/error")), (401, json!("invalid_client")));
    assert_eq!(token(&c1).await.status, 200);
}

#[tokio::test]
async fn a_token_is_ended_early_whatever_its_lifetime() {
    let c1 = c1().await;
    c1.switch_on(C1Fault::TokenExpires, Some(1));
    let early = Connector::greeted(&c1).await;
    let later = Connector::signed_in(&c1, 0, "host-1").await;
    let ended = async {
        while code(early.poll().await) != Code::Unauthenticated {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, ended).await.expect("the token is still good");
    assert_eq!(code(later.poll().await), Code::Ok);
}

#[tokio::test]
async fn one_call_is_unauthenticated_although_its_token_is_good() {
    let (c1, connector, _) = at_work().await;
    c1.switch_on(C1Fault::UnauthenticatedOnce, None);
    assert_eq!(code(connector.poll().await), Code::Unauthenticated);
    assert_eq!(code(connector.poll().await), Code::Ok);
}

#[tokio::test]
async fn an_upload_is_cut_off_with_its_connection() {
    let (c1, connector, task) = at_work().await;
    c1.switch_on(C1Fault::DropUpload, Some(1));
    let parts = || connector.parts(&task, &[b"one", b"two"]);
    let refused = connector.upload(parts()).await.unwrap_err();
    assert!(!refused.message().contains("on purpose"), "answered instead of cut off: {refused:?}");
    assert!(c1.all_files().is_empty());
    connector.upload(parts()).await.unwrap();
    assert_eq!(c1.all_files().len(), 1);
}

#[tokio::test]
async fn a_right_checksum_is_refused() {
    let (c1, connector, task) = at_work().await;
    c1.switch_on(C1Fault::BadChecksumAnswer, Some(1));
    assert_eq!(code(connector.upload(connector.parts(&task, &[b"x"])).await), Code::DataLoss);
    assert!(c1.all_files().is_empty());
    assert_eq!(code(connector.upload(connector.parts(&task, &[b"x"])).await), Code::Ok);
}

#[tokio::test]
async fn the_second_heartbeat_hears_that_the_task_is_cancelled() {
    let (c1, connector, task) = at_work().await;
    c1.switch_on(C1Fault::CancelWhileReading, Some(1));
    assert!(!connector.beat(connector.pulse(&task)).await.unwrap().cancelled);
    assert!(connector.beat(connector.pulse(&task)).await.unwrap().cancelled);
    assert!(connector.beat(connector.pulse(&task)).await.unwrap().cancelled);
    let next = c1.give(0, TaskSpec::sync_full()).unwrap();
    connector.task().await.unwrap();
    for _ in 0..3 {
        assert!(!connector.beat(connector.pulse(next.as_str())).await.unwrap().cancelled);
    }
}

#[tokio::test]
async fn every_second_task_goes_to_somebody_else_with_the_same_credentials() {
    let c1 = c1().await;
    let connector = Connector::greeted(&c1).await;
    let tasks = [(); 4].map(|()| c1.give(0, TaskSpec::sync_full()).unwrap());
    c1.switch_on(C1Fault::SharedCredentials, None);
    assert_eq!(connector.task().await, None);
    assert_eq!(connector.task().await.unwrap().id, tasks[1].as_str());
    assert_eq!(connector.task().await, None);
    c1.switch_off(C1Fault::SharedCredentials);
    assert_eq!(connector.task().await.unwrap().id, tasks[3].as_str());
    assert_eq!(code(connector.finish(connector.success(tasks[0].as_str())).await), Code::NotFound);
}

#[tokio::test]
async fn what_went_to_somebody_else_comes_back_when_nothing_is_heard_of_it() {
    let config = C1Config { heartbeat_timeout: Duration::ZERO, ..C1Config::default() };
    let c1 = C1Simulator::start(config).await.unwrap();
    let connector = Connector::greeted(&c1).await;
    let task = c1.give(0, TaskSpec::sync_full()).unwrap();
    c1.switch_on(C1Fault::SharedCredentials, Some(1));
    assert_eq!(connector.task().await, None);
    assert_eq!(connector.task().await.unwrap().id, task.as_str());
}

#[tokio::test]
async fn heartbeats_fail_or_find_nothing() {
    let (c1, connector, task) = at_work().await;
    c1.switch_on(C1Fault::HeartbeatFails, Some(1));
    assert_eq!(code(connector.beat(connector.pulse(&task)).await), Code::Unavailable);
    c1.switch_on(C1Fault::HeartbeatNotFound, Some(1));
    assert_eq!(code(connector.beat(connector.pulse(&task)).await), Code::NotFound);
    assert_eq!(code(connector.beat(connector.pulse(&task)).await), Code::Ok);
    assert_eq!(c1.task(&task.as_str().into()).unwrap().heartbeats, 1);
}

#[tokio::test]
async fn a_poll_is_held_back() {
    let config = C1Config { slow_poll: Duration::from_millis(300), ..C1Config::default() };
    let c1 = C1Simulator::start(config).await.unwrap();
    let connector = Connector::greeted(&c1).await;
    c1.switch_on(C1Fault::SlowPoll, Some(1));
    let start = Instant::now();
    connector.poll().await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert!(c1.faults().is_empty());
}

#[tokio::test]
async fn a_task_in_hand_is_handed_out_again() {
    let (c1, connector, task) = at_work().await;
    c1.switch_on(C1Fault::DuplicateTask, Some(1));
    assert_eq!(connector.task().await.unwrap().id, task);
    assert_eq!(connector.task().await, None);
}

#[tokio::test]
async fn a_task_of_no_known_type_arrives_unasked() {
    let c1 = c1().await;
    let connector = Connector::greeted(&c1).await;
    c1.switch_on(C1Fault::UnknownTask, Some(1));
    assert_eq!(connector.task().await.unwrap().task_type, None);
    assert_eq!(connector.task().await, None);
}

#[tokio::test]
async fn an_end_is_not_heard() {
    let (c1, connector, task) = at_work().await;
    c1.switch_on(C1Fault::FinishUnavailable, Some(1));
    assert_eq!(code(connector.finish(connector.success(&task)).await), Code::Unavailable);
    assert_eq!(c1.finished(&task.as_str().into()), None);
    assert_eq!(code(connector.finish(connector.success(&task)).await), Code::Ok);
}

#[tokio::test]
async fn a_hello_is_refused() {
    let c1 = c1().await;
    let connector = Connector::signed_in(&c1, 0, "host-1").await;
    c1.switch_on(C1Fault::HelloRefused, Some(1));
    assert_eq!(code(connector.say(connector.hello()).await), Code::PermissionDenied);
    assert_eq!(code(connector.say(connector.hello()).await), Code::Ok);
}

#[tokio::test]
async fn a_poll_is_refused() {
    let c1 = c1().await;
    let connector = Connector::signed_in(&c1, 0, "host-1").await;
    c1.switch_on(C1Fault::PollRefused, Some(1));
    assert_eq!(code(connector.say(connector.hello()).await), Code::Ok);
    assert_eq!(connector.poll().await.unwrap_err().code(), Code::PermissionDenied);
    assert!(connector.poll().await.is_ok());
}

#[tokio::test]
async fn a_call_is_never_answered_and_the_transcript_says_that_the_client_gave_up() {
    let (c1, connector, _) = at_work().await;
    c1.switch_on(C1Fault::Hang, Some(1));
    let answer = tokio::time::timeout(Duration::from_millis(300), connector.poll()).await;
    assert!(answer.is_err());
    let gave_up = |entry: &connector_simulator::c1::Entry| entry.answer == Answer::Rpc(Code::Cancelled);
    c1.until(SOON, |transcript| transcript.last().is_some_and(gave_up)).await.unwrap();
    assert_eq!(code(connector.poll().await), Code::Ok);
}

#[tokio::test]
async fn polls_are_told_to_come_again_at_once() {
    let c1 = c1().await;
    let connector = Connector::greeted(&c1).await;
    c1.switch_on(C1Fault::NextPollZero, Some(1));
    assert_eq!(connector.poll().await.unwrap().next_poll.unwrap(), prost_types::Duration::default());
    assert_eq!(connector.poll().await.unwrap().next_poll.unwrap().seconds, 1);
}

#[tokio::test]
async fn all_faults_are_switched_off_at_once() {
    let c1 = c1().await;
    for fault in C1Fault::ALL {
        c1.switch_on(*fault, None);
    }
    assert_eq!(c1.faults().len(), C1Fault::ALL.len());
    c1.switch_all_off();
    Connector::greeted(&c1).await.poll().await.unwrap();
}
