//! `scalr` and `planetscale`: one connector by itself, in place of a self-hosted one built on C1's own SDK, with the same
//! flags and `BATON_*` variables. With a client id it works for C1; without, it reads once and writes a file.
//!
//! Every connector's command is this one, with flags of its own: see [`connectors`].

mod config;
mod connectors;
mod flags;
mod folder;
mod foreign;
mod health_check;
mod logs;
mod one_shot;
mod open;
mod problem;
mod service;
mod settings;
mod variables;

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Command, Subcommand};

use crate::telemetry::LogFormat;

use super::{Failed, cancelled_by_signal, report, runtime};
pub(super) use connectors::{OwnFlags, PlanetScaleFlags, ScalrFlags};
use flags::Flags;
use foreign::Foreign;
use health_check::HealthCheck;
use problem::Problem;
use service::Service;
use settings::Resolved;

/// What the commands exit with, for their help.
pub(super) const EXIT_CODES: &str = "\
Without a client id it reads once, writes --file and exits:
   0  everything was read and written
   1  it was stopped (SIGTERM, Ctrl-C)
   2  the flags or variables do not fit together
   3  the credential, the address or another setting has not the form it must have
   4  it took too long
   5  the account or organization does not exist, or the credential does not reach it
   7  the credential may not read what is needed
   9  the upstream shows what cannot be right, such as an account without users; or the host
      is one that no credential is sent to
  10  the listings changed while they were read: run it again
  12  this connector does not do what was asked for
  13  the file could not be written
  14  the upstream cannot be reached, or does not answer as it should: run it again
  16  the upstream refused the credential
Unless it exits with 0, an older file stays as it was.

With a client id it stays; what goes wrong in a reading is told to C1 and ends nothing. It exits:
   0  when it was stopped: C1 is told that tasks in hand were called off
   2, 3, 12  as above
  16  when C1 refuses the client id or secret; other codes are what C1 answers to its greeting";

/// One connector by itself.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = false)]
pub(super) struct Standalone<C: OwnFlags> {
    #[command(flatten)]
    own: C,
    #[command(flatten)]
    flags: Flags,
    #[command(flatten)]
    foreign: Foreign,
    #[command(subcommand)]
    action: Option<Action>,
}

/// What to do instead of reading.
#[derive(Debug, Subcommand)]
enum Action {
    /// Asks a running connector how it is; exits with 0 where it is well
    HealthCheck(HealthCheck),
    /// Lists every variable and flag: its default, whether it is required, and what it means
    Config,
}

/// Makes the commands here read their variables as C1's SDK does.
pub(super) fn prepare(command: Command) -> Command {
    [ScalrFlags::NAME, PlanetScaleFlags::NAME]
        .into_iter()
        .fold(command, |command, name| command.mut_subcommand(name, variables::as_the_sdk_reads))
}

impl<C: OwnFlags> Standalone<C> {
    /// Does what was asked for. A [`Problem`] is told, and is the exit code.
    pub(super) fn execute(self, level: Option<&str>, format: Option<LogFormat>) -> Result<ExitCode, Failed> {
        let reads_once = self.flags.c1.client_id.is_none();
        let started = logs::start(level, format, &self.flags.logs.paths(), reads_once);
        let done = started.and_then(|()| self.act());
        done.or_else(|problem| {
            report::error(&problem.message);
            Ok(ExitCode::from(problem.code))
        })
    }

    fn act(self) -> Result<ExitCode, Problem> {
        match self.action {
            Some(Action::Config) => {
                config::print::<C>(&command::<C>(), self.flags.file.output)?;
                Ok(ExitCode::SUCCESS)
            }
            Some(Action::HealthCheck(check)) => match runtime()?.block_on(check.ask(&self.flags.health)) {
                Ok(()) => Ok(ExitCode::SUCCESS),
                Err(message) => Err(Problem { message, code: 1 }),
            },
            None => self.work(),
        }
    }

    fn work(self) -> Result<ExitCode, Problem> {
        if let Some(refusal) = self.foreign.refusal() {
            return Err(Problem::unsupported(refusal));
        }
        self.foreign.warn();
        variables::tell_of_unknown(&config::variables(&command::<C>()));
        let Self { own, flags, .. } = self;
        runtime()?.block_on(begin(own, flags))
    }
}

async fn begin<C: OwnFlags>(own: C, flags: Flags) -> Result<ExitCode, Problem> {
    let Flags { c1, file, wanted, network, health, .. } = flags;
    let skip_full_sync = c1.skip_full_sync;
    let Resolved { open, c1, selection } = Resolved::new(own, c1, &wanted, &network)?;
    let (open, scratch, stop) = (Arc::new(open), settings::scratch(&file)?, cancelled_by_signal()?);
    if let Some(c1) = c1 {
        let health = health_check::begin(&health, &open, &stop).await?;
        let name = C::NAME;
        return service::serve(Service { name, open, c1, selection, skip_full_sync, scratch, health, stop })
            .await;
    }
    if skip_full_sync {
        tracing::info!("Nothing is read: --skip-full-sync (BATON_SKIP_FULL_SYNC) is set");
        return Ok(ExitCode::SUCCESS);
    }
    let output = file.output;
    let file = settings::file(&file, scratch)?;
    health_check::begin(&health, &open, &stop).await?;
    let run = one_shot::read(C::NAME, open, file, selection, stop).await;
    Ok(one_shot::print(C::NAME, run, output)?)
}

/// The command as clap knows it.
fn command<C: OwnFlags>() -> Command {
    Standalone::<C>::augment_args(Command::new(C::NAME))
}
