//! One operator, from its start to its end: every real part but the flags and the listeners, on the API server in memory.

use std::sync::Arc;
use std::time::Duration;

use connector_operator::access::guard::Limits;
use connector_operator::connectors::http::{Allowances, ClientOptions};
use connector_operator::controller::{self, Context, Defaults, Deliveries, Scope, SecretIndex, Shared};
use connector_operator::leadership::Leadership;
use connector_operator::network::HostPolicy;
use connector_operator::server::{Metrics, Readiness};
use connector_operator::snapshot::DirectoryStore;
use connector_operator::sync::{ObjectKey, Queue, Snapshots};
use in_memory_api_server::Connection;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::time::Pulse;
use crate::world::World;

/// Everything stands still for so many beats before it is said to.
const STILL: u32 = 4;
/// How far the clock leaps while nothing happens that was waited for.
const LEAP: Duration = Duration::from_secs(1);
/// What has not come about after so long will not.
const PATIENCE: Duration = Duration::from_secs(3 * 3600);
/// The same on the real clock.
const REAL_PATIENCE: Duration = Duration::from_secs(60);
const WORKERS: usize = 4;

/// A running operator.
pub struct Operator<'w> {
    pub world: &'w World,
    pub connection: Connection,
    pub queue: Queue,
    pub pulse: Pulse,
    stop: CancellationToken,
    parts: JoinSet<()>,
}

/// The operator has crashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crashed;

impl<'w> Operator<'w> {
    /// Starts one that is alone.
    pub fn start(world: &'w World) -> Self {
        Self::start_with(world, |_| {})
    }

    /// The same, on a connection that was prepared for it.
    pub fn start_with(world: &'w World, prepare: impl FnOnce(&Connection)) -> Self {
        let (client, connection) = world.api.connect("operator");
        prepare(&connection);
        let leadership = Leadership::alone_since(world.wall.now());
        Self::of(world, client, connection, leadership, CancellationToken::new(), "operator")
    }

    /// Starts one that leads as `leadership` says.
    pub fn of(
        world: &'w World,
        client: kube::Client,
        connection: Connection,
        leadership: Leadership,
        stop: CancellationToken,
        instance: &str,
    ) -> Self {
        let pulse = Pulse::begin(&world.wall);
        let clock = world.wall.clock();
        let queue = Queue::timed_by(clock.clone(), stop.clone());
        let (metrics, readiness) = (Metrics::default(), Readiness::default());
        let hosts = HostPolicy::default().with_loopback(true);
        let c1_hosts = HostPolicy::new(["*.conductor.one"]).unwrap().with_loopback(true);
        let upstream = ClientOptions { allowances: Allowances::new(Some(0)), ..ClientOptions::new(hosts) };
        let deliveries = Deliveries::new(
            client.clone(),
            c1_hosts,
            world.c1_host(),
            leadership.clone(),
            metrics.clone(),
            stop.clone(),
        );
        let scratch = world.scratch(instance);
        let snapshots = Snapshots::new(DirectoryStore::new(world.store_folder()), scratch, 5)
            .led_by(leadership.clone())
            .timed_by(clock.clone());
        let context = Arc::new(Context::new(Shared {
            client,
            scope: Scope::default(),
            names_in_events: false,
            instance: instance.to_owned(),
            queue: queue.clone(),
            snapshots,
            retention: world.retention,
            upstream,
            defaults: Defaults {
                interval: Duration::from_secs(3600),
                min_interval: Duration::from_secs(60),
                timeout: Duration::from_secs(1800),
            },
            highest_limits: Limits { max_percent: 50, min_removed: 10 },
            secrets: Arc::new(SecretIndex::default()),
            deliveries,
            leadership,
            metrics,
            clock,
        }));
        let mut parts = JoinSet::new();
        for part in controller::parts(&context, WORKERS, true, &readiness, &stop) {
            parts.spawn(part);
        }
        Self { world, connection, queue, pulse, stop, parts }
    }

    /// Asks it to end, and waits until all its parts have.
    pub async fn end(mut self) {
        self.stop.cancel();
        let began = std::time::Instant::now();
        while self.parts.try_join_next().is_some() || !self.parts.is_empty() {
            self.pulse.beat().await;
            assert!(began.elapsed() < REAL_PATIENCE, "the operator does not end");
        }
    }

    /// Is a run, or a request to the API server, under way?
    pub fn is_busy(&self) -> bool {
        let runs = |plural: &'static str, kind: &'static str| {
            self.world
                .api
                .objects(plural)
                .into_values()
                .any(|object| self.queue.view(&key_of(kind, &object)).is_some_and(|run| !run.finished))
        };
        self.connection.in_flight() > 0 || crate::world::KINDS.iter().any(|(plural, kind)| runs(plural, kind))
    }

    /// Waits until `holds`. The clock goes on with the real one while anything happens, and leaps when nothing does.
    pub async fn until(&self, what: &str, mut holds: impl FnMut() -> bool) -> Result<(), Crashed> {
        let (began, asked) = (std::time::Instant::now(), tokio::time::Instant::now());
        let (mut still, mut seen) = (0, self.world.api.version());
        loop {
            for _ in 0..8 {
                if self.connection.is_severed() {
                    return Err(Crashed);
                }
                if holds() {
                    return Ok(());
                }
                tokio::task::yield_now().await;
            }
            self.pulse.beat().await;
            let now = self.world.api.version();
            still = if now != seen || self.is_busy() { 0 } else { still + 1 };
            seen = now;
            if still >= STILL {
                self.pulse.leap(LEAP).await;
                still = 0;
            }
            let late = asked.elapsed() > PATIENCE || began.elapsed() > REAL_PATIENCE;
            assert!(
                !late,
                "this never came about: {what}\nasked: {:?}\n{}",
                self.connection.counts(),
                self.world.told()
            );
        }
    }

    /// Waits until every connector shows what its spec, its Secret and its annotations ask for, and nothing moves.
    pub async fn settle(&self) -> Result<(), Crashed> {
        loop {
            self.until("everything is settled", || !self.is_busy() && self.is_settled()).await?;
            let before = self.world.api.version();
            for _ in 0..STILL {
                self.pulse.beat().await;
            }
            if self.connection.is_severed() {
                return Err(Crashed);
            }
            if self.world.api.version() == before && !self.is_busy() && self.is_settled() {
                return Ok(());
            }
        }
    }

    /// Lets so much time pass, in leaps; what comes due meanwhile is done.
    pub async fn pass(&self, time: Duration, leap: Duration) -> Result<(), Crashed> {
        let end = tokio::time::Instant::now() + time;
        while tokio::time::Instant::now() < end {
            self.pulse.leap(leap).await;
            for _ in 0..16 {
                tokio::task::yield_now().await;
            }
            while self.is_busy() && !self.connection.is_severed() {
                self.pulse.beat().await;
            }
            if self.connection.is_severed() {
                return Err(Crashed);
            }
        }
        Ok(())
    }

    /// The same where nothing may move although the clock says that something is due.
    pub async fn settle_but_for_time(&self, time: Duration) {
        self.pass(time, LEAP).await.unwrap();
    }

    /// Waits until `holds`, whatever is under way meanwhile.
    pub async fn until_even_if_busy(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let began = std::time::Instant::now();
        while !holds() {
            self.pulse.beat().await;
            assert!(began.elapsed() < 5 * REAL_PATIENCE, "this never came about: {what}");
        }
    }

    /// The clock leaps, and whatever begins then ends, but for the run of `hanging`.
    pub async fn leap_and_work(&self, leap: Duration, hanging: &str) {
        self.pulse.leap(leap).await;
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        while self.works_but_for(hanging) {
            self.pulse.beat().await;
        }
    }

    fn works_but_for(&self, hanging: &str) -> bool {
        self.connection.in_flight() > 0
            || crate::world::KINDS.iter().any(|(plural, kind)| {
                let objects = self.world.api.objects(plural).into_iter();
                let mut others = objects.filter(|((_, name), _)| name != hanging);
                others.any(|(_, object)| {
                    self.queue.view(&key_of(kind, &object)).is_some_and(|run| !run.finished)
                })
            })
    }

    /// Leaves it as it is: its runtime ends it.
    pub fn abandon(self) {
        self.connection.sever();
    }

    fn is_settled(&self) -> bool {
        crate::world::KINDS.iter().all(|(plural, kind)| {
            let objects = self.world.api.objects(plural);
            objects.values().all(|object| {
                self.queue.view(&key_of(kind, object)).is_none() && self.world.is_settled(kind, object)
            })
        })
    }
}

/// The key of an object as the API server has it.
pub fn key_of(kind: &'static str, object: &Value) -> ObjectKey {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    ObjectKey { kind, namespace: text("namespace"), name: text("name"), uid: text("uid") }
}
