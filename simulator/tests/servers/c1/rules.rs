//! What is wrong with a message is refused, and says so.

use c1_protocol::c1::connectorapi::baton::v1::baton_service_finish_task_request::{
    self as finish, FinalState,
};
use c1_protocol::c1::connectorapi::baton::v1::baton_service_upload_asset_request::{
    Msg, UploadData, UploadEof,
};
use c1_protocol::c1::connectorapi::baton::v1::{
    BatonServiceFinishTaskRequest, BatonServiceHeartbeatRequest, BatonServiceHelloRequest,
    BatonServiceUploadAssetRequest,
};
use c1_protocol::google::rpc;
use connector_simulator::{C1Simulator, TaskSpec};
use prost_types::Any;
use tonic::{Code, Status};

use super::connector::{Connector, c1};

/// A connector with a task in hand.
async fn at_work() -> (C1Simulator, Connector, String) {
    let c1 = c1().await;
    let connector = Connector::greeted(&c1).await;
    let task = c1.give(0, TaskSpec::sync_full()).unwrap();
    connector.task().await.unwrap();
    (c1, connector, task.to_string())
}

fn assert_refused(refused: &Status, code: Code, says: &str) {
    assert_eq!(refused.code(), code, "{refused:?} instead of {says}");
    assert!(refused.message().contains(says), "{refused:?} does not say {says}");
}

#[tokio::test]
async fn a_hello_that_lacks_something_is_refused() {
    type Spoil = fn(&mut BatonServiceHelloRequest);
    let cases: [(Spoil, &str); 13] = [
        (|it| it.host_id.clear(), "host_id"),
        (|it| it.host_id = "h".repeat(257), "host_id"),
        (|it| it.task_id = "short".into(), "task_id"),
        (|it| it.build_info = None, "build_info"),
        (|it| it.build_info.as_mut().unwrap().package.clear(), "build_info.package"),
        (|it| it.build_info.as_mut().unwrap().lang_version = "l".repeat(257), "build_info.lang_version"),
        (|it| it.os_info = None, "os_info"),
        (|it| it.os_info.as_mut().unwrap().kernel_version.clear(), "os_info.kernel_version"),
        (|it| it.os_info.as_mut().unwrap().virtualization_system.clear(), "os_info.virtualization_system"),
        (|it| it.connector_metadata = None, "connector_metadata"),
        (|it| it.connector_metadata.as_mut().unwrap().display_name.clear(), "display_name"),
        (|it| it.connector_metadata.as_mut().unwrap().help_url = "http://help".into(), "help_url"),
        (|it| it.annotations = vec![Any::default(); 17], "annotations"),
    ];
    let c1 = c1().await;
    let connector = Connector::signed_in(&c1, 0, "host-1").await;
    for (spoil, says) in cases {
        let mut hello = connector.hello();
        spoil(&mut hello);
        assert_refused(&connector.say(hello).await.unwrap_err(), Code::InvalidArgument, says);
    }
    assert!(c1.hellos().is_empty());
}

#[tokio::test]
async fn a_heartbeat_of_nothing_or_of_too_much_is_refused() {
    let (_c1, connector, task) = at_work().await;
    type Spoil = fn(&mut BatonServiceHeartbeatRequest);
    let cases: [(Spoil, Code, &str); 6] = [
        (|it| it.host_id.clear(), Code::InvalidArgument, "host_id"),
        (|it| it.task_id.clear(), Code::InvalidArgument, "names no task"),
        (|it| it.task_id = "0".repeat(26), Code::InvalidArgument, "task_id"),
        (|it| it.task_id = "0".repeat(27), Code::NotFound, "no task"),
        (|it| it.task_ids = vec!["0".repeat(27); 101], Code::InvalidArgument, "more than 100"),
        (|it| it.host_id = "host-2".into(), Code::NotFound, "no task"),
    ];
    for (spoil, code, says) in cases {
        let mut pulse = connector.pulse(&task);
        spoil(&mut pulse);
        assert_refused(&connector.beat(pulse).await.unwrap_err(), code, says);
    }
    connector.beat(connector.pulse(&task)).await.unwrap();
}

#[tokio::test]
async fn an_end_that_cannot_be_believed_is_refused() {
    fn failed(request: &mut BatonServiceFinishTaskRequest, code: i32) {
        request.final_state = Some(FinalState::Error(finish::Error::default()));
        request.status = Some(rpc::Status { code, ..rpc::Status::default() });
    }
    let (c1, connector, task) = at_work().await;
    type Spoil = fn(&mut BatonServiceFinishTaskRequest);
    let cases: [(Spoil, Code, &str); 7] = [
        (|it| it.host_id.clear(), Code::InvalidArgument, "host_id"),
        (|it| it.task_id = "!".repeat(27), Code::InvalidArgument, "task_id"),
        (|it| it.task_id = "0".repeat(27), Code::NotFound, "no task"),
        (|it| it.final_state = None, Code::InvalidArgument, "final_state"),
        (|it| it.status = Some(rpc::Status::default()), Code::InvalidArgument, "success has a status"),
        (|it| failed(it, 0), Code::InvalidArgument, "status OK"),
        (
            |it| {
                failed(it, 2);
                it.status = None;
            },
            Code::InvalidArgument,
            "no status",
        ),
    ];
    for (spoil, code, says) in cases {
        let mut request = connector.success(&task);
        spoil(&mut request);
        assert_refused(&connector.finish(request).await.unwrap_err(), code, says);
    }
    assert_eq!(c1.finished(&task.as_str().into()), None);
    connector.finish(connector.success(&task)).await.unwrap();
}

#[tokio::test]
async fn an_upload_out_of_order_or_with_the_wrong_content_is_refused_and_not_kept() {
    let (c1, connector, task) = at_work().await;
    type Spoil = fn(&mut Vec<Msg>);
    let cases: [(Spoil, Code, &str); 10] = [
        (Vec::clear, Code::InvalidArgument, "begins with its metadata"),
        (|it| drop(it.remove(0)), Code::InvalidArgument, "begins with its metadata"),
        (|it| it.insert(1, it[0].clone()), Code::InvalidArgument, "metadata twice"),
        (|it| drop(it.pop()), Code::InvalidArgument, "stops before its end"),
        (|it| it.push(it[1].clone()), Code::InvalidArgument, "after an upload's end"),
        (|it| drop(it.drain(1..3)), Code::InvalidArgument, "no data"),
        (|it| it[1] = Msg::Data(UploadData::default()), Code::InvalidArgument, "0 bytes"),
        (
            |it| it[1] = Msg::Data(UploadData { data: vec![0; (1 << 20) + 1].into() }),
            Code::InvalidArgument,
            "1048577 bytes",
        ),
        (|it| it[3] = Msg::Eof(UploadEof::default()), Code::InvalidArgument, "32 bytes"),
        (|it| it.swap(1, 2), Code::DataLoss, "checksum"),
    ];
    for (spoil, code, says) in cases {
        let mut parts = connector.parts(&task, &[b"one", b"two"]);
        spoil(&mut parts);
        assert_refused(&connector.upload(parts).await.unwrap_err(), code, says);
    }
    let empty = tokio_stream::iter([BatonServiceUploadAssetRequest { msg: None }]);
    let refused = connector.rpc.clone().upload_asset(connector.with_token(empty)).await.unwrap_err();
    assert_refused(&refused, Code::InvalidArgument, "empty");
    assert!(c1.all_files().is_empty());
    connector.upload(connector.parts(&task, &[b"one", b"two"])).await.unwrap();
    assert_eq!(c1.all_files().len(), 1);
}

#[tokio::test]
async fn an_upload_for_a_task_that_is_over_is_refused() {
    let (_c1, connector, task) = at_work().await;
    connector.finish(connector.success(&task)).await.unwrap();
    let refused = connector.upload(connector.parts(&task, &[b"late"])).await.unwrap_err();
    assert_refused(&refused, Code::NotFound, "no task");
}
