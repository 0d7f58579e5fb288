//! `run`: the operator itself.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgAction, Args};
use futures::future::BoxFuture;
use kube::Client;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::access::guard::Limits;
use crate::clock::Clock;
use crate::connectors::http::ClientOptions;
use crate::controller::{self, Context, Defaults, Deliveries, SecretIndex, Shared};
use crate::network::HostPolicy;
use crate::server::{self, Metrics, Readiness};
use crate::sync::{Queue, Snapshots};
use crate::telemetry::{self, LogFormat, Traces};

use super::asking::Asking;
use super::election::{Campaign, Election};
use super::storage::{self, Storage};
use super::watching::Watching;
use super::{Failed, WRITABLE, runtime, signals};

/// How long the parts may take to stop before the program ends all the same. With what comes after it, these are 20 s; the
/// chart's grace is longer.
const STOP_WITHIN: Duration = Duration::from_secs(17);

/// How long the last traces may take.
const SEND_WITHIN: Duration = Duration::from_secs(2);

/// How long what is left on the runtime may take.
const END_WITHIN: Duration = Duration::from_secs(1);

/// How long it may take where another operator leads soon: less than the time from when a Lease is lost until others may
/// take it.
const STOP_WHEN_LOST: Duration = Duration::from_secs(3);

/// The API server says something on every connection within this time: it ends watches after 290 s.
const LONGEST_ANSWER: Duration = Duration::from_secs(300);

/// Runs the operator: watches connectors in a cluster and reads when they are due
#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    storage: Storage,
    /// How many snapshots to keep of each connector.
    #[arg(long, env = "CONNECTOR_SNAPSHOT_KEEP", default_value = "5")]
    snapshot_keep: NonZeroUsize,
    /// How long to keep the snapshots of a connector that was deleted.
    #[arg(long, env = "CONNECTOR_SNAPSHOT_RETENTION", default_value = "168h", value_parser = duration)]
    snapshot_retention: Duration,
    /// The folder for scratch files, below which this instance has one of its own. Where it is absent, .scratch in the
    /// folder of the snapshots; with a bucket, one in the system's folder for temporary files.
    #[arg(long, env = "CONNECTOR_SCRATCH_DIR")]
    scratch_dir: Option<PathBuf>,
    /// A host that credentials may be sent to: a name, or *.suffix. Repeat it, or separate by commas.
    #[arg(
        long = "allow-upstream-host",
        env = "CONNECTOR_ALLOW_UPSTREAM_HOSTS",
        value_delimiter = ',',
        default_value = "*.scalr.io,api.planetscale.com"
    )]
    allow_upstream_hosts: Vec<String>,
    /// Allow upstreams on this machine's own loopback address, also without TLS: for demonstrations.
    #[arg(long, env = "CONNECTOR_ALLOW_LOOPBACK")]
    allow_loopback: bool,
    /// A host of C1 that a client id may name: a name, or *.suffix. Repeat it, or separate by commas.
    #[arg(
        long = "allow-c1-host",
        env = "CONNECTOR_ALLOW_C1_HOSTS",
        value_delimiter = ',',
        default_value = "*.conductor.one"
    )]
    allow_c1_hosts: Vec<String>,
    /// Where C1 is, as HOST or HOST:PORT, for all connectors, whatever host their client ids name. It must be allowed.
    #[arg(long, env = "CONNECTOR_C1_API_HOST", value_name = "HOST[:PORT]")]
    c1_api_host: Option<String>,
    #[command(flatten)]
    watching: Watching,
    #[command(flatten)]
    election: Election,
    #[command(flatten)]
    asking: Asking,
    /// How often to read where a connector does not say.
    #[arg(long, env = "CONNECTOR_DEFAULT_INTERVAL", default_value = "1h", value_parser = duration)]
    default_interval: Duration,
    /// No connector is read more often, whatever it says.
    #[arg(long, env = "CONNECTOR_MIN_INTERVAL", default_value = "1m", value_parser = duration)]
    min_interval: Duration,
    /// How long a run may take where a connector does not say.
    #[arg(long, env = "CONNECTOR_DEFAULT_TIMEOUT", default_value = "30m", value_parser = duration)]
    default_timeout: Duration,
    /// The most that a connector's removalGuard may let go at once without anybody's word, in percent. A connector
    /// that says more has this.
    #[arg(
        long,
        env = "CONNECTOR_MAX_REMOVAL_PERCENT",
        default_value = "50",
        value_name = "PERCENT",
        value_parser = clap::value_parser!(u8).range(0..=100)
    )]
    max_removal_percent: u8,
    /// The highest minRemoved that a connector's removalGuard may set: as many are held once they exceed the percent
    /// above. A connector that says more has this.
    #[arg(
        long,
        env = "CONNECTOR_MAX_REMOVAL_COUNT",
        default_value = "10",
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    max_removal_count: u64,
    /// How many connectors to read at once.
    #[arg(long, env = "CONNECTOR_CONCURRENCY", default_value = "10")]
    concurrency: NonZeroUsize,
    /// Where to serve /healthz, /readyz and /metrics.
    #[arg(long, env = "CONNECTOR_LISTEN", default_value = "0.0.0.0:8080", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Where traces of runs go: an OTLP endpoint for http/protobuf, to which /v1/traces is added. OpenTelemetry's own
    /// variables are heeded too; without it and them there are none.
    #[arg(long, value_name = "URL")]
    otlp_endpoint: Option<Url>,
    /// Tell metrics of each connector by itself. Without it, what is counted over all connectors remains.
    #[arg(
        long,
        env = "CONNECTOR_OBJECT_METRICS",
        value_name = "BOOL",
        action = ArgAction::Set,
        default_value_t = true,
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true
    )]
    object_metrics: bool,
    /// Where to serve the snapshots to those who may port-forward into the pod; must be a loopback address.
    #[arg(
        long,
        env = "CONNECTOR_SNAPSHOT_LISTEN",
        default_value = "127.0.0.1:8081",
        value_name = "ADDRESS:PORT"
    )]
    snapshot_listen: SocketAddr,
    /// Have events and logs name the people whose access changed, and not their ids alone.
    #[arg(long, env = "CONNECTOR_NAMES_IN_EVENTS")]
    names_in_events: bool,
    /// What this instance calls itself in events.
    #[arg(long, env = "POD_NAME", default_value = "connector-operator")]
    instance: String,
}

fn duration(text: &str) -> Result<Duration, crate::api::InvalidDuration> {
    crate::api::SpecDuration(text.to_owned()).get()
}

impl Run {
    /// Logs at `level` in `format`, and operates.
    pub(super) fn execute(self, level: &str, format: LogFormat) -> Result<(), Failed> {
        let runtime = runtime()?;
        let traces = Traces::begin(self.otlp_endpoint.as_ref(), &self.instance, runtime.handle());
        telemetry::init_traced(level, format, traces.as_ref().ok().and_then(Option::as_ref));
        if let Err(problem) = &traces {
            tracing::warn!("There are no traces: {problem}");
        }
        let done = runtime.block_on(self.operate());
        // Whoever has lost the Lease has no time for that: what did not end by itself has to end now.
        if let (Ok(()), Ok(Some(traces))) = (&done, traces) {
            traces.end(SEND_WITHIN);
        }
        runtime.shutdown_timeout(END_WITHIN);
        done
    }

    async fn operate(self) -> Result<(), Failed> {
        let stop = CancellationToken::new();
        let signals = signals()?;
        let (running, campaign) = self.start(&stop).await?;
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "The operator has started");
        let asked = tokio::select! {
            () = signals => true,
            () = stop.cancelled() => false,
        };
        tracing::info!("Stopping: runs under way are cancelled, and will begin again");
        stop.cancel();
        let within = if campaign.is_lost() { STOP_WHEN_LOST } else { STOP_WITHIN };
        match tokio::time::timeout(within, running).await {
            Ok(()) => campaign.end().await,
            // What is still on its way must come before another leads: the Lease runs out.
            Err(_) => tracing::warn!("Not everything ended in time; ending all the same"),
        }
        tracing::info!("Stopped");
        if asked {
            Ok(())
        } else {
            Err("a part of the operator ended by itself, and the rest with it: the log says why; start it again".into())
        }
    }

    /// Starts every part, and stands for election. The future that is returned ends when all parts have ended after
    /// `stop`.
    async fn start(self, stop: &CancellationToken) -> Result<(BoxFuture<'static, ()>, Campaign), Failed> {
        if self.watching.is_a_shard() && self.election.has_the_common_lease() {
            return Err("--watch-label-selector needs a --lease-name of its own: operators that look after different \
                        connectors must not wait for each other"
                .into());
        }
        let hosts = allowed("--allow-upstream-host", &self.allow_upstream_hosts, self.allow_loopback)?;
        let c1_hosts = allowed("--allow-c1-host", &self.allow_c1_hosts, self.allow_loopback)?;
        let upstream = ClientOptions { allowances: self.asking.allowances(), ..ClientOptions::new(hosts) };
        let scratch = self.scratch()?;
        let store = self.storage.open(&scratch)?;
        let listener = listen("--listen", self.listen).await?;
        if !self.snapshot_listen.ip().is_loopback() {
            return Err(format!(
                "--snapshot-listen {}: must be a loopback address, such as 127.0.0.1:8081",
                self.snapshot_listen
            )
            .into());
        }
        let snapshot_listener = listen("--snapshot-listen", self.snapshot_listen).await?;
        storage::prove(&store).await?;
        let client = kubernetes().await.map_err(|error| {
            format!(
                "no Kubernetes API server: {error}; set KUBECONFIG, or run in a pod with a ServiceAccount"
            )
        })?;
        let watches_secrets = self.watching.watches_secrets();
        let scope = self.watching.scope(&client).await?;
        let metrics = if self.object_metrics { Metrics::default() } else { Metrics::without_objects() };
        let readiness = Readiness::default();
        let campaign = self.election.begin(&client, &self.instance, stop);
        let leadership = campaign.leadership.clone();
        metrics.observe_leadership(leadership.clone());
        let snapshots = Snapshots::new(store, scratch, self.snapshot_keep.get()).led_by(leadership.clone());
        let queue = Queue::new(stop.clone());
        metrics.observe_queue(&queue);
        let deliveries = Deliveries::new(
            client.clone(),
            c1_hosts,
            self.c1_api_host,
            leadership.clone(),
            metrics.clone(),
            stop.clone(),
        );
        let defaults = Defaults {
            interval: self.default_interval,
            min_interval: self.min_interval,
            timeout: self.default_timeout,
        };
        let context = Arc::new(Context::new(Shared {
            client,
            scope,
            instance: self.instance,
            queue,
            snapshots: snapshots.clone(),
            retention: self.snapshot_retention,
            upstream,
            defaults,
            highest_limits: Limits {
                max_percent: self.max_removal_percent,
                min_removed: self.max_removal_count,
            },
            secrets: Arc::new(SecretIndex::default()),
            deliveries,
            names_in_events: self.names_in_events,
            leadership,
            metrics: metrics.clone(),
            clock: Clock::system(),
        }));
        let mut parts =
            controller::parts(&context, self.concurrency.get(), watches_secrets, &readiness, stop);
        let serving = server::serve(listener, readiness, metrics, stop.clone().cancelled_owned());
        parts.push(Box::pin(report_end("Health and metrics are", serving)));
        let (store, scratch) = (snapshots.store().clone(), snapshots.scratch().to_owned());
        let serving =
            server::serve_snapshots(snapshot_listener, store, scratch, stop.clone().cancelled_owned());
        parts.push(Box::pin(report_end("Snapshots are", serving)));
        // A part that ends before the stop takes the rest with it: half an operator looks healthy and is not.
        let parts = parts.into_iter().map(|part| {
            let ends_the_rest = stop.clone().drop_guard();
            tokio::spawn(async move {
                let _ends_the_rest = ends_the_rest;
                part.await;
            })
        });
        let parts = parts.collect::<Vec<_>>();
        let running = Box::pin(async move {
            for ended in futures::future::join_all(parts).await {
                if let Err(error) = ended {
                    tracing::error!(%error, "A part of the operator has failed");
                }
            }
        });
        Ok((running, campaign))
    }
}

async fn report_end(what: &str, serving: impl Future<Output = std::io::Result<()>>) {
    if let Err(error) = serving.await {
        tracing::error!(%error, "{what} no longer served");
    }
}

impl Run {
    /// This instance's own scratch folder, without what a killed predecessor left there.
    fn scratch(&self) -> Result<PathBuf, Failed> {
        let mut parts = Path::new(&self.instance).components();
        if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
            return Err(format!(
                "--instance {:?}: must be a name without slashes, such as that of the pod",
                self.instance
            )
            .into());
        }
        let folder = self.scratch_dir.clone().unwrap_or_else(|| self.storage.default_scratch());
        let own = folder.join(&self.instance);
        let cleared = match std::fs::remove_dir_all(&own) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => std::fs::create_dir_all(&own),
        };
        cleared.map_err(|error| format!("--scratch-dir {}: {error}; {WRITABLE}", folder.display()))?;
        Ok(own)
    }
}

fn allowed(flag: &str, hosts: &[String], loopback: bool) -> Result<HostPolicy, Failed> {
    let policy = HostPolicy::new(hosts).map_err(|error| format!("{flag}: {error}"))?;
    Ok(policy.with_loopback(loopback))
}

/// A client none of whose requests waits forever: a watch is ended by the server well before.
async fn kubernetes() -> Result<Client, Failed> {
    let mut config = kube::Config::infer().await?;
    config.read_timeout = Some(LONGEST_ANSWER);
    Ok(Client::try_from(config)?)
}

async fn listen(flag: &str, address: SocketAddr) -> Result<TcpListener, Failed> {
    let bound = TcpListener::bind(address).await;
    Ok(bound.map_err(|error| {
        format!("{flag} {address}: {error}; name an address of this machine that is free")
    })?)
}
