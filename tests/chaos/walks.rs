//! Walks: edits of spec, Secret and annotations, good and bad, in any order, with crashes and requests that fail among them.
//! Whatever came before, a good spec at the end shows what a fresh object shows.

use std::time::Duration;

use connector_operator::api::{ACCEPT_REMOVALS, REQUESTED_AT};
use fastrand::Rng;
use in_memory_api_server::{Fault, When};
use serde_json::{Value, json};

use crate::history::{NAME, SCALR};
use crate::operator::{Crashed, Operator};
use crate::picture::{difference, essence};
use crate::stale::fresh;
use crate::tally::Tally;
use crate::world::{Furniture, World};
use crate::{invariants, schema};

/// How long after a step it is looked at: some steps are never come to rest from.
const SOON: Duration = Duration::from_secs(4);

/// One step.
async fn step(random: &mut Rng, operator: &Operator<'_>, tally: &mut Tally) -> Result<(), Crashed> {
    let world = operator.world;
    match random.u32(..100) {
        0..30 => {
            let edit = schema::edit(random, SCALR);
            world.patch(SCALR, NAME, &json!({ "spec": edit }));
        }
        30..38 => {
            world.apply(SCALR, NAME, &world.good_spec(SCALR));
        }
        38..55 => secret(random, world),
        55..65 => {
            let name = [REQUESTED_AT, ACCEPT_REMOVALS][random.usize(..2)];
            let long = "x".repeat(300);
            let values = [None, Some("now"), Some(""), Some("later"), Some(long.as_str())];
            world.annotate(SCALR, NAME, name, values[random.usize(..values.len())]);
        }
        65..68 => world.accept(SCALR, NAME),
        68..76 => people(random, world),
        76..79 => {
            world.delete(SCALR, NAME);
            world.apply(SCALR, NAME, &world.good_spec(SCALR));
        }
        79..86 => {
            let fault =
                [Fault::Reset, Fault::Status(500), Fault::Status(429), Fault::Delay(SOON), Fault::Crash];
            let fault = fault[random.usize(..fault.len())];
            let when = if random.bool() { When::Before } else { When::After };
            tally.fault(fault);
            operator.connection.fail(operator.connection.mutations() + random.u64(1..4), when, fault);
        }
        86..89 => {
            operator.connection.drop_watches();
            if random.bool() {
                world.api.compact();
            }
        }
        89..91 => operator.connection.say_a_status_in_mid_watch(),
        91..94 => {
            operator.connection.set_away(true);
            operator.pass(Duration::from_secs(random.u64(1..180)), Duration::from_secs(5)).await?;
            operator.connection.set_away(false);
        }
        94..97 => {
            operator.connection.sever();
            return Err(Crashed);
        }
        _ => operator.pass(Duration::from_secs(random.u64(60..7200)), Duration::from_secs(30)).await?,
    }
    if random.bool() {
        operator.pass(SOON, Duration::from_millis(500)).await?;
    }
    Ok(())
}

fn secret(random: &mut Rng, world: &World) {
    match random.u32(..8) {
        0 => world.delete_secret("scalr"),
        1 => world.put_secret("scalr", &[]),
        2 => world.put_secret("scalr", &[("api-token", b"")]),
        3 => world.put_secret("scalr", &[("api-token", b"\xff\xfe canary")]),
        4 => world.put_secret("scalr", &[("another-key", b"scalr-token-canary")]),
        5 => world.put_secret("scalr", &[("api-token", b"another-canary")]),
        6 => world.put_secret("scalr", &[("api-token", b"scalr-token-canary\n")]),
        _ => world.good_secret(SCALR),
    }
}

fn people(random: &mut Rng, world: &World) {
    let users = world.scalr.truth().users;
    match random.u32(..3) {
        0 => {
            let _ = world.scalr.add_user(None, None);
        }
        1 if users.len() > 2 => {
            let user = &users[random.usize(1..users.len())];
            let _ = world.scalr.remove_user(&user.id);
        }
        _ => {
            for user in users.iter().skip(2) {
                let _ = world.scalr.disable_user(&user.id);
            }
        }
    }
}

/// One walk.
pub fn walk(seed: u64, tally: &mut Tally) -> Result<(), String> {
    let mut random = Rng::with_seed(seed);
    let world = World::new(Furniture::default());
    world.good_secret(SCALR);
    world.apply(SCALR, NAME, &world.good_spec(SCALR));
    let mut left = random.u32(4..16);
    let mut at_rest = None;
    while at_rest.is_none() {
        let runtime = crate::time::runtime();
        let ended: Result<Value, Crashed> = runtime.block_on(async {
            let operator = Operator::start(&world);
            while left > 0 {
                left -= 1;
                step(&mut random, &operator, tally).await?;
            }
            end_well(&operator).await?;
            let shown = essence(&world.get(SCALR, NAME).unwrap()["status"]);
            operator.end().await;
            Ok(shown)
        });
        drop(runtime);
        tally.operators += 1;
        at_rest = ended.ok();
    }
    invariants::of_history(&world, 0)?;
    tally.writes += world.api.history("scalrconnectors").len() as u64;
    let mut expected = fresh();
    let mut shown = at_rest.unwrap();
    // How many there are is up to the walk.
    for status in [&mut expected, &mut shown] {
        without_numbers(status);
    }
    match difference(&expected, &shown) {
        Some(difference) => Err(format!("it does not show what a fresh object shows:\n{difference}")),
        None => Ok(()),
    }
}

/// Everything is put right, and what is held is accepted.
async fn end_well(operator: &Operator<'_>) -> Result<(), Crashed> {
    let world = operator.world;
    world.good_secret(SCALR);
    let spec: Value = world.good_spec(SCALR);
    // As it was at first, whatever fields were added.
    let present = world.get(SCALR, NAME).unwrap();
    let gone = present["spec"].as_object().unwrap().keys().filter(|name| spec.get(name).is_none());
    let mut patch: serde_json::Map<_, _> = gone.map(|name| (name.clone(), Value::Null)).collect();
    patch.extend(spec.as_object().unwrap().clone());
    patch.insert("apiTokenSecretRef".to_owned(), json!({ "name": "scalr", "key": null }));
    assert!(world.patch(SCALR, NAME, &json!({ "spec": patch })));
    world.annotate(SCALR, NAME, ACCEPT_REMOVALS, None);
    operator.settle().await?;
    // Whoever went since the last run is only found now.
    world.request(SCALR, NAME, "at the end");
    operator.settle().await?;
    if world.get(SCALR, NAME).unwrap()["status"]["held"].is_object() {
        world.accept(SCALR, NAME);
        operator.settle().await?;
    }
    Ok(())
}

fn without_numbers(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(without_numbers),
        Value::Array(list) => list.iter_mut().for_each(without_numbers),
        Value::String(text) => *text = text.chars().filter(|it| !it.is_ascii_digit()).collect(),
        Value::Number(number) => *value = if number.as_i64() == Some(0) { json!(0) } else { json!("some") },
        _ => {}
    }
}

#[test]
fn whatever_was_done_before_a_good_spec_ends_as_a_fresh_one() {
    let mut tally = Tally::default();
    let failures: Vec<String> = (0..16)
        .filter_map(|seed| walk(seed, &mut tally).err().map(|why| format!("walk, SEED={seed}: {why}")))
        .collect();
    println!("{tally:?}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn people_that_go_after_the_last_run_are_found_by_the_next_and_held() {
    for seed in [130, 380] {
        assert_eq!(walk(seed, &mut Tally::default()), Ok(()), "SEED={seed}");
    }
}

#[test]
fn a_run_for_a_changed_secret_that_was_cut_off_begins_again_though_the_secret_says_the_same() {
    for seed in [21_143, 22_472, 22_685, 25_285, 28_441] {
        assert_eq!(walk(seed, &mut Tally::default()), Ok(()), "SEED={seed}");
    }
}
