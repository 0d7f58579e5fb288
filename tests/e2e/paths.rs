//! The ways to install it without Helm, each by its page: from nothing installed to both connectors Connected, and
//! removed again before the next.

use serde_json::{Value, json};

use crate::commands::text;
use crate::guide::Guide;
use crate::stage::Stage;

pub(crate) async fn lead_from_nothing_to_connected(stage: &Stage) {
    stage.remove_what_helm_leaves().await;
    one_file(stage).await;
    overlay(stage, "highly-available", 2).await;
    overlay(stage, "namespaced", 1).await;
}

async fn one_file(stage: &Stage) {
    let guide = Guide::open(stage, "kubectl").await;
    let begin = stage.now();
    guide.follow("kubectl apply --server-side -f deploy/install.yaml", "").await;
    let ready = stage.since(begin);
    guide.follow("--allow-upstream-host", "").await;
    guide.follow("kubectl create namespace identity", &stage.upstreams.scalr.token()).await;
    let ([scalr, planetscale], bundles) = (connectors(stage, &guide), authorities(stage));
    guide.write("acme.yaml", &file(&[&bundles[0], &scalr]));
    guide.follow("kubectl apply -f acme.yaml", "").await;
    guide.write("planetscale.yaml", &file(&[&bundles[1], &planetscale]));
    guide.follow("kubectl apply -f planetscale.yaml", &stage.upstreams.planetscale.token()).await;
    stage.until_both_are_connected().await;
    stage.say(&format!(
        "kubectl apply --server-side -f deploy/install.yaml: both connectors are Connected {:.1} s later (the operator was ready \
         after {ready:.1} s, and was then allowed the hosts)",
        stage.since(begin)
    ));
    guide.follow("kubectl describe scalr acme", "").await;
    let again = "apply --server-side --dry-run=server -f deploy/install.yaml";
    let said = text(&stage.cluster.try_kubectl(again, None).await.stderr);
    assert!(said.contains("conflict with \"kubectl-patch\""), "the page says otherwise: {said}");
    stage.remove("-f deploy/install.yaml").await;
}

/// The overlay of this repository with what is the reader's beside it.
async fn overlay(stage: &Stage, name: &str, replicas: usize) {
    let (guide, by_hand) = (Guide::open(stage, "kustomize").await, Guide::open(stage, "kubectl").await);
    let path = "access/operator/kustomization.yaml";
    let operator = guide.shown(path).replace("/deploy/cluster-wide", &format!("/deploy/{name}"));
    let operator = guide.write(path, &operator).parent().unwrap().display().to_string();
    let path = "access/connectors/kustomization.yaml";
    guide.write(path, &guide.shown(path).replace("- acme.yaml", "- acme.yaml\n  - planetscale.yaml"));
    let ([scalr, planetscale], bundles) = (connectors(stage, &by_hand), authorities(stage));
    guide.write("access/connectors/acme.yaml", &file(&[&bundles[0], &scalr]));
    guide.write("access/connectors/planetscale.yaml", &file(&[&bundles[1], &planetscale]));

    let begin = stage.now();
    by_hand.follow("kubectl create namespace identity", &stage.upstreams.scalr.token()).await;
    guide.follow("-k access/operator", "").await;
    stage.secret("planetscale", "service-token", &stage.upstreams.planetscale.token()).await;
    guide.follow("-k access/connectors", "").await;
    stage.until_both_are_connected().await;
    stage.say(&format!(
        "kubectl apply --server-side -k an overlay of deploy/{name}: both connectors are Connected {:.1} s later",
        stage.since(begin)
    ));
    stage.until_ready(replicas).await;
    let deployment = stage.cluster.get("deployment connector-operator -n connector-system").await;
    assert_eq!(deployment["spec"]["replicas"], replicas);
    assert_eq!(stage.cluster.has("clusterrole connector-operator").await, name != "namespaced");
    stage.remove(&format!("-k {operator}")).await;
}

/// Both connectors as the page on kubectl shows them, but of the simulated upstreams.
pub(crate) fn connectors(stage: &Stage, page: &Guide) -> [Value; 2] {
    let [mut scalr, mut planetscale] = [page.object("acme.yaml"), page.object("planetscale.yaml")];
    let [of_scalr, of_planetscale] = stage.upstreams.hosts.map(|host| format!("https://{host}"));
    scalr["spec"]["baseUrl"] = of_scalr.into();
    scalr["spec"]["caBundleRef"] = json!({ "kind": "ConfigMap", "name": "scalr-ca" });
    planetscale["spec"]["apiUrl"] = of_planetscale.into();
    planetscale["spec"]["caBundleRef"] = json!({ "kind": "ConfigMap", "name": "planetscale-ca" });
    [scalr, planetscale]
}

/// What they trust their upstreams by.
pub(crate) fn authorities(stage: &Stage) -> [Value; 2] {
    let (scalr, planetscale) = (stage.upstreams.scalr.ca_pem(), stage.upstreams.planetscale.ca_pem());
    [("scalr-ca", scalr), ("planetscale-ca", planetscale)].map(|(name, authority)| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": "identity" },
            "data": { "ca.crt": authority.unwrap() },
        })
    })
}

/// Objects as a file of YAML.
pub(crate) fn file(objects: &[&Value]) -> String {
    objects.iter().map(|object| format!("---\n{object}\n")).collect()
}
