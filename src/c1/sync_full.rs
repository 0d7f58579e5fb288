//! Doing a task to read everything: heartbeats go on while it is read and uploaded, until the task is done, or no
//! longer wanted.

use std::pin::pin;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;
use tonic::Code;
use tracing::field::Empty;

use super::finish::End;
use super::hand::Hand;
use super::heartbeat;
use super::upload::{Sent, upload};
use super::{Asset, LastUpload, Refused, SyncTask};
use crate::telemetry::TRACED;

/// Reads and uploads what `task` wants. What is returned is what C1 is to be told.
pub(super) async fn sync_full(hand: &Hand, task: &SyncTask, first_heartbeat: Duration) -> End {
    let sent = Sent::default();
    let mut doing = pin!(read_and_upload(hand, task, &sent));
    // In this order: what is done is done, even if it is called off at the same moment.
    let refused = tokio::select! {
        biased;
        end = &mut doing => return end,
        refused = heartbeat::beat(&hand.service, &hand.pace, &task.id, first_heartbeat) => return Err(refused),
        () = hand.stop.cancelled() => stopped(),
    };
    // C1 has all of the file, and may have taken it already: it would be a pity to read everything again.
    if !sent.call_off()
        && let Ok(Ok(())) = timeout(hand.pace.last_answer(), doing).await
    {
        return Ok(());
    }
    Err(refused)
}

async fn read_and_upload(hand: &Hand, task: &SyncTask, sent: &Sent) -> End {
    let asset = hand.reader.read(task).await?;
    tracing::info!(run = asset.sync_id, bytes = asset.size, "Uploading the snapshot to C1");
    // Part of the run's trace, although its lines are the task's.
    let uploading = tracing::debug_span!(
        target: TRACED, parent: &asset.run, "upload", bytes = asset.size, otel.status_code = Empty
    );
    let end = upload(&hand.service, &hand.pace, &task.id, &asset, sent).await;
    if end.is_err() {
        uploading.record("otel.status_code", "ERROR");
    }
    drop(uploading);
    end.map_err(|error| Refused {
        code: error.code(),
        message: format!("The snapshot could not be uploaded: {error}"),
        non_retryable: false,
    })?;
    tracing::info!(run = asset.sync_id, "C1 has taken the snapshot");
    hand.view.send_modify(|view| view.uploaded(uploaded(&task.id, &asset)));
    Ok(())
}

fn stopped() -> Refused {
    Refused {
        code: Code::Cancelled,
        message: "The connector was stopped before the task was done.".to_owned(),
        non_retryable: false,
    }
}

fn uploaded(task_id: &str, asset: &Asset) -> LastUpload {
    LastUpload {
        task_id: task_id.to_owned(),
        sync_id: asset.sync_id.clone(),
        digest: asset.digest(),
        size: asset.size,
        time: Timestamp::now(),
    }
}
