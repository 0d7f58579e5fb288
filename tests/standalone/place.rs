//! A folder to run the commands in, with no variables but those that are named.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use connector_simulator::{PlanetScaleConfig, PlanetScaleSimulator, ScalrConfig, ScalrSimulator};
use serde_json::Value;
use tempfile::TempDir;
use testbed::tools::locate_async;
use tokio::process::{Child, Command};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_connector-operator");

/// A token that must stand in nothing that is written or said.
pub const CANARY: &str = "canary.5f1d3e9a";

/// Where a command runs, and what it is told.
pub struct Place {
    pub folder: TempDir,
    connector: &'static str,
    variables: Vec<(String, String)>,
    workdir: Option<PathBuf>,
}

/// A port that was free a moment ago.
pub fn free_port() -> String {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port().to_string()
}

pub async fn scalr() -> ScalrSimulator {
    ScalrSimulator::start(ScalrConfig { token: CANARY.to_owned(), ..ScalrConfig::default() }).await.unwrap()
}

pub async fn planetscale() -> PlanetScaleSimulator {
    PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap()
}

impl Place {
    pub fn new(connector: &'static str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), connector, variables: Vec::new(), workdir: None }
    }

    /// One that reads `scalr`, as its product page says.
    pub fn of_scalr(scalr: &ScalrSimulator) -> Self {
        Self::new("scalr")
            .with("BATON_SCALR_ACCOUNT", "acme")
            .with("BATON_SCALR_API_TOKEN", &scalr.token())
            .with("BATON_SCALR_BASE_URL", scalr.base_url())
    }

    /// One that reads `planetscale`, as its product page says.
    pub fn of_planetscale(planetscale: &PlanetScaleSimulator) -> Self {
        Self::new("planetscale")
            .with("BATON_HOST_ID", "baton-planetscale")
            .with("BATON_PLANETSCALE_SERVICE_TOKEN", &planetscale.token())
            .with("BATON_PLANETSCALE_API_URL", planetscale.base_url())
    }

    /// The same with a variable more, or another value of it.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, run elsewhere than in its folder.
    pub fn run_in(mut self, workdir: &str) -> Self {
        self.workdir = Some(workdir.into());
        self
    }

    pub fn start(&self, arguments: &[&str]) -> Child {
        let workdir = self.workdir.as_deref().unwrap_or(self.folder.path());
        let mut command = Command::new(PROGRAM);
        command.arg(self.connector).args(arguments).current_dir(workdir);
        command.env_clear().envs(self.variables.iter().cloned()).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub async fn run(&self, arguments: &[&str]) -> Output {
        self.start(arguments).wait_with_output().await.unwrap()
    }

    /// Runs it, which must succeed.
    pub async fn succeed(&self, arguments: &[&str]) -> Output {
        let output = self.run(arguments).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        output
    }

    /// Runs it, which must exit with `code`; what it says last.
    pub async fn fail(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        stderr(&output).lines().last().unwrap_or_default().to_owned()
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("sync.c1z")
    }

    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What the real `baton` shows of `file`.
pub async fn baton(file: &Path, command: &str) -> Value {
    let program = locate_async("baton").await.unwrap();
    let mut process = Command::new(program);
    let output = process.args([command, "-o", "json", "--file"]).arg(file).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Sends `signal` to `child`.
pub async fn signal(child: &Child, signal: &str) {
    let arguments = [format!("-{signal}"), child.id().unwrap().to_string()];
    assert!(Command::new("kill").args(arguments).status().await.unwrap().success());
}
