//! What tasks are called, and what is said to those that no connector here does.

use tonic::Code;

use super::Refused;
use crate::proto::c1::connectorapi::baton::v1 as api;

use api::task::TaskType;

/// Whatever writes, or wants what no connector here has. It stays so, however often C1 asks.
pub(super) fn unsupported(kind: &'static str, task: Option<&TaskType>) -> Refused {
    let (code, message) = match task {
        Some(
            TaskType::Grant(_)
            | TaskType::Revoke(_)
            | TaskType::CreateAccount(_)
            | TaskType::CreateResource(_)
            | TaskType::DeleteResource(_)
            | TaskType::RotateCredentials(_)
            | TaskType::IssueCredential(_),
        ) => (
            Code::FailedPrecondition,
            format!(
                "This connector only reads: provisioning is not supported (unsupported task type {kind})."
            ),
        ),
        _ => {
            (Code::Unimplemented, format!("This connector does not do that (unsupported task type {kind})."))
        }
    };
    Refused { code, message, non_retryable: true }
}

/// What a task asks for, as C1 calls it.
pub(super) fn kind_of(task: Option<&TaskType>) -> &'static str {
    match task {
        None => "unknown",
        Some(task) => match task {
            TaskType::None(_) => "none",
            TaskType::Hello(_) => "hello",
            TaskType::SyncFull(_) => "sync_full",
            TaskType::Grant(_) => "grant",
            TaskType::Revoke(_) => "revoke",
            TaskType::CreateAccount(_) => "create_account",
            TaskType::CreateResource(_) => "create_resource",
            TaskType::DeleteResource(_) => "delete_resource",
            TaskType::RotateCredentials(_) => "rotate_credentials",
            TaskType::EventFeed(_) => "event_feed",
            TaskType::CreateTicketTask(_) => "create_ticket",
            TaskType::ListTicketSchemas(_) => "list_ticket_schemas",
            TaskType::GetTicket(_) => "get_ticket",
            TaskType::BulkCreateTickets(_) => "bulk_create_tickets",
            TaskType::BulkGetTickets(_) => "bulk_get_tickets",
            TaskType::ActionListSchemas(_) => "action_list_schemas",
            TaskType::ActionGetSchema(_) => "action_get_schema",
            TaskType::ActionInvoke(_) => "action_invoke",
            TaskType::ActionStatus(_) => "action_status",
            TaskType::CreateSyncDiff(_) => "create_sync_diff",
            TaskType::CompactSyncs(_) => "compact_syncs",
            TaskType::ListEventFeeds(_) => "list_event_feeds",
            TaskType::ListEvents(_) => "list_events",
            TaskType::IssueCredential(_) => "issue_credential",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_writes_is_refused_for_good() {
        let grant = TaskType::Grant(api::task::GrantTask {});
        let refused = unsupported("grant", Some(&grant));
        assert_eq!((refused.code, refused.non_retryable), (Code::FailedPrecondition, true));
        let refused = unsupported("unknown", None);
        assert_eq!((refused.code, refused.non_retryable), (Code::Unimplemented, true));
        assert!(refused.message.contains("unsupported task type"), "{}", refused.message);
    }
}
