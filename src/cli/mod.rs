//! The commands. Each parses what a person typed, wires the parts together, and holds no logic of its own.

mod asking;
mod crds;
mod election;
mod manifests;
mod operator;
mod progress;
mod reference;
mod report;
mod results;
mod snapshot;
mod standalone;
mod stop;
mod storage;
mod sync;
mod watching;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::telemetry::{self, LogFormat};
use standalone::{PlanetScaleFlags, ScalrFlags, Standalone};
use stop::{cancelled_by_signal, signals};

/// Reads who has access to Scalr accounts and PlanetScale organizations, and keeps it as Baton snapshots.
#[derive(Debug, Parser)]
#[command(name = "connector-operator", version, propagate_version = true, args_override_self = true)]
struct Arguments {
    /// What to log: off, error, warn, info, debug, trace, or per module as in info,kube=warn. Commands other than
    /// run, scalr and planetscale log only warnings where this is not given.
    #[arg(long, global = true, env = "CONNECTOR_LOG_LEVEL", value_name = "LEVEL")]
    log_level: Option<String>,
    /// How to log; console where this is not given.
    #[arg(long, global = true, env = "CONNECTOR_LOG_FORMAT", value_enum)]
    log_format: Option<LogFormat>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the operator: watches connectors in a cluster and reads when they are due
    Run(operator::Run),
    /// Reads once what connectors in YAML files describe, without a cluster
    Sync(sync::Sync),
    /// Runs the Scalr connector by itself, set by BATON_* variables, without a cluster
    #[command(after_help = standalone::EXIT_CODES)]
    Scalr(Standalone<ScalrFlags>),
    /// Runs the PlanetScale connector by itself, set by BATON_* variables, without a cluster
    #[command(after_help = standalone::EXIT_CODES)]
    Planetscale(Standalone<PlanetScaleFlags>),
    /// Looks at stored snapshots
    #[command(subcommand)]
    Snapshot(snapshot::Snapshot),
    /// Prints the CustomResourceDefinitions
    Crds(crds::Crds),
    /// Prints the reference pages about fields, conditions, settings and metrics
    Reference(reference::Reference),
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

/// What to do about a folder that cannot be made.
const WRITABLE: &str = "name a folder that this user can write to";

/// What commands other than `run` log: warnings, but not how a run ended, which they print.
const OF_OTHERS: &str = "warn,connector_operator::sync::run=off";

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let matches = standalone::prepare(Arguments::command()).get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    arguments.execute().unwrap_or_else(|error| {
        report::error(&error.to_string());
        ExitCode::FAILURE
    })
}

impl Arguments {
    fn execute(self) -> Result<ExitCode, Failed> {
        let Self { log_level, log_format, command } = self;
        let format = log_format.unwrap_or(LogFormat::Console);
        let logged = |usual: &str| telemetry::init(log_level.as_deref().unwrap_or(usual), format);
        match command {
            Command::Run(run) => {
                let level = log_level.as_deref().unwrap_or("info");
                run.execute(level, format).map(|()| ExitCode::SUCCESS)
            }
            Command::Sync(sync) => {
                logged(OF_OTHERS);
                sync.execute()
            }
            Command::Scalr(scalr) => scalr.execute(log_level.as_deref(), log_format),
            Command::Planetscale(planetscale) => planetscale.execute(log_level.as_deref(), log_format),
            Command::Snapshot(snapshot) => {
                logged(OF_OTHERS);
                snapshot.execute().map(|()| ExitCode::SUCCESS)
            }
            Command::Crds(crds) => {
                logged(OF_OTHERS);
                crds.execute().map(|()| ExitCode::SUCCESS)
            }
            Command::Reference(reference) => {
                logged(OF_OTHERS);
                reference.execute().map(|()| ExitCode::SUCCESS)
            }
        }
    }
}

/// The runtime of a command.
fn runtime() -> Result<tokio::runtime::Runtime, Failed> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
