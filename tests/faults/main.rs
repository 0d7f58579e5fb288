//! What becomes of a run for each thing that an upstream can do wrong: it completes and the snapshot is the truth, or it
//! fails with a definite reason, or the removal guard holds it. In the last two nothing is published, and what was
//! published before stays as it was. [`table`] says which; this runs it: the real connector, the real run and the real
//! store, against a simulated server with that one fault.
#![allow(missing_docs, reason = "a test is documented by its name")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do"
)]

mod picture;
mod report;
mod stage;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use connector_operator::sync::{Ended, Outcome};
use connector_simulator::fault::{Fault, Vendor};
use futures::StreamExt;

use report::Line;
use stage::Stage;
use table::{End, Row, rows};

/// Rows that run at once. Most of them wait for something most of the time.
const AT_ONCE: usize = 10;

/// The longest that a row may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_fault_ends_as_the_table_says() {
    let good = Good::published().await;
    let running = futures::stream::iter(rows()).map(|row| tokio::spawn(line(row, Arc::clone(&good))));
    let mut lines: Vec<Line> = running.buffer_unordered(AT_ONCE).map(Result::unwrap).collect().await;
    lines.sort_by_key(|line| (line.row.fault, line.row.extent.times, line.row.vendor));
    println!("{}", report::table(&lines));
    let wrong = report::wrong(&lines);
    assert!(wrong.is_empty(), "{}\n{wrong}", report::table(&lines));
}

#[test]
fn every_fault_has_a_row_for_every_connector_that_can_meet_it() {
    let covered: BTreeSet<_> = rows().iter().map(|row| (row.fault, row.vendor)).collect();
    let all = Fault::ALL.iter().flat_map(|fault| Vendor::ALL.map(|vendor| (*fault, vendor)));
    let possible: BTreeSet<_> =
        all.filter(|(fault, vendor)| fault.senseless_for(*vendor).is_none()).collect();
    assert_eq!(covered, possible);
}

#[test]
fn the_table_fits_a_terminal() {
    for line in report::table(&rows().into_iter().map(Line::of_the_future).collect::<Vec<_>>()).lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

/// A run without a fault for each connector, which the runs with one come after.
struct Good(BTreeMap<Vendor, Stage>);

impl Good {
    async fn published() -> Arc<Self> {
        let mut good = BTreeMap::new();
        for vendor in Vendor::ALL {
            let stage = Stage::new(vendor, None).await;
            stage.runs_well().await;
            good.insert(vendor, stage);
        }
        Arc::new(Self(good))
    }
}

async fn line(row: Row, good: Arc<Good>) -> Line {
    let stage = Stage::new(row.vendor, Some(row.fault)).await;
    if row.fault.is_of_tls() {
        stage.runs_well().await;
    } else {
        stage.takes_over(&good.0[&row.vendor]);
    }
    let before = stage.published();
    stage.goes_wrong(&row);
    let begun = Instant::now();
    let run = tokio::time::timeout(PATIENCE, stage.run()).await;
    let took = begun.elapsed();
    let requests = stage.requests();
    let (end, problems) = match &run {
        Err(_) => ("is not over".to_owned(), vec![format!("it took longer than {PATIENCE:?}")]),
        Ok(outcome) => {
            let mut problems = judged(&row, &stage, outcome);
            if !row.requests.contains(&requests) {
                problems.push(format!("{requests} requests instead of {:?}", row.requests));
            }
            if !matches!(outcome.result, Ok(Ended::Published(_))) && stage.published() != before {
                problems.push("what was published before did not stay".to_owned());
            }
            (report::ended(outcome), problems)
        }
    };
    Line { row, end, requests, took, problems }
}

/// What of `outcome` is not as the row says.
fn judged(row: &Row, stage: &Stage, outcome: &Outcome) -> Vec<String> {
    let mut problems = check_words(outcome);
    match (&row.end, &outcome.result) {
        (End::Completes, Ok(Ended::Published(_))) => {
            if !stage.published().is_of(&outcome.id) {
                problems.push("it says that it is published, and is not".to_owned());
            }
            problems.extend(stage.read().difference(&stage.truth(Some(row.fault))));
        }
        (End::Fails(reason, words), Err(failure)) => {
            if failure.reason.as_str() != *reason || !failure.message.contains(words) {
                problems.push(format!("it fails with {}: {}", failure.reason.as_str(), failure.message));
            }
        }
        (End::Held(why), Ok(Ended::Held(held))) => {
            if !held.removals.iter().any(|removal| format!("{:?}", removal.why) == *why) {
                problems.push(format!("it is held for another reason: {}", held.message));
            }
        }
        (_, Err(failure)) => {
            problems.push(format!("it fails with {}: {}", failure.reason.as_str(), failure.message));
        }
        (_, Ok(Ended::Held(held))) => problems.push(format!("it is held: {}", held.message)),
        (_, Ok(Ended::Published(_))) => problems.push("it is published".to_owned()),
    }
    problems
}

/// The parts of a message: what is wrong, what to do about it, and what stays.
const MOST_SENTENCES: usize = 3;

/// What people read is short, on one line, and gives nothing away.
fn check_words(outcome: &Outcome) -> Vec<String> {
    let mut problems = Vec::new();
    let all = format!("{outcome:?}");
    if [stage::CANARY, connector_simulator::planetscale::NEVER_KEEP].iter().any(|secret| all.contains(secret))
    {
        problems.push("it gives a secret away".to_owned());
    }
    let message = match &outcome.result {
        Err(failure) => &failure.message,
        Ok(Ended::Held(held)) => &held.message,
        Ok(Ended::Published(_)) => return problems,
    };
    let sentences = message.matches(". ").count() + 1;
    let invisible = message.chars().any(|it| it.is_control() || ('\u{202a}'..='\u{202e}').contains(&it));
    if !message.ends_with('.') || sentences > MOST_SENTENCES || message.len() > 600 || invisible {
        problems.push(format!("{sentences} sentences, {} bytes: {message:?}", message.len()));
    }
    problems
}
