//! `reference`: the reference page of all commands, made from what clap knows of them.

use std::fmt::Write;
use std::process::ExitCode;

use clap::builder::{PossibleValue, StyledStr};
use clap::{Arg, ArgAction, Args, Command, CommandFactory};

use crate::arguments::Arguments;
use crate::{Result, screen};

/// Prints the reference page of all commands
#[derive(Debug, Args)]
pub(crate) struct Manual {}

const TITLE: &str = "\
# The commands of kubectl connector

<!-- Made by `make crds` from kubectl-connector/src/. -->

Every command and flag. What they are for is in [the plugin's page](../kubectl-connector.md).
";

impl Manual {
    #[allow(clippy::unused_self, reason = "as every command")]
    pub(crate) fn execute(&self) -> Result<ExitCode> {
        screen::text(&page())?;
        Ok(ExitCode::SUCCESS)
    }
}

fn page() -> String {
    let mut command = Arguments::command();
    command.build();
    let mut page = TITLE.to_owned();
    // Writing to a String does not fail.
    let _ = writeln!(page, "\n```\n{}\n```", text(command.get_after_help()));
    page += "\n## Flags of every command\n";
    table(&mut page, command.get_arguments().filter(|it| it.is_global_set()));
    for command in command.get_subcommands() {
        section(&mut page, command);
    }
    page
}

fn section(page: &mut String, command: &Command) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    if command.has_subcommands() {
        command.get_subcommands().for_each(|command| section(page, command));
        return;
    }
    let about = text(command.get_long_about().or(command.get_about()));
    let usage = command.clone().render_usage().to_string();
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let _ = writeln!(page, "\n## {name}\n{}.\n\n```\n{}\n```", about.trim_end_matches('.'), usage.trim());
    let own = |it: &&Arg| !it.is_global_set() && !it.is_hide_set() && !is_of_clap(it);
    table(page, command.get_arguments().filter(own));
}

/// `--help` and `--version`, which need no words.
fn is_of_clap(argument: &Arg) -> bool {
    matches!(
        argument.get_action(),
        ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
    )
}

fn table<'a>(page: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    let rows: Vec<String> = arguments.map(row).collect();
    if !rows.is_empty() {
        let _ = writeln!(page, "\n| flag | meaning | default |\n|---|---|---|\n{}", rows.join("\n"));
    }
}

fn row(argument: &Arg) -> String {
    let default: Vec<String> =
        argument.get_default_values().iter().map(|it| format!("`{}`", it.to_string_lossy())).collect();
    let default = if takes_value(argument) { default.join(", ") } else { String::new() };
    let variable = argument.get_env().map(|it| format!(" Also as `{}`.", it.to_string_lossy()));
    let values = values(argument);
    format!(
        "| `{}` | {}{values}{} | {default} |",
        typed(argument),
        sentence(argument.get_long_help().or(argument.get_help())),
        variable.unwrap_or_default(),
    )
}

/// As it is typed: `-n, --namespace <NAMESPACE>`.
fn typed(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    let value = names.first().map_or_else(|| argument.get_id().as_str().to_uppercase(), ToString::to_string);
    let long = argument.get_long().map(|long| format!("--{long}"));
    let short = argument.get_short().map(|short| format!("-{short}"));
    let flags: Vec<String> = short.into_iter().chain(long).collect();
    match (flags.is_empty(), takes_value(argument)) {
        (true, _) => value,
        (false, true) => format!("{} <{value}>", flags.join(", ")),
        (false, false) => flags.join(", "),
    }
}

fn values(argument: &Arg) -> String {
    let values: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|_| takes_value(argument))
        .map(PossibleValue::get_name)
        .map(|name| format!("`{name}`"))
        .collect();
    if values.is_empty() { String::new() } else { format!(" One of {}.", values.join(", ")) }
}

/// clap takes the full stop off.
fn sentence(help: Option<&StyledStr>) -> String {
    let text = text(help);
    if text.is_empty() || text.ends_with('.') { text } else { format!("{text}.") }
}

fn takes_value(argument: &Arg) -> bool {
    argument.get_action().takes_values()
}

fn text(styled: Option<&StyledStr>) -> String {
    styled.map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_every_flag_has_its_place() {
        let page = page();
        let mut command = Arguments::command();
        command.build();
        for command in command.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help") {
            assert!(page.contains(&format!("\n## kubectl connector {}", command.get_name())), "{page}");
        }
        for row in [
            "| `-n, --namespace <NAMESPACE>` | The namespace; that of the context where it is absent. |  |",
            "| `--as-group <GROUP>` |",
            "| `CONNECTOR` | The connector: scalr/acme,",
            "| `--timeout <DURATION>` | How long to wait. The run goes on after that. | `5m` |",
            "One of `table`, `json`, `yaml`, `name`. | `table` |",
        ] {
            assert!(page.contains(row), "{row}: {page}");
        }
        assert!(!page.contains("__complete"), "{page}");
    }
}
