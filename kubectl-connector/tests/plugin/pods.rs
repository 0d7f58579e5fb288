//! The way to the operator's pods, as far as it goes without a kubelet.

use serde_json::json;

use crate::place::{Place, Said, said_by};
use crate::stage::kubectl;

async fn users(place: &Place, more: &[&str]) -> Said {
    let mut command = place.command(place.control_plane().admin_kubeconfig());
    command.env_remove("CONNECTOR_OPERATOR_URL");
    command
        .args(["-n", &place.namespace, "users", "acme", "--operator-namespace", "pods-of-operators"])
        .args(more);
    said_by(command, "").await
}

/// A pod that is said to run; there is no kubelet to say otherwise.
async fn pod(place: &Place, name: &str) {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": "pods-of-operators", "labels": { "app.kubernetes.io/name": "connector-operator" },
        },
        "spec": { "containers": [{ "name": "operator", "image": "none" }], "serviceAccountName": "default", "nodeName": "nowhere" },
    });
    let control_plane = place.control_plane();
    kubectl(control_plane, &["apply", "-f", "-"], Some(&pod.to_string())).await;
    let running = json!({ "status": { "phase": "Running" } }).to_string();
    let patch = ["patch", "pod", name, "-n", "pods-of-operators", "--subresource=status", "-p", &running];
    kubectl(control_plane, &patch, None).await;
}

#[tokio::test]
async fn the_pod_that_leads_is_found_and_forwarded_to() {
    let place = Place::new("forwarded").await;
    let _scalr = place.scalr().await;
    let control_plane = place.control_plane();
    kubectl(control_plane, &["create", "namespace", "pods-of-operators"], None).await;
    kubectl(control_plane, &["create", "serviceaccount", "default", "-n", "pods-of-operators"], None).await;
    assert_eq!(
        users(&place, &[]).await.bad(),
        "no pod of the operator runs in namespace pods-of-operators with the labels \
         app.kubernetes.io/name=connector-operator: say where it is with --operator-namespace and --operator-selector, \
         or by --operator-url where it is no pod"
    );
    pod(&place, "operator-a").await;
    pod(&place, "operator-b").await;
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": "connector-operator", "namespace": "pods-of-operators" },
        "spec": { "holderIdentity": "operator-b_0123456789abcdef" },
    });
    kubectl(control_plane, &["apply", "-f", "-"], Some(&lease.to_string())).await;
    // The API server would ask a kubelet, and there is none.
    let forwarded = users(&place, &[]).await.bad();
    assert!(forwarded.starts_with("forwarding port 8081 of pod operator-b: "), "{forwarded}");
    let logs = {
        let mut command = place.command(control_plane.admin_kubeconfig());
        command.args(["-n", "forwarded", "logs", "acme", "--operator-namespace", "pods-of-operators"]);
        said_by(command, "").await.bad()
    };
    assert!(logs.starts_with("reading the log of pod operator-b: "), "{logs}");
    let elsewhere = users(&place, &["--operator-selector", "app=other"]).await.bad();
    assert!(elsewhere.contains("with the labels app=other"), "{elsewhere}");
}
