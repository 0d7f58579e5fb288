//! What is measured, in which order, and how often.

use std::process::Command;
use std::time::Duration;

use clap::ValueEnum;

use crate::compare::{Scenario, folder, mebibytes, median, with_log};
use crate::error::{Error, Result};
use crate::measure::{Cost, measure};
use crate::program::{Limit, PEBBLE, PEBBLE_PARALLEL, Program, Programs, SQLITE};
use crate::say;
use crate::table::Table;
use crate::upstream::{Data, Upstream, grouped};
use crate::writer::Until;

const ROUNDS: usize = 3;
const ENOUGH: Duration = Duration::from_secs(20);
const TEAMS: u64 = 20;
const LATENCIES: [u64; 2] = [0, 20];
/// Connectors that share one credential.
const MANY: usize = 200;

/// 10,000 members.
pub(crate) async fn quick(programs: &Programs) -> Result<()> {
    let data = Data::PlanetScale { members: 10_000, teams: TEAMS };
    compare(programs, data, &LATENCIES, &[SQLITE, PEBBLE], 2).await
}

/// All sizes, without a limit of requests.
pub(crate) async fn all(programs: &Programs) -> Result<()> {
    let peers = [SQLITE, PEBBLE, PEBBLE_PARALLEL];
    for members in [1_000, 10_000, 100_000] {
        compare(programs, Data::PlanetScale { members, teams: TEAMS }, &LATENCIES, &peers, ROUNDS).await?;
    }
    compare(programs, Data::PlanetScale { members: 100_000, teams: 0 }, &[0], &[SQLITE, PEBBLE], ROUNDS)
        .await?;
    compare(programs, Data::Scalr { users: 100_000 }, &LATENCIES, &[SQLITE, PEBBLE], ROUNDS).await?;
    compare(programs, Data::PlanetScale { members: 1_000_000, teams: 0 }, &[0], &[], ROUNDS).await
}

async fn compare(
    programs: &Programs,
    data: Data,
    latencies: &[u64],
    peers: &[Program],
    rounds: usize,
) -> Result<()> {
    let (folder, contenders) = (folder()?, [Program::Ours].iter().chain(peers));
    let contenders: Vec<_> = contenders.map(|program| (*program, Limit::None)).collect();
    let upstream = Upstream::start(&programs.ours, folder.path(), data).await?;
    for latency in latencies {
        let contenders = contenders.clone();
        Scenario { data, latency: *latency, contenders, rounds, enough: ENOUGH }.run(programs, &upstream)?;
    }
    Ok(())
}

/// Under our default limits, and under the vendors' own.
pub(crate) async fn limits(programs: &Programs) -> Result<()> {
    for (data, allowance) in
        [(Data::PlanetScale { members: 100_000, teams: TEAMS }, 600), (Data::Scalr { users: 100_000 }, 500)]
    {
        let folder = folder()?;
        let upstream = Upstream::start(&programs.ours, folder.path(), data).await?;
        let contenders = vec![
            (Program::Ours, Limit::Default),
            (Program::Ours, Limit::PerMinute(allowance)),
            (PEBBLE, Limit::PerMinute(allowance)),
        ];
        Scenario { data, latency: 20, contenders, rounds: 1, enough: ENOUGH }.run(programs, &upstream)?;
    }
    shared(programs).await
}

/// Many connectors with one credential.
async fn shared(programs: &Programs) -> Result<()> {
    let data = Data::PlanetScale { members: 100, teams: 0 };
    let scratch = folder()?;
    let upstream = Upstream::start(&programs.ours, scratch.path(), data).await?;
    upstream.delay(20)?;
    let mut table = Table::new(&["limit", "wall s", "CPU s", "MiB", "requests", "at once"]);
    for (title, limit) in
        [("default", Limit::Default), ("600 a minute", Limit::PerMinute(600)), ("none", Limit::None)]
    {
        say(&format!("{MANY} connectors that share one credential, limit: {title}"));
        let folder = folder()?;
        let (mut command, _) = programs.ours(&upstream, limit, folder.path(), MANY)?;
        upstream.forget()?;
        let cost = measure(&mut command).map_err(|error| with_log(&error, folder.path()))?;
        let asked = upstream.asked()?;
        let mut row = vec![title.to_owned()];
        row.extend(numbers(cost));
        row.extend([asked.requests.to_string(), asked.most_in_flight.to_string()]);
        table.row(row);
    }
    println!("\n### {MANY} connectors that share one credential, 20 ms a request\n\n{}", table.render());
    Ok(())
}

/// Writing snapshots, step by step.
pub(crate) fn writer() -> Result<()> {
    let this = std::env::current_exe().map_err(|error| Error::new(error.to_string()))?;
    for members in [100_000, 1_000_000] {
        let mut costs = vec![Vec::new(); Until::value_variants().len()];
        for round in 1..=ROUNDS {
            say(&format!("writing {} users and grants, round {round}", grouped(members)));
            for (until, costs) in Until::value_variants().iter().zip(&mut costs) {
                let mut command = Command::new(&this);
                command.args(["write", "--members", &members.to_string(), "--until", until.name()]);
                costs.push(measure(&mut command)?);
            }
        }
        let mut table = Table::new(&["until", "wall s", "CPU s", "MiB"]);
        for (until, costs) in Until::value_variants().iter().zip(costs) {
            let mut row = vec![until.title().to_owned()];
            row.extend(numbers(Cost {
                wall: median(costs.iter().map(|cost| cost.wall)),
                cpu: median(costs.iter().map(|cost| cost.cpu)),
                peak: median(costs.iter().map(|cost| cost.peak)),
            }));
            table.row(row);
        }
        println!("\n### Writing {} users and as many grants\n\n{}", grouped(members), table.render());
    }
    Ok(())
}

fn numbers(cost: Cost) -> [String; 3] {
    [
        format!("{:.2}", cost.wall.as_secs_f64()),
        format!("{:.2}", cost.cpu.as_secs_f64()),
        format!("{:.1}", mebibytes(cost.peak)),
    ]
}
