//! What may be typed, and which module does it.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::Result;
use crate::accept_removals::AcceptRemovals;
use crate::access::Access;
use crate::cluster::Connection;
use crate::completion::{Complete, Completion};
use crate::create::Create;
use crate::describe::Describe;
use crate::diff::Diff;
use crate::get::Get;
use crate::logs::Logs;
use crate::manual::Manual;
use crate::suspend::{Resume, Suspend};
use crate::sync::Sync;
use crate::users::Users;

/// What every command exits with, for the help.
const EXIT_CODES: &str = "\
A connector is named by its kind and name, such as scalr/acme or planetscale/all, or by its name alone where \
there is one of that name.

Exit codes:
  0  it was done; with --wait, and the run published
  1  it failed, or the run that was waited for did not publish: stderr says why
  2  the command line is wrong";

/// Looks at connectors, has them read, and shows what they read.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-connector",
    bin_name = "kubectl connector",
    version,
    propagate_version = true,
    after_help = EXIT_CODES
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists connectors: how each is, whom it reads, when it did and when it will
    Get(Get),
    /// Tells all about a connector: how it is, what to do, its last run, what changed, what is held
    Describe(Describe),
    /// Has a connector read now
    Sync(Sync),
    /// Stops a connector from reading; what it published stays
    Suspend(Suspend),
    /// Lets a suspended connector read again
    Resume(Resume),
    /// Shows what the operator logged about a connector
    Logs(Logs),
    /// Shows what changed between the last two snapshots: resources, entitlements and grants
    Diff(Diff),
    /// Lists the users of the last snapshot
    Users(Users),
    /// Lists who has what in the last snapshot
    Access(Access),
    /// Shows the removals that are held, and accepts them
    AcceptRemovals(AcceptRemovals),
    /// Makes a connector and the Secret that it reads with
    #[command(subcommand)]
    Create(Create),
    /// Prints a script that completes commands and the names of connectors
    Completion(Completion),
    /// Answers kubectl, which asks for completions
    #[command(name = "__complete", hide = true)]
    Complete(Complete),
    /// Prints the reference page of all commands
    #[command(name = "reference", hide = true)]
    Manual(Manual),
}

impl Arguments {
    pub(crate) async fn execute(self) -> Result<ExitCode> {
        let connection = self.connection;
        match self.command {
            Command::Get(get) => get.execute(connection).await,
            Command::Describe(describe) => describe.execute(connection).await,
            Command::Sync(sync) => sync.execute(connection).await,
            Command::Suspend(suspend) => suspend.execute(connection).await,
            Command::Resume(resume) => resume.execute(connection).await,
            Command::Logs(logs) => logs.execute(connection).await,
            Command::Diff(diff) => diff.execute(connection).await,
            Command::Users(users) => users.execute(connection).await,
            Command::Access(access) => access.execute(connection).await,
            Command::AcceptRemovals(accept) => accept.execute(connection).await,
            Command::Create(create) => create.execute(connection).await,
            Command::Completion(completion) => completion.execute(),
            Command::Complete(complete) => complete.execute(),
            Command::Manual(manual) => manual.execute(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    /// clap takes one for the other.
    #[test]
    fn no_command_has_an_argument_that_is_called_as_one_of_all_commands() {
        let all = Arguments::command();
        let global: Vec<&str> =
            all.get_arguments().filter(|it| it.is_global_set()).map(|it| it.get_id().as_str()).collect();
        assert!(global.contains(&"user"), "{global:?}");
        let commands = all.get_subcommands().flat_map(|it| it.get_subcommands().chain([it]));
        for command in commands {
            for argument in command.get_arguments() {
                let id = argument.get_id().as_str();
                assert!(!global.contains(&id), "{id} of {}", command.get_name());
            }
        }
    }
}
