//! How `BATON_*` variables are read where clap alone would differ from C1's SDK: empty ones count as not set, switches
//! take a value, and a misspelt one is told of instead of being passed over in silence.

use std::ffi::{OsStr, OsString};

use clap::builder::BoolishValueParser;
use clap::{Arg, ArgAction, Command};

/// The variables of C1's SDK that are no flags of it and that nothing here is to be told by.
const OF_THE_SDK: [&str; 4] = [
    "BATON_DEBUG_PRINT_RESPONSE_BODY",
    "BATON_DISABLE_HTTP_CACHE",
    "BATON_HTTP_CACHE_",
    "BATON_GRAPH_EXPAND_",
];

/// A name is taken for a misspelt one where so much of it is the same.
const ALIKE: f64 = 0.8;

/// Makes `command` read its variables, and its switches, as C1's SDK does.
pub(super) fn as_the_sdk_reads(command: Command) -> Command {
    command.mut_args(|arg| with_value(without_empty(arg)))
}

/// Hidden, for help would show the name that stands for no variable.
fn without_empty(arg: Arg) -> Arg {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    match arg.get_env().is_some_and(is_empty) {
        true => arg.env("").hide_env(true),
        false => arg,
    }
}

/// `--skip-grants`, and `--skip-grants=false` too.
fn with_value(arg: Arg) -> Arg {
    match arg.get_action() {
        ArgAction::SetTrue => arg
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .value_name("BOOL")
            .default_missing_value("true")
            .default_value("false")
            .hide_default_value(true)
            .hide_possible_values(true)
            .value_parser(BoolishValueParser::new()),
        _ => arg,
    }
}

/// Does the SDK take it for false?
pub(super) fn is_false(value: &OsStr) -> bool {
    let value = value.to_string_lossy().trim().to_ascii_lowercase();
    matches!(value.as_str(), "" | "0" | "f" | "false" | "n" | "no" | "off")
}

/// Says in the log which `BATON_*` variables nobody reads, and which one may have been meant. Never their values.
pub(super) fn tell_of_unknown(known: &[String]) {
    let names = std::env::vars_os().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name);
    for name in unknown(names, known) {
        match nearest(&name, known) {
            Some(meant) => tracing::warn!("{name} is not a variable of this command; is {meant} meant?"),
            None => tracing::debug!("{name} is not a variable of this command; it has no effect"),
        }
    }
}

fn unknown(names: impl Iterator<Item = OsString>, known: &[String]) -> Vec<String> {
    names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.starts_with("BATON_") && !known.contains(name))
        .filter(|name| !OF_THE_SDK.iter().any(|prefix| name.starts_with(prefix)))
        .collect()
}

fn nearest<'k>(name: &str, known: &'k [String]) -> Option<&'k str> {
    let own = |name: &str| name.trim_start_matches("BATON_").to_owned();
    let alike = |candidate: &str| strsim::normalized_damerau_levenshtein(&own(name), &own(candidate));
    let scored = known.iter().map(|candidate| (alike(candidate), candidate.as_str()));
    let best = scored.max_by(|one, other| one.0.total_cmp(&other.0));
    best.filter(|(score, _)| *score >= ALIKE).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<String> {
        ["BATON_SCALR_API_TOKEN", "BATON_CLIENT_ID", "BATON_FILE"].map(str::to_owned).to_vec()
    }

    #[test]
    fn only_variables_of_connectors_that_nobody_reads_are_unknown() {
        let names = ["PATH", "BATON_FILE", "BATON_SCALR_TOKEN", "BATON_HTTP_CACHE_TTL"].map(OsString::from);
        assert_eq!(unknown(names.into_iter(), &known()), ["BATON_SCALR_TOKEN"]);
    }

    #[test]
    fn a_misspelt_variable_is_told_from_one_of_another_connector() {
        assert_eq!(nearest("BATON_SCALR_APITOKEN", &known()), Some("BATON_SCALR_API_TOKEN"));
        assert_eq!(nearest("BATON_CLIENT_DI", &known()), Some("BATON_CLIENT_ID"));
        assert_eq!(nearest("BATON_GITHUB_ORG", &known()), None);
    }

    #[test]
    fn a_switch_may_be_given_a_value() {
        let command = || {
            let switch = Arg::new("skip").long("skip").action(ArgAction::SetTrue);
            as_the_sdk_reads(Command::new("scalr").arg(switch))
        };
        for (arguments, is_set) in
            [(vec!["scalr"], false), (vec!["scalr", "--skip"], true), (vec!["scalr", "--skip=false"], false)]
        {
            let matches = command().try_get_matches_from(arguments).unwrap();
            assert_eq!(matches.get_one::<bool>("skip"), Some(&is_set));
        }
    }
}
