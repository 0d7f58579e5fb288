//! What all tests share: a control plane that knows the operator's kinds, and the operator as a process.
//!
//! The operator is run from the folder that the plugin is in, where building the workspace puts both.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use testbed::{ControlPlane, Managed, probe};
use tokio::sync::OnceCell;

/// How long anything may take that takes less than a second on an idle machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// The plugin.
pub(crate) const PLUGIN: &str = env!("CARGO_BIN_EXE_kubectl-connector");
/// The repository.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What all tests share.
pub(crate) struct Stage {
    pub(crate) control_plane: &'static ControlPlane,
    operator: Managed,
    snapshots: SocketAddr,
}

impl Stage {
    /// The one that all tests share.
    pub(crate) async fn shared() -> &'static Self {
        static SHARED: OnceCell<Stage> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    async fn start() -> Self {
        let control_plane = ControlPlane::shared().await.unwrap();
        prepare(control_plane).await;
        // In a folder that goes with the control plane.
        let folder = control_plane.logs().join("operator");
        let (operator, snapshots) = operator(control_plane, &folder, "json").await;
        Self { control_plane, operator, snapshots }
    }

    /// Where the operator serves snapshots.
    pub(crate) fn operator_url(&self) -> String {
        format!("http://{}", self.snapshots)
    }

    /// The operator's log.
    pub(crate) fn operator_log(&self) -> &Path {
        self.operator.log()
    }
}

/// Makes the operator's kinds and rights known.
pub(crate) async fn prepare(control_plane: &ControlPlane) {
    let (crds, rules) = (format!("{ROOT}/crds"), format!("{ROOT}/deploy/cluster-wide/rbac.yaml"));
    kubectl(control_plane, &["apply", "--server-side", "-f", &crds, "-f", &rules], None).await;
    kubectl(control_plane, &["wait", "--for=condition=Established", "crd", "--all"], None).await;
}

/// An operator that logs in `format`, as its own ServiceAccount, and where it serves snapshots.
pub(crate) async fn operator(
    control_plane: &ControlPlane,
    folder: &Path,
    format: &str,
) -> (Managed, SocketAddr) {
    let (namespace, account) = ("connector-system", "connector-operator");
    let kubeconfig = control_plane.kubeconfig_for_service_account(namespace, account).await.unwrap();
    let (serving, snapshots) = (probe::free_address().unwrap(), probe::free_address().unwrap());
    std::fs::create_dir_all(folder).unwrap();
    let mut process = Managed::spawn("operator", &program(), &folder.join("operator.log"), |command| {
        command
            // A proxy that happens to be set would get the requests to the simulators.
            .env_clear()
            .env("KUBECONFIG", &kubeconfig)
            .args(["run", "--allow-loopback", "--leader-election=false", "--min-interval=1s"])
            .arg(format!("--log-format={format}"))
            .arg(format!("--listen={serving}"))
            .arg(format!("--snapshot-listen={snapshots}"))
            .arg(format!("--snapshot-dir={}", folder.join("snapshots").display()))
            .arg(format!("--scratch-dir={}", folder.join("scratch").display()));
    })
    .unwrap();
    process.wait_until("ready", SOON, || probe::answers_ok(serving, "/readyz")).await.unwrap();
    (process, snapshots)
}

fn program() -> PathBuf {
    let beside = Path::new(PLUGIN).with_file_name("connector-operator");
    assert!(beside.is_file(), "{} is missing: `make build` builds it", beside.display());
    beside
}

/// Runs kubectl as administrator, which must succeed, and gives its output.
pub(crate) async fn kubectl(control_plane: &ControlPlane, arguments: &[&str], stdin: Option<&str>) -> String {
    let output = control_plane.kubectl(arguments, stdin).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}
