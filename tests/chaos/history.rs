//! A history: what people and upstreams do, one after another, each time until the operator has come to rest. Where it
//! crashes, another takes its place.

use connector_operator::api::{ConnectorObject, PlanetScaleConnector, ScalrConnector};
use connector_simulator::TaskSpec;
use in_memory_api_server::{Fault, When};
use serde_json::{Value, json};

use crate::operator::{Crashed, Operator};
use crate::picture;
use crate::world::{Furniture, World};

/// Something that somebody does.
pub type Act = fn(&World);

/// What happens, by name.
#[derive(Clone, Copy)]
pub struct Script {
    pub name: &'static str,
    pub furniture: Furniture,
    pub acts: &'static [Act],
}

pub const SCALR: &str = ScalrConnector::KIND;
const PLANETSCALE: &str = PlanetScaleConnector::KIND;
pub const NAME: &str = "acme";

fn first(world: &World) {
    world.good_secret(SCALR);
    assert!(world.apply(SCALR, NAME, &world.good_spec(SCALR)));
}

fn asked_for(world: &World) {
    world.request(SCALR, NAME, "now");
}

fn with_another_interval(world: &World) {
    let mut spec = world.good_spec(SCALR);
    spec["schedule"] = json!({ "interval": "2h" });
    assert!(world.apply(SCALR, NAME, &spec));
}

fn suspended(world: &World) {
    let mut spec = world.good_spec(SCALR);
    spec["suspend"] = true.into();
    assert!(world.apply(SCALR, NAME, &spec));
}

fn resumed(world: &World) {
    assert!(world.apply(SCALR, NAME, &world.good_spec(SCALR)));
}

fn wrong_token(world: &World) {
    world.put_secret("scalr", &[("api-token", b"wrong")]);
}

fn right_token(world: &World) {
    world.good_secret(SCALR);
}

fn without_secret(world: &World) {
    world.delete_secret("scalr");
}

fn many_leave(world: &World) {
    let users = world.scalr.truth().users;
    for user in users.iter().skip(1).take(4) {
        world.scalr.remove_user(&user.id.to_string()).unwrap();
    }
    world.request(SCALR, NAME, "after many left");
}

fn accepted(world: &World) {
    world.accept(SCALR, NAME);
}

fn somebody_comes(world: &World) {
    world.scalr.add_user(Some("ada@example.com"), None).unwrap();
    world.request(SCALR, NAME, "after somebody came");
}

fn made_again(world: &World) {
    world.delete(SCALR, NAME);
    assert!(world.apply(SCALR, NAME, &world.good_spec(SCALR)));
}

fn delivers(world: &World) {
    world.good_secret(SCALR);
    let spec = world.c1_spec(SCALR);
    assert!(world.apply(SCALR, NAME, &spec));
}

fn c1_asks(world: &World) {
    world.c1.as_ref().unwrap().give(0, TaskSpec::sync_full()).unwrap();
}

fn planetscale(world: &World) {
    world.good_secret(PLANETSCALE);
    assert!(world.apply(PLANETSCALE, NAME, &world.good_spec(PLANETSCALE)));
}

fn a_member_leaves(world: &World) {
    world.request(PLANETSCALE, NAME, "once more");
    world.put_secret("planetscale", &[("service-token", b"canary:pscale_tkn_canary\n")]);
}

const PLAIN: Furniture = Furniture { planetscale: false, c1: false, hanging: false };

/// What operators must survive at every step.
pub const SCRIPTS: &[Script] = &[
    Script { name: "first", furniture: PLAIN, acts: &[first] },
    Script { name: "asked", furniture: PLAIN, acts: &[first, asked_for, somebody_comes] },
    Script { name: "edited", furniture: PLAIN, acts: &[first, with_another_interval, suspended, resumed] },
    Script { name: "rotated", furniture: PLAIN, acts: &[first, wrong_token, without_secret, right_token] },
    Script { name: "held", furniture: PLAIN, acts: &[first, many_leave, accepted] },
    Script {
        name: "delivered",
        furniture: Furniture { c1: true, ..PLAIN },
        acts: &[delivers, c1_asks, c1_asks, asked_for],
    },
    Script {
        name: "planetscale",
        furniture: Furniture { planetscale: true, ..PLAIN },
        acts: &[planetscale, a_member_leaves],
    },
    Script { name: "made again", furniture: PLAIN, acts: &[first, made_again] },
];

/// What came of a history.
#[derive(Debug)]
pub struct Told {
    pub picture: Value,
    /// Mutating requests of the first operator.
    pub mutations: u64,
    /// How often the upstream was read.
    pub readings: u64,
    /// How often it was read for one act alone, at most: what disappears is confirmed by more than one reading.
    pub dearest: u64,
    /// How many operators it took.
    pub operators: u32,
    /// Calls by which C1 was told anything.
    pub told_to_c1: u64,
}

/// Plays a script; `prepare` sees each operator as it starts, with its number.
pub fn play(script: &Script, prepare: impl FnMut(u32, &Operator<'_>)) -> Told {
    play_in(&World::new(script.furniture), script, prepare)
}

/// The same in a world that is there.
pub fn play_in(world: &World, script: &Script, mut prepare: impl FnMut(u32, &Operator<'_>)) -> Told {
    let mut acts = script.acts.iter();
    let mut act = acts.next();
    let mut done = false;
    let (mut operators, mut mutations) = (0, 0);
    let (mut dearest, mut read) = (1, 0);
    while act.is_some() {
        operators += 1;
        let runtime = crate::time::runtime();
        let ended: Result<(), Crashed> = runtime.block_on(async {
            if let Some(c1) = &world.c1 {
                c1.mend();
            }
            let operator = Operator::start(world);
            prepare(operators, &operator);
            while let Some(doing) = act {
                if !done {
                    doing(world);
                    done = true;
                }
                operator.settle().await?;
                if operators == 1 {
                    mutations = operator.connection.mutations();
                }
                dearest = dearest.max(world.readings() - read);
                read = world.readings();
                (act, done) = (acts.next(), false);
            }
            operator.end().await;
            Ok(())
        });
        drop(runtime);
        assert!(ended.is_ok() || operators < 10, "it crashes again and again");
    }
    Told {
        picture: picture::of(world),
        mutations,
        readings: world.readings(),
        dearest,
        operators,
        told_to_c1: world.c1.as_ref().map_or(0, |c1| c1.changes()),
    }
}

/// An operator does what there is to do, and crashes when it is about to say so.
pub fn crash_before_the_end_is_told(world: &World) {
    let runtime = crate::time::runtime();
    let settled = runtime.block_on(async {
        let operator = Operator::start(world);
        // That it begins, and an event of that, come before.
        operator.connection.fail(3, When::Before, Fault::Crash);
        operator.settle().await
    });
    assert_eq!(settled, Err(Crashed));
}
