//! What befalls an operator from outside: the API server goes away, its kinds come late, a watch is Gone, says what is no
//! event, and the wall clock is set. It recovers, and repeats nothing.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;

use crate::history::{NAME, SCALR};
use crate::invariants;
use crate::operator::Operator;
use crate::picture::{difference, essence};
use crate::stale::fresh;
use crate::world::{Furniture, World};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A connector that was read.
fn settled() -> World {
    let world = World::new(Furniture::default());
    world.good_secret(SCALR);
    world.apply(SCALR, NAME, &world.good_spec(SCALR));
    with_an_operator(&world, async |operator| operator.settle().await.unwrap());
    world
}

/// Starts an operator, and ends it afterwards.
fn with_an_operator(world: &World, during: impl AsyncFnOnce(&Operator<'_>)) {
    let runtime = crate::time::runtime();
    runtime.block_on(async {
        let operator = Operator::start(world);
        during(&operator).await;
        operator.end().await;
    });
}

fn shows_what_a_fresh_object_shows(world: &World) {
    let shown = essence(&world.get(SCALR, NAME).unwrap()["status"]);
    assert_eq!(difference(&fresh(), &shown), None, "{}", difference(&fresh(), &shown).unwrap_or_default());
    invariants::of_history(world, 0).unwrap();
}

#[test]
fn an_api_server_that_is_away_for_minutes_costs_no_reading_and_what_was_asked_meanwhile_is_done() {
    let world = settled();
    let read = world.readings();
    with_an_operator(&world, async |operator| {
        operator.pass(5 * SECOND, SECOND).await.unwrap();
        operator.connection.set_away(true);
        operator.pass(7 * MINUTE, SECOND).await.unwrap();
        operator.connection.set_away(false);
        operator.pass(2 * MINUTE, SECOND).await.unwrap();
        assert_eq!(world.readings(), read, "nothing was due");
        operator.connection.set_away(true);
        world.request(SCALR, NAME, "while it is away");
        operator.pass(3 * MINUTE, SECOND).await.unwrap();
        operator.connection.set_away(false);
        operator.settle().await.unwrap();
        assert_eq!(world.readings(), read + 1);
    });
    shows_what_a_fresh_object_shows(&world);
}

#[test]
fn a_run_that_ends_while_the_api_server_is_away_is_told_of_when_it_is_back() {
    let world = settled();
    let read = world.readings();
    with_an_operator(&world, async |operator| {
        operator.pass(5 * SECOND, SECOND).await.unwrap();
        world.scalr.set_latency(Duration::from_millis(50));
        world.request(SCALR, NAME, "just before");
        operator.until("it is read", || world.readings() > read).await.unwrap();
        operator.connection.set_away(true);
        operator.pass(4 * MINUTE, SECOND).await.unwrap();
        operator.connection.set_away(false);
        operator.settle().await.unwrap();
    });
    assert_eq!(world.readings(), read + 1, "what was read was not read again");
    shows_what_a_fresh_object_shows(&world);
}

#[test]
fn kinds_that_come_late_are_served_once_they_are_there() {
    let world = World::without_kinds();
    with_an_operator(&world, async |operator| {
        operator.pass(3 * MINUTE, SECOND).await.unwrap();
        world.serve_kinds();
        world.good_secret(SCALR);
        assert!(world.apply(SCALR, NAME, &world.good_spec(SCALR)));
        operator.settle().await.unwrap();
    });
    assert_eq!(world.readings(), 1);
    shows_what_a_fresh_object_shows(&world);
}

#[test]
fn an_operator_that_is_stopped_before_its_kinds_are_there_ends_at_once() {
    let world = World::without_kinds();
    with_an_operator(&world, async |operator| operator.pass(MINUTE, SECOND).await.unwrap());
}

#[test]
fn a_watch_that_is_gone_or_says_what_is_no_event_misses_nothing() {
    let world = settled();
    let read = world.readings();
    with_an_operator(&world, async |operator| {
        operator.pass(5 * SECOND, SECOND).await.unwrap();
        operator.connection.say_a_status_in_mid_watch();
        operator.pass(MINUTE, SECOND).await.unwrap();
        // So that the versions that its watches go on from are forgotten.
        world.put_secret("nobodys", &[]);
        world.request(SCALR, "nobody", "x");
        world.api.compact();
        operator.connection.drop_watches();
        operator.pass(MINUTE, SECOND).await.unwrap();
        assert_eq!(world.readings(), read, "a list that begins anew is no reason to read");
        world.api.compact();
        operator.connection.drop_watches();
        world.request(SCALR, NAME, "after that");
        operator.settle().await.unwrap();
    });
    assert_eq!(world.readings(), read + 1);
    shows_what_a_fresh_object_shows(&world);
}

#[test]
fn a_clock_that_is_set_forward_makes_up_for_what_was_missed_once() {
    let world = settled();
    let read = world.readings();
    with_an_operator(&world, async |operator| {
        operator.pass(5 * SECOND, SECOND).await.unwrap();
        world.wall.step(SignedDuration::from_hours(50));
        operator.pass(65 * MINUTE, 10 * SECOND).await.unwrap();
        operator.settle().await.unwrap();
        operator.pass(10 * MINUTE, SECOND).await.unwrap();
    });
    assert_eq!(world.readings(), read + 1);
    shows_what_a_fresh_object_shows(&world);
}

#[test]
fn a_clock_that_is_set_back_repeats_nothing_and_stops_nothing() {
    let world = settled();
    let read = world.readings();
    with_an_operator(&world, async |operator| {
        operator.pass(5 * SECOND, SECOND).await.unwrap();
        world.wall.step(SignedDuration::from_mins(-30));
        operator.pass(10 * MINUTE, SECOND).await.unwrap();
        assert_eq!(world.readings(), read, "nothing is due");
        world.request(SCALR, NAME, "by a clock that was set back");
        operator.settle().await.unwrap();
        assert_eq!(world.readings(), read + 1);
    });
    let status = world.get(SCALR, NAME).unwrap()["status"].clone();
    assert_eq!(status["phase"], "Connected", "{status:#}");
}

#[test]
fn an_operator_that_starts_on_a_clock_that_was_set_back_goes_on() {
    let world = settled();
    world.wall.step(SignedDuration::from_mins(-90));
    with_an_operator(&world, async |operator| {
        operator.settle_but_for_time(5 * SECOND).await;
        world.request(SCALR, NAME, "by a clock that was set back");
        operator.settle().await.unwrap();
    });
    let status = world.get(SCALR, NAME).unwrap()["status"].clone();
    assert_eq!(status["phase"], "Connected", "{status:#}");
    // And after a crash between publishing and saying so.
    world.request(SCALR, NAME, "and again");
    crate::history::crash_before_the_end_is_told(&world);
    with_an_operator(&world, async |operator| operator.settle().await.unwrap());
    let status = world.get(SCALR, NAME).unwrap()["status"].clone();
    assert_eq!(status["phase"], "Connected", "{status:#}");
}

#[test]
fn an_edit_that_cannot_be_run_is_told_once_however_often_the_operator_starts() {
    for world in [settled(), World::new(Furniture::default())] {
        world.good_secret(SCALR);
        let mut spec = world.good_spec(SCALR);
        spec["schedule"] = json!({ "cron": "0 0 30 2 *" });
        assert!(world.apply(SCALR, NAME, &spec));
        with_an_operator(&world, async |operator| operator.pass(10 * SECOND, SECOND).await.unwrap());
        let told = world.get(SCALR, NAME).unwrap();
        assert_eq!(told["status"]["conditions"][0]["reason"], "InvalidSpec");
        for _ in 0..3 {
            with_an_operator(&world, async |operator| operator.pass(10 * SECOND, SECOND).await.unwrap());
        }
        assert_eq!(world.get(SCALR, NAME).unwrap(), told);
    }
}
