//! The commands that people type, as an administrator types them in this repository.

use std::process::{Output, Stdio};

use serde_json::Value;
use testbed::{ControlPlane, tools};

/// This repository.
pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A control plane, and who types.
pub(crate) struct Cluster {
    pub(crate) control_plane: ControlPlane,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        Self { control_plane: ControlPlane::start().await.unwrap() }
    }

    /// One that also collects garbage and ends namespaces.
    pub(crate) async fn start_whole() -> Self {
        let builder = ControlPlane::builder().controller_manager(true);
        Self { control_plane: builder.start().await.unwrap() }
    }

    /// Runs `kubectl`, which must succeed, and gives what it wrote.
    pub(crate) async fn kubectl(&self, typed: &str) -> String {
        self.feed(typed, None).await
    }

    /// The same with something to read; `-` in the arguments stands for it.
    pub(crate) async fn feed(&self, typed: &str, stdin: Option<&str>) -> String {
        let output = self.try_kubectl(typed, stdin).await;
        assert!(output.status.success(), "kubectl {typed}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs `kubectl`, however it ends. Paths are of this repository.
    pub(crate) async fn try_kubectl(&self, typed: &str, stdin: Option<&str>) -> Output {
        let typed = in_repository(typed);
        let arguments: Vec<&str> = typed.iter().map(String::as_str).collect();
        self.control_plane.kubectl(&arguments, stdin).await.unwrap()
    }

    /// What `kubectl get` gives of one object.
    pub(crate) async fn get(&self, typed: &str) -> Value {
        serde_json::from_str(&self.kubectl(&format!("get {typed} -o json")).await).unwrap()
    }

    /// Is there such an object?
    pub(crate) async fn has(&self, typed: &str) -> bool {
        !self.kubectl(&format!("get {typed} --ignore-not-found -o name")).await.is_empty()
    }

    /// Runs `helm`, which must succeed, and gives what it wrote.
    pub(crate) async fn helm(&self, typed: &str) -> String {
        let output = self.try_helm(typed).await;
        assert!(output.status.success(), "helm {typed}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs `helm`, however it ends.
    pub(crate) async fn try_helm(&self, typed: &str) -> Output {
        let program = tools::locate_async("helm").await.unwrap();
        let home = self.control_plane.logs();
        tokio::process::Command::new(program)
            .args(in_repository(typed))
            .env("KUBECONFIG", self.control_plane.admin_kubeconfig())
            .env("HELM_CACHE_HOME", home.join("helm-cache"))
            .env("HELM_CONFIG_HOME", home.join("helm-config"))
            .env("HELM_DATA_HOME", home.join("helm-data"))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap()
    }

    /// Creates a namespace.
    pub(crate) async fn namespace(&self, name: &str) {
        self.kubectl(&format!("create namespace {name}")).await;
    }

    /// Waits until the kinds are served.
    pub(crate) async fn until_served(&self) {
        self.kubectl("wait --for=condition=Established crd --all --timeout=60s").await;
    }

    /// Waits until a connector is ready.
    pub(crate) async fn until_ready(&self, namespace: &str, connector: &str) {
        self.kubectl(&format!("wait -n {namespace} {connector} --for=condition=Ready --timeout=60s")).await;
    }
}

/// The arguments that were typed, apart at blanks, with paths of this repository made absolute: the commands do not run in it.
fn in_repository(typed: &str) -> Vec<String> {
    let is_ours = |word: &str| {
        ["charts/", "deploy/", "examples/", "crds/"].iter().any(|folder| word.starts_with(folder))
    };
    typed
        .split_whitespace()
        .map(|word| if is_ours(word) { format!("{ROOT}/{word}") } else { word.to_owned() })
        .collect()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
