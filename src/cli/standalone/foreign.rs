//! Flags and variables of C1's SDK (baton-sdk v0.25.0, `pkg/field/defaults.go`) that this connector has no use for. What
//! could only be done by writing to the upstream, or would give another file than was asked for, is refused; what
//! changes nothing that anybody could tell is taken, and told of.

use std::ffi::OsString;
use std::sync::LazyLock;

use clap::builder::ValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::connectors::variable;
use super::variables::is_false;

/// What becomes of a flag that is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It would change something upstream.
    Writes,
    /// It asks for what only a connector that writes, or has events or tickets, could answer.
    Lacks(&'static str),
    /// It is taken, and has no effect for this reason.
    Idle(&'static str),
}

/// A flag that this connector has no use for.
#[derive(Debug)]
struct Flag {
    name: &'static str,
    short: Option<char>,
    is_switch: bool,
    verdict: Verdict,
}

const WRITES: Verdict = Verdict::Writes;
const TARGETED: Verdict =
    Verdict::Lacks("every run reads everything, so single resources cannot be read; leave it out");
const EVENTS: Verdict = Verdict::Lacks("there are no event feeds; leave it out");
const FILES: Verdict =
    Verdict::Lacks("files are compared by baton itself: baton diff -f sync.c1z, after two runs");
const OTHERS_USERS: Verdict =
    Verdict::Lacks("nothing that is read here refers to the users of another file; leave it out");
const CONFIG_FILE: Verdict =
    Verdict::Lacks("configuration files are not read; set what is in it by BATON_* variables or flags");
const WORKERS: Verdict = Verdict::Idle("pages are fetched ahead as fast as --requests-per-minute allows");
const OTEL: Verdict = Verdict::Idle("nothing is sent to OpenTelemetry; logs go to stderr or --log-path");
const REPLAY: Verdict = Verdict::Idle("every run reads everything anew");
const ONE_METHOD: Verdict = Verdict::Idle("there is one way only to show the credential");
const NO_SESSIONS: Verdict = Verdict::Idle("nothing is kept between requests");
const NOT_EXPIRING: Verdict = Verdict::Idle("the log level stays as it is set");
const CLEANUP: Verdict = Verdict::Idle("the file never keeps more than two runs");
const POLLING: Verdict = Verdict::Idle("C1 is asked for one task at a time");

static FLAGS: &[Flag] = &[
    Flag { short: Some('p'), ..switch("provisioning", WRITES) },
    switch("ticketing", WRITES),
    value("grant-entitlement", WRITES),
    value("grant-principal", WRITES),
    value("grant-principal-type", WRITES),
    value("revoke-grant", WRITES),
    value("create-account-email", WRITES),
    value("create-account-login", WRITES),
    value("create-account-profile", WRITES),
    value("create-account-resource-type", WRITES),
    value("delete-resource", WRITES),
    value("delete-resource-type", WRITES),
    value("rotate-credentials", WRITES),
    value("rotate-credentials-type", WRITES),
    switch("create-ticket", WRITES),
    switch("bulk-create-ticket", WRITES),
    value("bulk-ticket-template-path", WRITES),
    switch("get-ticket", WRITES),
    value("ticket-id", WRITES),
    value("ticket-template-path", WRITES),
    switch("list-ticket-schemas", WRITES),
    value("invoke-action", WRITES),
    value("invoke-action-args", WRITES),
    value("invoke-action-resource-type", WRITES),
    switch("list-action-schemas", WRITES),
    value("list-action-schemas-resource-type", WRITES),
    value("list-resource-actions", WRITES),
    value("invoke-resource-action", WRITES),
    value("invoke-resource-action-resource-type", WRITES),
    value("invoke-resource-action-args", WRITES),
    value("event-feed", EVENTS),
    value("event-feed-id", EVENTS),
    value("event-feed-start-at", EVENTS),
    value("event-feed-cursor", EVENTS),
    value("sync-resources", TARGETED),
    switch("diff-syncs", FILES),
    value("base-sync-id", FILES),
    value("applied-sync-id", FILES),
    switch("compact-syncs", FILES),
    value("compact-sync-ids", FILES),
    value("compact-file-paths", FILES),
    value("compact-output-path", FILES),
    value("external-resource-c1z", OTHERS_USERS),
    value("external-resource-entitlement-id-filter", OTHERS_USERS),
    value("external-resource-traits", OTHERS_USERS),
    value("config-path", CONFIG_FILE),
    value("workers", WORKERS),
    switch("parallel-sync", WORKERS),
    switch("keep-previous-sync-c1z", REPLAY),
    switch("skip-cleanup", CLEANUP),
    switch("get-tasks", POLLING),
    value("otel-collector-endpoint", OTEL),
    value("otel-collector-endpoint-tls-cert-path", OTEL),
    value("otel-collector-endpoint-tls-cert", OTEL),
    switch("otel-collector-endpoint-tls-insecure", OTEL),
    switch("otel-tracing-disabled", OTEL),
    switch("otel-logging-disabled", OTEL),
    value("auth-method", ONE_METHOD),
    value("session-store-maximum-size", NO_SESSIONS),
    value("log-level-debug-expires-at", NOT_EXPIRING),
];

/// The variable of each, in the same order. `Arg::env` wants a name that is never freed.
static VARIABLES: LazyLock<Vec<String>> =
    LazyLock::new(|| FLAGS.iter().map(|flag| variable(flag.name)).collect());

const fn switch(name: &'static str, verdict: Verdict) -> Flag {
    Flag { name, short: None, is_switch: true, verdict }
}

const fn value(name: &'static str, verdict: Verdict) -> Flag {
    Flag { name, short: None, is_switch: false, verdict }
}

impl Flag {
    fn arg(&self, variable: &'static str) -> Arg {
        let arg = Arg::new(self.name)
            .long(self.name)
            .short(self.short)
            .env(variable)
            .hide(true)
            .action(ArgAction::Set)
            .value_parser(ValueParser::os_string());
        match self.is_switch {
            true => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
            false => arg.num_args(1).allow_hyphen_values(true),
        }
    }

    fn is_given(&self, matches: &ArgMatches) -> bool {
        let by_person = matches!(
            matches.value_source(self.name),
            Some(ValueSource::CommandLine | ValueSource::EnvVariable)
        );
        let value = matches.get_one::<OsString>(self.name);
        by_person && value.is_some_and(|value| !(value.is_empty() || self.is_switch && is_false(value)))
    }
}

/// Which of them are given.
#[derive(Debug)]
pub(super) struct Foreign {
    given: Vec<&'static Flag>,
}

impl Foreign {
    /// Why the command cannot be what was asked for; the first reason is enough.
    pub(super) fn refusal(&self) -> Option<String> {
        self.given.iter().find_map(|flag| {
            let why = match flag.verdict {
                Verdict::Idle(_) => return None,
                Verdict::Lacks(why) => why,
                Verdict::Writes => {
                    "this connector is read-only: it changes nothing upstream, and has no tickets and no actions. \
                     Leave it out"
                }
            };
            Some(format!("{}: {why}.", flag.title()))
        })
    }

    /// Says in the log which of them have no effect.
    pub(super) fn warn(&self) {
        for flag in &self.given {
            if let Verdict::Idle(why) = flag.verdict {
                tracing::warn!("{} has no effect: {why}", flag.title());
            }
        }
    }
}

impl Flag {
    fn title(&self) -> String {
        format!("--{} ({})", self.name, variable(self.name))
    }
}

impl FromArgMatches for Foreign {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self { given: FLAGS.iter().filter(|flag| flag.is_given(matches)).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Foreign {
    fn augment_args(command: Command) -> Command {
        let args = FLAGS.iter().zip(VARIABLES.iter()).map(|(flag, variable)| flag.arg(variable));
        command.args(args)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn refusal(arguments: &[&str]) -> Option<String> {
        let command = Foreign::augment_args(Command::new("scalr"));
        let matches = command.try_get_matches_from([&["scalr"], arguments].concat()).unwrap();
        Foreign::from_arg_matches(&matches).unwrap().refusal()
    }

    #[rstest]
    #[case(&["--provisioning"], "--provisioning (BATON_PROVISIONING)", "read-only")]
    #[case(&["-p"], "--provisioning (BATON_PROVISIONING)", "read-only")]
    #[case(&["--revoke-grant", "team:t1:member:user:u1"], "BATON_REVOKE_GRANT", "read-only")]
    #[case(&["--event-feed", "-1"], "BATON_EVENT_FEED", "no event feeds")]
    #[case(&["--sync-resources=user:u1"], "BATON_SYNC_RESOURCES", "reads everything")]
    fn what_cannot_be_done_is_refused_by_its_name(
        #[case] arguments: &[&str],
        #[case] name: &str,
        #[case] why: &str,
    ) {
        let refusal = refusal(arguments).unwrap();
        assert!(refusal.contains(name) && refusal.contains(why), "{refusal}");
    }

    #[rstest]
    #[case(&["--provisioning=false"])]
    #[case(&["--ticketing=0", "--grant-entitlement", ""])]
    #[case(&["--workers", "-1", "--otel-tracing-disabled"])]
    fn what_changes_nothing_is_taken(#[case] arguments: &[&str]) {
        assert_eq!(refusal(arguments), None);
    }
}
