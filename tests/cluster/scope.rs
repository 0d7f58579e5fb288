//! An operator that looks after some namespaces, or some labels, with rights to no more; and objects that it cannot
//! read. All on one control plane, whose CRD lets in what the operator makes no sense of.

use std::collections::BTreeMap;
use std::time::Duration;

use connector_operator::api::{ConditionType, Phase, PlanetScaleConnector, ScalrConnector};
use connector_simulator::{PlanetScaleConfig, PlanetScaleSimulator, ScalrConfig, ScalrSimulator};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::ControlPlane;

use crate::operator::{CRDS, Operator, kubectl};
use crate::place::{Place, is_connected};
use crate::upstream::{PLANETSCALE_SECRET, SCALR_SECRET, planetscale_spec, scalr_spec, with};

const RULES: &str = include_str!("../../deploy/namespaced/rbac.yaml");

async fn control_plane() -> ControlPlane {
    let control_plane = ControlPlane::start().await.unwrap();
    kubectl(&control_plane, &["apply", "-f", CRDS, "--server-side"], None).await;
    kubectl(&control_plane, &["wait", "--for=condition=Established", "crd", "--all"], None).await;
    control_plane
}

/// A namespace in which the operator has the rights of `deploy/namespaced/`; without those to list Secrets where `quiet`.
async fn place<'a>(control_plane: &'a ControlPlane, namespace: &str, quiet: bool) -> Place<'a> {
    let place = Place::on(control_plane, namespace).await;
    let mut rules = RULES.replace("namespace: identity", &format!("namespace: {namespace}"));
    if quiet {
        let all = "resources: [secrets]\n    verbs: [get, list, watch]";
        assert!(rules.contains(all), "{rules}");
        rules = rules.replace(all, "resources: [secrets]\n    verbs: [get]");
    }
    kubectl(control_plane, &["apply", "-f", "-", "--server-side"], Some(&rules)).await;
    place
}

async fn operator(control_plane: &ControlPlane, flags: &[&str]) -> (Operator, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    (Operator::start_with(control_plane, folder.path(), &flags).await, folder)
}

/// The API server was never asked for what the operator has no right to.
fn assert_nothing_was_refused(operator: &Operator) {
    let log = operator.log();
    let refused: Vec<&str> = log.lines().filter(|line| line.contains("orbidden")).collect();
    assert_eq!(refused, Vec::<&str>::new());
}

async fn label<K: connector_operator::api::ConnectorObject>(place: &Place<'_>, name: &str, labels: Value) {
    let patch = json!({ "metadata": { "labels": labels } });
    place.api::<K>().patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
}

#[tokio::test]
async fn with_roles_alone_the_operator_looks_after_its_namespaces_and_no_other() {
    let control_plane = control_plane().await;
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let first = place(&control_plane, "first", false).await;
    let second = place(&control_plane, "second", false).await;
    let other = Place::on(&control_plane, "other").await;
    let (operator, _folder) = operator(&control_plane, &["--watch-namespace=first,second"]).await;
    for place in [&first, &other] {
        place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
        place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    }
    first.until_connected::<ScalrConnector>("acme").await;

    // A Secret that comes later, in the other namespace that is looked after.
    second.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    second.until::<ScalrConnector>("acme", "Pending", |status| status.phase == Some(Phase::Pending)).await;
    second.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
    second.until_connected::<ScalrConnector>("acme").await;

    first.delete::<ScalrConnector>("acme").await;
    first.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    first.until_connected::<ScalrConnector>("acme").await;
    let untouched = other.get::<ScalrConnector>("acme").await.status.unwrap();
    assert_eq!(untouched.observed_generation, -1, "nobody looks after it");
    assert!(!operator.metrics().await.contains("namespace=\"other\""));
    assert_nothing_was_refused(&operator);
}

#[tokio::test]
async fn without_the_right_to_list_secrets_the_next_run_finds_what_is_in_them() {
    let control_plane = control_plane().await;
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let place = place(&control_plane, "quiet", true).await;
    let flags = ["--watch-namespace=quiet", "--secret-watch=off"];
    let (operator, _folder) = operator(&control_plane, &flags).await;
    place.apply::<ScalrConnector>("acme", &scalr_spec(&scalr)).await;
    place.until_condition::<ScalrConnector>("acme", ConditionType::Ready, "False/SecretNotFound").await;
    place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, "wrong").await;
    place.request::<ScalrConnector>("acme", "one").await;
    place.until_condition::<ScalrConnector>("acme", ConditionType::Ready, "False/Unauthorized").await;
    place.correct_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
    place.read_again::<ScalrConnector>("acme", "two").await;
    assert_nothing_was_refused(&operator);
}

#[tokio::test]
async fn a_shard_looks_after_what_its_labels_pick() {
    let control_plane = control_plane().await;
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let place = place(&control_plane, "sharded", false).await;
    let own_lease = RULES.replace("resourceNames: [connector-operator]", "resourceNames: [shard-a]");
    let own_lease = own_lease.replace("namespace: identity", "namespace: sharded");
    kubectl(&control_plane, &["apply", "-f", "-", "--server-side"], Some(&own_lease)).await;
    let flags = [
        "--watch-namespace=sharded",
        "--watch-label-selector=shard in (a, b)",
        "--leader-election=true",
        "--lease-name=shard-a",
        "--lease-namespace=connector-system",
    ];
    let (operator, _folder) = operator(&control_plane, &flags).await;
    place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
    place.apply::<ScalrConnector>("ours", &scalr_spec(&scalr)).await;
    place.apply::<ScalrConnector>("theirs", &scalr_spec(&scalr)).await;
    label::<ScalrConnector>(&place, "theirs", json!({ "shard": "c" })).await;
    label::<ScalrConnector>(&place, "ours", json!({ "shard": "a" })).await;
    let read: ScalrConnector = place.until_connected("ours").await;

    // Given to somebody else, it is as good as deleted here, but for its snapshots.
    label::<ScalrConnector>(&place, "ours", json!({ "shard": "c" })).await;
    let gone = |metrics: &str| !metrics.contains("connector_resource_ready{kind=\"ScalrConnector\"");
    for _ in 0..400 {
        if gone(&operator.metrics().await) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert!(gone(&operator.metrics().await), "it has its series still");
    place.request::<ScalrConnector>("ours", "nobody hears").await;
    label::<ScalrConnector>(&place, "theirs", json!({ "shard": "b" })).await;
    place.until_connected::<ScalrConnector>("theirs").await;
    let still = place.get::<ScalrConnector>("ours").await.status.unwrap();
    assert_eq!(still.last_sync.unwrap().id, read.status.unwrap().last_sync.unwrap().id);
    assert_eq!(
        operator.files().iter().filter(|path| path.extension().is_some_and(|it| it == "c1z")).count(),
        2
    );
}

#[tokio::test]
async fn one_object_that_cannot_be_read_harms_no_other() {
    let control_plane = control_plane().await;
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let place = place(&control_plane, "later", false).await;
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/owner";
    let later_crd =
        json!([{ "op": "replace", "path": path, "value": { "x-kubernetes-int-or-string": true } }]);
    let crd = "scalrconnectors.connectors.conductorone.com";
    kubectl(&control_plane, &["patch", "crd", crd, "--type=json", "-p", &later_crd.to_string()], None).await;
    let put_owner = async |name: &str, owner: Value| {
        let spec = with(scalr_spec(&scalr), json!({ "owner": owner }));
        // As somebody with that CRD, not with ours, would.
        let object = json!({
            "apiVersion": "connectors.conductorone.com/v1alpha1", "kind": "ScalrConnector",
            "metadata": { "name": name, "namespace": "later" }, "spec": spec,
        });
        kubectl(&control_plane, &["apply", "--server-side", "-f", "-"], Some(&object.to_string())).await;
    };
    place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
    put_owner("before", json!(5)).await;
    // Also where it is seen before this operator leads.
    let flags = ["--watch-namespace=later", "--leader-election=true", "--lease-namespace=connector-system"];
    let (operator, _folder) = operator(&control_plane, &flags).await;

    put_owner("good", json!("ada@example.com")).await;
    let read: ScalrConnector = place.until_connected("good").await;
    let told =
        kubectl(&control_plane, &["events", "-n", "later", "--for", "scalrconnector/before"], None).await;
    assert!(told.contains("CannotBeRead") && told.contains("spec.owner: expected a string"), "{told}");

    // One that could be read before is left alone from then on, with its snapshots.
    let snapshots = operator.files();
    put_owner("good", json!(5)).await;
    place.until_told(&read, "CannotBeRead").await;
    assert!(operator.log().contains("cannot make sense of the ScalrConnector"));
    let metrics = operator.metrics().await;
    let both = "connector_undecodable_objects{kind=\"ScalrConnector\"} 2\n";
    assert!(metrics.contains(both), "{metrics}");
    assert_eq!(operator.files(), snapshots);
    let planetscale = PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap();
    place.put_secret(PLANETSCALE_SECRET.0, PLANETSCALE_SECRET.1, &planetscale.token()).await;
    place.apply::<PlanetScaleConnector>("all", &planetscale_spec(&planetscale)).await;
    place.until_connected::<PlanetScaleConnector>("all").await;

    put_owner("good", json!("grace@example.com")).await;
    let first = read.status.unwrap().last_sync.unwrap().id;
    place
        .until::<ScalrConnector>("good", "read again", |status| {
            is_connected(status) && status.last_sync.as_ref().is_some_and(|sync| sync.id != first)
        })
        .await;
}

#[test]
fn a_shard_says_which_lease_is_its_own() {
    let program = env!("CARGO_BIN_EXE_connector-operator");
    let run = |flags: &[&str]| {
        let environment = BTreeMap::from([("KUBECONFIG", "/nowhere")]);
        std::process::Command::new(program)
            .env_clear()
            .envs(environment)
            .arg("run")
            .args(flags)
            .output()
            .unwrap()
    };
    let refused = run(&["--watch-label-selector=shard=a"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("needs a --lease-name of its own"), "{said}");
    let refused = run(&["--watch-namespace=Identity"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("must be the name of a namespace"), "{said}");
}
