//! One run, from its start to its outcome: read everything, check it, compare it, publish it. Nothing is published
//! unless everything was read.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::access::guard::{Limits, ScopeCounts};
use crate::access::{self, Progress, RecordReceiver, ResourceType, in_words};
use crate::api::{Reason, Trigger};
use crate::connectors::{Connector, Upstream};
use crate::snapshot::{SnapshotWriter, SyncId, WriteError};

use super::{Credential, Destination, Ended, Failure, Outcome, Published, SecretSeen};

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
    /// How much may be missing of what was published.
    pub limits: Limits,
    /// What the status remembers of the last snapshot published, should the store have lost it.
    pub before: Option<PublishedBefore>,
    /// The id of a held run whose removals a person has approved.
    pub approved: Option<String>,
}

/// What is remembered of a published snapshot apart from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedBefore {
    /// The run that read it.
    pub id: SyncId,
    /// The vendor's stable id of what was read.
    pub account_id: String,
    /// How many of it are in each scope of the removal guard.
    pub scopes: ScopeCounts,
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
    destination: Arc<dyn Destination>,
    progress: impl FnOnce(Arc<Progress>) + Send,
    cancel: CancellationToken,
) -> Option<Outcome> {
    let started = Timestamp::now();
    let opened = tokio::select! {
        opened = tokio::time::timeout(plan.timeout, source.open()) => opened.unwrap_or_else(|_| not_opened()),
        () = cancel.cancelled() => return None,
    };
    let result = match opened.connector {
        Err(failure) => Err(failure),
        Ok((connector, credential)) => {
            let pages = Arc::new(OnceLock::new());
            let keep = Arc::clone(&pages);
            let progress = move |made: Arc<Progress>| {
                let _ = keep.set(Arc::clone(&made));
                progress(made);
            };
            let reading = read(&plan, connector.as_ref(), &credential, started, progress);
            let result = tokio::select! {
                read = tokio::time::timeout(plan.timeout, reading) => match read {
                    Ok(Ok(read)) => publish(read, destination, connector.resource_types(), cancel).await?,
                    Ok(Err(failure)) => Err(failure),
                    Err(_) => Err(timed_out(plan.timeout)),
                },
                () = cancel.cancelled() => return None,
            };
            // A page that came was an answer to this credential.
            let answered = pages.get().is_some_and(|progress| progress.pages() > 0);
            result.map_err(|failure| Failure { authenticated: failure.authenticated || answered, ..failure })
        }
    };
    log(&plan, &result);
    Some(Outcome {
        id: plan.id.to_string(),
        generation: plan.generation,
        trigger: plan.trigger,
        requested_at: plan.requested_at,
        approved: plan.approved,
        secret: opened.secret,
        started,
        completed: Timestamp::now(),
        result: result.map(Ended::Published),
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

/// Completes the snapshot and publishes it. `None` when the run was cancelled before it was published.
async fn publish(
    read: Read,
    destination: Arc<dyn Destination>,
    types: &'static [ResourceType],
    cancel: CancellationToken,
) -> Option<Result<Published, Failure>> {
    const DOING: &str = "publishing the snapshot";
    let Read { writer, upstream } = read;
    let publishing = tokio::task::spawn_blocking(move || {
        let finished = writer.finish(Timestamp::now())?;
        if cancel.is_cancelled() {
            return Ok(None);
        }
        destination.publish(&finished, upstream, types).map(Some)
    });
    match publishing.await {
        Ok(Ok(published)) => published.map(Ok),
        Ok(Err(error)) => Some(Err(Failure::snapshot(DOING, &error))),
        Err(panic) => Some(Err(Failure::snapshot(DOING, &panic))),
    }
}

fn not_opened() -> Opened {
    let message = "Kubernetes did not answer in time when asked for the credential. The run is tried again.";
    Opened { secret: SecretSeen::Unread, connector: Err(Failure::new(Reason::KubernetesError, message)) }
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::access::guard::Scoping;
    use crate::access::{Counts, RecordId, RecordSender};
    use crate::api::Class;
    use crate::connectors::{LookUp, ReadError, scalr};
    use crate::snapshot::Finished;
    use crate::sync::PublishError;

    /// Reads nothing, and does `then` before it says so.
    struct Reader<F>(F);

    #[async_trait]
    impl<F: Fn() -> Result<(), ReadError> + Send + Sync> Connector for Reader<F> {
        fn resource_types(&self) -> &'static [ResourceType] {
            &[scalr::USER]
        }

        async fn read(&self, _: &RecordSender) -> Result<Upstream, ReadError> {
            (self.0)()?;
            Ok(Upstream { account_id: "acc-1".into() })
        }

        fn scoping(&self) -> Scoping {
            Scoping::Users
        }

        async fn look_up(&self, _: &[RecordId]) -> Result<LookUp, ReadError> {
            Ok(LookUp::Found(Vec::new()))
        }
    }

    struct Once(Mutex<Option<Box<dyn Connector>>>);

    #[async_trait]
    impl Source for Once {
        async fn open(&self) -> Opened {
            let credential = Credential { name: "API token", place: "key api-token of Secret acme".into() };
            let connector = self.0.lock().unwrap().take().unwrap();
            Opened { secret: SecretSeen::Version("7".into()), connector: Ok((connector, credential)) }
        }
    }

    #[derive(Default)]
    struct Taken(Mutex<Vec<Counts>>);

    impl Destination for Taken {
        fn publish(
            &self,
            finished: &Finished,
            upstream: Upstream,
            _: &[ResourceType],
        ) -> Result<Published, PublishError> {
            self.0.lock().unwrap().push(finished.counts().clone());
            Ok(Published {
                account_id: upstream.account_id,
                counts: finished.counts().clone(),
                scopes: ScopeCounts::new(),
                changes: None,
                uri: String::new(),
                digest: String::new(),
                size: 0,
            })
        }
    }

    async fn run_with(
        then: impl Fn() -> Result<(), ReadError> + Send + Sync + 'static,
        cancel: CancellationToken,
    ) -> (Option<Outcome>, usize) {
        let scratch = tempfile::tempdir().unwrap();
        let plan = Plan {
            id: SyncId::new(Timestamp::now()),
            generation: 1,
            trigger: Trigger::First,
            requested_at: None,
            timeout: Duration::from_secs(10),
            scratch: scratch.path().to_owned(),
            limits: Limits::default(),
            before: None,
            approved: None,
        };
        let source = Once(Mutex::new(Some(Box::new(Reader(then)))));
        let taken = Arc::new(Taken::default());
        let destination = Arc::clone(&taken) as Arc<dyn Destination>;
        let outcome = run(plan, &source, destination, |_| {}, cancel).await;
        let published = taken.0.lock().unwrap().len();
        (outcome, published)
    }

    #[tokio::test]
    async fn what_was_read_whole_is_published_once() {
        let (outcome, published) = run_with(|| Ok(()), CancellationToken::new()).await;
        let Ok(Ended::Published(ended)) = outcome.unwrap().result else { panic!("not published") };
        assert_eq!(ended.account_id, "acc-1");
        assert_eq!(published, 1);
    }

    #[tokio::test]
    async fn what_was_not_read_whole_is_not_published() {
        let fails = || Err(ReadError::EmptyAccount("there is nobody".into()));
        let (outcome, published) = run_with(fails, CancellationToken::new()).await;
        let failure = outcome.unwrap().result.unwrap_err();
        assert_eq!(
            (failure.reason, failure.reason.class()),
            (Reason::EmptyAccount, Some(Class::WaitForChange))
        );
        assert_eq!(published, 0);
    }

    #[tokio::test]
    async fn a_run_cancelled_as_its_reading_ends_publishes_nothing_and_says_nothing() {
        let cancel = CancellationToken::new();
        let token = cancel.clone();
        let cancelled = move || {
            token.cancel();
            Ok(())
        };
        let (outcome, published) = run_with(cancelled, cancel).await;
        assert!(outcome.is_none());
        assert_eq!(published, 0);
    }
}
