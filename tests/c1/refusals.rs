//! What is refused, by the connector or by its reader, and in which words C1 hears it.

use connector_operator::c1::{Refused, TaskEnd};
use connector_operator::snapshot::Selection;
use connector_simulator::TaskSpec;
use connector_simulator::c1::{Finished, SyncFull, Target};
use rstest::rstest;
use tonic::Code;

use crate::stage::Stage;

#[rstest]
#[case(
    TaskSpec::Grant,
    Code::FailedPrecondition,
    "provisioning is not supported (unsupported task type grant)"
)]
#[case(TaskSpec::EventFeed, Code::Unimplemented, "unsupported task type event_feed")]
#[case(TaskSpec::ListTicketSchemas, Code::Unimplemented, "unsupported task type list_ticket_schemas")]
#[case(TaskSpec::Unknown, Code::Unimplemented, "unsupported task type unknown")]
#[tokio::test]
async fn what_a_connector_cannot_do_is_ended_for_good(
    #[case] task: TaskSpec,
    #[case] expected: Code,
    #[case] words: &str,
) {
    let stage = Stage::new().await;
    let task = stage.give(task);
    let Finished::Error { code, message, non_retryable } = stage.finished(&task).await else { panic!() };
    assert_eq!((code, non_retryable), (expected, true));
    assert!(message.contains(words), "{message}");
    assert_eq!(stage.reader.reads().begun, 0);
}

#[tokio::test]
async fn a_task_of_nothing_is_passed_over() {
    let stage = Stage::new().await;
    let none = stage.give(TaskSpec::None);
    let hello = stage.give(TaskSpec::Hello);
    stage.finished(&hello).await;
    assert_eq!((stage.task(&none).handed_out, stage.c1.transcript().len()), (1, 5));
    assert_eq!(stage.view.borrow().last_task, None);
}

#[tokio::test]
async fn single_resources_are_refused() {
    let stage = Stage::new().await;
    let target = Target { resource_type: "user".to_owned(), resource: "ada".to_owned() };
    let sync = SyncFull { targeted_sync_resources: vec![target], ..SyncFull::default() };
    let task = stage.give(TaskSpec::SyncFull(sync));
    let Finished::Error { code, non_retryable, .. } = stage.finished(&task).await else { panic!() };
    assert_eq!((code, non_retryable, stage.reader.reads().begun), (Code::Unimplemented, true, 0));
}

#[tokio::test]
async fn what_a_task_selects_is_what_the_reader_is_asked_for() {
    let stage = Stage::new().await;
    let sync = SyncFull {
        skip_grants: true,
        sync_resource_type_ids: vec!["user".to_owned()],
        ..SyncFull::default()
    };
    let task = stage.give(TaskSpec::SyncFull(sync));
    assert_eq!(stage.finished(&task).await, Finished::Success);
    let expected =
        Selection { resource_types: Some(["user".to_owned()].into()), entitlements: true, grants: false };
    assert_eq!(stage.reader.asked(), [expected]);
}

#[tokio::test]
async fn the_readers_refusal_is_what_c1_hears() {
    let stage = Stage::new().await;
    for (code, non_retryable) in [(Code::PermissionDenied, true), (Code::Unavailable, false)] {
        let message = "The token lacks a permission.\nGive it.".to_owned();
        stage.reader.refuse(Refused { code, message: message.clone(), non_retryable });
        let task = stage.give(TaskSpec::sync_full());
        let heard = Finished::Error { code, message: message.replace('\n', " "), non_retryable };
        assert_eq!(stage.finished(&task).await, heard);
        assert!(stage.c1.files(&task).is_empty());
        let view = stage.sees("the task has ended", |view| {
            view.last_task.as_ref().is_some_and(|it| it.id == task.as_str() && it.ended.is_some())
        });
        let (_, end) = view.await.last_task.unwrap().ended.unwrap();
        assert_eq!(end, TaskEnd::Failed { code, message });
    }
}
