//! Waiting for the run that was asked for, and judging how it ended.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use connector_operator::access::in_words;
use connector_operator::api::{ConditionType, ConnectorStatus, Phase, SpecDuration};
use futures::StreamExt;
use kube::api::DynamicObject;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watch_object};

use crate::Result;
use crate::cluster::{Cluster, refused};
use crate::connectors::Connector;
use crate::{screen, telling};

/// Whether to wait for the run.
#[derive(Debug, Args)]
pub(crate) struct Waiting {
    /// Wait until the run has ended; exits with 1 where it did not publish.
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long to wait. The run goes on after that.
    #[arg(long, default_value = "5m", value_name = "DURATION", value_parser = duration)]
    timeout: Duration,
}

/// A duration as people write it in a spec.
pub(crate) fn duration(text: &str) -> std::result::Result<Duration, String> {
    SpecDuration(text.to_owned()).get().map_err(|error| error.to_string())
}

impl Waiting {
    /// Waits until the run that `is_handled` tells of has ended, and says how. The connector as it is then.
    pub(crate) async fn wait(
        &self,
        cluster: &Cluster,
        connector: &Connector,
        is_handled: impl Fn(&ConnectorStatus) -> bool,
    ) -> Result<Connector> {
        let title = connector.title();
        let ended = |status: &ConnectorStatus| is_handled(status) && has_ended(status);
        match tokio::time::timeout(self.timeout, until(cluster, connector, ended)).await {
            Ok(connector) => connector,
            Err(_) => {
                let now = crate::connectors::find(cluster, &connector.kind, connector.name()).await?;
                let begun = now.is_some_and(|now| now.status.last_sync != connector.status.last_sync);
                let said = if begun {
                    "the run has not ended in time; it goes on"
                } else {
                    "no run has begun in time: is the operator running, and does it look after this namespace?"
                };
                Err(format!("{title}: {said} (--timeout {}s)", self.timeout.as_secs()).into())
            }
        }
    }
}

fn has_ended(status: &ConnectorStatus) -> bool {
    let is_syncing = status.condition(ConditionType::Syncing).is_some_and(|it| it.status == "True");
    !is_syncing && status.last_sync.as_ref().is_some_and(|sync| sync.completion_time.is_some())
}

async fn until(
    cluster: &Cluster,
    connector: &Connector,
    ended: impl Fn(&ConnectorStatus) -> bool,
) -> Result<Connector> {
    let (api, title) = (connector.kind.api(cluster, Some(connector.namespace())), connector.title());
    let mut seen = Box::pin(watch_object(api, connector.name()).default_backoff());
    while let Some(seen) = seen.next().await {
        match seen {
            Ok(Some(object)) => {
                let object: DynamicObject = object;
                let now = Connector::of(&connector.kind, object)?;
                if ended(&now.status) {
                    return Ok(now);
                }
            }
            Ok(None) => return Err(format!("{title} was deleted").into()),
            // It will not be otherwise the next time.
            Err(
                watcher::Error::InitialListFailed(error @ kube::Error::Api(_))
                | watcher::Error::WatchStartFailed(error @ kube::Error::Api(_)),
            ) => return Err(refused(&format!("watching {title}"), &error)),
            Err(_) => {}
        }
    }
    Err(format!("{title}: the watch has ended; try again").into())
}

/// Did the last run publish? Says so, or why not.
pub(crate) fn tell_result(connector: &Connector, is_for_people: bool) -> Result<ExitCode> {
    let (status, title) = (&connector.status, connector.title());
    let ready = status.condition(ConditionType::Ready);
    let message = ready.map_or("", |ready| ready.message.as_str());
    if status.phase != Some(Phase::Connected) {
        screen::error(&format!("{title}: {message}"));
        return Ok(ExitCode::FAILURE);
    }
    if let Some(sync) = status.last_sync.as_ref().filter(|_| is_for_people) {
        let mut said = format!("{title}: read {}", in_words(&sync.counts));
        if let Some(ended) = &sync.completion_time {
            said += &format!(" in {}", telling::took(&sync.start_time, ended));
        }
        if !sync.changes.is_empty() {
            let changes = telling::changes(&sync.changes);
            let changes = if changes == "nothing" { "nothing has changed" } else { &changes };
            said += &format!("; {changes}");
        }
        screen::text(&format!("{said}\n"))?;
    }
    // It was published all the same: what is wrong is what comes after.
    if ready.is_some_and(|ready| ready.status == "False") {
        screen::note(&format!("{title}: {message}"));
    }
    Ok(ExitCode::SUCCESS)
}
