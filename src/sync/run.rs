//! One run, from its start to its outcome: read everything, check it, compare it, publish it. Nothing is published
//! unless everything was read.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::access::{self, Progress, RecordReceiver, ResourceType, in_words};
use crate::api::{Reason, Trigger};
use crate::connectors::{Connector, Upstream};
use crate::snapshot::{SnapshotWriter, SyncId, WriteError};

use super::{Credential, Destination, Failure, Outcome, Published, SecretSeen};

/// What to run, and why.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The run's id, which becomes that of its snapshot.
    pub id: SyncId,
    /// The generation of the spec that it runs for.
    pub generation: i64,
    /// Why it runs.
    pub trigger: Trigger,
    /// The value of the requestedAt annotation.
    pub requested_at: Option<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// The folder for scratch files.
    pub scratch: PathBuf,
}

/// Where a run gets its connector from, when it starts: this is where its Secret is read.
#[async_trait]
pub trait Source: Send + Sync {
    /// Reads the credential and opens the connector.
    async fn open(&self) -> Opened;
}

/// What came of opening.
pub struct Opened {
    /// What was found of the Secret.
    pub secret: SecretSeen,
    /// The connector, and whose words to use about its credential.
    pub connector: Result<(Box<dyn Connector>, Credential), Failure>,
}

/// Runs. `None` when it was cancelled: then nothing was published, and there is nothing to say.
pub async fn run(
    plan: Plan,
    source: &dyn Source,
    destination: &dyn Destination,
    progress: impl FnOnce(Arc<Progress>) + Send,
    cancel: CancellationToken,
) -> Option<Outcome> {
    let started = Timestamp::now();
    let opened = tokio::select! {
        opened = source.open() => opened,
        () = cancel.cancelled() => return None,
    };
    let result = match opened.connector {
        Err(failure) => Err(failure),
        Ok((connector, credential)) => {
            let reading = read(&plan, connector.as_ref(), &credential, started, progress);
            tokio::select! {
                read = tokio::time::timeout(plan.timeout, reading) => match read {
                    Ok(Ok(read)) => publish(read, destination, connector.resource_types()).await,
                    Ok(Err(failure)) => Err(failure),
                    Err(_) => Err(timed_out(plan.timeout)),
                },
                () = cancel.cancelled() => return None,
            }
        }
    };
    log(&plan, &result);
    Some(Outcome {
        id: plan.id.to_string(),
        generation: plan.generation,
        trigger: plan.trigger,
        requested_at: plan.requested_at,
        secret: opened.secret,
        started,
        completed: Timestamp::now(),
        result,
    })
}

/// Every run leaves a line, whether anything changed or not.
fn log(plan: &Plan, result: &Result<Published, Failure>) {
    let trigger = plan.trigger.as_str();
    match result {
        Ok(published) => tracing::info!(trigger, "Read {}.", in_words(&published.counts)),
        Err(failure) => tracing::warn!(trigger, reason = failure.reason.as_str(), "{}", failure.message),
    }
}

/// Everything that was read, whole.
struct Read {
    writer: SnapshotWriter,
    upstream: Upstream,
}

async fn read(
    plan: &Plan,
    connector: &dyn Connector,
    credential: &Credential,
    started: Timestamp,
    progress: impl FnOnce(Arc<Progress>) + Send,
) -> Result<Read, Failure> {
    let (sender, receiver) = access::channel();
    progress(Arc::clone(sender.progress()));
    let writing = write_in_background(plan, connector.resource_types(), started, receiver);
    let upstream = connector.read(&sender).await;
    drop(sender);
    let written = writing.await.map_err(|panic| Failure::snapshot("writing the snapshot", &panic))?;
    // The writer's error is the cause where both have one: a reader whose records nobody takes fails too.
    let writer = written.map_err(|error| Failure::snapshot("writing the snapshot", &error))?;
    let upstream = upstream.map_err(|error| Failure::read(&error, credential))?;
    Ok(Read { writer, upstream })
}

fn write_in_background(
    plan: &Plan,
    types: &'static [ResourceType],
    started: Timestamp,
    mut records: RecordReceiver,
) -> JoinHandle<Result<SnapshotWriter, WriteError>> {
    let (scratch, id) = (plan.scratch.clone(), plan.id.clone());
    tokio::task::spawn_blocking(move || {
        let mut writer = SnapshotWriter::create(&scratch, types, id, started)?;
        while let Some(page) = records.blocking_next() {
            writer.write(page)?;
        }
        Ok(writer)
    })
}

async fn publish(
    read: Read,
    destination: &dyn Destination,
    types: &'static [ResourceType],
) -> Result<Published, Failure> {
    let Read { writer, upstream } = read;
    let finished = tokio::task::spawn_blocking(move || writer.finish(Timestamp::now()))
        .await
        .map_err(|panic| Failure::snapshot("completing the snapshot", &panic))?
        .map_err(|error| Failure::snapshot("completing the snapshot", &error))?;
    destination.publish(finished, upstream, types).await
}

fn timed_out(timeout: Duration) -> Failure {
    let seconds = timeout.as_secs();
    Failure::new(
        Reason::TimedOut,
        format!(
            "The run took longer than the {seconds} s that spec.timeout allows. Set a longer spec.timeout."
        ),
    )
}
