//! Delivering to C1: one connector gets the credentials of C1, which then asks for a reading and gets it.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use testbed::probe;
use tokio::time::{Instant, sleep};

use super::cluster::Cluster;
use super::programs::{Simulators, c1_folder};
use super::screen::Screen;
use super::{NAMESPACE, Result};

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(200);
/// How many lines of the transcript are shown.
const LINES: usize = 16;

const TASKS: &str = "/_simulator/c1/tasks";
const PATCH: &str = r#"{"spec":{"c1":{"credentialsSecretRef":{"name":"c1"}},"caBundleRef":{"kind":"ConfigMap","name":"c1-ca"}}}"#;

/// Shows it, and fails where C1 gets nothing.
pub(crate) async fn show(
    screen: &Screen,
    cluster: &Cluster,
    simulators: &Simulators,
    home: &Path,
) -> Result<()> {
    let file = |key: &str, name: &str| format!("--from-file={key}={}", c1_folder(home).join(name).display());
    let (id, secret) = (file("client-id", "client-id"), file("client-secret", "client-secret"));
    let authority = file("ca.crt", "c1-ca.pem");
    cluster.show(screen, &["create", "secret", "generic", "c1", "-n", NAMESPACE, &id, &secret]).await?;
    cluster.show(screen, &["create", "configmap", "c1-ca", "-n", NAMESPACE, &authority]).await?;
    cluster.show(screen, &["patch", "scalr", "acme", "-n", NAMESPACE, "--type=merge", "-p", PATCH]).await?;
    let wait = ["wait", "--for=condition=C1Connected", "scalr", "acme", "-n", NAMESPACE, "--timeout=60s"];
    cluster.show(screen, &wait).await?;

    let control = simulators.control();
    let task = r#"{"type": "sync_full", "skip_expand_grants": true}"#;
    screen.command(&format!("curl http://{control}{TASKS} -H 'Content-Type: application/json' -d '{task}'"));
    let given = probe::ask(control, "POST", TASKS, task).await?;
    screen.output(&given);
    let given: Value = serde_json::from_str(&given)?;
    let id = given.get("id").and_then(Value::as_str).ok_or("the simulated C1 has given no task")?;
    let delivered = until_delivered(cluster, id).await?;
    screen.command(&format!("kubectl get scalr acme -n {NAMESPACE} -o jsonpath='{{.status.c1}}'"));
    screen.output(&serde_json::to_string_pretty(&delivered)?);

    screen.command(&format!("curl http://{control}/_simulator/c1/transcript"));
    screen.excerpt(&probe::ask(control, "GET", "/_simulator/c1/transcript", "").await?, LINES);
    screen.pause();
    Ok(())
}

/// What the status says of the delivery, once the task has ended well.
async fn until_delivered(cluster: &Cluster, task: &str) -> Result<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let c1 = cluster
            .kubectl(&["get", "scalr", "acme", "-n", NAMESPACE, "-o", "jsonpath={.status.c1}"])
            .await?;
        let c1: Value = serde_json::from_str(&c1).unwrap_or_default();
        let word = |path: &str| c1.pointer(path).and_then(Value::as_str).unwrap_or_default();
        if word("/lastTask/id") == task {
            return match (word("/lastTask/result"), word("/lastUpload/taskId")) {
                ("OK", upload) if upload == task => Ok(c1),
                (result, _) => Err(format!("the task of C1 has ended with {result}: {c1}").into()),
            };
        }
        if Instant::now() > deadline {
            return Err(format!("C1 has got nothing in {PATIENCE:?}: {c1}").into());
        }
        sleep(LOOK).await;
    }
}
