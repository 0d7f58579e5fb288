//! Two operators, of which one leads and is stopped for a while, as a machine that sleeps. When it wakes it writes nothing.

use std::sync::Arc;
use std::time::Duration;

use connector_operator::leadership::{Candidate, OneLease, Timing};
use fastrand::Rng;
use in_memory_api_server::Connection;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::history::{NAME, SCALR};
use crate::invariants;
use crate::operator::Operator;
use crate::world::{Furniture, World};

/// A Lease lasts 15 s, and is looked at every 2 s.
const ASLEEP: Duration = Duration::from_secs(25);
/// How long, on the real clock, until the second must have gone on.
const PATIENCE: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(500);

/// An operator on a clock of its own.
struct Candidacy<'w> {
    // Before the runtime, which waits for its pulse to end.
    operator: Operator<'w>,
    runtime: Runtime,
    stop: CancellationToken,
}

impl<'w> Candidacy<'w> {
    fn begin(world: &'w World, name: &str) -> Self {
        let runtime = crate::time::runtime();
        let stop = CancellationToken::new();
        let operator = runtime.block_on(async {
            let (client, connection) = world.api.connect("operators");
            let leases: Api<Lease> = Api::namespaced(client.clone(), "operators");
            let lease = Arc::new(OneLease::new(leases, "connector-operator".to_owned()));
            let (candidate, leadership) = Candidate::new(lease, name.to_owned(), Timing::default());
            let candidate = candidate.timed_by(world.wall.clock());
            let (stopping, ending) = (stop.clone(), stop.clone());
            tokio::spawn(async move {
                candidate.run(stopping, std::future::ready(())).await;
                ending.cancel();
            });
            Operator::of(world, client, connection, leadership, stop.clone(), name)
        });
        Self { operator, runtime, stop }
    }

    /// Lives for so long; `alone` where nobody else moves the wall clock. While it works its clock goes as the real one
    /// does.
    fn lives(&self, time: Duration, alone: bool) {
        self.runtime.block_on(async {
            let end = tokio::time::Instant::now() + time;
            while tokio::time::Instant::now() < end {
                let began = std::time::Instant::now();
                self.operator.pulse.only_beat().await;
                let step = if self.operator.is_busy() { began.elapsed() } else { STEP };
                if alone {
                    self.operator.pulse.leap(step).await;
                } else {
                    tokio::time::advance(step).await;
                }
                for _ in 0..32 {
                    tokio::task::yield_now().await;
                }
            }
        });
    }

    /// What it had on its way arrives.
    fn sends_off(&self) {
        self.runtime.block_on(async {
            for _ in 0..64 {
                tokio::task::yield_now().await;
            }
        });
    }

    /// Sleeps, and does not notice: its clock has gone on when it wakes.
    fn wakes_after(&self, time: Duration) {
        self.runtime.block_on(tokio::time::advance(time));
    }

    fn writes(&self) -> u64 {
        writes(&self.operator.connection)
    }
}

/// Writes of anything but the Lease.
fn writes(connection: &Connection) -> u64 {
    let counts = connection.counts();
    let mutates = |verb: &str| matches!(verb, "create" | "update" | "patch" | "delete");
    counts
        .iter()
        .filter(|((verb, plural), _)| mutates(verb) && plural != "leases")
        .map(|(_, count)| count)
        .sum()
}

/// How many events there are of this operator.
fn told_by(world: &World, instance: &str) -> usize {
    world.api.objects("events").values().filter(|event| event["reportingInstance"] == instance).count()
}

/// In which term what counts was published.
fn published(world: &World) -> serde_json::Value {
    let mut folder = world.store_folder();
    while !folder.join("latest.json").exists() {
        let inner = std::fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path()).find(|it| it.is_dir());
        folder = inner.unwrap();
    }
    serde_json::from_slice(&std::fs::read(folder.join("latest.json")).unwrap()).unwrap()
}

/// A leader falls asleep at some moment of a run, and wakes when another leads.
pub fn sleeps(seed: u64) -> Result<(), String> {
    let mut random = Rng::with_seed(seed);
    let world = World::new(Furniture::default());
    world.good_secret(SCALR);
    world.apply(SCALR, NAME, &world.good_spec(SCALR));
    let first = Candidacy::begin(&world, "first");
    first.lives(Duration::from_secs(3), true);
    let second = Candidacy::begin(&world, "second");
    if writes(&first.operator.connection) == 0 {
        return Err("the first does not lead".to_owned());
    }
    second.lives(Duration::from_secs(1), true);
    if second.writes() > 0 {
        return Err("a follower writes".to_owned());
    }
    world.scalr.set_latency(Duration::from_millis(random.u64(0..4)));
    world.request(SCALR, NAME, "before it slept");
    first.lives(Duration::from_millis(random.u64(0..60)), true);
    first.sends_off();
    second.lives(ASLEEP, true);
    let began = std::time::Instant::now();
    while !world.is_settled(SCALR, &world.get(SCALR, NAME).unwrap()) && began.elapsed() < PATIENCE {
        second.lives(Duration::from_secs(1), true);
    }
    let told = told_by(&world, "first");
    let (object, snapshot) = (world.get(SCALR, NAME).unwrap(), published(&world));
    if !world.is_settled(SCALR, &object) {
        return Err(format!("the second does not go on: {object:#}"));
    }
    first.wakes_after(ASLEEP);
    first.lives(Duration::from_secs(20), false);
    if told_by(&world, "first") != told {
        return Err("whoever wakes has told something".to_owned());
    }
    if published(&world) != snapshot {
        return Err("whoever wakes has published".to_owned());
    }
    if world.get(SCALR, NAME).unwrap() != object {
        return Err("whoever wakes has changed the object".to_owned());
    }
    if !first.stop.is_cancelled() {
        return Err("whoever wakes does not end".to_owned());
    }
    invariants::of_history(&world, 0)?;
    for candidacy in [first, second] {
        candidacy.stop.cancel();
        candidacy.runtime.block_on(candidacy.operator.end());
    }
    Ok(())
}

#[test]
fn a_leader_that_slept_writes_nothing_when_it_wakes() {
    let failures: Vec<String> = (0..8)
        .filter_map(|seed| sleeps(seed).err().map(|why| format!("leaders, SEED={seed}: {why}")))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
