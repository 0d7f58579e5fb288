//! The two charts, installed one after the other, changed, and uninstalled.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use connector_simulator::{Scalr, ScalrConfig, ScalrSimulator};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::commands::{Cluster, ROOT, text};
use crate::operator::Operator;

pub(crate) const INSTALL: &str =
    "install connector-operator charts/connector-operator -n connector-system --create-namespace";
pub(crate) const UPGRADE: &str = "upgrade connector-operator charts/connector-operator -n connector-system";

/// Values of the chart `connectors` in a file: a connector of this simulator, and its Secret.
pub(crate) struct Values {
    file: PathBuf,
    _folder: TempDir,
}

impl Values {
    pub(crate) fn of(scalr: &Scalr, owner: &str) -> Self {
        let spec = json!({
            "account": "acme", "baseUrl": scalr.base_url(), "apiTokenSecretRef": { "name": "scalr-acme" },
        });
        let values = json!({
            "defaults": { "owner": owner, "schedule": { "interval": "1h" } },
            "scalr": { "acme": { "spec": spec } },
            "secrets": { "scalr-acme": { "data": { "api-token": scalr.token() } } },
        });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("values.yaml");
        std::fs::write(&file, values.to_string()).unwrap();
        Self { file, _folder: folder }
    }

    /// What to type for them.
    pub(crate) fn typed(&self) -> String {
        format!(
            "charts/connectors -n identity --create-namespace --wait --timeout 60s -f {}",
            self.file.display()
        )
    }
}

#[tokio::test]
async fn both_charts_one_after_the_other_connect_and_go_again() {
    let (cluster, scalr) =
        (Cluster::start().await, ScalrSimulator::start(ScalrConfig::default()).await.unwrap());
    let begin = Instant::now();
    let notes = cluster.helm(INSTALL).await;
    let installed = begin.elapsed();
    assert!(notes.contains("kubectl create secret generic scalr-acme -n identity"), "{notes}");
    cluster.until_served().await;
    let operator = Operator::of_deployment(&cluster).await;

    let begin = Instant::now();
    // --wait waits for what kstatus calls current: the connector was read.
    let values = Values::of(&scalr, "ada@example.com");
    cluster.helm(&format!("install connectors {}", values.typed())).await;
    let read = cluster.get("scalr acme -n identity").await;
    assert_eq!(read["status"]["phase"], "Connected", "{read:#}");
    println!("helm {INSTALL}: {installed:.1?}; helm install connectors ... --wait: {:.1?}", begin.elapsed());

    // What is changed is read anew.
    let values = Values::of(&scalr, "grace@example.com");
    cluster.helm(&format!("upgrade connectors {}", values.typed())).await;
    let again = cluster.get("scalr acme -n identity").await;
    assert_eq!(again["spec"]["owner"], "grace@example.com");
    assert_eq!(again["status"]["observedGeneration"], again["metadata"]["generation"]);
    assert_ne!(again["status"]["lastSync"]["id"], read["status"]["lastSync"]["id"]);

    operator.assert_nothing_was_refused();
    operator.end().await;
    cluster.helm("uninstall connectors -n identity").await;
    assert!(!cluster.has("connectors -n identity").await);
    assert!(!cluster.has("secret scalr-acme -n identity").await);
}

#[tokio::test]
async fn a_token_that_is_wrong_fails_the_installation_that_waits() {
    let (cluster, scalr) =
        (Cluster::start().await, ScalrSimulator::start(ScalrConfig::default()).await.unwrap());
    cluster.helm(INSTALL).await;
    cluster.until_served().await;
    let _operator = Operator::of_deployment(&cluster).await;
    let values = Values::of(&scalr, "ada@example.com");
    let refused = cluster
        .try_helm(&format!(
            "install connectors {} --set secrets.scalr-acme.data.api-token=wrong",
            values.typed()
        ))
        .await;
    assert!(!refused.status.success());
    let said = text(&refused.stderr);
    assert!(said.contains("acme"), "{said}");
    assert_eq!(cluster.get("scalr acme -n identity").await["status"]["phase"], "Error");
}

#[tokio::test]
async fn uninstalling_leaves_what_people_own_unless_it_is_told_not_to() {
    let cluster = Cluster::start().await;
    cluster.helm(INSTALL).await;
    cluster.until_served().await;
    cluster.namespace("identity").await;
    cluster.kubectl("apply -n identity -f examples/scalr.yaml").await;

    cluster.helm("uninstall connector-operator -n connector-system").await;
    let left = ["scalr acme -n identity", "pvc connector-operator-snapshots -n connector-system"];
    for what in left {
        assert!(cluster.has(what).await, "{what} is gone");
    }
    let gone = [
        "deployment,service,networkpolicy,pdb,role,rolebinding -n connector-system",
        "clusterrole connector-operator connector-operator-view connector-operator-edit",
        "clusterrolebinding connector-operator",
        "serviceaccount connector-operator -n connector-system",
    ];
    for what in gone {
        assert!(!cluster.has(what).await, "{what} is left");
    }

    // What was left is taken over, and goes if that is asked for.
    cluster
        .helm(&format!("{INSTALL} --set crds.keep=false,snapshots.persistentVolumeClaim.keep=false"))
        .await;
    cluster.helm("uninstall connector-operator -n connector-system").await;
    cluster.kubectl("wait --for=delete crd --all --timeout=60s").await;
    assert!(!cluster.has("crd").await);
}

#[tokio::test]
async fn the_schema_of_the_connectors_chart_is_that_of_the_kinds() {
    let written: Value = read("charts/connectors/values.schema.json");
    for (name, kind) in [("scalr", "scalrconnector"), ("planetScale", "planetscaleconnector")] {
        let schema: Value = read(&format!("crds/schemas/{kind}_v1alpha1.json"));
        let mut spec = without_rules(schema["properties"]["spec"].clone());
        // The defaults may have what is required.
        spec.as_object_mut().unwrap().remove("required");
        assert_eq!(written["$defs"][name], spec, "$defs.{name}: should be {spec:#}");
    }
    let fields = |name: &str| written["$defs"][name]["properties"].as_object().unwrap().clone();
    let (mut common, planetscale) = (fields("scalr"), fields("planetScale"));
    common.retain(|field, schema| planetscale.get(field) == Some(&*schema));
    assert_eq!(fields("defaults"), common);
}

#[test]
fn alerts_are_about_metrics_that_there_are() {
    let text = |path: &str| std::fs::read_to_string(format!("{ROOT}/{path}")).unwrap();
    let documented = text("docs/reference/metrics.md");
    let rules = text("charts/connector-operator/templates/prometheusrule.yaml");
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let metrics: BTreeSet<&str> = rules
        .split(|c| !is_part(c))
        .filter(|word| word.starts_with("connector_") && *word != "connector_operator")
        .map(|word| word.strip_suffix("_bucket").unwrap_or(word))
        .collect();
    assert!(metrics.len() > 4, "{metrics:?}");
    for metric in metrics {
        assert!(documented.contains(&format!("| `{metric}` |")), "{metric} is no metric of ours");
    }
}

fn read(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(format!("{ROOT}/{path}")).unwrap()).unwrap()
}

/// The schema without the rules that only an API server understands.
fn without_rules(schema: Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(name, _)| name != "x-kubernetes-validations");
            kept.map(|(name, value)| (name, without_rules(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(without_rules).collect(),
        other => other,
    }
}
