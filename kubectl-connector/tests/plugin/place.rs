//! A namespace of a test's own, and what a person types in one.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use connector_simulator::{PlanetScaleConfig, PlanetScaleSimulator, ScalrConfig, ScalrSimulator};
use serde_json::{Value, json};
use testbed::ControlPlane;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::stage::{PLUGIN, Stage, kubectl};

/// A namespace of a test's own.
pub(crate) struct Place {
    pub(crate) stage: &'static Stage,
    pub(crate) namespace: String,
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// What it said, having succeeded.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        assert_eq!(self.code, 0, "{self:#?}");
        self.out
    }

    /// The one sentence by which it failed.
    #[track_caller]
    pub(crate) fn bad(self) -> String {
        assert_eq!(self.code, 1, "{self:#?}");
        let mut errors = self.err.lines().filter_map(|line| line.strip_prefix("error: "));
        let sentence = errors.next().unwrap_or_else(|| panic!("no error was told: {self:#?}")).to_owned();
        assert_eq!(errors.next(), None, "{self:#?}");
        sentence
    }

    /// What it said as JSON, having succeeded.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.good()).unwrap()
    }
}

impl Place {
    /// A new namespace that the shared operator looks after.
    pub(crate) async fn new(namespace: &str) -> Self {
        let stage = Stage::shared().await;
        kubectl(stage.control_plane, &["create", "namespace", namespace], None).await;
        Self { stage, namespace: namespace.to_owned() }
    }

    pub(crate) fn control_plane(&self) -> &'static ControlPlane {
        self.stage.control_plane
    }

    /// Runs kubectl in the namespace, which must succeed.
    pub(crate) async fn kubectl(&self, typed: &str) -> String {
        let mut arguments = vec!["-n", &self.namespace];
        arguments.extend(typed.split(' '));
        kubectl(self.control_plane(), &arguments, None).await
    }

    /// What the plugin says, as the administrator types it in the namespace.
    pub(crate) async fn plugin(&self, typed: &str) -> Said {
        self.feed(typed, "").await
    }

    /// The same, with something to read.
    pub(crate) async fn feed(&self, typed: &str, stdin: &str) -> Said {
        let mut command = self.command(self.control_plane().admin_kubeconfig());
        command.args(["-n", &self.namespace]).args(typed.split(' '));
        said_by(command, stdin).await
    }

    /// The plugin with nothing of this machine around it.
    pub(crate) fn command(&self, kubeconfig: &Path) -> Command {
        let mut command = Command::new(PLUGIN);
        command
            .env_clear()
            .env("KUBECONFIG", kubeconfig)
            .env("CONNECTOR_OPERATOR_URL", self.stage.operator_url());
        command
    }

    /// A connector `acme` of this account, and its Secret; once it was read.
    pub(crate) async fn scalr(&self) -> ScalrSimulator {
        let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
        let spec = json!({
            "account": "acme", "baseUrl": scalr.base_url(), "apiTokenSecretRef": { "name": "scalr-acme" },
            "owner": "ada@example.com", "schedule": { "interval": "1h" },
        });
        self.secret("scalr-acme", "api-token", &scalr.token()).await;
        self.connector("ScalrConnector", "acme", &spec).await;
        self.kubectl("wait scalr acme --for=jsonpath={.status.phase}=Connected --timeout=60s").await;
        scalr
    }

    /// A connector `all` of these organizations, and its Secret; once it was read.
    pub(crate) async fn planetscale(&self) -> PlanetScaleSimulator {
        let planetscale = PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap();
        let spec =
            json!({ "apiUrl": planetscale.base_url(), "serviceTokenSecretRef": { "name": "planetscale" } });
        self.secret("planetscale", "service-token", &planetscale.token()).await;
        self.connector("PlanetScaleConnector", "all", &spec).await;
        self.kubectl("wait pscale all --for=jsonpath={.status.phase}=Connected --timeout=60s").await;
        planetscale
    }

    pub(crate) async fn connector(&self, kind: &str, name: &str, spec: &Value) {
        self.apply(&json!({
            "apiVersion": "connectors.conductorone.com/v1alpha1", "kind": kind,
            "metadata": { "name": name, "labels": { "team": name } }, "spec": spec,
        }))
        .await;
    }

    pub(crate) async fn secret(&self, name: &str, key: &str, value: &str) {
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": { key: value },
        }))
        .await;
    }

    /// Applies an object in the namespace.
    pub(crate) async fn apply(&self, object: &Value) {
        let arguments = ["-n", &self.namespace, "apply", "--server-side", "--force-conflicts", "-f", "-"];
        kubectl(self.control_plane(), &arguments, Some(&object.to_string())).await;
    }

    /// An object of the namespace.
    pub(crate) async fn get(&self, typed: &str) -> Value {
        serde_json::from_str(&self.kubectl(&format!("get {typed} -o json --show-managed-fields")).await)
            .unwrap()
    }

    /// A kubeconfig of a ServiceAccount of the namespace with this ClusterRole there.
    pub(crate) async fn account(&self, name: &str, role: &str) -> PathBuf {
        self.kubectl(&format!("create serviceaccount {name}")).await;
        let of = format!("{}:{name}", self.namespace);
        self.kubectl(&format!("create rolebinding {name} --clusterrole={role} --serviceaccount={of}")).await;
        self.control_plane().kubeconfig_for_service_account(&self.namespace, name).await.unwrap()
    }
}

/// Runs a command with `stdin` to its end.
pub(crate) async fn said_by(mut command: Command, stdin: &str) -> Said {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let feed = async move {
        // It may end without reading all.
        let _ = input.write_all(stdin.as_bytes()).await;
    };
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    let output = output.unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Said { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// The lines with their blanks squeezed, for comparison.
pub(crate) fn squeezed(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// What every table must be: no wider than a terminal, and without colour where there is none.
#[track_caller]
pub(crate) fn assert_plain(text: &str) {
    assert!(!text.contains('\u{1b}'), "colour without a terminal: {text}");
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{} columns: {line}", line.chars().count());
        assert_eq!(line, line.trim_end(), "blanks at the end");
    }
}
