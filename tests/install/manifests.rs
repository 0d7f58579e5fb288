//! `deploy/`: one file, and the kustomize overlays.

use std::time::Instant;

use connector_simulator::{ScalrConfig, ScalrSimulator};
use serde_json::{Value, json};

use crate::commands::Cluster;
use crate::operator::Operator;

/// A connector of this simulator with its Secret, as people keep them in a file.
fn connector(scalr: &ScalrSimulator) -> String {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "scalr-acme", "namespace": "identity" },
        "stringData": { "api-token": scalr.token() },
    });
    let spec = json!({ "account": "acme", "baseUrl": scalr.base_url(), "apiTokenSecretRef": { "name": "scalr-acme" } });
    let connector = json!({
        "apiVersion": "connectors.conductorone.com/v1alpha1", "kind": "ScalrConnector",
        "metadata": { "name": "acme", "namespace": "identity" }, "spec": spec,
    });
    json!({ "apiVersion": "v1", "kind": "List", "items": [secret, connector] }).to_string()
}

/// Applies with `apply`, twice, and runs what was installed until a connector is Connected.
async fn installed_with(apply: &str) -> Cluster {
    let (cluster, scalr) =
        (Cluster::start().await, ScalrSimulator::start(ScalrConfig::default()).await.unwrap());
    cluster.namespace("identity").await;
    let begin = Instant::now();
    cluster.kubectl(apply).await;
    cluster.until_served().await;
    let applied = begin.elapsed();
    let versions = cluster.versions().await;
    cluster.kubectl(apply).await;
    assert_eq!(cluster.versions().await, versions, "to apply it once more has changed something");
    let begin = Instant::now();
    let operator = Operator::of_deployment(&cluster).await;
    let started = begin.elapsed();
    cluster.feed("apply -f -", Some(&connector(&scalr))).await;
    cluster.until_ready("identity", "scalr/acme").await;
    let connected = begin.elapsed() - started;
    println!(
        "kubectl {apply}: {applied:.1?}; operator ready: {started:.1?}; connector applied and Connected: {connected:.1?}"
    );
    operator.assert_nothing_was_refused();
    cluster
}

impl Cluster {
    /// Name and version of all that an installation consists of. But for the claim: an API server writes one that is applied
    /// once more anew, with nothing in it changed.
    async fn versions(&self) -> String {
        let kinds = "crd,clusterrole,clusterrolebinding,role,rolebinding,serviceaccount,deployment,service,pdb,networkpolicy";
        let columns = "custom-columns=N:.metadata.name,V:.metadata.resourceVersion";
        self.kubectl(&format!("get {kinds} -A -l app.kubernetes.io/instance=connector-operator -o {columns}"))
            .await
    }

    /// The pod that the Deployment describes would be let in where only the Pod Security Standard `restricted` is.
    async fn assert_its_pod_is_let_in(&self) {
        let namespace = self.get("namespace connector-system").await;
        assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
        let deployment = self.get("deployment connector-operator -n connector-system").await;
        let mut pod: Value = deployment["spec"]["template"].clone();
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        pod["metadata"]["name"] = "one".into();
        self.feed("create -n connector-system --dry-run=server -f -", Some(&pod.to_string())).await;

        pod["spec"]["containers"][0]["securityContext"] = Value::Null;
        let refused = self
            .try_kubectl("create -n connector-system --dry-run=server -f -", Some(&pod.to_string()))
            .await;
        assert!(!refused.status.success(), "the API server lets in what it should not");
    }
}

#[tokio::test]
async fn one_file_installs_it_by_server_side_apply() {
    let cluster = installed_with("apply --server-side -f deploy/install.yaml").await;
    cluster.assert_its_pod_is_let_in().await;
}

#[tokio::test]
async fn one_file_installs_it_by_client_side_apply() {
    installed_with("apply -f deploy/install.yaml").await;
}

#[tokio::test]
async fn the_overlay_for_all_namespaces_installs_it() {
    installed_with("apply --server-side -k deploy/cluster-wide").await;
}

#[tokio::test]
async fn the_overlay_for_some_namespaces_installs_it_without_rights_elsewhere() {
    let cluster = installed_with("apply --server-side -k deploy/namespaced").await;
    assert!(!cluster.has("clusterrole connector-operator").await);
}

#[tokio::test]
async fn the_overlay_for_two_replicas_installs_it() {
    let cluster = installed_with("apply --server-side -k deploy/highly-available").await;
    assert_eq!(cluster.get("deployment connector-operator -n connector-system").await["spec"]["replicas"], 2);
    let claim = cluster.get("pvc connector-operator-snapshots -n connector-system").await;
    assert_eq!(claim["spec"]["accessModes"], json!(["ReadWriteMany"]));
    cluster.assert_its_pod_is_let_in().await;
}

#[tokio::test]
async fn the_overlay_for_a_show_lets_the_operator_read_the_simulators_beside_it() {
    let cluster = Cluster::start().await;
    let apply = "apply --server-side -k deploy/demo";
    // The kinds come with their first objects, so the first time cannot do.
    let first = cluster.try_kubectl(apply, None).await;
    assert!(!first.status.success());
    cluster.until_served().await;
    cluster.kubectl(apply).await;
    let deployment = cluster.get("deployment connector-operator -n connector-system").await;
    let pod = &deployment["spec"]["template"]["spec"];
    let containers = pod["containers"].as_array().unwrap();
    let named = |name: &str| containers.iter().find(|it| it["name"] == name).unwrap();
    assert_eq!(named("simulator")["args"], json!(["serve"]));
    assert!(named("operator")["args"].as_array().unwrap().contains(&json!("--allow-loopback")));
    assert_eq!(pod["volumes"][0], json!({ "name": "snapshots", "emptyDir": { "sizeLimit": "1Gi" } }));
    assert!(!cluster.has("pvc -n connector-system").await);
    cluster.assert_its_pod_is_let_in().await;
    assert!(cluster.has("scalr/acme pscale/planetscale -n identity").await);
}
