//! Doing a task to read everything: heartbeats go on while it is read and uploaded, until the task is done, or no
//! longer wanted.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::finish::End;
use super::heartbeat;
use super::upload::upload;
use super::{Asset, LastUpload, Reader, Refused, Service, SyncTask, View};

/// Reads and uploads what `task` wants. What is returned is what C1 is to be told.
pub(super) async fn sync_full(
    service: &Service,
    reader: &Arc<dyn Reader>,
    task: &SyncTask,
    first_heartbeat: Duration,
    view: &watch::Sender<View>,
    stop: &CancellationToken,
) -> End {
    let doing = async {
        let asset = reader.read(task).await?;
        tracing::info!(
            task = task.id,
            run = asset.sync_id,
            bytes = asset.size,
            "Uploading the snapshot to C1"
        );
        upload(service, &task.id, &asset).await.map_err(|error| Refused {
            code: error.code(),
            message: format!("The snapshot could not be uploaded: {error}"),
            non_retryable: false,
        })?;
        tracing::info!(task = task.id, run = asset.sync_id, "C1 has taken the snapshot");
        view.send_modify(|view| view.uploaded(uploaded(&task.id, &asset)));
        Ok(())
    };
    tokio::select! {
        end = doing => end,
        refused = heartbeat::beat(service, &task.id, first_heartbeat) => Err(refused),
        () = stop.cancelled() => Err(stopped()),
    }
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
        digest: asset.sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
        size: asset.size,
        time: Timestamp::now(),
    }
}
