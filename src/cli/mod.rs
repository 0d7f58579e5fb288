//! The commands. Each parses what a person typed, wires the parts together, and holds no logic of its own.

mod asking;
mod crds;
mod manifests;
mod operator;
mod progress;
mod report;
mod results;
mod snapshot;
mod sync;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::telemetry::{self, LogFormat};

/// Reads who has access to Scalr accounts and PlanetScale organizations, and keeps it as Baton snapshots.
#[derive(Debug, Parser)]
#[command(name = "connector-operator", version, propagate_version = true)]
struct Arguments {
    /// What to log: off, error, warn, info, debug, trace, or per module as in info,kube=warn. Commands other than
    /// run log only warnings where this is not given.
    #[arg(long, global = true, env = "CONNECTOR_LOG_LEVEL", value_name = "LEVEL")]
    log_level: Option<String>,
    /// How to log.
    #[arg(long, global = true, env = "CONNECTOR_LOG_FORMAT", value_enum, default_value_t = LogFormat::Console)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the operator: watches connectors in a cluster and reads when they are due
    Run(operator::Run),
    /// Reads once what connectors in YAML files describe, without a cluster
    Sync(sync::Sync),
    /// Looks at stored snapshots
    #[command(subcommand)]
    Snapshot(snapshot::Snapshot),
    /// Prints the CustomResourceDefinitions
    Crds(crds::Crds),
}

/// How a command prints what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A table for people.
    Table,
    /// JSON for programs.
    Json,
}

/// Why a command failed, as one sentence; the exit code is 1.
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// What commands other than `run` log: warnings, but not how a run ended, which they print.
const OF_OTHERS: &str = "warn,connector_operator::sync::run=off";

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let usual = if matches!(arguments.command, Command::Run(_)) { "info" } else { OF_OTHERS };
    telemetry::init(arguments.log_level.as_deref().unwrap_or(usual), arguments.log_format);
    let done = match arguments.command {
        Command::Run(run) => run.execute().map(|()| ExitCode::SUCCESS),
        Command::Sync(sync) => sync.execute(),
        Command::Snapshot(snapshot) => snapshot.execute().map(|()| ExitCode::SUCCESS),
        Command::Crds(crds) => crds.execute().map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        report::error(&error.to_string());
        ExitCode::FAILURE
    })
}

/// The runtime of a command.
fn runtime() -> Result<tokio::runtime::Runtime, Failed> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
