//! `sync`, `suspend`, `resume` and `logs`.

use std::time::Duration;

use serde_json::{Value, json};
use testbed::ControlPlane;

use crate::place::{Place, assert_plain, said_by};
use crate::stage::{kubectl, operator, prepare};

/// The managers of an object's fields.
fn managers(object: &Value) -> Vec<&str> {
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    entries.iter().map(|entry| entry["manager"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_run_is_asked_for_and_waited_for() {
    let place = Place::new("synced").await;
    let scalr = place.scalr().await;
    let asked = place.plugin("sync acme").await.good();
    assert_eq!(asked, "scalr/acme: a run was asked for\n");
    let object = place.get("scalr acme").await;
    assert!(managers(&object).contains(&"connector-cli"), "{object:#}");

    scalr.add_user(Some("new@example.com"), None).unwrap();
    let done = place.plugin("sync scalr/acme --wait --timeout 1m").await;
    assert_plain(&done.out);
    assert_eq!(done.err, "scalr/acme: waiting for the run\n");
    let said = done.good();
    assert!(said.starts_with("scalr/acme: read 49 users in "), "{said}");
    assert!(said.ends_with(" s; new: 1 user\n"), "{said}");
    let object = place.plugin("sync acme --wait -o json").await.json();
    assert_eq!(object["status"]["lastSync"]["trigger"], "Requested");
    assert_eq!(
        object["status"]["lastHandledReconcileAt"],
        object["metadata"]["annotations"]["connectors.conductorone.com/requestedAt"]
    );
}

#[tokio::test]
async fn a_run_that_fails_is_told_by_its_reason_and_the_exit_code() {
    let place = Place::new("sync-fails").await;
    let scalr = place.scalr().await;
    scalr.set_token("another-token-than-the-one-in-the-secret").unwrap();
    let said = place.plugin("sync acme --wait").await;
    assert_eq!(said.out, "");
    let sentence = said.bad();
    assert!(sentence.starts_with("scalr/acme: "), "{sentence}");
    assert!(sentence.contains("401"), "{sentence}");
    let page = place.plugin("describe acme").await.good();
    assert_plain(&page);
    assert!(page.contains("no (Unauthorized)") && page.contains("waits for a change"), "{page}");
    let json = place.plugin("sync acme --wait -o json").await;
    assert_eq!(json.code, 1);
    let object: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(object["status"]["phase"], "Error");
}

#[tokio::test]
async fn nobody_waits_longer_than_they_said() {
    let place = Place::new("sync-slow").await;
    let scalr = place.scalr().await;
    scalr.set_latency(Duration::from_secs(30));
    let sentence = place.plugin("sync acme --wait --timeout 2s").await.bad();
    assert_eq!(sentence, "scalr/acme: the run has not ended in time; it goes on (--timeout 2s)");
}

#[tokio::test]
async fn a_suspended_connector_reads_nothing_until_it_is_resumed() {
    let place = Place::new("paused").await;
    let _scalr = place.scalr().await;
    let said = place.plugin("suspend acme").await.good();
    assert_eq!(said, "scalr/acme is suspended: kubectl connector resume scalr/acme lets it read again\n");
    place.kubectl("wait scalr acme --for=jsonpath={.status.phase}=Suspended --timeout=60s").await;
    assert_eq!(place.plugin("suspend acme").await.good(), "scalr/acme was suspended already\n");
    let page = place.plugin("describe acme").await.good();
    assert!(page.contains("You can        kubectl connector resume scalr/acme -n paused\n"), "{page}");
    assert_eq!(
        place.plugin("sync acme --wait").await.bad(),
        "scalr/acme is suspended and reads nothing: kubectl connector resume scalr/acme"
    );
    let object = place.plugin("resume acme -o json").await.json();
    assert_eq!(object["spec"].get("suspend"), None);
    assert_eq!(place.plugin("resume acme").await.good(), "scalr/acme was not suspended\n");
    place.kubectl("wait scalr acme --for=jsonpath={.status.phase}=Connected --timeout=60s").await;
}

#[tokio::test]
async fn whoever_else_sets_what_is_changed_is_named() {
    let place = Place::new("owned").await;
    let scalr = place.scalr().await;
    let object = json!({
        "apiVersion": "connectors.conductorone.com/v1alpha1", "kind": "ScalrConnector",
        "metadata": { "name": "acme" },
        "spec": {
            "account": "acme", "baseUrl": scalr.base_url(), "apiTokenSecretRef": { "name": "scalr-acme" },
            "suspend": false,
        },
    });
    let apply = ["apply", "--server-side", "--force-conflicts", "--field-manager=kustomize-controller"];
    let arguments = [&apply[..], &["-n", "owned", "-f", "-"]].concat();
    kubectl(place.control_plane(), &arguments, Some(&object.to_string())).await;
    let said = place.plugin("suspend acme").await;
    assert_eq!(
        said.err,
        "scalr/acme: spec.suspend was set by kustomize-controller, which may set it back: change it there, too\n"
    );
    said.good();
    // What Flux owns is still what it applied, and the annotation is not its business.
    place.plugin("resume acme").await.good();
    place.plugin("sync acme").await.good();
    kubectl(place.control_plane(), &arguments, Some(&object.to_string())).await;
    let object = place.get("scalr acme").await;
    let annotations = &object["metadata"]["annotations"];
    assert!(annotations.get("connectors.conductorone.com/requestedAt").is_some(), "{annotations}");
}

/// Is every line about this connector?
fn are_about_acme(lines: &str, namespace: &str) -> bool {
    !lines.is_empty()
        && lines.lines().all(|line| {
            [format!("\"namespace\":\"{namespace}\""), format!("namespace=\"{namespace}\"")]
                .iter()
                .any(|it| line.contains(it))
        })
}

#[tokio::test]
async fn of_the_operators_log_the_lines_of_one_connector_are_shown() {
    let place = Place::new("logged").await;
    let (_scalr, _planetscale) = (place.scalr().await, place.planetscale().await);
    let log = place.stage.operator_log().display().to_string();
    let lines = place.plugin(&format!("logs scalr/acme --log-file {log}")).await.good();
    assert!(are_about_acme(&lines, "logged"), "{lines}");
    assert!(lines.contains("The run begins") && lines.contains("Read 48 users"), "{lines}");
    assert!(!lines.contains("PlanetScaleConnector"), "{lines}");
    let whole = std::fs::read_to_string(&log).unwrap();
    assert_eq!(
        place.feed("logs acme --log-file -", &whole).await.good().lines().next(),
        lines.lines().next()
    );
    let nothing = place.feed("logs acme --log-file -", "{}\nsomething else\n").await;
    assert_eq!((nothing.code, nothing.out.as_str()), (0, ""));
    assert_eq!(nothing.err, "The operator has logged nothing about scalr/acme.\n");
    let recent = place.plugin(&format!("logs acme --since 1h --log-file {log}")).await.good();
    assert_eq!(recent.lines().next(), lines.lines().next());
    let mut old = whole.lines().find(|line| line.contains("logged")).unwrap().to_owned();
    assert_eq!(place.feed("logs acme --since 1h --log-file -", &old).await.good(), format!("{old}\n"));
    let year = old.find("\"timestamp\":\"").unwrap() + "\"timestamp\":\"".len();
    old.replace_range(year..year + 4, "2020");
    assert_eq!(place.feed("logs acme --since 1h --log-file -", &old).await.good(), "");
    let missing = place.plugin("logs acme --log-file /no/such/file").await.bad();
    assert!(missing.starts_with("--log-file /no/such/file: No such file"), "{missing}");
}

#[tokio::test]
async fn in_a_new_cluster_each_thing_that_is_missing_is_told() {
    let control_plane = ControlPlane::start().await.unwrap();
    let plugin = |words: &[&str]| {
        let mut command = tokio::process::Command::new(crate::stage::PLUGIN);
        command.env_clear().env("KUBECONFIG", control_plane.admin_kubeconfig()).args(words);
        command
    };
    assert_eq!(
        said_by(plugin(&["get"]), "").await.bad(),
        "listing scalr connectors: the cluster has no connectors: install the operator and its kinds first"
    );
    prepare(&control_plane).await;
    for name in ["acme", "acme2"] {
        let object = json!({
            "apiVersion": "connectors.conductorone.com/v1alpha1", "kind": "ScalrConnector",
            "metadata": { "name": name, "namespace": "default" },
            "spec": { "account": "a", "baseUrl": "http://127.0.0.1:9", "apiTokenSecretRef": { "name": "none" } },
        });
        kubectl(&control_plane, &["apply", "-f", "-"], Some(&object.to_string())).await;
    }
    let page = said_by(plugin(&["describe", "acme"]), "").await.good();
    assert!(page.contains("scalr/acme  not seen yet\n"), "{page}");
    assert!(page.contains("The operator has not looked at it yet: is it running"), "{page}");
    assert_eq!(
        said_by(plugin(&["sync", "acme", "--wait", "--timeout=1s"]), "").await.bad(),
        "scalr/acme: no run has begun in time: is the operator running, and does it look after this namespace? \
         (--timeout 1s)"
    );

    // With an operator that logs for people.
    let folder = tempfile::tempdir().unwrap();
    let (operator, _) = operator(&control_plane, folder.path(), "console").await;
    for name in ["acme", "acme2"] {
        let wait = ["wait", "scalr", name, "--for=jsonpath={.status.phase}=Pending", "--timeout=60s"];
        kubectl(&control_plane, &wait, None).await;
    }
    let log = operator.log().display().to_string();
    let lines = said_by(plugin(&["logs", "acme", "--log-file", &log]), "").await.good();
    assert!(are_about_acme(&lines, "default"), "{lines}");
    assert!(lines.contains("connector=\"acme\"") && !lines.contains("acme2"), "{lines}");
}
