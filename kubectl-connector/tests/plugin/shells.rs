//! Completion as a person meets it: Tab in a real bash, zsh and fish. Where a shell is not installed, the test says so.

use std::collections::BTreeSet;
use std::path::Path;

use tokio::process::Command;

use crate::place::{Place, said_by};
use crate::terminal::{PROMPT, Terminal, environment};

/// Without it bash has no completion that kubectl's script could be part of.
const BASH_COMPLETION: &str = "/usr/share/bash-completion/bash_completion";

/// Is it there? If not, says that `test` is skipped for want of it.
fn is_installed(test: &str, file: &str) -> bool {
    let is_there = Path::new(file).exists();
    if !is_there {
        println!("SKIPPED {test}: {file} is not installed");
    }
    is_there
}

/// Types the beginning of a command and of a connector's name, and Tab after each; then looks what the shell has run.
async fn tab_completes(place: &Place, shell: &str, setup: &str) {
    let _scalr = place.scalr().await;
    let mut terminal = Terminal::shell(place, shell, setup).await;
    for program in ["kubectl connector", "kubectl-connector"] {
        terminal.press(&format!("{program} desc\t")).await;
        terminal.until("describe").await;
        terminal.press(&format!("-n {} sc\t", place.namespace)).await;
        terminal.until("scalr/acme").await;
        terminal.press("-o name 2>&1 | tr / ' '\n").await;
        let shown = terminal.until(PROMPT).await;
        assert!(shown.contains("scalrconnector.connectors.conductorone.com acme"), "{program}: {shown:?}");
    }
}

#[tokio::test]
async fn tab_completes_in_a_real_bash() {
    if is_installed("tab_completes_in_a_real_bash", BASH_COMPLETION) {
        let setup = format!(
            "source {BASH_COMPLETION}; source <(kubectl completion bash); source <(kubectl-connector completion bash)"
        );
        tab_completes(&Place::new("in-bash").await, "bash --noprofile --norc -i", &setup).await;
    }
}

#[tokio::test]
async fn tab_completes_in_a_real_zsh() {
    if is_installed("tab_completes_in_a_real_zsh", "/usr/bin/zsh") {
        let setup = "autoload -Uz compinit && compinit -u; source <(kubectl completion zsh); \
                     source <(kubectl-connector completion zsh)";
        tab_completes(&Place::new("in-zsh").await, "zsh -f -i", setup).await;
    }
}

/// fish says what Tab would offer, without a terminal.
#[tokio::test]
async fn fish_offers_commands_and_connectors() {
    if !is_installed("fish_offers_commands_and_connectors", "/usr/bin/fish") {
        return;
    }
    let place = Place::new("in-fish").await;
    let _scalr = place.scalr().await;
    for program in ["kubectl connector", "kubectl-connector"] {
        let home = tempfile::tempdir().unwrap();
        let mut fish = Command::new("fish");
        fish.env_clear().envs(environment(&place, home.path()).await).args(["--no-config", "--command"]).arg(
            format!(
                "kubectl completion fish | source; kubectl-connector completion fish | source
                complete --do-complete '{program} acc'
                complete --do-complete '{program} describe -n in-fish sc'"
            ),
        );
        let said = said_by(fish, "").await.good();
        // fish sorts them its own way for kubectl, and not for the program.
        let words: BTreeSet<&str> = said.lines().map(|line| line.split('\t').next().unwrap()).collect();
        assert_eq!(words, BTreeSet::from(["access", "accept-removals", "scalr/acme"]), "{program}: {said}");
    }
}
