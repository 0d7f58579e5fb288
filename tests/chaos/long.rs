//! Many histories: what `make chaos` runs. `HISTORIES` says how many, `SEED` where to begin, `ONLY` of which sort.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use in_memory_api_server::{Fault, When};

use crate::history::{SCRIPTS, Told};
use crate::tally::Tally;
use crate::{crash, leaders, neighbours, stale, walks};

/// How many may fail before it is enough.
const ENOUGH: usize = 20;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name)
        .ok()
        .map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// A sort of history.
struct Sort {
    name: &'static str,
    /// Of a hundred histories, how many are of this sort.
    share: u64,
    run: fn(u64, &mut Tally) -> Result<(), String>,
}

static SORTS: [Sort; 4] = [
    Sort { name: "walk", share: 45, run: walks::walk },
    Sort { name: "crash", share: 30, run: crashes },
    Sort { name: "unobserved", share: 20, run: unobserved },
    Sort { name: "leaders", share: 5, run: sleeps },
];

/// What every script is without a fault.
fn references() -> &'static [Told] {
    static REFERENCES: std::sync::LazyLock<Vec<Told>> =
        std::sync::LazyLock::new(|| SCRIPTS.iter().map(crash::undisturbed).collect());
    &REFERENCES
}

fn crashes(seed: u64, tally: &mut Tally) -> Result<(), String> {
    let mut random = Rng::with_seed(seed);
    let which = random.usize(..SCRIPTS.len());
    let (script, reference) = (&SCRIPTS[which], &references()[which]);
    let when = if random.bool() { When::Before } else { When::After };
    let number = random.u64(1..=reference.mutations + reference.told_to_c1);
    tally.fault(Fault::Crash);
    tally.operators += 2;
    if number <= reference.mutations {
        crash::crash_at(script, reference, number, when)
    } else {
        crash::crash_at_c1(script, reference, number - reference.mutations, when)
    }
}

fn unobserved(seed: u64, tally: &mut Tally) -> Result<(), String> {
    tally.operators += 1;
    stale::unobserved(seed)
}

fn sleeps(seed: u64, tally: &mut Tally) -> Result<(), String> {
    tally.operators += 2;
    leaders::sleeps(seed)
}

fn sort_of(seed: u64) -> &'static Sort {
    let only = std::env::var("ONLY").ok();
    if let Some(only) = only {
        return SORTS
            .iter()
            .find(|it| it.name == only)
            .unwrap_or_else(|| panic!("ONLY={only} is no sort of history"));
    }
    let mut place = Rng::with_seed(seed ^ 0x5eed).u64(..100);
    for sort in &SORTS {
        if place < sort.share {
            return sort;
        }
        place -= sort.share;
    }
    &SORTS[0]
}

/// A panic in a history is that history's failure.
fn run(sort: &Sort, seed: u64, tally: &mut Tally) -> Result<(), String> {
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (sort.run)(seed, tally)));
    ran.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned())).unwrap_or_default())
    })
}

#[test]
#[ignore = "it is long: `make chaos` runs it"]
fn many_histories() {
    let (histories, first) = (number("HISTORIES", 1000), number("SEED", 1));
    let threads = number("THREADS", std::thread::available_parallelism().map_or(2, |it| it.get() as u64));
    let began = Instant::now();
    references();
    let next = AtomicU64::new(0);
    let (total, failures) = (Mutex::new(Tally::default()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut tally = Tally::default();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= histories || failures.lock().unwrap().len() >= ENOUGH {
                        break;
                    }
                    let seed = first + number;
                    let sort = sort_of(seed);
                    tally.histories += 1;
                    if let Err(why) = run(sort, seed, &mut tally) {
                        let again = format!("make chaos HISTORIES=1 SEED={seed} ONLY={}", sort.name);
                        println!("FAILED, again with: {again}\n{why}\n");
                        failures.lock().unwrap().push(again);
                    }
                    if number % 500 == 499 {
                        println!("{} histories, {:?}", number + 1, began.elapsed());
                    }
                }
                total.lock().unwrap().add(tally);
            });
        }
    });
    let (total, failures) = (total.into_inner().unwrap(), failures.into_inner().unwrap());
    let took = Duration::from_secs(began.elapsed().as_secs());
    println!("histories       {}", total.histories);
    println!("operators       {}", total.operators);
    println!("writes kept     {}", total.writes);
    for (fault, times) in &total.faults {
        println!("fault {:<9} {times}", fault);
    }
    println!("failures        {}", failures.len());
    println!("time            {took:?}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
#[ignore = "it is long: `make chaos` runs it"]
fn every_script_with_a_crash_at_every_write() {
    let mut failures = Vec::new();
    for script in SCRIPTS {
        let (histories, failed) = crash::everywhere(script, 1);
        println!("{}: {histories} histories", script.name);
        failures.extend(failed);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
#[ignore = "it is long: `make chaos` runs it"]
fn a_thousand_connectors_of_which_one_hangs_and_one_fails() {
    neighbours::keep_their_schedule(number("CONNECTORS", 1000) as usize, 3).unwrap();
}
