//! Many connectors, of which one hangs and one fails: all others keep their schedule.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::history::SCALR;
use crate::operator::Operator;
use crate::world::{Furniture, World};

const INTERVAL: Duration = Duration::from_secs(600);
/// Beyond the interval: what jitter adds, and the length of a leap.
const LATE: Duration = Duration::from_secs(60);

/// So many connectors keep their schedule for so many rounds.
pub fn keep_their_schedule(connectors: usize, rounds: u32) -> Result<(), String> {
    let world = World::new(Furniture { hanging: true, ..Furniture::default() });
    for number in 0..connectors {
        let secret = format!("scalr-{number}");
        let mut spec = world.good_spec(SCALR);
        spec["apiTokenSecretRef"] = json!({ "name": secret });
        spec["schedule"] = json!({ "interval": "10m" });
        let token: &[u8] = if number == 1 { b"wrong" } else { b"scalr-token-canary" };
        world.put_secret(&secret, &[("api-token", token)]);
        if number == 0 {
            spec["baseUrl"] = world.hanging.as_ref().unwrap().base_url().into();
            spec["timeout"] = "24h".into();
        }
        assert!(world.apply(SCALR, &name(number), &spec));
    }
    let runtime = crate::time::runtime();
    runtime.block_on(async {
        let operator = Operator::start(&world);
        let all_were_read = || (2..connectors).all(|number| runs(&world, number).len() > 1);
        // The one that hangs is always busy.
        operator
            .until_even_if_busy("all are read once", || {
                (1..connectors).all(|number| ended(&world.get(SCALR, &name(number)).unwrap()).is_some())
            })
            .await;
        for _ in 0..(INTERVAL.as_secs() / 5 * u64::from(rounds)) {
            operator.leap_and_work(Duration::from_secs(5), &name(0)).await;
        }
        assert!(all_were_read());
        operator.abandon();
    });
    drop(runtime);
    let mut failures = Vec::new();
    for number in 2..connectors {
        let runs = runs(&world, number);
        if (runs.len() as u32) < rounds {
            failures.push(format!("{} was read {} times in {rounds} rounds", name(number), runs.len()));
        }
        for (one, next) in runs.iter().zip(runs.iter().skip(1)) {
            let gap = next.duration_since(*one);
            if gap > SignedDuration::try_from(INTERVAL + LATE).unwrap() {
                failures.push(format!("{} waited {gap:#}", name(number)));
            }
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

fn name(number: usize) -> String {
    format!("acme-{number}")
}

fn ended(object: &Value) -> Option<&str> {
    object["status"]["lastSync"]["completionTime"].as_str()
}

/// When the runs of a connector began, each once.
fn runs(world: &World, number: usize) -> Vec<Timestamp> {
    let mut runs = BTreeMap::new();
    for change in world.api.history("scalrconnectors") {
        let sync = &change.object["status"]["lastSync"];
        if change.object["metadata"]["name"] == json!(name(number)) && sync["completionTime"].is_string() {
            runs.insert(sync["id"].to_string(), sync["startTime"].as_str().unwrap().parse().unwrap());
        }
    }
    runs.into_values().collect()
}

#[test]
fn one_that_hangs_and_one_that_fails_keep_nobody_from_being_read() {
    keep_their_schedule(60, 2).unwrap();
}
