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
async fn it_starts_with_faults_and_over_tls_where_told() {
    let folder = std::env::temp_dir().join(format!("simulator-tls-{}", std::process::id()));
    let mut program = Command::new(env!("CARGO_BIN_EXE_connector-simulator"))
        .args(["serve", "--scalr-listen=127.0.0.1:0", "--planetscale-listen=127.0.0.1:0"])
        .args(["--control-listen=127.0.0.1:0", "--fault=org-vanishes=2", "--scalr-fault=tls-expired"])
        .arg("--tls-dir")
        .arg(&folder)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let mut urls = Vec::new();
    while urls.len() < 3 {
        let line = lines.next_line().await.unwrap().unwrap();
        urls.push(line.split_whitespace().nth(1).unwrap().to_owned());
    }
    assert!(urls[0].starts_with("https://") && urls[1].starts_with("https://"), "{urls:?}");
    for file in ["scalr-ca.pem", "planetscale-ca.pem"] {
        let pem = std::fs::read_to_string(folder.join(file)).unwrap();
        assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"), "{pem}");
    }
    std::fs::remove_dir_all(folder).unwrap();
    let control = urls[2].strip_suffix("/_simulator").unwrap();
    let faults = send("GET", control, "/_simulator/faults", None, "").await.json();
    let on = |name: &str| {
        let fault = faults.as_array().unwrap().iter().find(|fault| fault["fault"] == name).unwrap();
        fault["on"].as_array().unwrap().iter().map(|on| (on["server"].clone(), on["left"].clone())).collect()
    };
    let (vanishes, expired): (Vec<_>, Vec<_>) = (on("org-vanishes"), on("tls-expired"));
    assert_eq!(vanishes, [("planetscale".into(), 2.into())]);
    assert_eq!(expired, [("scalr".into(), serde_json::Value::Null)]);
}

#[tokio::test]
async fn a_fault_that_makes_no_sense_keeps_it_from_starting() {
    let program = env!("CARGO_BIN_EXE_connector-simulator");
    let refused = Command::new(program)
        .args(["serve", "--scalr-listen=127.0.0.1:0", "--planetscale-listen=127.0.0.1:0"])
        .args(["--control-listen=127.0.0.1:0", "--scalr-fault=org-vanishes"])
        .output()
        .await
        .unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8(refused.stderr).unwrap().contains("org-vanishes makes no sense for Scalr"));
}

#[tokio::test]
async fn its_help_lists_the_control_endpoints() {
    let program = env!("CARGO_BIN_EXE_connector-simulator");
    let help = Command::new(program).args(["serve", "--help"]).output().await.unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("--planetscale-token <ID:VALUE>"));
    assert!(help.contains("DELETE /_simulator/stats"));
    assert!(help.contains("insert-and-delete-between-pages"));
    assert!(help.contains("The listing answers 500 once."));
}
