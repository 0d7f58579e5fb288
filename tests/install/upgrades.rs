//! From one version or set of values to another, with a connector that goes on.

use std::fs;
use std::path::Path;

use connector_simulator::{ScalrConfig, ScalrSimulator};

use crate::charts::{INSTALL, UPGRADE, Values};
use crate::commands::{Cluster, ROOT};
use crate::operator::Operator;

/// Before the first release there is no chart of an earlier version, so this is the present one with an earlier number; after
/// it, put the released chart in place of the copy.
fn earlier(folder: &Path) {
    let chart = fs::read_to_string(format!("{ROOT}/charts/connector-operator/Chart.yaml")).unwrap();
    let earlier = chart.replace("ersion: 0.1.0", "ersion: 0.0.1");
    assert_ne!(chart, earlier);
    copy(Path::new(&format!("{ROOT}/charts/connector-operator")), folder);
    fs::write(folder.join("Chart.yaml"), earlier).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[tokio::test]
async fn an_earlier_version_is_replaced_and_its_connectors_go_on() {
    let (cluster, scalr) =
        (Cluster::start().await, ScalrSimulator::start(ScalrConfig::default()).await.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let chart = folder.path().join("connector-operator");
    earlier(&chart);
    cluster.helm(&INSTALL.replace("charts/connector-operator", &chart.display().to_string())).await;
    cluster.until_served().await;
    let operator = Operator::of_deployment(&cluster).await;
    let values = Values::of(&scalr, "ada@example.com");
    cluster.helm(&format!("install connectors {}", values.typed())).await;
    let before = cluster.get("scalr acme -n identity").await;
    operator.end().await;

    cluster.helm(UPGRADE).await;
    let deployment = cluster.get("deployment connector-operator -n connector-system").await;
    assert_eq!(deployment["metadata"]["labels"]["helm.sh/chart"], "connector-operator-0.1.0");
    assert_eq!(deployment["spec"]["template"]["spec"]["containers"][0]["image"], "connector-operator:0.1.0");
    let _operator = Operator::of_deployment(&cluster).await;
    cluster.until_ready("identity", "scalr/acme").await;
    let after = cluster.get("scalr acme -n identity").await;
    assert_eq!(after["status"]["lastSync"]["id"], before["status"]["lastSync"]["id"], "it was not due");
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
}

#[tokio::test]
async fn changed_values_change_what_the_operator_does_and_may() {
    let (cluster, scalr) =
        (Cluster::start().await, ScalrSimulator::start(ScalrConfig::default()).await.unwrap());
    cluster.namespace("identity").await;
    cluster.helm(INSTALL).await;
    cluster.until_served().await;
    let narrowed = "--set watchNamespaces={identity},namesInEvents=true --set-string secretWatch=off";
    cluster.helm(&format!("{UPGRADE} {narrowed}")).await;
    assert!(!cluster.has("clusterrole connector-operator").await, "it may still do it everywhere");
    let operator = Operator::of_deployment(&cluster).await;
    let values = Values::of(&scalr, "ada@example.com");
    cluster.helm(&format!("install connectors {}", values.typed())).await;
    operator.assert_nothing_was_refused();

    // And back again, as it was before.
    operator.end().await;
    cluster.helm("rollback connector-operator 1 -n connector-system").await;
    assert!(cluster.has("clusterrole connector-operator").await);
    let operator = Operator::of_deployment(&cluster).await;
    cluster.until_ready("identity", "scalr/acme").await;
    operator.assert_nothing_was_refused();
}
