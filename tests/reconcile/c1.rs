//! What spec.c1 costs the API server: one GET of its Secret, and a status where there is something new to say.

use std::sync::Arc;

use connector_operator::api::{C1CredentialsRef, C1Spec, ScalrConnector};

use super::api_server::{ApiServer, Exchange};
use super::operator::{Operator, STATUS, secret, with_status};
use super::{EVENTS, SECRET};

const C1_SECRET: &str = "/api/v1/namespaces/identity/secrets/c1";
/// A settled connector to which spec.c1 was added, before C1 was asked.
const UNKNOWN: [&str; 4] = ["Ready=True", "Connected=True", "Syncing=False", "C1Connected=Unknown"];

fn delivering(object: &ScalrConnector, name: &str) -> ScalrConnector {
    let mut object = object.clone();
    object.spec.common.c1 = Some(C1Spec {
        credentials_secret_ref: C1CredentialsRef {
            name: name.to_owned(),
            client_id_key: None,
            client_secret_key: None,
        },
        host_id: None,
    });
    object
}

/// Reconciles while the API server is asked for one status, which must have these conditions.
async fn written(
    operator: &Operator,
    api: &mut ApiServer,
    object: &Arc<ScalrConnector>,
    conditions: &[&str],
    event: Option<&str>,
) -> Arc<ScalrConnector> {
    let (done, stored) = tokio::join!(operator.reconcile(object), async {
        let status = api.expect("PATCH", STATUS).await;
        assert_eq!(status.conditions(), conditions);
        let stored = with_status(object, &status.body["status"]);
        status.echo();
        if let Some(reason) = event {
            let event = api.expect("POST", EVENTS).await;
            assert_eq!(event.body["reason"], reason);
            event.echo();
        }
        stored
    });
    done.unwrap();
    stored
}

#[tokio::test]
async fn a_missing_secret_of_c1_is_read_once_told_once_and_taken_back_with_the_spec() {
    let (operator, mut api) = Operator::start().await;
    let settled = operator.settled(&mut api).await;
    let object = Arc::new(delivering(&settled, "c1"));
    let object = written(&operator, &mut api, &object, &UNKNOWN, None).await;
    let asked: Exchange = api.expect("GET", C1_SECRET).await;
    asked.not_found();
    api.expect_nothing().await;

    let missing = ["Ready=False", "Connected=True", "Syncing=False", "C1Connected=False", "Reconciling=True"];
    let object = written(&operator, &mut api, &object, &missing, Some("SecretNotFound")).await;
    assert!(operator.metrics(&object).contains(
        "connector_c1_connected{kind=\"ScalrConnector\",namespace=\"identity\",name=\"acme\"} 0\n"
    ));
    for _look in 0..3 {
        operator.reconcile(&object).await.unwrap();
    }
    assert_eq!(operator.queued(), 0, "nothing is read because of it");
    api.expect_nothing().await;

    let mut plain = object.as_ref().clone();
    plain.spec.common.c1 = None;
    let good = ["Ready=True", "Connected=True", "Syncing=False"];
    let plain = written(&operator, &mut api, &Arc::new(plain), &good, Some("Connected")).await;
    assert_eq!(plain.status.as_ref().unwrap().c1, None);
    assert!(!operator.metrics(&plain).contains("connector_c1_connected{"));
    operator.reconcile(&plain).await.unwrap();
    api.expect_nothing().await;
}

#[tokio::test]
async fn after_a_restart_the_secret_is_read_once_more_and_nothing_is_written() {
    let (operator, mut api) = Operator::start().await;
    let settled = operator.settled(&mut api).await;
    let object = Arc::new(delivering(&settled, "c1"));
    let object = written(&operator, &mut api, &object, &UNKNOWN, None).await;
    api.expect("GET", C1_SECRET).await.not_found();
    api.expect_nothing().await;
    let missing = ["Ready=False", "Connected=True", "Syncing=False", "C1Connected=False", "Reconciling=True"];
    let object = written(&operator, &mut api, &object, &missing, Some("SecretNotFound")).await;

    let (operator, mut api) = operator.restarted();
    operator.reconcile(&object).await.unwrap();
    api.expect("GET", C1_SECRET).await.not_found();
    api.expect_nothing().await;
    operator.reconcile(&object).await.unwrap();
    api.expect_nothing().await;
}

#[tokio::test]
async fn one_secret_may_be_named_for_both_and_another_one_replaces_the_work() {
    let (operator, mut api) = Operator::start().await;
    let settled = operator.settled(&mut api).await;
    let object = Arc::new(delivering(&settled, "scalr-acme"));
    let object = written(&operator, &mut api, &object, &UNKNOWN, None).await;
    // It has no client id.
    api.expect("GET", SECRET).await.answer(&secret("7", operator.token()));
    api.expect_nothing().await;
    let missing = ["Ready=False", "Connected=True", "Syncing=False", "C1Connected=False", "Reconciling=True"];
    let object = written(&operator, &mut api, &object, &missing, Some("SecretKeyMissing")).await;

    // What was known of the former stays until something is known of this one.
    let object = Arc::new(delivering(&object, "c1"));
    operator.reconcile(&object).await.unwrap();
    api.expect("GET", C1_SECRET).await.not_found();
    api.expect_nothing().await;
    written(&operator, &mut api, &object, &missing, Some("SecretNotFound")).await;
}
