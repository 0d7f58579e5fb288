//! Every row of the table of states, as somebody sees it who watches the object, its events and its line in kubectl.

use std::time::Duration;

use connector_operator::api::{
    ConditionType, ConnectorObject, ConnectorStatus, PlanetScaleConnector, ScalrConnector, Trigger,
};
use connector_simulator::{PlanetScaleConfig, PlanetScaleSimulator, ScalrConfig, ScalrSimulator};
use kube::ResourceExt;
use serde_json::{Value, json};
use testbed::probe;

use crate::place::{
    CONNECTED, PLANETSCALE_SECRET, Place, SCALR_SECRET, assert_up_to_date, is_connected, message,
    planetscale_spec, scalr_spec, shown,
};

const READING: &str = "Reading the Scalr account acme.";
const READ: &str = "Read 48 users.";

async fn scalr() -> ScalrSimulator {
    ScalrSimulator::start(ScalrConfig::default()).await.unwrap()
}

/// A place with the Secret that a connector of `scalr` needs.
async fn place_for(scalr: &ScalrSimulator, namespace: &str) -> Place<'static> {
    let place = Place::new(namespace).await;
    place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
    place
}

/// The spec with these fields besides.
fn with(mut spec: Value, more: Value) -> Value {
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

fn authority(base_url: &str) -> &str {
    base_url.strip_prefix("http://").unwrap()
}

/// The statuses in order, without repetitions.
fn shown_in_order(statuses: &[ConnectorStatus]) -> Vec<String> {
    let mut lines: Vec<String> = statuses.iter().map(shown).collect();
    lines.dedup();
    lines
}

/// The object, in a state that Ready's message explains, with an event and a `-o wide` that say the same.
async fn assert_explained<K: ConnectorObject>(place: &Place<'_>, object: &K, explanation: &str) {
    assert_up_to_date(object);
    assert_eq!(message(object, ConditionType::Ready), explanation);
    let reason = object.status().unwrap().condition(ConditionType::Ready).unwrap().reason.clone();
    let told = place.until_told(object, &reason).await;
    assert_eq!(told.last().unwrap(), &("Warning".to_owned(), reason, explanation.to_owned()));
    let line = place.line(&[K::crd().spec.names.plural.as_str(), &object.name_any(), "-o", "wide"]).await;
    assert!(line.ends_with(explanation), "{line}");
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
async fn a_missing_secret_is_pending_and_heals_by_itself() {
    let scalr = scalr().await;
    let place = Place::new("no-secret").await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    let pending: ScalrConnector =
        place.until_condition("acme", ConditionType::Ready, "False/SecretNotFound").await;
    assert_eq!(
        shown(pending.status.as_ref().unwrap()),
        "Pending: Ready=False/SecretNotFound Connected=Unknown/SecretNotFound Syncing=False/Idle \
         Reconciling=True/SecretNotFound"
    );
    let explanation = "The Secret scalr-acme of spec.apiTokenSecretRef does not exist in namespace no-secret. \
                       Create it with the Scalr API token under the key api-token.";
    assert_explained(&place, &pending, explanation).await;

    place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
    let healed: ScalrConnector = place.until_connected("acme").await;
    assert_eq!(healed.status.as_ref().unwrap().last_sync.as_ref().unwrap().trigger, Trigger::SecretChanged);
    assert_eq!(healed.status.as_ref().unwrap().consecutive_failures, None);
    assert_eq!(healed.metadata.generation, pending.metadata.generation);
}

#[tokio::test]
async fn a_secret_that_goes_is_noticed_at_once_and_what_was_published_stays() {
    let scalr = scalr().await;
    let place = place_for(&scalr, "secret-gone").await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    let connected: ScalrConnector = place.until_connected("acme").await;
    place.delete_secret(SCALR_SECRET.0).await;
    let pending: ScalrConnector =
        place.until_condition("acme", ConditionType::Ready, "False/SecretNotFound").await;
    let (before, after) = (connected.status.unwrap(), pending.status.unwrap());
    assert_eq!(after.last_published, before.last_published);
    assert_eq!(after.last_success_time, before.last_success_time);
}

#[tokio::test]
async fn a_missing_key_is_named_and_heals_by_itself() {
    let scalr = scalr().await;
    let place = Place::new("no-key").await;
    place.put_secret(SCALR_SECRET.0, "token", &scalr.token()).await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    let pending: ScalrConnector =
        place.until_condition("acme", ConditionType::Ready, "False/SecretKeyMissing").await;
    assert_eq!(
        shown(pending.status.as_ref().unwrap()),
        "Pending: Ready=False/SecretKeyMissing Connected=Unknown/SecretKeyMissing Syncing=False/Idle \
         Reconciling=True/SecretKeyMissing"
    );
    let explanation = "The key api-token of spec.apiTokenSecretRef does not exist in the Secret scalr-acme. \
                       Put the Scalr API token there.";
    assert_explained(&place, &pending, explanation).await;

    place.correct_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
    place.until_connected::<ScalrConnector>("acme").await;
}

#[tokio::test]
async fn a_refused_token_is_an_error_and_heals_when_the_secret_is_corrected() {
    let scalr = scalr().await;
    let place = Place::new("refused").await;
    place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, "expired").await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    let refused: ScalrConnector =
        place.until_condition("acme", ConditionType::Ready, "False/Unauthorized").await;
    assert_eq!(
        shown(refused.status.as_ref().unwrap()),
        "Error: Ready=False/Unauthorized Connected=False/Unauthorized Syncing=False/Idle \
         Stalled=True/Unauthorized"
    );
    let explanation = format!(
        "Scalr refused the credential: GET {}/api/iacp/v3/accounts answered 401 Unauthorized: The authentication \
         token is absent or invalid. Create a new API token and put it into key api-token of Secret \
         scalr-acme.",
        authority(scalr.base_url())
    );
    assert_explained(&place, &refused, &explanation).await;
    assert_eq!(scalr.stats().total(), 1, "a refused token is not tried again and again");

    place.correct_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
    let healed: ScalrConnector = place.until_connected("acme").await;
    let told: Vec<String> =
        place.until_told(&healed, "Connected").await.into_iter().map(|(_, reason, _)| reason).collect();
    assert_eq!(told, ["Syncing", "Unauthorized", "Syncing", "Connected"]);
}

#[tokio::test]
async fn a_missing_grant_is_an_error_that_names_the_grant() {
    let planetscale = PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap();
    planetscale.set_granted("org-2", false).unwrap();
    let place = Place::new("no-grant").await;
    place.put_secret(PLANETSCALE_SECRET.0, PLANETSCALE_SECRET.1, &planetscale.token()).await;
    place.apply::<PlanetScaleConnector>("all", &planetscale_spec(&planetscale)).await;
    let refused: PlanetScaleConnector =
        place.until_condition("all", ConditionType::Ready, "False/Forbidden").await;
    assert_eq!(
        shown(refused.status.as_ref().unwrap()),
        "Error: Ready=False/Forbidden Connected=False/Forbidden Syncing=False/Idle Stalled=True/Forbidden"
    );
    let explanation = format!(
        "PlanetScale does not let the credential read the members of the organization org-2, for which a service \
         token needs the access grant read_organization: GET {}/v1/organizations/org-2/members answered 404 Not \
         Found. Give that access to the service token in key service-token of Secret planetscale, or to the user \
         it belongs to.",
        authority(planetscale.base_url())
    );
    assert_explained(&place, &refused, &explanation).await;
}

#[tokio::test]
async fn an_unknown_account_is_an_error_that_waits_for_a_change() {
    let scalr = scalr().await;
    let place = place_for(&scalr, "unknown-account").await;
    let spec = with(scalr_spec(&scalr), json!({ "account": "amce" }));
    place.apply::<ScalrConnector>("acme", &spec).await;
    let unknown: ScalrConnector =
        place.until_condition("acme", ConditionType::Ready, "False/AccountNotFound").await;
    assert_eq!(
        shown(unknown.status.as_ref().unwrap()),
        "Error: Ready=False/AccountNotFound Connected=False/AccountNotFound Syncing=False/Idle \
         Stalled=True/AccountNotFound"
    );
    let explanation = format!(
        "{} shows this token no account named `amce`: the name is wrong, or the token is of another account. Check \
         the account's name, and that the API token in key api-token of Secret scalr-acme belongs to it.",
        authority(scalr.base_url())
    );
    assert_explained(&place, &unknown, &explanation).await;
}

#[tokio::test]
async fn an_unreachable_host_is_an_error_that_is_tried_again() {
    let scalr = scalr().await;
    let place = place_for(&scalr, "unreachable").await;
    let nobody = probe::free_address().unwrap();
    let spec = with(scalr_spec(&scalr), json!({ "baseUrl": format!("http://{nobody}") }));
    place.apply::<ScalrConnector>("acme", &spec).await;
    let unreachable: ScalrConnector =
        place.until_condition("acme", ConditionType::Ready, "False/Unreachable").await;
    place.delete::<ScalrConnector>("acme").await;
    let problem = format!(
        "{nobody} cannot be reached: Connection refused (os error 111). Check the address, DNS, proxy and network \
         policy. What was published before stays."
    );
    assert_eq!(message(&unreachable, ConditionType::Ready), problem);
    let status = unreachable.status.clone().unwrap();
    assert_eq!(
        shown(&status),
        "Error: Ready=False/Unreachable Connected=False/Unreachable Syncing=False/Idle"
    );
    assert_eq!(status.consecutive_failures, Some(1));
    let wait =
        status.next_sync_time.unwrap().0.duration_since(status.last_sync.unwrap().completion_time.unwrap().0);
    assert!((15..=30).contains(&wait.as_secs()), "{wait}");
}

#[tokio::test]
async fn a_host_that_is_not_allowed_gets_no_token() {
    let scalr = scalr().await;
    let place = place_for(&scalr, "not-allowed").await;
    let spec = with(scalr_spec(&scalr), json!({ "baseUrl": "https://scalr.corp.example" }));
    place.apply::<ScalrConnector>("acme", &spec).await;
    let refused: ScalrConnector =
        place.until_condition("acme", ConditionType::Ready, "False/HostNotAllowed").await;
    assert_eq!(
        shown(refused.status.as_ref().unwrap()),
        "Error: Ready=False/HostNotAllowed Connected=False/HostNotAllowed Syncing=False/Idle \
         Stalled=True/HostNotAllowed"
    );
    let explanation = "The host scalr.corp.example is not among the hosts that this operator may send credentials \
                       to. Correct the address, or have the cluster's administrator allow it with \
                       --allow-upstream-host=scalr.corp.example.";
    assert_explained(&place, &refused, explanation).await;
}

#[tokio::test]
async fn a_token_of_the_wrong_form_is_never_sent() {
    let planetscale = PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap();
    let place = Place::new("wrong-form").await;
    place.put_secret(PLANETSCALE_SECRET.0, PLANETSCALE_SECRET.1, "pscale_tkn_without_its_id").await;
    place.apply::<PlanetScaleConnector>("all", &planetscale_spec(&planetscale)).await;
    let refused: PlanetScaleConnector =
        place.until_condition("all", ConditionType::Ready, "False/CredentialMalformed").await;
    assert_eq!(
        shown(refused.status.as_ref().unwrap()),
        "Error: Ready=False/CredentialMalformed Connected=False/CredentialMalformed Syncing=False/Idle \
         Stalled=True/CredentialMalformed"
    );
    assert_eq!(planetscale.stats().total(), 0);
    let explanation = "The service token has no colon between its id and its value: it must be \
                       <token-id>:<token-value>. Correct the service token in key service-token of Secret \
                       planetscale.";
    assert_explained(&place, &refused, explanation).await;
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
