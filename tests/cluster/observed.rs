//! What those who look on see of the operator: its traces, the lines of its log, its metrics.

use std::time::{Duration, Instant};

use connector_operator::api::{ConditionType, PlanetScaleConnector, ScalrConnector};
use connector_simulator::{OrganizationSize, PlanetScaleConfig, PlanetScaleSimulator};
use serde_json::{Value, json};

use crate::operator::{SOON, shared_operator};
use crate::otlp::shared_collector;
use crate::place::Place;
use crate::upstream::{
    PLANETSCALE_SECRET, SCALR_SECRET, place_for, planetscale_spec, scalr, scalr_spec, with,
};

const TOKEN: &str = "canary-of-the-traces";

#[tokio::test]
async fn a_run_is_one_trace_from_the_queue_to_the_status_and_names_nobody() {
    let organizations = OrganizationSize::several(1, 120, 1, 3);
    let token = format!("canary-id:{TOKEN}");
    let config = PlanetScaleConfig { organizations, token: token.clone(), ..PlanetScaleConfig::default() };
    let planetscale = PlanetScaleSimulator::start(config).await.unwrap();
    let place = Place::new("one-trace").await;
    place.put_secret(PLANETSCALE_SECRET.0, PLANETSCALE_SECRET.1, &token).await;
    place.apply::<PlanetScaleConnector>("all", &planetscale_spec(&planetscale)).await;
    let object: PlanetScaleConnector = place.until_connected("all").await;

    let traces = shared_collector().traces("one-trace", "Succeeded", 1).await;
    assert_eq!(
        traces[0].tree(),
        "run\n  waiting\n  opening\n  reading\n    listing list_organizations\n    listing list_members\n    \
         listing list_teams\n    listing list_team_members\n    listing list_organizations\n  completing\n  \
         publishing\n  status\n"
    );
    let of_run = ["kind", "namespace", "connector", "trigger", "run"].map(|it| traces[0].says("run", it));
    let id = object.status.as_ref().unwrap().last_sync.as_ref().unwrap().id.clone();
    assert_eq!(of_run, ["PlanetScaleConnector", "one-trace", "all", "First", &id]);
    assert_eq!(traces[0].says("waiting", "class"), "prompt");
    assert_eq!(traces[0].says("reading", "pages"), "6", "two of the members, and one of each other");
    assert!(!traces[0].is_error("run"));

    let (said, truth) = (traces[0].text(), planetscale.truth());
    assert!(!said.contains("canary"), "{said}");
    for organization in &truth.organizations {
        for user in organization.members.iter().map(|member| &member.user) {
            assert!(!said.contains(&user.email) && !said.contains(&user.display_name), "{user:?}: {said}");
        }
    }

    place.read_again::<PlanetScaleConnector>("all", "again").await;
    let traces = shared_collector().traces("one-trace", "Succeeded", 2).await;
    assert_eq!(traces[1].says("run", "trigger"), "Requested");
}

#[tokio::test]
async fn a_run_that_fails_is_one_trace_too() {
    let scalr = scalr().await;
    let place = Place::new("failed-trace").await;
    place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, TOKEN).await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    place.until_condition::<ScalrConnector>("acme", ConditionType::Ready, "False/Unauthorized").await;
    let traces = shared_collector().traces("failed-trace", "Unauthorized", 1).await;
    let tree = "run\n  waiting\n  opening\n  reading\n    listing list_accounts\n  status\n";
    assert_eq!(traces[0].tree(), tree);
    assert!(traces[0].is_error("run") && traces[0].is_error("listing"));
    assert!(!traces[0].text().contains(TOKEN));

    place.delete_secret(SCALR_SECRET.0).await;
    place.until_condition::<ScalrConnector>("acme", ConditionType::Ready, "False/SecretNotFound").await;
    let traces = shared_collector().traces("failed-trace", "SecretNotFound", 1).await;
    assert_eq!(traces[0].tree(), "run\n  waiting\n  opening\n  status\n");
}

/// The fields that a line of the log has, wherever it has them.
fn says(line: &Value, field: &str, value: &str) -> bool {
    let spans = line["spans"].as_array().into_iter().flatten();
    spans.chain([line]).any(|it| it[field] == value)
}

#[tokio::test]
async fn every_line_of_a_run_says_which_object_it_is_of_and_which_run() {
    let scalr = scalr().await;
    let place = place_for(&scalr, "lines").await;
    let object: ScalrConnector = {
        place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
        place.until_connected("acme").await
    };
    let id = &object.status.as_ref().unwrap().last_sync.as_ref().unwrap().id;
    let log = shared_operator().await.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!log.contains('\u{1b}'), "no colours for machines");
    let of_run: Vec<&Value> = lines.iter().filter(|line| says(line, "run", id)).collect();
    for line in &of_run {
        let object = [("kind", "ScalrConnector"), ("namespace", "lines"), ("connector", "acme")];
        assert!(object.iter().all(|(field, value)| says(line, field, value)), "{line}");
    }
    let said = |words: &str, level: &str| {
        of_run.iter().filter(|it| it["message"] == words && it["level"] == level).count()
    };
    let informed: Vec<&&Value> = of_run.iter().filter(|line| line["level"] == "INFO").collect();
    assert_eq!(informed.len(), 2, "one line when it begins, one when it ends: {informed:#?}");
    assert_eq!(said("The run begins", "INFO"), 1);
    // Whatever our own code says is of an object, of C1, or of the operator as a whole.
    let anonymous = |line: &&Value| {
        let target = line["target"].as_str().unwrap_or_default();
        let of_objects = ["connector_operator::sync", "connector_operator::connectors"];
        of_objects.iter().any(|it| target.starts_with(it))
            && line["spans"].as_array().is_none_or(Vec::is_empty)
    };
    let anonymous: Vec<Value> = lines.iter().filter(anonymous).cloned().collect();
    assert!(anonymous.is_empty(), "{anonymous:#?}");
}

#[tokio::test]
async fn metrics_tell_of_requests_reconciles_and_what_is_next_until_the_object_goes() {
    let scalr = scalr().await;
    let place = place_for(&scalr, "counted").await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    let object: ScalrConnector = place.until_connected("acme").await;
    let metrics = shared_operator().await.metrics().await;
    let next = object.status.as_ref().unwrap().next_sync_time.as_ref().unwrap().0.as_second();
    let of = "{kind=\"ScalrConnector\",namespace=\"counted\",name=\"acme\"}";
    for line in [
        format!("connector_next_sync_timestamp_seconds{of} {next}"),
        format!("connector_suspended{of} 0"),
        format!("connector_resource_ready{of} 1"),
        "connector_leader 1".to_owned(),
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line}: {metrics}");
    }
    for begins in [
        "connector_api_requests_total{kind=\"ScalrConnector\",operation=\"list_account_users\",code=\"200\"} ",
        "connector_api_request_duration_seconds_count{kind=\"ScalrConnector\",operation=\"list_account_users\"} ",
        "connector_reconcile_duration_seconds_count{kind=\"ScalrConnector\",result=\"success\"} ",
        "connector_sync_queue_wait_seconds_count{class=\"prompt\"} ",
        "connector_watch_restarts_total{resource=\"scalrconnectors\"} ",
        "connector_watch_restarts_total{resource=\"secrets\"} ",
    ] {
        assert!(metrics.lines().any(|it| it.starts_with(begins)), "{begins}: {metrics}");
    }

    let suspended = with(scalr_spec(&scalr), json!({ "suspend": true }));
    place.apply::<ScalrConnector>("acme", &suspended).await;
    place.until_condition::<ScalrConnector>("acme", ConditionType::Syncing, "False/Suspended").await;
    let metrics = shared_operator().await.metrics().await;
    assert!(metrics.contains(&format!("connector_suspended{of} 1\n")), "{metrics}");
    assert!(!metrics.contains(&format!("connector_next_sync_timestamp_seconds{of}")), "{metrics}");

    place.delete::<ScalrConnector>("acme").await;
    let deadline = Instant::now() + SOON;
    while shared_operator().await.metrics().await.contains("namespace=\"counted\"") {
        assert!(Instant::now() < deadline, "the series stay");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
