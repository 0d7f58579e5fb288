//! The credentials of C1 change, go and come, and stand nowhere but in their Secret.

use connector_operator::api::{ConditionType, ScalrConnector};

use super::*;
use crate::operator::{kubectl, shared_operator};
use crate::place::message;
use crate::upstream::scalr_spec;

#[tokio::test]
async fn rotated_credentials_are_used_at_once_and_the_task_in_hand_is_given_back() {
    let (scalr, client, place) = scalr_for_c1("c1-rotated").await;
    place.apply::<ScalrConnector>("acme", &for_c1(scalr_spec(&scalr), C1_SECRET)).await;
    until_delivering::<ScalrConnector>(&place, "acme").await;
    let next = shared_c1().add_client("c1-rotated-next").unwrap();
    scalr.set_latency(Duration::from_secs(20));
    let task = shared_c1().give(client.index, TaskSpec::sync_full()).unwrap();
    until_reading(shared_c1(), &task, &scalr).await;
    let recording = place.record::<ScalrConnector>("acme").await;
    let changed = Instant::now();
    place.correct_secret_of(C1_SECRET, &secret_of(&next)).await;
    shared_c1().until(SOON, |entries| calls_of(entries, &next) > 1).await.unwrap();
    println!("the new credentials were used after {:?}", changed.elapsed());
    assert!(changed.elapsed() < Duration::from_secs(5), "{:?}", changed.elapsed());
    assert_eq!(refused(&shared_c1().until_finished(&task, SOON).await.unwrap()).0, "Cancelled");
    scalr.set_latency(Duration::ZERO);
    let (task, finished) = sync(shared_c1(), &next).await;
    assert_eq!(finished, Finished::Success);
    until_uploaded::<ScalrConnector>(&place, "acme", &task).await;
    assert_silent(shared_c1(), &client).await;
    let of_task = |status: &ConnectorStatus| {
        status
            .c1
            .as_ref()
            .and_then(|c1| c1.last_upload.as_ref())
            .is_some_and(|it| it.task_id == task.as_str())
    };
    let seen = recording.up_to(of_task).await;
    let connected = |status: &ConnectorStatus| shown_condition(status, ConditionType::C1Connected).unwrap();
    assert!(seen.iter().all(|status| connected(status) == CONNECTED), "{seen:#?}");
}

#[tokio::test]
async fn an_edited_label_of_the_credentials_disturbs_no_task() {
    let (scalr, client, place) = scalr_for_c1("c1-labelled").await;
    place.apply::<ScalrConnector>("acme", &for_c1(scalr_spec(&scalr), C1_SECRET)).await;
    until_delivering::<ScalrConnector>(&place, "acme").await;
    scalr.set_latency(Duration::from_millis(700));
    let task = shared_c1().give(client.index, TaskSpec::sync_full()).unwrap();
    until_reading(shared_c1(), &task, &scalr).await;
    let label = ["label", "secret", "-n", "c1-labelled", C1_SECRET, "team=identity"];
    kubectl(place.control_plane, &label, None).await;
    assert_eq!(shared_c1().until_finished(&task, SOON).await.unwrap(), Finished::Success);
    // The next poll, after which it would have been greeted anew.
    let polls = calls_of(&shared_c1().transcript(), &client);
    shared_c1().until(SOON, |entries| calls_of(entries, &client) > polls).await.unwrap();
    assert_eq!(hellos_of(&shared_c1().transcript(), &client), 1);
}

#[tokio::test]
async fn credentials_that_are_missing_or_malformed_are_told_and_heal_by_themselves() {
    let (scalr, client, place) = scalr_for_c1("c1-missing").await;
    place.delete_secret(C1_SECRET).await;
    place.apply::<ScalrConnector>("acme", &for_c1(scalr_spec(&scalr), C1_SECRET)).await;
    let wanted = "False/SecretNotFound";
    place.until_condition::<ScalrConnector>("acme", ConditionType::C1Connected, wanted).await;
    let object: ScalrConnector = place.until_condition("acme", ConditionType::Ready, wanted).await;
    let shown = |object: &ScalrConnector, type_| shown_condition(object.status.as_ref().unwrap(), type_);
    assert_eq!(shown(&object, ConditionType::Reconciling).as_deref(), Some("True/SecretNotFound"));
    assert_eq!(shown(&object, ConditionType::Connected).as_deref(), Some(CONNECTED));
    assert!(message(&object, ConditionType::Ready).contains("client-id and client-secret"));
    place.put_secret_of(C1_SECRET, &secret_of(&client)).await;
    let healed = until_delivering::<ScalrConnector>(&place, "acme").await;
    assert_eq!(shown(&healed, ConditionType::Reconciling), None);

    place.correct_secret(C1_SECRET, "client-secret", "canary-eyJ-of-the-wrong-form").await;
    let wanted = "False/CredentialMalformed";
    place.until_condition::<ScalrConnector>("acme", ConditionType::C1Connected, wanted).await;
    let object: ScalrConnector = place.until_condition("acme", ConditionType::Ready, wanted).await;
    assert_eq!(shown(&object, ConditionType::Stalled).as_deref(), Some("True/CredentialMalformed"));
    place.correct_secret_of(C1_SECRET, &secret_of(&client)).await;
    until_delivering::<ScalrConnector>(&place, "acme").await;

    // Right in form, and not C1's: another client's key.
    let other = shared_c1().add_client("c1-missing-other").unwrap();
    place.correct_secret(C1_SECRET, "client-secret", &other.client_secret).await;
    let object: ScalrConnector = place.until_condition("acme", ConditionType::Ready, "False/C1Refused").await;
    assert_eq!(shown(&object, ConditionType::Stalled).as_deref(), Some("True/C1Refused"));
    place.correct_secret_of(C1_SECRET, &secret_of(&client)).await;
    until_delivering::<ScalrConnector>(&place, "acme").await;
    place.until_told(&object, "Connected").await;
    assert_clean().await;
}

/// A private key as a JWK, an assertion and a JWT all begin with `{"`, which is `eyJ`.
async fn assert_clean() {
    let operator = shared_operator().await;
    let log = operator.log();
    assert!(
        log.contains("DEBUG") && log.contains("c1-missing"),
        "the log is of this test, and at debug level"
    );
    let kinds = "scalrconnectors,events.events.k8s.io,events";
    let place = ["get", kinds, "-n", "c1-missing", "-o", "yaml", "--show-managed-fields"];
    let objects = kubectl(crate::operator::shared_control_plane().await, &place, None).await;
    assert!(objects.contains("CredentialMalformed") && objects.contains("C1Refused"), "{objects}");
    let metrics = operator.metrics().await;
    for (what, text) in [("the log", log), ("objects and events", objects), ("the metrics", metrics)] {
        for secret in ["eyJ", "Bearer ", "access_token", "secret-token:"] {
            if let Some((before, after)) = text.split_once(secret) {
                let around = before.len().saturating_sub(200);
                let around = before.get(around..).unwrap_or_default();
                panic!("{what} has {secret:?} after {around} before {}", after.get(..40).unwrap_or(after));
            }
        }
    }
}
