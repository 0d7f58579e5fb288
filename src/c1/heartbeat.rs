//! Heartbeats: they keep a task from being given to somebody else, and tell whether it is still wanted.

use std::time::Duration;

use tonic::Code;

use super::{C1Error, Refused, Service};
use crate::proto::c1::connectorapi::baton::v1 as api;

/// Where C1 does not say when the next is due.
const USUAL: Duration = Duration::from_secs(30);
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// So many that fail in a row mean that the task is somebody else's by now.
const FAILURES: u32 = 10;

/// Beats for the task `id` until it is no longer wanted, and says why. The first is due in `first`.
pub(super) async fn beat(service: &Service, id: &str, first: Duration) -> Refused {
    let mut wait = first;
    let mut failures = 0;
    loop {
        tokio::time::sleep(wait).await;
        match service.heartbeat(id).await {
            Ok(response) if response.cancelled => return no_longer("C1 no longer wants it."),
            Ok(response) => {
                failures = 0;
                wait = next(&response);
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
                wait = wait.clamp(SHORTEST, USUAL);
            }
        }
    }
}

fn no_longer(message: &str) -> Refused {
    Refused { code: Code::Cancelled, message: message.to_owned(), non_retryable: false }
}

fn next(response: &api::BatonServiceHeartbeatResponse) -> Duration {
    due(response.next_heartbeat)
}

/// When the next heartbeat is due, where C1 says `asked`.
pub(super) fn due(asked: Option<prost_types::Duration>) -> Duration {
    match asked.map(Duration::try_from) {
        Some(Ok(asked)) if !asked.is_zero() => asked.clamp(SHORTEST, LONGEST),
        _ => USUAL,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(None, 30)]
    #[case(Some(0), 30)]
    #[case(Some(-5), 30)]
    #[case(Some(10), 10)]
    #[case(Some(3600), 300)]
    fn the_next_heartbeat_is_due_when_c1_says_within_bounds(
        #[case] asked: Option<i64>,
        #[case] seconds: u64,
    ) {
        let asked = asked.map(|seconds| prost_types::Duration { seconds, nanos: 0 });
        assert_eq!(due(asked), Duration::from_secs(seconds));
        assert_eq!(due(Some(prost_types::Duration { seconds: 0, nanos: 1 })), SHORTEST);
    }
}
