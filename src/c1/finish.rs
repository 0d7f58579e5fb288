//! Telling C1 how a task ended. It is told again until it has heard, within limits: a task that nobody ends is given
//! out once more, and everything is read for nothing.

use std::time::Duration;

use tonic::Code;

use super::{C1Error, Refused, Service, TaskEnd};
use crate::network::clean;
use crate::proto::c1::connectorapi::baton::v1 as api;
use crate::proto::google::rpc;

use api::baton_service_finish_task_request::{Error, FinalState, Success};

/// How often C1 is told.
const TRIES: u32 = 5;
/// The most bytes of a sentence.
const MESSAGE_BYTES: usize = 4096;

/// How a task ended, as C1 is told.
pub(super) type End = Result<(), Refused>;

/// Tells C1 that the task `id` has ended so. Before the second try it waits `wait`, and twice as long before each next.
///
/// # Errors
/// When C1 has not heard it after all tries. It then gives the task out again.
pub(super) async fn finish(
    service: &Service,
    id: &str,
    end: &End,
    mut wait: Duration,
) -> Result<(), C1Error> {
    let request = request(service.host_id(), id, end);
    let mut tries = 1;
    loop {
        let error = match service.finish_task(&request).await {
            // What C1 does not know needs no end.
            Ok(()) | Err(C1Error::Refused { code: Code::NotFound, .. }) => return Ok(()),
            Err(error) => error,
        };
        if tries == TRIES || error.lasts() {
            return Err(error);
        }
        tracing::debug!(%error, "C1 is told of the end once more");
        tokio::time::sleep(wait).await;
        wait *= 2;
        tries += 1;
    }
}

fn request(host_id: String, id: &str, end: &End) -> api::BatonServiceFinishTaskRequest {
    let (status, state) = match end {
        Ok(()) => (None, FinalState::Success(Success::default())),
        Err(refused) => {
            let status = rpc::Status {
                code: refused.code.into(),
                message: clean(&refused.message, MESSAGE_BYTES),
                details: Vec::new(),
            };
            let error = Error { non_retryable: refused.non_retryable, ..Error::default() };
            (Some(status), FinalState::Error(error))
        }
    };
    api::BatonServiceFinishTaskRequest { host_id, task_id: id.to_owned(), status, final_state: Some(state) }
}

impl From<&End> for TaskEnd {
    fn from(end: &End) -> Self {
        match end {
            Ok(()) => Self::Succeeded,
            Err(Refused { code, message, .. }) => Self::Failed { code: *code, message: message.clone() },
        }
    }
}
