//! The simulated C1 through the control endpoints, and as a part of the program.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use connector_simulator::{C1, C1Simulator, ControlServer, TaskSpec};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::connector::{Connector, c1};
use crate::client::{Answer, send};

async fn controlled() -> (C1Simulator, ControlServer) {
    let c1 = c1().await;
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let control = ControlServer::start(listen, None, None, Some(C1::clone(&c1))).await.unwrap();
    (c1, control)
}

async fn ask(control: &ControlServer, method: &str, path: &str, body: &str) -> Answer {
    send(method, control.base_url(), &format!("/_simulator/c1{path}"), None, body).await
}

#[tokio::test]
async fn a_task_is_given_followed_and_cancelled() {
    let (c1, control) = controlled().await;
    let connector = Connector::greeted(&c1).await;
    let given = ask(&control, "POST", "/tasks", r#"{"type": "sync_full", "skip_grants": true}"#).await;
    let id = given.at("/id").as_str().unwrap().to_owned();
    assert_eq!(given.status, 201);
    let task = format!("/tasks/{id}");
    assert_eq!(ask(&control, "GET", &task, "").await.at("/state"), json!("waiting"));
    assert_eq!(connector.task().await.unwrap().id, id);
    assert_eq!(ask(&control, "GET", &task, "").await.at("/state"), json!("in hand of host-1"));
    assert_eq!(ask(&control, "POST", &format!("{task}/cancel"), "").await.status, 204);
    assert!(connector.beat(connector.pulse(&id)).await.unwrap().cancelled);

    connector.upload(connector.parts(&id, &[b"all of it"])).await.unwrap();
    connector.finish(connector.success(&id)).await.unwrap();
    let told = ask(&control, "GET", &task, "").await;
    assert_eq!((told.at("/state"), told.at("/files")), (json!("success"), json!(1)));
    assert_eq!(ask(&control, "GET", "/files", "").await.at("/0/bytes"), json!(9));
    assert_eq!(ask(&control, "GET", &format!("/files/{id}"), "").await.body, "all of it");
    let transcript = ask(&control, "GET", "/transcript", "").await.body;
    assert!(transcript.contains(&format!("GetTask -> sync_full {id}  [Ok]\n")), "{transcript}");
    assert_eq!(ask(&control, "DELETE", "/tokens", "").await.status, 204);
    connector.poll().await.unwrap_err();
}

#[tokio::test]
async fn faults_are_switched_on_and_off() {
    let (c1, control) = controlled().await;
    assert_eq!(ask(&control, "PUT", "/faults/unavailable?times=2", "").await.status, 204);
    assert_eq!(ask(&control, "PUT", "/faults/hang", r#"{"times": 3}"#).await.status, 204);
    assert_eq!(ask(&control, "PUT", "/faults/slow-poll", "").await.status, 204);
    let on = ask(&control, "GET", "/faults", "").await.json();
    let expected = json!([
        {"fault": "unavailable", "left": 2}, {"fault": "slow-poll", "left": null}, {"fault": "hang", "left": 3},
    ]);
    assert_eq!(sorted(on), sorted(expected));
    assert_eq!(ask(&control, "DELETE", "/faults/hang", "").await.status, 204);
    assert_eq!(c1.faults().len(), 2);
    assert_eq!(ask(&control, "DELETE", "/faults", "").await.status, 204);
    assert!(c1.faults().is_empty());
}

fn sorted(list: Value) -> Vec<String> {
    let mut lines: Vec<_> = list.as_array().unwrap().iter().map(Value::to_string).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn what_is_wrong_is_refused_in_a_sentence() {
    let (_c1, control) = controlled().await;
    let cases = [
        ("POST", "/tasks", r#"{"type": "dance"}"#, 400, "unknown variant `dance`"),
        ("POST", "/tasks", r#"{"type": "sync_full", "skip": true}"#, 400, "unknown field `skip`"),
        ("POST", "/tasks", r#"{"type": "hello", "client": 9}"#, 404, "there is no client"),
        ("GET", "/tasks/none", "", 404, "there is no task"),
        ("GET", "/files/none", "", 404, "there is no file"),
        ("PUT", "/faults/none", "", 404, "there is no fault"),
    ];
    for (method, path, body, status, says) in cases {
        let answer = ask(&control, method, path, body).await;
        assert_eq!(answer.status, status, "{method} {path} {body}");
        assert!(answer.at("/error").as_str().unwrap().contains(says), "{answer:?}");
    }
}

#[tokio::test]
async fn the_program_serves_it_and_writes_what_a_connector_needs() {
    let folder = std::env::temp_dir().join(format!("simulated-c1-{}", std::process::id()));
    let mut program = Command::new(env!("CARGO_BIN_EXE_connector-simulator"))
        .args(["serve", "--scalr-listen=127.0.0.1:0", "--planetscale-listen=127.0.0.1:0"])
        .args(["--control-listen=127.0.0.1:0", "--c1-listen=127.0.0.1:0", "--c1-clients=2"])
        .args(["--c1-fault=token-refused=2", "--c1-fault=slow-poll"])
        .arg("--c1-dir")
        .arg(&folder)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let mut urls = Vec::new();
    while urls.len() < 4 {
        let line = lines.next_line().await.unwrap().unwrap();
        urls.push(line.split_whitespace().nth(1).unwrap().to_owned());
    }
    assert!(urls[2].starts_with("https://127.0.0.1:"), "{urls:?}");
    let control = urls[3].strip_suffix("/_simulator").unwrap();
    let on = send("GET", control, "/_simulator/c1/faults", None, "").await.json();
    assert_eq!(on, json!([{"fault": "token-refused", "left": 2}, {"fault": "slow-poll", "left": null}]));

    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert!(read("c1-ca.pem").starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(read("client-id"), "client-1@acme.conductor.one/pcc");
    assert_eq!(read("client-id-2"), "client-2@acme.conductor.one/pcc");
    for name in ["client-secret", "client-secret-2"] {
        assert!(read(name).starts_with("secret-token:conductorone.com:v1:"));
        let mode = std::fs::metadata(folder.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn what_arrives_is_written_to_the_folder_under_the_tasks_id() {
    let folder = std::env::temp_dir().join(format!("simulated-c1-files-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let config = connector_simulator::C1Config { folder: Some(folder.clone()), ..Default::default() };
    let c1 = C1Simulator::start(config).await.unwrap();
    let connector = Connector::greeted(&c1).await;
    let task = c1.give(0, TaskSpec::sync_full()).unwrap();
    connector.task().await.unwrap();
    for content in [b"first", b"again"] {
        connector.upload(connector.parts(task.as_str(), &[content])).await.unwrap();
    }
    let names = [format!("{task}.c1z"), format!("{task}-2.c1z")];
    let found = names.map(|name| std::fs::read(folder.join(name)).unwrap());
    assert_eq!(found, [b"first", b"again"]);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
    std::fs::remove_dir_all(folder).unwrap();
}
