//! An operator that sees the past: it starts on an older view of what happened, or is shown only some of it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::history::{NAME, SCALR, SCRIPTS, Script, play_in};
use crate::invariants;
use crate::operator::Operator;
use crate::picture::{self, difference, essence};
use crate::world::{Furniture, World};

/// An operator that starts on what was there at `version`, and later sees the rest, changes nothing of how it ended.
fn starts_in_the_past(world: &World, version: u64, end: &Value) -> Result<(), String> {
    let readings = world.readings();
    let before = world.api.history("scalrconnectors").len();
    let runtime = crate::time::runtime();
    runtime
        .block_on(async {
            let operator = Operator::start_with(world, |connection| connection.show_up_to(version));
            operator.pass(Duration::from_secs(4), Duration::from_millis(250)).await?;
            operator.connection.show_all_but(BTreeSet::new());
            operator.settle().await?;
            operator.end().await;
            Ok(())
        })
        .map_err(|crashed: crate::operator::Crashed| format!("{crashed:?}"))?;
    drop(runtime);
    if let Some(difference) = difference(end, &picture::of(world)) {
        return Err(format!("whoever started at {version} ends elsewhere:\n{difference}"));
    }
    if world.readings() > readings {
        return Err(format!("whoever started at {version} has read once more"));
    }
    invariants::of_history(world, before).map_err(|broken| format!("whoever started at {version}: {broken}"))
}

/// Plays the script, then starts an operator at each moment of it. How many those were, and what went wrong.
pub fn at_every_moment(script: &Script) -> (u64, Vec<String>) {
    let world = World::new(script.furniture);
    let told = play_in(&world, script, |_, _| {});
    let mut moments: BTreeSet<u64> = BTreeSet::new();
    for plural in ["scalrconnectors", "secrets"] {
        moments.extend(world.api.history(plural).iter().map(|change| change.version));
    }
    let wrong = |version: &u64| {
        starts_in_the_past(&world, *version, &told.picture).err().map(|why| format!("{}: {why}", script.name))
    };
    (moments.len() as u64, moments.iter().filter_map(wrong).collect())
}

#[test]
fn whoever_starts_in_the_past_repeats_nothing_and_takes_nothing_back() {
    let mut failures = Vec::new();
    for name in ["asked", "rotated"] {
        let script = SCRIPTS.iter().find(|it| it.name == name).unwrap();
        let (histories, failed) = at_every_moment(script);
        println!("{name}: {histories} moments");
        failures.extend(failed);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What somebody does while nobody looks.
const DEEDS: [fn(&World, u32); 6] = [
    |world, n| {
        let mut spec = world.good_spec(SCALR);
        spec["schedule"] = json!({ "interval": format!("{}m", 30 + n) });
        world.apply(SCALR, NAME, &spec);
    },
    |world, n| world.request(SCALR, NAME, &format!("request {n}")),
    |world, n| world.put_secret("scalr", &[("api-token", format!("wrong {n}").as_bytes())]),
    |world, _| world.delete_secret("scalr"),
    |world, _| {
        world.delete(SCALR, NAME);
        world.apply(SCALR, NAME, &world.good_spec(SCALR));
    },
    |world, _| {
        let mut spec = world.good_spec(SCALR);
        spec["suspend"] = true.into();
        world.apply(SCALR, NAME, &spec);
    },
];

/// Of what is done behind the operator's back it is shown only a part, and always the last of each object.
pub fn unobserved(seed: u64) -> Result<(), String> {
    let mut random = fastrand::Rng::with_seed(seed);
    let world = World::new(Furniture::default());
    world.good_secret(SCALR);
    world.apply(SCALR, NAME, &world.good_spec(SCALR));
    let runtime = crate::time::runtime();
    let shown = runtime.block_on(async {
        let operator = Operator::start(&world);
        operator.settle().await.unwrap();
        for round in 0..3 {
            let since = world.api.version();
            operator.connection.show_up_to(since);
            for deed in 0..random.u32(2..6) {
                DEEDS[random.usize(..DEEDS.len())](&world, 10 * round + deed);
            }
            // It ends well, so that what it shows can be compared with what a fresh object shows.
            world.good_secret(SCALR);
            world.apply(SCALR, NAME, &world.good_spec(SCALR));
            if random.bool() {
                operator.pass(Duration::from_secs(random.u64(1..400)), Duration::from_secs(1)).await.unwrap();
            }
            let mut changes: Vec<u64> = Vec::new();
            for plural in ["scalrconnectors", "secrets"] {
                let history = world.api.history(plural);
                let later = history.iter().map(|change| change.version).filter(|version| *version > since);
                let mut later: Vec<u64> = later.collect();
                later.pop();
                changes.extend(later);
            }
            let hidden = changes.into_iter().filter(|_| random.bool()).collect();
            operator.connection.show_all_but(hidden);
            if random.bool() {
                operator.connection.drop_watches();
            }
            operator.settle().await.unwrap();
        }
        operator.end().await;
        essence(&world.get(SCALR, NAME).unwrap()["status"])
    });
    drop(runtime);
    invariants::of_history(&world, 0)?;
    match difference(&fresh(), &shown) {
        Some(difference) => Err(format!("it does not show what a fresh object shows:\n{difference}")),
        None => Ok(()),
    }
}

/// What an object shows that was read once, and of which nothing else is to tell.
pub fn fresh() -> Value {
    static FRESH: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| {
        let world = World::new(Furniture::default());
        play_in(&world, &SCRIPTS[0], |_, _| {});
        essence(&world.get(SCALR, NAME).unwrap()["status"])
    });
    FRESH.clone()
}

#[test]
fn whatever_is_missed_the_end_is_what_counts() {
    let failures: Vec<String> = (0..12)
        .filter_map(|seed| unobserved(seed).err().map(|why| format!("unobserved, SEED={seed}: {why}")))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
