//! Heartbeats: they keep a task from being given to somebody else, and tell whether it is still wanted.

use std::time::Duration;

use tonic::Code;

use super::{C1Error, Pace, Refused, Service};

/// So many that fail in a row mean that the task is somebody else's by now.
const FAILURES: u32 = 10;

/// Beats for the task `id` until it is no longer wanted, and says why. The first is due in `first`.
pub(super) async fn beat(service: &Service, pace: &Pace, id: &str, first: Duration) -> Refused {
    let mut wait = first;
    let mut failures = 0;
    loop {
        tokio::time::sleep(wait).await;
        match service.heartbeat(id, pace.usual_heartbeat).await {
            Ok(response) if response.cancelled => return no_longer("C1 no longer wants it."),
            Ok(response) => {
                failures = 0;
                wait = pace.until_next_heartbeat(response.next_heartbeat);
            }
            Err(C1Error::Refused { code: Code::NotFound, .. }) => {
                return no_longer("C1 does not know the task any more.");
            }
            Err(error) => {
                failures += 1;
                tracing::debug!(%error, failures, "A heartbeat was not taken");
                if failures == FAILURES {
                    return no_longer("C1 took none of the last heartbeats.");
                }
                wait = wait.min(pace.usual_heartbeat);
            }
        }
    }
}

fn no_longer(message: &str) -> Refused {
    Refused { code: Code::Cancelled, message: message.to_owned(), non_retryable: false }
}
