//! What a connector is given to do, and what it delivers.

use std::time::Duration;

use c1_protocol::c1::connectorapi::baton::v1::baton_service_finish_task_request::{
    self as finish, FinalState,
};
use c1_protocol::c1::connectorapi::baton::v1::task::TaskType;
use c1_protocol::c1::connectorapi::baton::v1::{
    BatonServiceGetTasksRequest, BatonServiceHeartbeatRequest, StartDebuggingRequest,
};
use c1_protocol::google::rpc;
use connector_simulator::c1::{Finished, SyncFull, Target, listed_transcript};
use connector_simulator::{C1Config, C1Simulator, Error, TaskSpec};
use tonic::Code;

use super::connector::{Connector, SOON, c1};

#[tokio::test]
async fn a_connector_says_hello_is_given_a_task_and_delivers() {
    let c1 = c1().await;
    let connector = Connector::greeted(&c1).await;
    let task = c1.give(0, TaskSpec::sync_full()).unwrap();
    let polled = connector.poll().await.unwrap();
    let given = polled.task.unwrap();
    assert_eq!(given.id, task.as_str());
    let Some(TaskType::SyncFull(sync)) = given.task_type else { panic!("{given:?}") };
    assert!(sync.skip_expand_grants);
    assert_eq!((polled.next_poll.unwrap().seconds, polled.next_heartbeat.unwrap().seconds), (1, 10));
    assert!(!connector.beat(connector.pulse(&given.id)).await.unwrap().cancelled);
    assert_eq!(connector.task().await, None);

    let chunks: [&[u8]; 2] = [&[7; 1 << 20], b"end"];
    connector.upload(connector.parts(&given.id, &chunks)).await.unwrap();
    assert_eq!(c1.finished(&task), None);
    let waiting = tokio::spawn({
        let (c1, task) = (connector_simulator::C1::clone(&c1), task.clone());
        async move { c1.until_finished(&task, SOON).await }
    });
    connector.finish(connector.success(&given.id)).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), Finished::Success);

    let files = c1.files(&task);
    assert_eq!((files.len(), &files[0].bytes[..], files[0].chunks), (1, &chunks.concat()[..], 2));
    assert_eq!((files[0].client.as_str(), files[0].host_id.as_str()), ("client-1", "host-1"));
    let hello = &c1.hellos()[0];
    assert!(hello.user_agent.starts_with("test/1 "), "{}", hello.user_agent);
    assert_eq!(hello.request.host_id, "host-1");

    let methods: Vec<_> = c1.transcript().iter().map(|entry| entry.method).collect();
    let expected = ["Token", "Hello", "GetTask", "Heartbeat", "GetTask", "UploadAsset", "FinishTask"];
    assert_eq!(methods, expected);
    let lines = listed_transcript(&c1.transcript());
    assert!(lines.contains(&format!("client-1  host-1  GetTask -> sync_full {task}  [Ok]")), "{lines}");
    assert!(lines.contains(&format!("UploadAsset -> {task}: 2 chunks, 1.0 MiB, sha256 ")), "{lines}");
    assert!(lines.contains(&format!("FinishTask -> sync_full {task} success  [Ok]")), "{lines}");
    let secret = c1.client(0).unwrap().client_secret;
    assert!(!lines.contains(&connector.token) && !lines.contains(secret.rsplit(':').next().unwrap()));
}

#[tokio::test]
async fn a_failure_is_kept_as_the_connector_told_it() {
    let c1 = c1().await;
    let connector = Connector::greeted(&c1).await;
    let task = c1.give(0, TaskSpec::Grant).unwrap();
    let given = connector.task().await.unwrap();
    assert!(matches!(given.task_type, Some(TaskType::Grant(_))));
    let mut request = connector.success(&given.id);
    let error = finish::Error { non_retryable: true, ..finish::Error::default() };
    request.final_state = Some(FinalState::Error(error));
    request.status = Some(rpc::Status { code: 9, message: "it only reads".into(), details: Vec::new() });
    connector.finish(request.clone()).await.unwrap();
    let (code, message) = (Code::FailedPrecondition, "it only reads".to_owned());
    assert_eq!(c1.finished(&task), Some(Finished::Error { code, message, non_retryable: true }));
    assert_eq!(connector.finish(request).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn each_type_of_task_arrives_as_such() {
    let c1 = c1().await;
    let connector = Connector::greeted(&c1).await;
    let sync = SyncFull {
        skip_grants: true,
        skip_entitlements_and_grants: true,
        storage_engine: "sqlite".into(),
        sync_resource_type_ids: vec!["user".into()],
        targeted_sync_resources: vec![Target { resource_type: "user".into(), resource: "u1".into() }],
        ..SyncFull::default()
    };
    type Check = fn(&TaskType) -> bool;
    let known: [(TaskSpec, Check); 5] = [
        (TaskSpec::None, |task| matches!(task, TaskType::None(_))),
        (TaskSpec::Hello, |task| matches!(task, TaskType::Hello(_))),
        (TaskSpec::EventFeed, |task| matches!(task, TaskType::EventFeed(_))),
        (TaskSpec::ListTicketSchemas, |task| matches!(task, TaskType::ListTicketSchemas(_))),
        (TaskSpec::SyncFull(sync), |task| {
            let TaskType::SyncFull(sync) = task else { return false };
            let target = sync.targeted_sync_resources[0].id.as_ref().unwrap();
            sync.skip_grants
                && sync.skip_entitlements_and_grants
                && !sync.skip_expand_grants
                && sync.storage_engine == "sqlite"
                && sync.sync_resource_type_ids == ["user"]
                && (target.resource_type.as_str(), target.resource.as_str()) == ("user", "u1")
        }),
    ];
    for (spec, check) in known {
        let name = spec.to_string();
        c1.give(0, spec).unwrap();
        assert!(check(&connector.task().await.unwrap().task_type.unwrap()), "{name}");
    }
    c1.give(0, TaskSpec::Unknown).unwrap();
    assert_eq!(connector.task().await.unwrap().task_type, None);
    assert!(matches!(c1.give(1, TaskSpec::Hello), Err(Error::Unknown { .. })));
}

#[tokio::test]
async fn a_hello_task_is_finished_by_a_hello() {
    let c1 = c1().await;
    let connector = Connector::greeted(&c1).await;
    let task = c1.give(0, TaskSpec::Hello).unwrap();
    let mut hello = connector.hello();
    task.as_str().clone_into(&mut hello.task_id);
    assert_eq!(connector.say(hello.clone()).await.unwrap_err().code(), Code::NotFound);
    connector.task().await.unwrap();
    connector.say(hello).await.unwrap();
    assert_eq!(c1.finished(&task), Some(Finished::Success));
    assert_eq!(c1.hellos()[1].task, Some(task));
}

#[tokio::test]
async fn a_poll_before_any_hello_of_the_host_is_refused() {
    let c1 = c1().await;
    let connector = Connector::greeted(&c1).await;
    let other = Connector { host: "host-2", ..connector.clone() };
    assert_eq!(other.poll().await.unwrap_err().code(), Code::FailedPrecondition);
    connector.poll().await.unwrap();
}

#[tokio::test]
async fn a_task_that_nobody_is_heard_of_is_offered_again() {
    let config = C1Config { heartbeat_timeout: Duration::ZERO, ..C1Config::default() };
    let c1 = C1Simulator::start(config).await.unwrap();
    let (killed, other) = (Connector::greeted(&c1).await, Connector::greeted_as(&c1, 0, "host-2").await);
    let task = c1.give(0, TaskSpec::sync_full()).unwrap();
    assert_eq!(killed.task().await.unwrap().id, task.as_str());
    assert_eq!(other.task().await.unwrap().id, task.as_str());
    let late = killed.finish(killed.success(task.as_str())).await.unwrap_err();
    assert_eq!(late.code(), Code::NotFound);
    other.finish(other.success(task.as_str())).await.unwrap();
    assert_eq!(c1.task(&task).unwrap().handed_out, 2);
}

#[tokio::test]
async fn a_cancelled_task_is_told_at_the_next_heartbeat_and_not_offered_any_more() {
    let c1 = c1().await;
    let connector = Connector::greeted(&c1).await;
    let (task, never) = (c1.give(0, TaskSpec::sync_full()).unwrap(), c1.give(0, TaskSpec::Grant).unwrap());
    c1.cancel(&never).unwrap();
    connector.task().await.unwrap();
    assert_eq!(connector.task().await, None);
    c1.cancel(&task).unwrap();
    assert!(connector.beat(connector.pulse(task.as_str())).await.unwrap().cancelled);
    connector.finish(connector.success(task.as_str())).await.unwrap();
}

#[tokio::test]
async fn several_tasks_are_polled_and_kept_alive_at_once() {
    let c1 = c1().await;
    let connector = Connector::greeted(&c1).await;
    let tasks = [(); 3].map(|()| c1.give(0, TaskSpec::sync_full()).unwrap());
    let ask = |page_size| BatonServiceGetTasksRequest {
        host_id: connector.host.to_owned(),
        page_size,
        ..BatonServiceGetTasksRequest::default()
    };
    let mut rpc = connector.rpc.clone();
    let got = rpc.get_tasks(connector.with_token(ask(2))).await.unwrap().into_inner();
    let ids: Vec<_> = got.tasks.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(ids, [tasks[0].as_str(), tasks[1].as_str()]);
    assert_eq!(rpc.get_tasks(connector.with_token(ask(0))).await.unwrap_err().code(), Code::InvalidArgument);

    c1.cancel(&tasks[1]).unwrap();
    let both: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    let pulse = BatonServiceHeartbeatRequest { task_ids: both, ..connector.pulse("") };
    let beat = connector.beat(pulse).await.unwrap();
    assert_eq!((beat.cancelled, &beat.cancelled_task_ids[..]), (false, &[tasks[1].to_string()][..]));
    assert_eq!(c1.task(&tasks[0]).unwrap().heartbeats, 1);
}

#[tokio::test]
async fn the_tasks_of_one_client_are_nobody_elses() {
    let config = C1Config { clients: C1Config::named(2), ..C1Config::default() };
    let c1 = C1Simulator::start(config).await.unwrap();
    let (one, two) = (Connector::greeted(&c1).await, Connector::greeted_as(&c1, 1, "host-1").await);
    let task = c1.give(1, TaskSpec::sync_full()).unwrap();
    assert_eq!(one.task().await, None);
    assert_eq!(two.task().await.unwrap().id, task.as_str());
    assert_eq!(one.beat(one.pulse(task.as_str())).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(one.finish(one.success(task.as_str())).await.unwrap_err().code(), Code::NotFound);
    let upload = one.upload(one.parts(task.as_str(), &[b"x"])).await.unwrap_err();
    assert_eq!(upload.code(), Code::NotFound);
    two.finish(two.success(task.as_str())).await.unwrap();
}

#[tokio::test]
async fn debugging_is_not_wanted() {
    let c1 = c1().await;
    let connector = Connector::greeted(&c1).await;
    let mut rpc = connector.rpc.clone();
    let answer = rpc.start_debugging(connector.with_token(StartDebuggingRequest {})).await.unwrap();
    assert!(!answer.into_inner().status);
}

#[tokio::test]
async fn who_waits_in_vain_is_told_what_happened_instead() {
    let c1 = c1().await;
    let connector = Connector::greeted(&c1).await;
    let task = c1.give(0, TaskSpec::sync_full()).unwrap();
    connector.task().await.unwrap();
    c1.until(SOON, |transcript| transcript.len() == 3).await.unwrap();
    let error = c1.until_finished(&task, Duration::from_millis(20)).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("task {task} has not ended within 20ms")), "{error}");
    assert!(error.contains("GetTask -> sync_full"), "{error}");
}
