//! `make bench-operator`: what the operator costs with many connectors. A real API server, simulators of both vendors,
//! and the operator as a process of its own, with the rights of `deploy/cluster-wide/rbac.yaml` and no others.

mod load;
mod process;
mod replay;
mod report;
mod round;
mod simulators;
mod stage;
mod verdict;

use std::path::Path;
use std::time::Duration;

use crate::compare::folder;
use crate::error::{Error, Result};
use crate::say;
use round::Round;
use verdict::Verdict;

/// The numbers of connectors, unless it is said otherwise.
pub(crate) const NUMBERS: [usize; 4] = [100, 1_000, 5_000, 10_000];
/// How long the operator is watched while nothing is due, unless `BENCH_SECONDS` says otherwise.
const IDLE: u64 = 120;

/// Measures with each of these numbers of connectors, and prints what it finds.
///
/// # Errors
/// Where something cannot be measured, and where the operator asks more than it may on any machine. Never for being slow.
pub(crate) async fn measure(programs: &Path, numbers: &[usize]) -> Result<()> {
    let idle = match std::env::var("BENCH_SECONDS") {
        Err(_) => IDLE,
        Ok(text) => text.parse().map_err(|_| Error::new("BENCH_SECONDS is no number"))?,
    };
    // None goes before the end: whoever makes files where many have just been deleted pays for that.
    let mut homes = Vec::new();
    let mut rounds = Vec::new();
    for connectors in numbers {
        let round = Round { connectors: *connectors, idle: Duration::from_secs(idle) };
        let home = folder()?;
        let measured = round.run(programs, home.path()).await?;
        homes.push(home);
        say(&format!("{connectors} connectors: done"));
        rounds.push(measured);
        // All of them each time: a long bench that is ended early has shown something.
        println!("{}", report::tables(&rounds));
    }
    let verdict = Verdict::on(&rounds);
    println!("{verdict}");
    if verdict.asks_too_much() {
        return Err(Error::new("the operator asks more than it may"));
    }
    Ok(())
}
