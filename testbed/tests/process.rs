//! Managed children: how they are waited for, how they end, and that they never outlive the process
//! that started them.

// Clippy takes only functions marked as tests for tests, not what they share.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testbed::{Error, Managed, probe};

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(30);

fn shell(script: &str, log: &Path) -> Managed {
    Managed::spawn("child", Path::new("/bin/sh"), log, |command| {
        command.args(["-c", script]);
    })
    .unwrap()
}

/// A process that ended but was not reaped yet has an empty command line.
fn runs(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

fn is_gone_soon(pid: u32) -> bool {
    let deadline = Instant::now() + LONG;
    while runs(pid) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    !runs(pid)
}

#[tokio::test]
async fn a_child_that_ends_is_reported_with_the_end_of_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = shell("echo one; echo two >&2; exit 3", &folder.path().join("log"));
    let error = child.wait_until("ready", LONG, || async { false }).await.unwrap_err();
    let Error::Ended { status, log, .. } = error else { panic!("{error}") };
    assert_eq!(status.code(), Some(3));
    assert_eq!(log, "one\ntwo");
}

#[tokio::test]
async fn a_child_that_is_not_ready_in_time_is_reported_and_still_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = shell("exec sleep 600", &folder.path().join("log"));
    let error = child.wait_until("ready", SHORT, || async { false }).await.unwrap_err();
    assert!(matches!(error, Error::NotReady { .. }), "{error}");
    assert_eq!(child.ended(), None);
}

#[tokio::test]
async fn terminate_lets_a_child_finish_within_its_grace() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut child = shell("trap 'echo done; exit 0' TERM; echo up; while :; do sleep 0.01; done", &log);
    child
        .wait_until("up", LONG, || async { std::fs::read(&log).is_ok_and(|log| !log.is_empty()) })
        .await
        .unwrap();
    let status = child.terminate(LONG).await.unwrap();
    assert!(status.success());
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "up\ndone\n");
}

#[tokio::test]
async fn terminate_kills_a_child_that_ignores_it_and_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut child = shell("trap '' TERM; sleep 600 & echo $!; wait; wait", &log);
    let pid_in_log = || std::fs::read_to_string(&log).ok()?.trim().parse::<u32>().ok();
    child.wait_until("up", LONG, || async { pid_in_log().is_some() }).await.unwrap();
    let grandchild = pid_in_log().unwrap();
    assert!(runs(grandchild));
    let status = child.terminate(SHORT).await.unwrap();
    assert!(!status.success());
    assert!(is_gone_soon(grandchild));
}

#[tokio::test]
async fn environment_and_arguments_reach_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut child = Managed::spawn("child", Path::new("/bin/sh"), &log, |command| {
        command.env_clear().env("GREETING", "it is").args(["-c", "echo $GREETING $1", "sh", "two words"]);
    })
    .unwrap();
    child.wait_until("never", LONG, || async { false }).await.unwrap_err();
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "it is two words\n");
}

#[tokio::test]
async fn an_http_answer_other_than_200_is_not_ok() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (stream, status) in listener.incoming().zip(["503 Service Unavailable", "200 OK"]) {
            let mut stream = stream.unwrap();
            let mut request = BufReader::new(&stream);
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                request.read_line(&mut line).unwrap();
            }
            use std::io::Write;
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").unwrap();
        }
    });
    assert!(!probe::answers_ok(address, "/readyz").await);
    assert!(probe::answers_ok(address, "/readyz").await);
}

/// The other half of the test below: run by it, in a process of its own.
#[test]
#[ignore = "run by another test, in a process of its own"]
fn helper_that_starts_a_child_and_waits() {
    let folder = tempfile::tempdir().unwrap();
    // From a thread that ends at once, as the worker of a test's runtime does.
    let log = folder.path().join("log");
    let child = std::thread::spawn(move || shell("exec sleep 600", &log)).join().unwrap();
    std::thread::sleep(SHORT);
    println!("child={}", child.pid());
    std::thread::sleep(LONG);
}

#[test]
fn a_child_outlives_the_thread_that_asked_for_it_but_not_a_killed_process() {
    let mut helper = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "helper_that_starts_a_child_and_waits", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(helper.stdout.take().unwrap()).lines();
    let pid = lines
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once("child=")?.1.parse::<u32>().unwrap()));
    let pid = pid.unwrap();
    assert!(runs(pid));
    helper.kill().unwrap();
    helper.wait().unwrap();
    assert!(is_gone_soon(pid));
}
