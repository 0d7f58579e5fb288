//! The operator as a process that does what the installed Deployment says.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use serde_json::Value;
use tempfile::TempDir;
use testbed::{Managed, probe};

use crate::commands::Cluster;

const SOON: Duration = Duration::from_secs(60);

/// A running operator. It writes into a folder that goes with it.
pub(crate) struct Operator {
    process: Managed,
    _folder: TempDir,
}

impl Operator {
    /// Starts what the Deployment in `connector-system` describes: its arguments, with the addresses and folders of a pod
    /// replaced by some that a test may have; its variables; its ServiceAccount.
    pub(crate) async fn of_deployment(cluster: &Cluster) -> Self {
        let deployment = cluster.get("deployment connector-operator -n connector-system").await;
        let pod = &deployment["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let account = pod["serviceAccountName"].as_str().unwrap();
        let control_plane = &cluster.control_plane;
        let kubeconfig =
            control_plane.kubeconfig_for_service_account("connector-system", account).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let serving = probe::free_address().unwrap();
        let arguments = arguments(container, folder.path(), &serving.to_string());
        let variables = variables(cluster, container).await;
        let program = Path::new(env!("CARGO_BIN_EXE_connector-operator"));
        let mut process = Managed::spawn("operator", program, &folder.path().join("log"), |command| {
            command
                // A proxy that happens to be set would get the requests to the simulators.
                .env_clear()
                .env("KUBECONFIG", &kubeconfig)
                .envs(variables)
                .args(arguments)
                .arg("--allow-loopback")
                .arg(format!("--snapshot-listen={}", probe::free_address().unwrap()));
        })
        .unwrap();
        let probed = container["readinessProbe"]["httpGet"]["path"].as_str().unwrap();
        process.wait_until("ready", SOON, || probe::answers_ok(serving, probed)).await.unwrap();
        let alive = container["livenessProbe"]["httpGet"]["path"].as_str().unwrap();
        assert!(probe::answers_ok(serving, alive).await);
        Self { process, _folder: folder }
    }

    /// Everything that it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.process.log()).unwrap()
    }

    /// The API server was never asked for what the ServiceAccount has no right to.
    pub(crate) fn assert_nothing_was_refused(&self) {
        let log = self.log();
        let refused: Vec<&str> = log.lines().filter(|line| line.contains("orbidden")).collect();
        assert_eq!(refused, Vec::<&str>::new());
    }

    /// Ends it as Kubernetes does, within the grace of the Deployment.
    pub(crate) async fn end(self) {
        assert!(self.process.terminate(Duration::from_secs(30)).await.unwrap().success());
    }
}

/// The arguments of the container, where it can have neither its port nor its folders.
fn arguments(container: &Value, folder: &Path, serving: &str) -> Vec<String> {
    let folder = folder.display();
    let instead = [
        ("--listen=", serving.to_owned()),
        ("--snapshot-dir=", format!("{folder}/snapshots")),
        ("--scratch-dir=", format!("{folder}/scratch")),
    ];
    let replaced = |argument: &str| {
        let found = instead.iter().find(|(flag, _)| argument.starts_with(flag));
        found.map_or_else(|| argument.to_owned(), |(flag, value)| format!("{flag}{value}"))
    };
    let given = container["args"].as_array().unwrap();
    let arguments: Vec<String> = given.iter().map(|it| replaced(it.as_str().unwrap())).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument.starts_with(flag));
    for (flag, _) in &instead {
        assert!(
            has(flag) || *flag == "--snapshot-dir=" && has("--snapshot-bucket="),
            "{flag} of {arguments:?}"
        );
    }
    arguments
}

/// The variables of the container, with what the kubelet would fill in.
async fn variables(cluster: &Cluster, container: &Value) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for variable in container["env"].as_array().unwrap() {
        let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
            Some("metadata.name") => "connector-operator-0".to_owned(),
            Some("metadata.namespace") => "connector-system".to_owned(),
            Some(other) => panic!("a kubelet would know what {other} is"),
            None => match variable["valueFrom"]["secretKeyRef"]["name"].as_str() {
                Some(secret) => {
                    of_secret(cluster, secret, &variable["valueFrom"]["secretKeyRef"]["key"]).await
                }
                None => variable["value"].as_str().unwrap().to_owned(),
            },
        };
        variables.push((variable["name"].as_str().unwrap().to_owned(), value));
    }
    variables
}

async fn of_secret(cluster: &Cluster, secret: &str, key: &Value) -> String {
    let secret = cluster.get(&format!("secret {secret} -n connector-system")).await;
    let content = secret["data"][key.as_str().unwrap()].as_str().unwrap();
    let content = base64::engine::general_purpose::STANDARD.decode(content).unwrap();
    String::from_utf8(content).unwrap()
}
