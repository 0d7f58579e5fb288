//! Every row of the table of states, as somebody sees it who watches the object, its events and its line in kubectl.

use std::time::{Duration, Instant};

use connector_operator::api::{ConditionType, ConnectorStatus, ScalrConnector, Trigger};
use kube::ResourceExt;
use serde_json::json;

use crate::operator::{SOON, shared_operator};
use crate::place::{CONNECTED, assert_up_to_date, is_connected, message, shown};
use crate::upstream::{place_for, scalr, scalr_spec, with};

const READING: &str = "Reading the Scalr account acme.";
const READ: &str = "Read 48 users.";

/// The statuses in order, without repetitions.
fn shown_in_order(statuses: &[ConnectorStatus]) -> Vec<String> {
    let mut lines: Vec<String> = statuses.iter().map(shown).collect();
    lines.dedup();
    lines
}

#[tokio::test]
async fn a_first_run_is_syncing_and_then_connected() {
    let scalr = scalr().await;
    scalr.set_latency(Duration::from_millis(100));
    let place = place_for(&scalr, "first-run").await;
    let recording = place.record::<ScalrConnector>("acme").await;
    let applied: ScalrConnector = place.apply("acme", &scalr_spec(&scalr)).await;
    assert_eq!(serde_json::to_value(applied.status).unwrap()["observedGeneration"], json!(-1));

    let seen = recording.up_to(is_connected).await;
    assert_eq!(
        shown_in_order(&seen),
        [
            "-:",
            "Syncing: Ready=Unknown/Progressing Connected=Unknown/NotYetAsked Syncing=True/Progressing \
             Reconciling=True/Progressing",
            CONNECTED,
        ]
    );
    let during = &seen[1];
    assert_eq!(during.condition(ConditionType::Ready).unwrap().message, READING);
    assert_eq!(during.last_sync.as_ref().unwrap().completion_time, None);

    let object: ScalrConnector = place.get("acme").await;
    assert_up_to_date(&object);
    assert_eq!(message(&object, ConditionType::Ready), READ);
    assert_eq!(message(&object, ConditionType::Connected), "The upstream accepts the credential.");
    assert_eq!(message(&object, ConditionType::Syncing), "No run is under way.");
    let told = place.until_told(&object, "Connected").await;
    let normal = |reason: &str, note: &str| ("Normal".to_owned(), reason.to_owned(), note.to_owned());
    assert_eq!(told, [normal("Syncing", READING), normal("Connected", READ)]);
    let line = place.line(&["scalr", "acme"]).await;
    assert!(line.starts_with("acme Connected acme 48 "), "{line}");
}

#[tokio::test]
async fn a_long_periodic_run_shows_that_it_runs_and_stays_ready() {
    let scalr = scalr().await;
    let place = place_for(&scalr, "long-run").await;
    let spec = with(scalr_spec(&scalr), json!({ "schedule": { "interval": "2s" } }));
    place.apply::<ScalrConnector>("acme", &spec).await;
    let connected: ScalrConnector = place.until_connected("acme").await;
    scalr.set_latency(Duration::from_millis(1500));
    let recording = place.record::<ScalrConnector>("acme").await;

    let long = |status: &ConnectorStatus| status.last_sync.as_ref().unwrap().completion_time.is_none();
    recording.up_to(long).await;
    let long_id = place.get::<ScalrConnector>("acme").await.status.unwrap().last_sync.unwrap().id;
    let done = |status: &ConnectorStatus| {
        let sync = status.last_sync.as_ref().unwrap();
        sync.id == long_id && sync.completion_time.is_some()
    };
    let seen = recording.up_to(done).await;
    place.delete::<ScalrConnector>("acme").await;
    let shown = shown_in_order(&seen);
    let running = "Connected: Ready=True/Succeeded Connected=True/Succeeded Syncing=True/Progressing";
    // Shorter runs before the long one may have been written down, too.
    assert!(shown.ends_with(&[running.to_owned(), CONNECTED.to_owned()]), "{shown:#?}");
    assert!(shown.iter().all(|line| [running, CONNECTED].contains(&line.as_str())), "{shown:#?}");
    assert_eq!(seen.last().unwrap().last_sync.as_ref().unwrap().trigger, Trigger::Scheduled);
    // Health did not change, so nobody is told.
    assert_eq!(place.told(&connected).await.len(), 2);
}

#[tokio::test]
async fn a_run_under_way_shows_how_far_it_is_in_the_metrics_and_no_longer_when_it_has_ended() {
    let scalr = scalr().await;
    scalr.set_latency(Duration::from_millis(700));
    let place = place_for(&scalr, "progress").await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    let of = |what: &str| {
        format!(
            "connector_sync_progress_{what}{{kind=\"ScalrConnector\",namespace=\"progress\",name=\"acme\"}} "
        )
    };
    let operator = shared_operator().await;
    let deadline = Instant::now() + SOON;
    loop {
        let metrics = operator.metrics().await;
        if metrics.contains(&of("pages")) && metrics.contains(&of("expected")) {
            assert!(metrics.contains(&of("records")), "{metrics}");
            break;
        }
        assert!(Instant::now() < deadline, "{metrics}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    place.until_connected::<ScalrConnector>("acme").await;
    let metrics = operator.metrics().await;
    assert!(!metrics.contains(&of("pages")), "{metrics}");
}

#[tokio::test]
async fn suspended_it_keeps_what_it_knew_and_resumed_it_reads_again() {
    let scalr = scalr().await;
    let place = place_for(&scalr, "suspended").await;
    let spec = scalr_spec(&scalr);
    place.apply::<ScalrConnector>("acme", &spec).await;
    place.until_connected::<ScalrConnector>("acme").await;
    place.apply::<ScalrConnector>("acme", &with(spec.clone(), json!({ "suspend": true }))).await;
    let suspended: ScalrConnector =
        place.until_condition("acme", ConditionType::Syncing, "False/Suspended").await;
    let status = suspended.status.clone().unwrap();
    assert_eq!(Some(status.observed_generation), suspended.metadata.generation);
    assert_eq!(
        shown(&status),
        "Suspended: Ready=True/Succeeded Connected=True/Succeeded Syncing=False/Suspended"
    );
    assert_eq!(status.next_sync_time, None);
    let told = place.until_told(&suspended, "Suspended").await;
    assert_eq!(told.last().unwrap().2, message(&suspended, ConditionType::Syncing));
    let line = place.line(&["scalr", "acme"]).await;
    assert!(line.starts_with("acme Suspended acme 48 "), "{line}");

    scalr.reset_stats();
    place.request::<ScalrConnector>("acme", "while-suspended").await;
    place.apply::<ScalrConnector>("acme", &spec).await;
    let resumed: ScalrConnector = place.until_connected("acme").await;
    assert_eq!(resumed.status.unwrap().last_sync.unwrap().trigger, Trigger::SpecChanged);
    assert_eq!(scalr.stats().on("/api/iacp/v3/accounts"), 1);
}

#[tokio::test]
async fn suspended_from_the_start_it_is_ready_without_having_asked_anybody() {
    let scalr = scalr().await;
    let place = place_for(&scalr, "never-ran").await;
    let spec = with(scalr_spec(&scalr), json!({ "suspend": true }));
    place.apply::<ScalrConnector>("acme", &spec).await;
    let suspended: ScalrConnector =
        place.until_condition("acme", ConditionType::Syncing, "False/Suspended").await;
    assert_eq!(
        shown(suspended.status.as_ref().unwrap()),
        "Suspended: Ready=True/Suspended Connected=Unknown/NotYetAsked Syncing=False/Suspended"
    );
    assert_eq!(scalr.stats().total(), 0);
}

#[tokio::test]
async fn a_run_under_way_is_cancelled_by_suspending() {
    let scalr = scalr().await;
    scalr.set_latency(Duration::from_secs(30));
    let place = place_for(&scalr, "cancelled").await;
    let spec = scalr_spec(&scalr);
    place.apply::<ScalrConnector>("acme", &spec).await;
    place.until_condition::<ScalrConnector>("acme", ConditionType::Syncing, "True/Progressing").await;
    place.apply::<ScalrConnector>("acme", &with(spec, json!({ "suspend": true }))).await;
    let suspended: ScalrConnector =
        place.until_condition("acme", ConditionType::Syncing, "False/Suspended").await;
    assert_eq!(
        shown(suspended.status.as_ref().unwrap()),
        "Suspended: Ready=True/Suspended Connected=Unknown/NotYetAsked Syncing=False/Suspended"
    );
    assert_eq!(suspended.status.unwrap().last_sync, None);
}

#[tokio::test]
async fn an_edited_spec_is_read_at_once_and_stays_ready_meanwhile() {
    let scalr = scalr().await;
    let place = place_for(&scalr, "edited").await;
    let spec = scalr_spec(&scalr);
    place.apply::<ScalrConnector>("acme", &spec).await;
    place.until_connected::<ScalrConnector>("acme").await;
    let recording = place.record::<ScalrConnector>("acme").await;
    place.apply::<ScalrConnector>("acme", &with(spec, json!({ "owner": "ada@example.com" }))).await;
    let seen = recording.up_to(|status| status.observed_generation == 2 && is_connected(status)).await;
    assert_eq!(
        shown_in_order(&seen),
        [
            CONNECTED,
            "Syncing: Ready=True/Succeeded Connected=True/Succeeded Syncing=True/Progressing \
             Reconciling=True/Progressing",
            CONNECTED,
        ]
    );
    assert_eq!(seen.last().unwrap().last_sync.as_ref().unwrap().trigger, Trigger::SpecChanged);
    let line = place.line(&["scalr", "acme", "-o", "wide"]).await;
    assert!(line.contains(" ada@example.com "), "{line}");
}

#[tokio::test]
async fn asked_for_by_annotation_it_reads_once_for_each_value() {
    let scalr = scalr().await;
    let place = place_for(&scalr, "asked-for").await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    place.until_connected::<ScalrConnector>("acme").await;
    scalr.reset_stats();
    let first: ScalrConnector = place.read_again("acme", "one").await;
    assert_eq!(first.status.unwrap().last_sync.unwrap().trigger, Trigger::Requested);
    place.request::<ScalrConnector>("acme", "one").await;
    place.read_again::<ScalrConnector>("acme", "two").await;
    assert_eq!(scalr.stats().on("/api/iacp/v3/accounts"), 2);
}

#[tokio::test]
async fn deleted_in_mid_run_it_is_gone_at_once_and_nothing_comes_after() {
    let scalr = scalr().await;
    scalr.set_latency(Duration::from_millis(500));
    let place = place_for(&scalr, "deleted").await;
    let spec = scalr_spec(&scalr);
    place.apply::<ScalrConnector>("acme", &spec).await;
    let object: ScalrConnector =
        place.until_condition("acme", ConditionType::Syncing, "True/Progressing").await;
    place.until_told(&object, "Syncing").await;
    place.delete::<ScalrConnector>("acme").await;
    assert!(place.api::<ScalrConnector>().get_opt("acme").await.unwrap().is_none());

    // A whole run of another of the same name later, the first has left no trace.
    let again: ScalrConnector = place.apply("acme", &spec).await;
    assert_ne!(again.uid(), object.uid());
    let again: ScalrConnector = place.until_connected("acme").await;
    assert_eq!(place.told(&object).await.len(), 1);
    let uri = again.status.unwrap().last_published.unwrap().uri;
    assert!(uri.contains(&again.metadata.uid.unwrap()), "{uri}");
    let of_the_first = object.uid().unwrap();
    let files = crate::operator::shared_operator().await.files();
    assert!(!files.iter().any(|file| file.display().to_string().contains(&of_the_first)), "{files:?}");
}
