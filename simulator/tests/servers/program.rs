//! The program: what it prints, that it serves, and that it ends when told.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::client::send;

#[tokio::test]
async fn it_prints_a_line_per_server_and_ends_on_sigterm() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_connector-simulator"))
        .args(["serve", "--scalr-listen=127.0.0.1:0", "--planetscale-listen=127.0.0.1:0"])
        .args(["--control-listen=127.0.0.1:0", "--scalr-users=7", "--organizations=1", "--members=4"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let mut urls = Vec::new();
    for name in ["Scalr", "PlanetScale", "Control"] {
        let line = lines.next_line().await.unwrap().unwrap();
        assert!(line.starts_with(name) && line.contains("stop with Ctrl-C"), "{line}");
        urls.push(line.split_whitespace().nth(1).unwrap().to_owned());
    }
    let control = urls[2].strip_suffix("/_simulator").unwrap();
    let counts = send("GET", control, "/_simulator/counts", None, "").await.json();
    assert_eq!((&counts["scalr"]["users"], &counts["planetscale"]["users"]), (&7.into(), &4.into()));

    let id = program.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    let ended = tokio::time::timeout(Duration::from_secs(10), program.wait()).await;
    assert!(ended.expect("did not end").unwrap().success());
}

#[tokio::test]
async fn its_help_lists_the_control_endpoints() {
    let program = env!("CARGO_BIN_EXE_connector-simulator");
    let help = Command::new(program).args(["serve", "--help"]).output().await.unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("--planetscale-token <ID:VALUE>"));
    assert!(help.contains("DELETE /_simulator/stats"));
}
