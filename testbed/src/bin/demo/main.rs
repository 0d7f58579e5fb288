//! The demo: a real API server, simulated upstreams, a simulated C1 and the operator, from nothing to two connected
//! connectors, one of which delivers.
//!
//! Every command that it shows is one that a person may type. It builds nothing: `make demo` does that first.
//! `--once` ends by itself; with KUBECONFIG set, it uses that cluster and leaves it as it was.

mod cluster;
mod delivery;
mod examples;
mod identity;
mod programs;
mod screen;
mod tour;
mod transitions;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use cluster::Cluster;
use programs::{Operator, Simulators};
use screen::Screen;

/// The clone, in which every command runs.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Where the examples are applied.
const NAMESPACE: &str = "connector-demo";
/// How often a demo that keeps running looks whether everything still does.
const LOOK: Duration = Duration::from_secs(1);

/// What goes wrong is said to a person, in one sentence, and ends the demo.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Everything that has been started, in the order in which it is.
struct Stage {
    home: TempDir,
    cluster: Option<Cluster>,
    simulators: Option<Simulators>,
    operator: Option<Operator>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let screen = Screen::new();
    let once = match arguments() {
        Ok(once) => once,
        Err(error) => return screen.failed(&error.to_string(), None),
    };
    // A Ctrl-C before this would leave no trace to remove.
    let interrupted = match interruptions() {
        Ok(interrupted) => interrupted,
        Err(error) => return screen.failed(&error.to_string(), None),
    };
    let mut stage = match tempfile::Builder::new().prefix("connector-demo-").tempdir() {
        Ok(home) => Stage { home, cluster: None, simulators: None, operator: None },
        Err(error) => return screen.failed(&format!("making a temporary folder: {error}"), None),
    };
    let outcome = tokio::select! {
        outcome = stage.play(&screen, once) => outcome.map(|()| Ended::Itself),
        () = interrupted => Ok(Ended::Interrupted),
    };
    let log = stage.operator.as_ref().map(|operator| operator.log().to_owned());
    let exit = match &outcome {
        Err(error) => screen.failed(&error.to_string(), log.as_deref()),
        Ok(_) => ExitCode::SUCCESS,
    };
    let torn_down = stage.tear_down(&screen).await;
    match (outcome, torn_down) {
        (_, Err(error)) => screen.failed(&error.to_string(), None),
        (Ok(Ended::Interrupted), Ok(())) if once => ExitCode::FAILURE,
        (_, Ok(())) => exit,
    }
}

enum Ended {
    Itself,
    Interrupted,
}

/// Whether to end when everything has been shown.
fn arguments() -> Result<bool> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => Ok(false),
        [once] if once == "--once" => Ok(true),
        _ => Err("the only argument there is is --once".into()),
    }
}

/// Resolves at Ctrl-C and whatever else asks a program to end.
fn interruptions() -> Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    })
}

impl Stage {
    /// The demo from start to end.
    async fn play(&mut self, screen: &Screen, once: bool) -> Result<()> {
        let home = self.home.path().to_owned();
        let cluster = self.cluster.insert(Cluster::find(screen, &home).await?);
        cluster.install(screen).await?;

        let simulators = self.simulators.insert(Simulators::start(screen, &home).await?);
        let kubeconfig = identity::kubeconfig(cluster, &home).await?;
        let operator =
            self.operator.insert(Operator::start(screen, &home, &kubeconfig, simulators.c1()).await?);

        let mut transitions = transitions::watch(cluster)?;
        examples::apply(screen, cluster, simulators).await?;
        transitions.until_connected(screen, operator).await?;

        tour::show(screen, cluster, &home).await?;
        delivery::show(screen, cluster, simulators, &home).await?;
        screen.say("Everything is as expected.");
        if once {
            return Ok(());
        }
        invite(screen, cluster, simulators, operator);
        loop {
            tokio::time::sleep(LOOK).await;
            operator.still_runs()?;
            simulators.still_run()?;
        }
    }

    /// Ends everything, what was started last first.
    async fn tear_down(&mut self, screen: &Screen) -> Result<()> {
        screen.say("Ending everything that was started");
        let stopped = match self.operator.take() {
            Some(operator) => operator.stop().await,
            None => Ok(()),
        };
        drop(self.simulators.take());
        let cleaned = match self.cluster.take() {
            Some(cluster) => cluster.clean(screen).await,
            None => Ok(()),
        };
        stopped.and(cleaned)
    }
}

/// Says how to look around in a demo that keeps running.
fn invite(screen: &Screen, cluster: &Cluster, simulators: &Simulators, operator: &Operator) {
    let tools = cluster.tools().display();
    let control = simulators.control();
    let programs = beside_this().unwrap_or_default();
    screen.invitation(&[
        format!(
            "export KUBECONFIG={} PATH={}:{tools}:$PATH CONNECTOR_OPERATOR_URL=http://{} CONNECTOR_OPERATOR_LOG={}",
            cluster.kubeconfig().display(),
            programs.display(),
            operator.snapshots(),
            operator.log().display()
        ),
        "source <(kubectl completion bash)    # or zsh; then Tab completes, also names of connectors".to_owned(),
        "kubectl connector get -A".to_owned(),
        format!("kubectl connector describe scalr/acme -n {NAMESPACE}"),
        format!("kubectl connector access planetscale -n {NAMESPACE}"),
        format!("kubectl connector logs scalr/acme -n {NAMESPACE} --since 1m"),
        format!("kubectl get connectors -n {NAMESPACE} -o wide"),
        format!("kubectl describe scalr acme -n {NAMESPACE}"),
        format!("curl http://{control}/_simulator/scalr/users -d '{{\"email\": \"new@example.com\"}}'"),
        format!("curl http://{control}/_simulator/c1/tasks -d '{{\"type\": \"sync_full\"}}' -H 'Content-Type: application/json'"),
        format!("curl http://{control}/_simulator/c1/transcript"),
        format!(
            "kubectl annotate scalr acme -n {NAMESPACE} --overwrite \
             connectors.conductorone.com/requestedAt=\"$(date)\""
        ),
        format!("curl http://{}/metrics", operator.listen()),
        format!("tail -f {}", operator.log().display()),
    ]);
}

/// The last `count` lines of a file; nothing where it can't be read.
fn tail(file: &Path, count: usize) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(count)).map(|line| (*line).to_owned()).collect()
}

/// The folder of the programs that were built with this one.
fn beside_this() -> Result<PathBuf> {
    Ok(std::env::current_exe()?.parent().map(Path::to_owned).unwrap_or_default())
}

/// The program of this name that was built beside this one.
fn program(name: &str) -> Result<PathBuf> {
    let beside = beside_this()?.join(name);
    if beside.is_file() {
        Ok(beside)
    } else {
        Err(format!("{} is missing: `make build` builds it", beside.display()).into())
    }
}
