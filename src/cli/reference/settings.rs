//! The page about the flags and variables of the commands, made from their definitions.

use std::fmt::Write;

use clap::{Arg, ArgAction, Command, CommandFactory};

use super::super::Arguments;
use super::{code, prose, table};

const INTRODUCTION: &str = "\
# Settings

<!-- Made by `make crds` from src/cli/. -->

The flags of each command, and the environment variables that say the same; a flag comes before its variable, and of one
that is given twice the last counts, unless it may be repeated. What the chart sets of them stands in
[its own page](../../charts/connector-operator/README.md). The commands `scalr` and `planetscale` take the `BATON_*`
variables: [self-hosting](../self-hosting.md#settings).
";

/// The commands that have flags of their own to tell of.
const COMMANDS: [&[&str]; 5] =
    [&["run"], &["sync"], &["snapshot", "list"], &["snapshot", "pair"], &["snapshot", "prune"]];

/// The page.
pub(super) fn page() -> String {
    let all = Arguments::command();
    let mut page = INTRODUCTION.to_owned();
    section(&mut page, "Every command", &all);
    for path in COMMANDS {
        let command = path.iter().try_fold(&all, |command, name| command.find_subcommand(name));
        if let Some(command) = command {
            section(&mut page, &format!("connector-operator {}", path.join(" ")), command);
        }
    }
    page
}

fn section(page: &mut String, title: &str, command: &Command) {
    // Writing to a String does not fail.
    let _ = writeln!(page, "\n## {title}");
    let rows = command.get_arguments().map(|argument| {
        let variable = argument.get_env().map(|name| code(&name.to_string_lossy())).unwrap_or_default();
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        [code(&typed(argument)), variable, default_of(argument), prose(help.trim_end_matches('.'))]
    });
    table(page, &["flag", "variable", "default", "meaning"], rows);
}

/// As it is typed: `-f, --filename`, or the name of what stands without a flag.
fn typed(argument: &Arg) -> String {
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let flags: Vec<String> = short.into_iter().chain(long).collect();
    match flags.as_slice() {
        [] => argument.get_id().as_str().to_uppercase(),
        flags => flags.join(", "),
    }
}

fn default_of(argument: &Arg) -> String {
    if matches!(argument.get_action(), ArgAction::SetTrue) {
        return String::new();
    }
    let values: Vec<String> =
        argument.get_default_values().iter().map(|value| code(&value.to_string_lossy())).collect();
    if argument.is_required_set() { "required".to_owned() } else { values.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_has_its_row_and_says_what_it_is() {
        let (page, all) = (page(), Arguments::command());
        for path in COMMANDS {
            let command = path.iter().try_fold(&all, |command, name| command.find_subcommand(name)).unwrap();
            assert!(command.get_arguments().count() > 0, "{path:?}");
            for argument in command.get_arguments() {
                assert!(page.contains(&format!("| {} | ", code(&typed(argument)))), "{argument}");
                assert!(argument.get_help().is_some(), "{argument} says nothing");
            }
        }
        assert!(page.contains("| `--min-interval` | `CONNECTOR_MIN_INTERVAL` | `1m` | "), "{page}");
        assert!(page.contains("| `-f, --filename` |  | required | "), "{page}");
    }
}
