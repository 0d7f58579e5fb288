//! One run, from its start to its outcome: read everything, check it, confirm what disappeared, judge it, and publish
//! or hold it. Nothing is published unless everything was read.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::access::guard::Limits;
use crate::access::{Progress, in_words};
use crate::api::{Reason, Trigger};
use crate::clock::Clock;
use crate::connectors::Connector;
use crate::snapshot::{StoreError, SyncId};
use crate::telemetry::TRACED;

use super::background::in_background;
use super::reading::{Reader, Reading};
use super::verdict::{self, Rules};
use super::{
    Credential, Destination, Ended, Failure, Outcome, PublishError, PublishedBefore, SecretSeen, Settings,
};

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
    /// May what is told of changes name people?
    pub names: bool,
    /// What time it is.
    pub clock: Clock,
}

impl Plan {
    /// The plan of a run that a person asks for by a command, with nothing remembered of runs before.
    pub fn once(timeout: Duration, scratch: PathBuf) -> Self {
        Self {
            id: SyncId::new(Timestamp::now()),
            generation: 0,
            trigger: Trigger::Requested,
            requested_at: None,
            timeout,
            scratch,
            limits: Limits::default(),
            before: None,
            approved: None,
            names: false,
            clock: Clock::system(),
        }
    }
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

/// Runs; `progress` is told of each reading as it begins. `None` when it was cancelled: then nothing was published, and
/// there is nothing to say.
pub async fn run(
    plan: Plan,
    source: &dyn Source,
    destination: Arc<dyn Destination>,
    progress: impl Fn(Arc<Progress>) + Send + Sync,
    cancel: CancellationToken,
) -> Option<Outcome> {
    tracing::info!(trigger = plan.trigger.as_str(), "The run begins");
    let started = plan.clock.now();
    let deadline = Instant::now() + plan.timeout;
    let opening = source.open().instrument(tracing::debug_span!(target: TRACED, "opening"));
    let opened = tokio::select! {
        opened = timeout_at(deadline, opening) => opened.unwrap_or_else(|_| not_opened()),
        () = cancel.cancelled() => return None,
    };
    let result = match opened.connector {
        Err(failure) => Err(failure),
        Ok((connector, credential)) => {
            let reader = Reader {
                plan: &plan,
                connector: connector.as_ref(),
                credential: &credential,
                started,
                destination: Arc::clone(&destination),
                progress: &progress,
                readings: Mutex::default(),
            };
            let result = tokio::select! {
                read = timeout_at(deadline, reader.read()) => match read {
                    Ok(Ok(reading)) => {
                        let rules = rules(&plan, connector.as_ref());
                        let late = timed_out(plan.timeout, credential.settings);
                        conclude(reading, rules, Arc::clone(&destination), deadline, late, cancel).await?
                    }
                    Ok(Err(failure)) => Err(failure),
                    Err(_) => Err(timed_out(plan.timeout, credential.settings)),
                },
                () = cancel.cancelled() => return None,
            };
            // A page that came was an answer to this credential.
            let answered = reader.was_answered();
            result.map_err(|failure| Failure { authenticated: failure.authenticated || answered, ..failure })
        }
    };
    let result = match result {
        Err(failure) if !has_published(&plan, destination).await => Err(failure.with_nothing_published()),
        result => result,
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
        completed: plan.clock.now(),
        result,
    })
}

/// Every run leaves a line, whether anything changed or not.
fn log(plan: &Plan, result: &Result<Ended, Failure>) {
    let trigger = plan.trigger.as_str();
    match result {
        Ok(Ended::Published(published)) => {
            tracing::info!(trigger, "Read {}.", in_words(&published.counts));
            if let Some(news) = published.news.as_ref().filter(|news| !news.is_none()) {
                tracing::info!("{}", news.in_words());
            }
        }
        Ok(Ended::Held(held)) => tracing::warn!(trigger, held = held.id, "{}", held.message),
        Err(failure) => tracing::warn!(trigger, reason = failure.reason.as_str(), "{}", failure.message),
    }
}

fn rules(plan: &Plan, connector: &dyn Connector) -> Rules {
    Rules {
        types: connector.resource_types(),
        scoping: connector.scoping(),
        limits: plan.limits,
        approved: plan.approved.clone(),
    }
}

/// Publishes or holds what was read; `late` is what it is called when that is not done by `deadline`. `None` when the
/// run was cancelled before.
async fn conclude(
    reading: Reading,
    rules: Rules,
    destination: Arc<dyn Destination>,
    deadline: Instant,
    late: Failure,
    cancel: CancellationToken,
) -> Option<Result<Ended, Failure>> {
    let cancelled = cancel.clone();
    let concluding = in_background(move || {
        let called_off =
            || cancelled.is_cancelled() || Instant::now() >= deadline || !destination.may_write();
        verdict::conclude(&reading, &rules, &destination, &called_off)
    });
    match concluding.await {
        Ok(Ok(ended)) => Some(Ok(ended)),
        Ok(Err(PublishError::Store(StoreError::CalledOff))) if cancel.is_cancelled() => None,
        Ok(Err(PublishError::Store(StoreError::CalledOff))) => Some(Err(late)),
        Ok(Err(error)) => Some(Err(Failure::publish(&error))),
        Err(panic) => Some(Err(Failure::snapshot("publishing the snapshot", &panic))),
    }
}

/// Is there anything published that a failure leaves as it was?
async fn has_published(plan: &Plan, destination: Arc<dyn Destination>) -> bool {
    plan.before.is_some() || in_background(move || destination.has_published()).await.unwrap_or_default()
}

fn not_opened() -> Opened {
    let message = "Kubernetes did not answer in time when asked for the credential. The run is tried again.";
    Opened { secret: SecretSeen::Unread, connector: Err(Failure::new(Reason::KubernetesError, message)) }
}

fn timed_out(timeout: Duration, settings: Settings) -> Failure {
    Failure::new(Reason::TimedOut, settings.timed_out(timeout.as_secs()))
}

#[cfg(test)]
mod tests;
