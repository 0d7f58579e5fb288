//! The operator as a process, on a control plane that knows its kinds and its rights.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::Duration;

use connector_simulator::{C1, C1Config, C1Simulator};
use testbed::{ControlPlane, Managed, probe};
use tokio::sync::OnceCell;

use crate::otlp::shared_collector;
use crate::rbac::{ACCOUNT, NAMESPACE, RULES};

pub(crate) const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
/// How long anything may take that takes less than a second on an idle machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A running operator.
pub(crate) struct Operator {
    process: Managed,
    folder: PathBuf,
    serving: SocketAddr,
    snapshots_served: SocketAddr,
}

impl Operator {
    /// Starts it with `folder` for everything it writes, and waits until it is ready. It logs all that it can: what
    /// must not stand in a log must not stand in this one.
    pub(crate) async fn start(control_plane: &ControlPlane, folder: &Path) -> Self {
        Self::start_with(control_plane, folder, &[]).await
    }

    /// The same with more flags.
    pub(crate) async fn start_with(control_plane: &ControlPlane, folder: &Path, flags: &[String]) -> Self {
        Self::start_in(control_plane, folder, flags, &[]).await
    }

    /// The same with more variables.
    pub(crate) async fn start_in(
        control_plane: &ControlPlane,
        folder: &Path,
        flags: &[String],
        environment: &[(&'static str, String)],
    ) -> Self {
        let kubeconfig = control_plane.kubeconfig_for_service_account(NAMESPACE, ACCOUNT).await.unwrap();
        let (serving, snapshots_served) = (probe::free_address().unwrap(), probe::free_address().unwrap());
        let flag = |name: &str, value: &dyn std::fmt::Display| format!("--{name}={value}");
        let path = |name: &str| folder.join(name).display().to_string();
        std::fs::create_dir_all(folder).unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_connector-operator"));
        let mut process = Managed::spawn("operator", program, &folder.join("operator.log"), |command| {
            command
                // A proxy that happens to be set would get the requests to the simulators.
                .env_clear()
                .env("KUBECONFIG", &kubeconfig)
                .envs(environment.iter().map(|(name, value)| (name, value)))
                // Traces, where there are any, go out as soon as they come in.
                .env("OTEL_BSP_SCHEDULE_DELAY", "100")
                .args(["run", "--log-level=debug", "--log-format=json", "--allow-loopback"])
                .arg(flag("snapshot-dir", &path("snapshots")))
                .arg(flag("scratch-dir", &path("scratch")))
                .arg(flag("listen", &serving))
                .arg(flag("snapshot-listen", &snapshots_served))
                .arg("--min-interval=1s")
                .args(flags);
            // In most tests it is alone, and need not wait for the Lease of one that was killed.
            if !flags.iter().any(|flag| flag.starts_with("--leader-election")) {
                command.arg("--leader-election=false");
            }
        })
        .unwrap();
        process.wait_until("ready", SOON, || probe::answers_ok(serving, "/readyz")).await.unwrap();
        Self { process, folder: folder.to_owned(), serving, snapshots_served }
    }

    /// Everything that it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.process.log()).unwrap()
    }

    /// What it answers to `GET /metrics`.
    pub(crate) async fn metrics(&self) -> String {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(format!("http://{}/metrics", self.serving)).send().await.unwrap();
        answer.text().await.unwrap()
    }

    /// The snapshot that it serves under this name.
    pub(crate) async fn snapshot(&self, name: &str) -> Vec<u8> {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}/snapshots/{name}", self.snapshots_served);
        let answer = client.get(url).send().await.unwrap().error_for_status().unwrap();
        answer.bytes().await.unwrap().to_vec()
    }

    /// Every file that it keeps or works on.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        ["snapshots", "scratch"].into_iter().flat_map(|folder| files_in(&self.folder.join(folder))).collect()
    }

    /// Asks it to end, as Kubernetes does.
    pub(crate) async fn terminate(self) -> std::process::ExitStatus {
        self.process.terminate(Duration::from_secs(15)).await.unwrap()
    }

    /// Sends it a signal, such as `STOP`.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.process.pid().to_string();
        let sent = std::process::Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap();
        assert!(sent.success(), "{sent}");
    }

    /// Waits for it to end by itself.
    pub(crate) async fn until_ended(mut self) -> std::process::ExitStatus {
        let deadline = std::time::Instant::now() + SOON;
        loop {
            if let Some(status) = self.process.ended() {
                return status;
            }
            assert!(std::time::Instant::now() < deadline, "it runs on: {}", self.log());
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(self) {
        drop(self.process);
    }
}

/// All files below `folder`, in order.
pub(crate) fn files_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().flat_map(|path| if path.is_dir() { files_in(&path) } else { vec![path] }).collect()
}

/// The control plane that most tests share, with the operator's kinds and rights on it.
pub(crate) async fn shared_control_plane() -> &'static ControlPlane {
    static PREPARED: OnceCell<()> = OnceCell::const_new();
    let control_plane = ControlPlane::shared().await.unwrap();
    PREPARED.get_or_init(|| prepare(control_plane)).await;
    control_plane
}

/// The operator that most tests share.
pub(crate) async fn shared_operator() -> &'static Operator {
    static SHARED: OnceCell<Operator> = OnceCell::const_new();
    let control_plane = shared_control_plane().await;
    // In a folder that goes with the control plane.
    let folder = control_plane.logs().join("operator");
    let flags = [
        format!("--c1-api-host={}", shared_c1().host()),
        format!("--otlp-endpoint=http://{}", shared_collector().address),
    ];
    SHARED.get_or_init(async || Operator::start_with(control_plane, &folder, &flags).await).await
}

/// The C1 that the shared operator knows. It outlives the test that comes first, so it has a runtime of its own.
pub(crate) fn shared_c1() -> &'static C1 {
    static SHARED: LazyLock<C1> = LazyLock::new(|| {
        let (sender, started) = mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let config = C1Config { next_heartbeat: Duration::from_secs(1), ..C1Config::default() };
                let simulator = C1Simulator::start(config).await.unwrap();
                sender.send(C1::clone(&simulator)).unwrap();
                std::future::pending::<()>().await;
            });
        });
        started.recv().unwrap()
    });
    &SHARED
}

/// Makes the operator's kinds and rights known.
pub(crate) async fn prepare(control_plane: &ControlPlane) {
    kubectl(control_plane, &["apply", "-f", CRDS, "--server-side"], None).await;
    kubectl(control_plane, &["apply", "-f", "-", "--server-side"], Some(RULES)).await;
    kubectl(control_plane, &["wait", "--for=condition=Established", "crd", "--all"], None).await;
}

/// Runs kubectl as administrator, which must succeed, and gives its output.
pub(crate) async fn kubectl(control_plane: &ControlPlane, arguments: &[&str], stdin: Option<&str>) -> String {
    let output = control_plane.kubectl(arguments, stdin).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "kubectl {arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}
