//! `config`: every flag and variable of a self-hosted connector, as people and programs read them.

use clap::{Arg, ArgAction, Command};
use serde::Serialize;

use crate::printing::wrapped;

use super::super::{Failed, Output, report};
use super::connectors::OwnFlags;

/// The widest line of the table.
const WIDTH: usize = 100;

/// One setting.
#[derive(Debug, Serialize)]
struct Setting {
    variable: String,
    flag: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<String>,
    required: bool,
    secret: bool,
    meaning: String,
}

/// The settings of `command`.
fn settings<C: OwnFlags>(command: &Command) -> Vec<Setting> {
    let required = |flag: &str| C::REQUIRED.iter().any(|(name, _)| *name == flag);
    let is_shown = |arg: &&Arg| !arg.is_hide_set() || arg.get_long() == Some("tmpdir");
    let args = command.get_arguments().filter(is_shown);
    args.filter_map(|arg| {
        let (flag, variable) = (arg.get_long()?, arg.get_env()?.to_str()?);
        let default = match arg.get_action() {
            ArgAction::SetTrue => Some("false"),
            _ => arg.get_default_values().first().and_then(|value| value.to_str()),
        };
        Some(Setting {
            variable: variable.to_owned(),
            flag: format!("--{flag}"),
            default: default.or((flag == "host-id").then_some(C::HOST_ID)).map(str::to_owned),
            required: required(flag),
            secret: arg.is_hide_env_values_set(),
            meaning: arg.get_help().map(|help| help.to_string().replace('\n', " ")).unwrap_or_default(),
        })
    })
    .collect()
}

/// The names of all variables that `command` knows.
pub(super) fn variables(command: &Command) -> Vec<String> {
    let flags = command.get_arguments().filter_map(|arg| arg.get_env()?.to_str());
    flags.map(str::to_owned).collect()
}

/// Prints the settings of `command`.
pub(super) fn print<C: OwnFlags>(command: &Command, output: Output) -> Result<(), Failed> {
    let settings = settings::<C>(command);
    match output {
        Output::Json => report::json(&settings),
        Output::Table => report::text(&table(&settings)),
    }
}

/// Two lines or more for each, since a name, a default and a meaning do not fit into one.
fn table(settings: &[Setting]) -> String {
    let mut text = format!("{:<36}{:<34}{:<18}{}\n", "VARIABLE", "FLAG", "DEFAULT", "REQUIRED");
    for setting in settings {
        let default = setting.default.as_deref().unwrap_or("-");
        let required = if setting.required { "yes" } else { "no" };
        let line = format!("{:<36}{:<34}{default:<18}{required}", setting.variable, setting.flag);
        text.push_str(&format!("{line}\n"));
        for line in wrapped(&setting.meaning, WIDTH - 4) {
            text.push_str(&format!("    {line}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Args;

    use super::super::connectors::{PlanetScaleFlags, ScalrFlags, variable};
    use super::super::flags::Flags;
    use super::*;

    fn of<C: OwnFlags>() -> Vec<Setting> {
        settings::<C>(&Flags::augment_args(C::augment_args(Command::new(C::NAME))))
    }

    #[test]
    fn every_flag_has_the_variable_that_the_sdk_would_read() {
        for setting in of::<ScalrFlags>().into_iter().chain(of::<PlanetScaleFlags>()) {
            assert_eq!(setting.variable, variable(setting.flag.trim_start_matches("--")));
            assert!(!setting.meaning.is_empty(), "{setting:?}");
        }
    }

    #[test]
    fn the_product_pages_required_fields_are_required_and_secrets_are_secret() {
        let all = of::<PlanetScaleFlags>();
        let required: Vec<&str> =
            all.iter().filter(|it| it.required).map(|it| it.variable.as_str()).collect();
        assert_eq!(required, ["BATON_PLANETSCALE_SERVICE_TOKEN", "BATON_PLANETSCALE_API_URL"]);
        let secret: Vec<&str> = all.iter().filter(|it| it.secret).map(|it| it.variable.as_str()).collect();
        assert_eq!(secret, ["BATON_PLANETSCALE_SERVICE_TOKEN", "BATON_CLIENT_SECRET"]);
    }

    #[test]
    fn no_line_of_the_table_is_wider_than_a_terminal() {
        for line in table(&of::<ScalrFlags>()).lines().chain(table(&of::<PlanetScaleFlags>()).lines()) {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
    }
}
