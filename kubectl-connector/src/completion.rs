//! Completion of commands, flags, and the names of connectors: by the shell's own script for `kubectl-connector`, and by
//! kubectl for `kubectl connector`. Both ask this program, which asks the cluster.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, ValueEnum};
use clap_complete::engine::{self, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt};

use crate::arguments::Arguments;
use crate::cluster::Connection;
use crate::connectors::{self, Connector};
use crate::{Result, screen};

/// The program.
const PROGRAM: &str = "kubectl-connector";
/// Set by the scripts when they ask.
const VARIABLE: &str = "KUBECTL_CONNECTOR_COMPLETE";
/// Nobody waits longer for a name.
const PATIENCE: Duration = Duration::from_secs(3);

/// What kubectl runs for completions: a program of this name on the PATH.
const FOR_KUBECTL: &str = "\
#!/bin/sh
# Completes `kubectl connector`. Put it on the PATH as kubectl_complete-connector, and make it executable.
exec kubectl-connector __complete \"$@\"
";

/// Prints a script that completes commands and the names of connectors
///
/// `kubectl connector` is completed by kubectl's own completion, which asks the program kubectl_complete-connector: it lies
/// beside the plugin; where it does not, as with Krew, put the script for kubectl on the PATH under that name. For `kubectl-connector`, load the script of your shell, such as: source <(kubectl-connector completion bash)
#[derive(Debug, Args)]
pub(crate) struct Completion {
    /// What is to complete.
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    /// kubectl, whatever the shell.
    Kubectl,
}

/// What was typed after `kubectl connector`, the last word perhaps not to its end.
#[derive(Debug, Args)]
pub(crate) struct Complete {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// Where a shell asks for completions, answers and ends.
pub(crate) fn answer_the_shell() {
    CompleteEnv::with_factory(Arguments::command).var(VARIABLE).bin(PROGRAM).completer(PROGRAM).complete();
}

impl Completion {
    pub(crate) fn execute(&self) -> Result<ExitCode> {
        let shell = match self.shell {
            Shell::Kubectl => {
                screen::text(FOR_KUBECTL)?;
                return Ok(ExitCode::SUCCESS);
            }
            Shell::Bash => "bash",
            Shell::Zsh => "zsh",
            Shell::Fish => "fish",
        };
        let mut script = Vec::new();
        if let Some(shell) = Shells::builtins().completer(shell) {
            shell.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)?;
        }
        screen::text(&String::from_utf8(script)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Complete {
    /// One candidate a line, what it means after a tab, and last what kubectl is to do with them: nothing but show them.
    pub(crate) fn execute(self) -> Result<ExitCode> {
        const NO_FILES: &str = ":4";
        let mut words = vec![OsString::from(PROGRAM)];
        words.extend(self.words);
        let last = words.len() - 1;
        // The names of connectors are looked for with a runtime of their own.
        let candidates =
            std::thread::spawn(move || engine::complete(&mut Arguments::command(), words, last, None));
        let candidates = candidates.join().map_err(|_| "completion has failed")??;
        let lines = candidates.iter().filter(|it| !it.is_hide_set()).map(|candidate| {
            let help = candidate.get_help().map(|help| format!("\t{help}")).unwrap_or_default();
            format!("{}{help}\n", candidate.get_value().to_string_lossy())
        });
        screen::text(&format!("{}{NO_FILES}\n", lines.collect::<String>()))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The connectors that a word may become.
pub(crate) fn connectors(word: &OsStr) -> Vec<CompletionCandidate> {
    let found = asked(async |connection| {
        let cluster = connection.cluster().await?;
        connectors::list(&cluster, Some(&cluster.namespace), None).await
    });
    let candidate = |it: Connector| CompletionCandidate::new(it.title()).help(Some(it.phase().into()));
    fitting(found.into_iter().map(candidate), word)
}

/// The namespaces that a word may become.
pub(crate) fn namespaces(word: &OsStr) -> Vec<CompletionCandidate> {
    let found = asked(async |connection| {
        let api: Api<Namespace> = Api::all(connection.cluster().await?.client);
        let names = api.list_metadata(&kube::api::ListParams::default()).await?;
        Ok(names.iter().map(ResourceExt::name_any).collect())
    });
    fitting(found.into_iter().map(CompletionCandidate::new), word)
}

fn fitting(candidates: impl Iterator<Item = CompletionCandidate>, word: &OsStr) -> Vec<CompletionCandidate> {
    let word = word.to_string_lossy();
    candidates.filter(|it| it.get_value().to_string_lossy().starts_with(&*word)).collect()
}

/// What the cluster says that was typed so far. Nothing where it says nothing soon: a shell must not hang.
fn asked<T>(ask: impl AsyncFnOnce(Connection) -> Result<Vec<T>>) -> Vec<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return Vec::new() };
    let answer = runtime.block_on(async { tokio::time::timeout(PATIENCE, ask(typed())).await });
    answer.ok().and_then(Result::ok).unwrap_or_default()
}

/// The flags that were typed so far.
fn typed() -> Connection {
    let words = std::env::args_os().skip(1);
    // The shell's script has them after `--`, kubectl after the command that completes.
    let words = words.skip_while(|word| word == "--" || word == "__complete");
    let words = words.skip_while(|word| word == PROGRAM);
    let all = std::iter::once(OsString::from(PROGRAM)).chain(words);
    let matches = Arguments::command().ignore_errors(true).try_get_matches_from(all);
    matches.ok().and_then(|matches| Connection::from_arg_matches(&matches).ok()).unwrap_or_default()
}
