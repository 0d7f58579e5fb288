//! Delivery to C1: the operator with spec.c1, between a real API server, simulated upstreams and a simulated C1.

pub(crate) mod away;
mod credentials;
mod delivers;
mod restarts;
mod shared;
mod stops;

use connector_operator::api::{C1Upload, ConditionType, ConnectorObject, ConnectorStatus, Phase};
use connector_simulator::c1::{Answer, Entry, Finished, Progress};
use connector_simulator::{C1, C1Client, ScalrConfig, ScalrSimulator, TaskId, TaskSpec};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use crate::operator::{SOON, shared_c1};
use crate::place::{Place, shown_condition};
use crate::upstream::{SCALR_SECRET, with};

/// The Secret that [`for_c1`] names.
pub(crate) const C1_SECRET: &str = "c1";
const CONNECTED: &str = "True/Succeeded";
/// Longer than the second between two polls.
const A_WHILE: Duration = Duration::from_secs(3);

/// What C1 gives for a connector, as the Secret has it.
pub(crate) fn secret_of(client: &C1Client) -> Value {
    json!({ "client-id": client.client_id, "client-secret": client.client_secret })
}

/// The spec of a connector that delivers with the credentials in this Secret.
pub(crate) fn for_c1(spec: Value, secret: &str) -> Value {
    let c1 = json!({ "credentialsSecretRef": { "name": secret } });
    with(spec, json!({ "c1": c1, "caBundleRef": { "kind": "ConfigMap", "name": "c1-ca" } }))
}

/// Lets connectors of this place trust `c1`.
pub(crate) async fn trust(place: &Place<'_>, c1: &C1) {
    place.put_config_map("c1-ca", "ca.crt", c1.ca_pem()).await;
}

/// An account `acme` of 48 users, a client of the shared C1 named like the namespace, and the place with the Secrets.
async fn scalr_for_c1(namespace: &str) -> (ScalrSimulator, C1Client, Place<'static>) {
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let client = shared_c1().add_client(namespace).unwrap();
    let place = Place::new(namespace).await;
    place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
    place.put_secret_of(C1_SECRET, &secret_of(&client)).await;
    trust(&place, shared_c1()).await;
    (scalr, client, place)
}

/// Waits until the connector has been read and C1 answers it.
pub(crate) async fn until_delivering<K: ConnectorObject>(place: &Place<'_>, name: &str) -> K {
    place.until(name, "read and delivering", is_delivering).await
}

fn is_delivering(status: &ConnectorStatus) -> bool {
    let shown = |type_| shown_condition(status, type_);
    status.phase == Some(Phase::Connected)
        && shown(ConditionType::Ready).as_deref() == Some(CONNECTED)
        && shown(ConditionType::C1Connected).as_deref() == Some(CONNECTED)
}

/// Gives C1's client a task to read everything, and waits for its end.
async fn sync(c1: &C1, client: &C1Client) -> (TaskId, Finished) {
    let task = c1.give(client.index, TaskSpec::sync_full()).unwrap();
    let finished = c1.until_finished(&task, SOON).await.unwrap();
    (task, finished)
}

/// Waits until the status tells of the upload for this task.
async fn until_uploaded<K: ConnectorObject>(place: &Place<'_>, name: &str, task: &TaskId) -> (K, C1Upload) {
    let of_task = |status: &ConnectorStatus| {
        let upload = status.c1.as_ref()?.last_upload.clone()?;
        (upload.task_id == task.as_str()).then_some(upload)
    };
    let recorded = |status: &ConnectorStatus| {
        let done = status.c1.as_ref().and_then(|c1| c1.last_task.as_ref());
        done.is_some_and(|done| done.id == task.as_str())
            && of_task(status)
                .is_some_and(|it| status.last_sync.as_ref().is_some_and(|sync| sync.id == it.sync_id))
            && status.last_sync.as_ref().is_some_and(|sync| sync.completion_time.is_some())
    };
    let object: K = place.until(name, "uploaded", recorded).await;
    let upload = of_task(object.status().unwrap()).unwrap();
    (object, upload)
}

/// The task is in a connector's hand, and the upstream is being asked.
async fn until_reading(c1: &C1, task: &TaskId, scalr: &ScalrSimulator) {
    let deadline = Instant::now() + SOON;
    let in_hand = || matches!(c1.task(task).unwrap().progress, Progress::InHand { .. });
    while !in_hand() || scalr.stats().in_flight == 0 {
        assert!(Instant::now() < deadline, "{:?} {:?}", c1.task(task), scalr.stats());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What C1 has answered to a client, but for requests for tokens.
fn calls_of(entries: &[Entry], client: &C1Client) -> usize {
    of_client(entries, client).filter(|entry| matches!(entry.answer, Answer::Rpc(_))).count()
}

fn hellos_of(entries: &[Entry], client: &C1Client) -> usize {
    of_client(entries, client).filter(|entry| entry.method == "Hello").count()
}

fn of_client<'e>(entries: &'e [Entry], client: &'e C1Client) -> impl Iterator<Item = &'e Entry> {
    entries.iter().filter(|entry| entry.client == client.name && entry.answer.is_ok())
}

/// C1 hears nothing of the client for a while.
async fn assert_silent(c1: &C1, client: &C1Client) {
    let before = calls_of(&c1.transcript(), client);
    let heard = c1.until(A_WHILE, |entries| calls_of(entries, client) > before).await;
    assert!(heard.is_err(), "C1 hears of {}: {:#?}", client.name, c1.transcript().last());
}

/// The code, sentence and finality of an end that is none.
fn refused(finished: &Finished) -> (String, &str, bool) {
    match finished {
        Finished::Success => panic!("it succeeded"),
        Finished::Error { code, message, non_retryable } => (format!("{code:?}"), message, *non_retryable),
    }
}
