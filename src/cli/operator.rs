//! `run`: the operator itself.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures::future::BoxFuture;
use kube::Client;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::access::guard::Limits;
use crate::connectors::http::ClientOptions;
use crate::controller::{self, Context, Defaults, Deliveries, SecretIndex, Shared};
use crate::kinds::{self, Kind, Visitor};
use crate::network::HostPolicy;
use crate::server::{self, Metrics, Readiness};
use crate::snapshot::DirectoryStore;
use crate::sync::{ObjectKey, Queue, Snapshots};

use super::asking::Asking;
use super::election::{Campaign, Election};
use super::{Failed, runtime, signals};

/// How long a stop may take before the program ends all the same; the chart's grace is longer.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// How long it may take where another operator leads soon: less than the time from when a Lease is lost until others may
/// take it.
const STOP_WHEN_LOST: Duration = Duration::from_secs(3);

/// The API server says something on every connection within this time: it ends watches after 290 s.
const LONGEST_ANSWER: Duration = Duration::from_secs(300);

/// Runs the operator: watches connectors in a cluster and reads when they are due
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The folder that keeps the snapshots.
    #[arg(long, env = "CONNECTOR_SNAPSHOT_DIR", default_value = "/var/lib/connector-operator/snapshots")]
    snapshot_dir: PathBuf,
    /// How many snapshots to keep of each connector.
    #[arg(long, env = "CONNECTOR_SNAPSHOT_KEEP", default_value = "5")]
    snapshot_keep: NonZeroUsize,
    /// How long to keep the snapshots of a connector that was deleted.
    #[arg(long, env = "CONNECTOR_SNAPSHOT_RETENTION", default_value = "168h", value_parser = duration)]
    snapshot_retention: Duration,
    /// The folder for scratch files, below which this instance has one of its own. .scratch in the folder of the
    /// snapshots where it is absent.
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
    /// Where to serve the snapshots to those who may port-forward into the pod; must be a loopback address.
    #[arg(
        long,
        env = "CONNECTOR_SNAPSHOT_LISTEN",
        default_value = "127.0.0.1:8081",
        value_name = "ADDRESS:PORT"
    )]
    snapshot_listen: SocketAddr,
    /// What this instance calls itself in events.
    #[arg(long, env = "POD_NAME", default_value = "connector-operator")]
    instance: String,
}

fn duration(text: &str) -> Result<Duration, crate::api::InvalidDuration> {
    crate::api::SpecDuration(text.to_owned()).get()
}

impl Run {
    pub(super) fn execute(self) -> Result<(), Failed> {
        let runtime = runtime()?;
        let done = runtime.block_on(self.operate());
        runtime.shutdown_timeout(Duration::from_secs(1));
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
            Err("a part of the operator ended by itself, and the rest with it".into())
        }
    }

    /// Starts every part, and stands for election. The future that is returned ends when all parts have ended after
    /// `stop`.
    async fn start(self, stop: &CancellationToken) -> Result<(BoxFuture<'static, ()>, Campaign), Failed> {
        let hosts = HostPolicy::new(&self.allow_upstream_hosts)?.with_loopback(self.allow_loopback);
        let c1_hosts = HostPolicy::new(&self.allow_c1_hosts)?.with_loopback(self.allow_loopback);
        let upstream = ClientOptions { allowances: self.asking.allowances(), ..ClientOptions::new(hosts) };
        std::fs::create_dir_all(&self.snapshot_dir)
            .map_err(|error| format!("--snapshot-dir {}: {error}", self.snapshot_dir.display()))?;
        let scratch = self.scratch()?;
        let store = DirectoryStore::new(&self.snapshot_dir);
        let listener = listen("--listen", self.listen).await?;
        if !self.snapshot_listen.ip().is_loopback() {
            return Err(
                format!("--snapshot-listen {}: must be a loopback address", self.snapshot_listen).into()
            );
        }
        let snapshot_listener = listen("--snapshot-listen", self.snapshot_listen).await?;
        let client = kubernetes().await.map_err(|error| format!("no Kubernetes API server: {error}"))?;
        let (metrics, readiness) = (Metrics::default(), Readiness::default());
        let campaign = self.election.begin(&client, &self.instance, stop);
        let leadership = campaign.leadership.clone();
        let snapshots = Snapshots::new(store, scratch, self.snapshot_keep.get()).led_by(leadership.clone());
        let queue = Queue::new(stop.clone());
        let secrets = Arc::new(SecretIndex::default());
        let deliveries =
            Deliveries::new(client.clone(), c1_hosts, self.c1_api_host, metrics.clone(), stop.clone());
        let defaults = Defaults {
            interval: self.default_interval,
            min_interval: self.min_interval,
            timeout: self.default_timeout,
        };
        let context = Arc::new(Context::new(Shared {
            client: client.clone(),
            instance: self.instance,
            queue: queue.clone(),
            snapshots: snapshots.clone(),
            retention: self.snapshot_retention,
            upstream,
            defaults,
            highest_limits: Limits {
                max_percent: self.max_removal_percent,
                min_removed: self.max_removal_count,
            },
            secrets: Arc::clone(&secrets),
            deliveries: deliveries.clone(),
            leadership,
            metrics: metrics.clone(),
        }));
        let mut controllers = Controllers {
            context,
            deliveries: deliveries.clone(),
            readiness: readiness.clone(),
            stop,
            wake: HashMap::new(),
        };
        let mut parts = kinds::for_each(&mut controllers);
        parts.push(Box::pin(controller::watch_secrets(client, secrets, controllers.wake, stop.clone())));
        parts.push(Box::pin(queue.work(self.concurrency.get())));
        parts.push(Box::pin(deliveries.until_stopped()));
        let serving = server::serve(listener, readiness, metrics, stop.clone().cancelled_owned());
        parts.push(Box::pin(report_end("Health and metrics are", serving)));
        let store = snapshots.store().clone();
        let serving = server::serve_snapshots(snapshot_listener, store, stop.clone().cancelled_owned());
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

/// Starts the controller of each kind.
struct Controllers<'a> {
    context: Arc<Context>,
    deliveries: Deliveries,
    readiness: Readiness,
    stop: &'a CancellationToken,
    wake: HashMap<&'static str, mpsc::UnboundedSender<ObjectKey>>,
}

impl Visitor for Controllers<'_> {
    type Output = BoxFuture<'static, ()>;

    fn visit<K: Kind>(&mut self) -> Self::Output {
        let (wake, woken) = mpsc::unbounded_channel();
        self.wake.insert(K::KIND, wake);
        self.readiness.awaits(K::KIND);
        self.deliveries.awaits(K::KIND);
        let context = Arc::clone(&self.context);
        Box::pin(controller::control::<K>(context, woken, self.readiness.clone(), self.stop.clone()))
    }
}

impl Run {
    /// This instance's own scratch folder, without what a killed predecessor left there.
    fn scratch(&self) -> Result<PathBuf, Failed> {
        let mut parts = Path::new(&self.instance).components();
        if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
            return Err(format!("--instance {:?}: must be the name of a pod", self.instance).into());
        }
        let folder = self.scratch_dir.clone().unwrap_or_else(|| self.snapshot_dir.join(".scratch"));
        let own = folder.join(&self.instance);
        let cleared = match std::fs::remove_dir_all(&own) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => std::fs::create_dir_all(&own),
        };
        cleared.map_err(|error| format!("--scratch-dir {}: {error}", folder.display()))?;
        Ok(own)
    }
}

/// A client none of whose requests waits forever: a watch is ended by the server well before.
async fn kubernetes() -> Result<Client, Failed> {
    let mut config = kube::Config::infer().await?;
    config.read_timeout = Some(LONGEST_ANSWER);
    Ok(Client::try_from(config)?)
}

async fn listen(flag: &str, address: SocketAddr) -> Result<TcpListener, Failed> {
    Ok(TcpListener::bind(address).await.map_err(|error| format!("{flag} {address}: {error}"))?)
}
