//! Completion in a real bash, and by the real kubectl.

use std::path::Path;

use testbed::tools;
use tokio::process::Command;

use crate::place::{Place, said_by};
use crate::stage::PLUGIN;

/// A bash that finds the plugin and kubectl, and nothing of this machine's start files.
async fn bash(place: &Place, script: &str) -> String {
    let kubectl = tools::locate_async("kubectl").await.unwrap();
    let folders = [Path::new(PLUGIN).parent().unwrap(), kubectl.parent().unwrap(), Path::new("/usr/bin")];
    let path = std::env::join_paths(folders).unwrap();
    let mut command = Command::new("bash");
    command.env_clear().env("PATH", path).env("KUBECONFIG", place.control_plane().admin_kubeconfig()).args([
        "--noprofile",
        "--norc",
        "-euo",
        "pipefail",
        "-c",
        script,
    ]);
    said_by(command, "").await.good()
}

/// What bash offers for the last of these words: what the script for bash puts into COMPREPLY.
async fn offered(place: &Place, words: &str) -> Vec<String> {
    let script = format!(
        "source <(kubectl-connector completion bash)
        completer=$(complete -p kubectl-connector | sed -E 's/.*-F ([^ ]+) .*/\\1/')
        COMP_WORDS=({words}) COMP_TYPE=9
        COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        COMPREPLY=()
        $completer kubectl-connector \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"
        printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    bash(place, &script).await.lines().map(|line| line.trim().to_owned()).collect()
}

#[tokio::test]
async fn bash_completes_commands_flags_and_the_names_of_connectors() {
    let place = Place::new("completed").await;
    let (_scalr, _planetscale) = (place.scalr().await, place.planetscale().await);
    assert_eq!(offered(&place, "kubectl-connector acc").await, ["access", "accept-removals"]);
    assert_eq!(offered(&place, "kubectl-connector create ''").await[..2], ["scalr", "planetscale"]);
    assert_eq!(offered(&place, "kubectl-connector sync --ti").await, ["--timeout"]);
    assert_eq!(offered(&place, "kubectl-connector get -o ''").await, ["table", "json", "yaml", "name"]);
    let names = offered(&place, "kubectl-connector describe -n completed ''").await;
    assert!(names.starts_with(&["scalr/acme".to_owned(), "planetscale/all".to_owned()]), "{names:?}");
    assert_eq!(offered(&place, "kubectl-connector -n completed sync sc").await, ["scalr/acme"]);
    assert_eq!(offered(&place, "kubectl-connector get -n comple").await, ["completed"]);
    // A cluster that does not answer offers nothing, and does not keep anybody waiting.
    let nowhere = offered(&place, "kubectl-connector --context nowhere describe s").await;
    assert_eq!(nowhere, [""]);
}

#[tokio::test]
async fn kubectl_completes_the_plugin_by_the_program_that_lies_beside_it() {
    let place = Place::new("by-kubectl").await;
    let _scalr = place.scalr().await;
    let script = "
        kubectl connector --version
        kubectl __complete connector acc 2>/dev/null
        kubectl __complete connector describe -n by-kubectl '' 2>/dev/null";
    let said = bash(&place, script).await;
    assert!(said.starts_with("kubectl-connector "), "{said}");
    assert_completed(&said.lines().skip(1).collect::<Vec<_>>());
}

/// Krew puts the plugin alone on the PATH.
#[tokio::test]
async fn kubectl_completes_the_plugin_by_the_script_where_there_is_no_program() {
    let place = Place::new("by-script").await;
    let _scalr = place.scalr().await;
    let script = "
        folder=$(mktemp -d); trap 'rm -r \"$folder\"' EXIT
        ln -s \"$(command -v kubectl)\" \"$(command -v kubectl-connector)\" \"$folder\"
        PATH=$folder:/usr/bin
        ! command -v kubectl_complete-connector
        kubectl-connector completion kubectl > \"$folder/kubectl_complete-connector\"
        chmod +x \"$folder/kubectl_complete-connector\"
        kubectl __complete connector acc 2>/dev/null
        kubectl __complete connector describe -n by-script '' 2>/dev/null";
    let said = bash(&place, script).await;
    assert_completed(&said.lines().collect::<Vec<_>>());
}

/// What kubectl was told for `acc`, and for the name of a connector.
#[track_caller]
fn assert_completed(lines: &[&str]) {
    assert!(lines[0].starts_with("access\tLists who has what"), "{lines:?}");
    assert!(lines[1].starts_with("accept-removals\tShows the removals"), "{lines:?}");
    assert_eq!(lines[2], ":4", "{lines:?}");
    assert_eq!(lines[3], "scalr/acme\tConnected", "{lines:?}");
    assert_eq!(lines.last(), Some(&":4"), "{lines:?}");
}

#[tokio::test]
async fn every_shell_has_its_script() {
    let place = Place::new("scripts").await;
    for (shell, word) in
        [("bash", "complete -o nospace"), ("zsh", "#compdef kubectl-connector"), ("fish", "complete --")]
    {
        let script = place.plugin(&format!("completion {shell}")).await.good();
        assert!(script.contains(word) && script.contains("KUBECTL_CONNECTOR_COMPLETE"), "{shell}: {script}");
    }
    assert_eq!(place.plugin("completion tcsh").await.code, 2);
}
