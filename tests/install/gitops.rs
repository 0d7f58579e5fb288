//! What a GitOps controller does to a connector: the same again, something else in its place, and back from what somebody
//! has changed by hand. With the operator at work, which writes the status meanwhile.

use connector_simulator::{ScalrConfig, ScalrSimulator};
use serde_json::{Value, json};

use crate::commands::{Cluster, text};
use crate::operator::Operator;

const SERVER_SIDE: &str = "apply --server-side --field-manager=gitops -f -";
const CLIENT_SIDE: &str = "apply -f -";

struct Place {
    cluster: Cluster,
    scalr: ScalrSimulator,
    operator: Operator,
}

impl Place {
    async fn new() -> Self {
        let (cluster, scalr) =
            (Cluster::start().await, ScalrSimulator::start(ScalrConfig::default()).await.unwrap());
        cluster.namespace("identity").await;
        cluster.kubectl("apply --server-side -f deploy/install.yaml").await;
        cluster.until_served().await;
        let token = scalr.token();
        cluster
            .kubectl(&format!(
                "create secret generic scalr-acme -n identity --from-literal=api-token={token}"
            ))
            .await;
        let operator = Operator::of_deployment(&cluster).await;
        Self { cluster, scalr, operator }
    }

    /// The connector of this name with this schedule, as it stands in a repository.
    fn manifest(&self, name: &str, schedule: &Value) -> String {
        let spec = json!({
            "account": "acme", "baseUrl": self.scalr.base_url(), "apiTokenSecretRef": { "name": "scalr-acme" },
            "schedule": schedule, "timeout": "5m",
        });
        json!({
            "apiVersion": "connectors.conductorone.com/v1alpha1", "kind": "ScalrConnector",
            "metadata": { "name": name, "namespace": "identity" }, "spec": spec,
        })
        .to_string()
    }

    async fn apply(&self, how: &str, manifest: &str) {
        self.cluster.feed(how, Some(manifest)).await;
    }

    async fn get(&self, name: &str) -> Value {
        self.cluster.get(&format!("scalr {name} -n identity")).await
    }
}

#[tokio::test]
async fn what_is_applied_again_makes_no_difference() {
    let place = Place::new().await;
    for (name, how) in [("one", SERVER_SIDE), ("two", CLIENT_SIDE)] {
        let manifest = place.manifest(name, &json!({ "interval": "1h" }));
        place.apply(how, &manifest).await;
        place.cluster.until_ready("identity", &format!("scalr/{name}")).await;
        let before = place.get(name).await;
        place.apply(how, &manifest).await;
        let after = place.get(name).await;
        assert_eq!(after["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"], "{how}");
        let diff =
            if how == SERVER_SIDE { "diff --server-side --field-manager=gitops -f -" } else { "diff -f -" };
        let shown = place.cluster.try_kubectl(diff, Some(&manifest)).await;
        assert!(shown.status.success(), "{how}: {}{}", text(&shown.stdout), text(&shown.stderr));
    }
    place.operator.assert_nothing_was_refused();
}

#[tokio::test]
async fn an_interval_becomes_a_cron_pattern_and_an_interval_again() {
    let place = Place::new().await;
    let schedules = [
        json!({ "interval": "1h" }),
        json!({ "cron": "0 6 * * 1-5", "timeZone": "Europe/Prague" }),
        json!({ "interval": "15m" }),
        json!({ "cron": "30 5 * * *" }),
    ];
    for (name, how) in [("one", SERVER_SIDE), ("two", CLIENT_SIDE)] {
        for schedule in &schedules {
            place.apply(how, &place.manifest(name, schedule)).await;
            let object = place.get(name).await;
            assert_eq!(&object["spec"]["schedule"], schedule, "{how}: nothing may be left of what was there");
            place.cluster.kubectl(&format!("wait -n identity scalr/{name} --for=jsonpath={{.status.observedGeneration}}={} --timeout=60s", object["metadata"]["generation"])).await;
            place.cluster.until_ready("identity", &format!("scalr/{name}")).await;
        }
    }
}

#[tokio::test]
async fn what_somebody_changed_by_hand_is_put_right_and_the_status_is_nobody_elses() {
    let place = Place::new().await;
    let manifest = place.manifest("acme", &json!({ "interval": "1h" }));
    place.apply(SERVER_SIDE, &manifest).await;
    place.cluster.until_ready("identity", "scalr/acme").await;
    let read = place.get("acme").await;

    let by_hand = r#"{"spec":{"schedule":{"interval":"12h"},"suspend":true}}"#;
    place.cluster.kubectl(&format!("patch scalr acme -n identity --type=merge -p {by_hand}")).await;
    let manifest_conflicts = place.cluster.try_kubectl(SERVER_SIDE, Some(&manifest)).await;
    assert!(text(&manifest_conflicts.stderr).contains("conflict"), "{}", text(&manifest_conflicts.stderr));
    place.apply(&SERVER_SIDE.replace(" -f", " --force-conflicts -f"), &manifest).await;
    let right = place.get("acme").await;
    assert_eq!(right["spec"]["schedule"], json!({ "interval": "1h" }));
    // What the manifest never spoke of stays somebody's: a GitOps tool that prunes fields names them all.
    assert_eq!(right["spec"]["suspend"], true);
    assert_eq!(right["status"]["lastPublished"], read["status"]["lastPublished"]);

    let all = place.cluster.kubectl("get scalr acme -n identity -o json --show-managed-fields").await;
    let all: Value = serde_json::from_str(&all).unwrap();
    let fields = all["metadata"]["managedFields"].as_array().unwrap();
    let managers: Vec<&Value> = fields.iter().filter(|it| it["subresource"] == "status").collect();
    assert_eq!(managers.len(), 1, "{managers:#?}");
    assert_eq!(managers[0]["manager"], "connector-operator");
}
