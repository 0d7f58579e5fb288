//! `make bench`: what connector-operator costs beside connectors on C1's own SDK, on one machine, against one simulator,
//! with the same data. `make bench-operator`: what it costs as an operator with many connectors.
//!
//! Fails where something is wrong on any machine: a page asked for twice, too many requests at once, or files that
//! differ in what they hold. It never fails for being slow.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what it finds is for people to read")]

mod compare;
mod error;
mod idle;
mod measure;
mod operator;
mod plan;
mod program;
mod table;
mod upstream;
mod writer;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::error::{Error, Result};
use crate::program::Programs;

#[derive(Debug, Parser)]
#[command(about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure.
    Run {
        /// What to measure.
        #[arg(value_enum, default_value_t = What::All)]
        what: What,
        /// The folder of the connectors on C1's SDK, as benches/peer/build prints it, where they are compared.
        #[arg(long, value_name = "DIR")]
        peers: Option<PathBuf>,
    },
    /// Measure the operator in a cluster, with many connectors.
    Operator {
        /// How many connectors, one after the other.
        #[arg(value_name = "N", default_values_t = operator::NUMBERS)]
        numbers: Vec<usize>,
    },
    /// Write a snapshot from records that are made up on the way.
    Write {
        /// The users of an organization, each of whom has one grant.
        #[arg(long, default_value_t = 100_000)]
        members: u64,
        /// The last thing to do.
        #[arg(long, value_enum, default_value_t = writer::Until::Pack)]
        until: writer::Until,
        /// How often to do it.
        #[arg(long, value_name = "N", default_value_t = 1)]
        times: u32,
    },
    /// Wait for tasks of C1 until it is killed.
    #[command(hide = true)]
    IdleLoops(idle::LoopsArgs),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Two minutes: 10,000 members.
    Quick,
    /// 1,000 to 1,000,000 members and 100,000 users, without a limit of requests.
    All,
    /// Under limits of requests: long, most of it waiting.
    Limits,
    /// Only the writing of snapshots, step by step.
    Writer,
    /// Only what it costs to wait for tasks of C1.
    IdleC1,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match execute(Cli::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn execute(command: Command) -> Result<()> {
    match command {
        Command::Write { members, until, times } => {
            let folder = compare::folder()?;
            (0..times).try_for_each(|_| writer::write(members, until, folder.path()))
        }
        Command::IdleLoops(args) => idle::run_loops(&args).await,
        Command::Operator { numbers } => operator::measure(&beside_this()?, &numbers).await,
        Command::Run { what, peers } => {
            measure::adopt_orphans()?;
            match what {
                What::Quick => plan::quick(&programs(peers).await?).await,
                What::All => plan::all(&programs(peers).await?).await,
                What::Limits => plan::limits(&programs(peers).await?).await,
                What::Writer => plan::writer(),
                What::IdleC1 => idle::measure(&beside_this()?).await,
            }
        }
    }
}

/// What is compared.
async fn programs(peers: Option<PathBuf>) -> Result<Programs> {
    let peers = peers.ok_or_else(|| Error::new("--peers is missing: what benches/peer/build prints"))?;
    Ok(Programs { ours: beside_this()?, peers, baton: baton().await? })
}

/// The folder of this program, where the others have been built too.
fn beside_this() -> Result<PathBuf> {
    let this =
        std::env::current_exe().map_err(|error| Error::new(format!("finding this program: {error}")))?;
    this.parent().map(PathBuf::from).ok_or_else(|| Error::new("this program is in no folder"))
}

async fn baton() -> Result<PathBuf> {
    testbed::tools::locate_async("baton").await.map_err(|error| Error::new(error.to_string()))
}

/// Says what is going on.
fn say(text: &str) {
    eprintln!("bench: {text}");
}
