//! Health, as probes and the command `health-check` ask for it.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::place::{CANARY, Place, free_port, scalr, signal, stderr};
use super::service::Stage;

#[tokio::test]
async fn a_running_connector_says_how_it_is_and_asks_upstream_only_once_for_many_probes() {
    let scalr = scalr().await;
    scalr.set_latency(Duration::from_secs(1));
    let port = free_port();
    let place =
        Place::of_scalr(&scalr).with("BATON_HEALTH_CHECK_PORT", &port).with("BATON_HEALTH_CHECK", "true");
    let child = place.start(&["--requests-per-minute", "6"]);
    let deadline = Instant::now() + Duration::from_secs(30);
    while place.run(&["health-check", "--endpoint", "live"]).await.status.code() != Some(0) {
        assert!(Instant::now() < deadline, "it never answers");
    }
    place.succeed(&["health-check", "--endpoint=ready"]).await;
    place.succeed(&["health-check", "--timeout", "25"]).await;
    place.succeed(&["health-check"]).await;

    signal(&child, "TERM").await;
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = place.fail(1, &["health-check"]).await;
    let nobody = format!(
        "error: http://127.0.0.1:{port}/health: no connector answers there; is one running with --health-check"
    );
    assert!(said.starts_with(&nobody), "{said}");
}

#[tokio::test]
async fn a_refused_credential_is_unhealthy_and_says_why_without_it() {
    let (stage, scalr, port) = (Stage::set().await, scalr().await, free_port());
    let place = stage.scalr(&scalr).with("BATON_HEALTH_CHECK_PORT", &port);
    scalr.set_token("another").unwrap();
    let child = place.start(&["--health-check"]);
    let deadline = Instant::now() + Duration::from_secs(30);
    while place.run(&["health-check", "--endpoint", "live"]).await.status.code() != Some(0) {
        assert!(Instant::now() < deadline, "it never answers");
    }
    let asked = ["health-check", "--timeout", "20"];
    let output = place.run(&asked).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = stderr(&output);
    assert!(said.contains("503") && said.contains("Scalr refused the credential"), "{said}");
    assert!(!said.contains(CANARY), "{said}");
    drop(child);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let scalr = scalr().await;
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let said = Place::of_scalr(&scalr).fail(2, &["--health-check", "--health-check-port", &port]).await;
    assert!(said.contains(&format!("--health-check-port {port}")), "{said}");
}
