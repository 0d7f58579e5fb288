//! The two programs of this repository that the demo runs: the simulators and the operator.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use testbed::{Managed, probe};

use super::cluster::SYSTEM;
use super::screen::Screen;
use super::{Result, program};

const START: Duration = Duration::from_secs(60);
/// The operator promises to stop within 20 s.
const STOP: Duration = Duration::from_secs(25);
/// Another process may take a port between its choice and its use.
const ATTEMPTS: u32 = 3;
/// The simulators' own ports, which the examples name.
pub(crate) const SCALR_PORT: u16 = 8181;
pub(crate) const PLANETSCALE_PORT: u16 = 8182;
const CONTROL_PORT: u16 = 8180;
const C1_PORT: u16 = 8183;

/// The simulated upstreams.
pub(crate) struct Simulators {
    process: Managed,
    scalr: SocketAddr,
    planetscale: SocketAddr,
    c1: SocketAddr,
    control: SocketAddr,
}

impl Simulators {
    pub(crate) async fn start(screen: &Screen, home: &Path) -> Result<Self> {
        let starting = async {
            let mut attempt = 1;
            loop {
                match Self::try_start(home).await {
                    Err(error) if attempt < ATTEMPTS && error.to_string().contains("in use") => attempt += 1,
                    outcome => return outcome,
                }
            }
        };
        let done = |it: &Self| {
            format!("Simulated: Scalr at {}, PlanetScale at {}, C1 at {}", it.scalr, it.planetscale, it.c1)
        };
        screen.step("Starting the simulated Scalr, PlanetScale and C1", starting, done).await
    }

    async fn try_start(home: &Path) -> Result<Self> {
        let (scalr, planetscale) = (address(SCALR_PORT)?, address(PLANETSCALE_PORT)?);
        let (c1, control) = (address(C1_PORT)?, address(CONTROL_PORT)?);
        std::fs::create_dir_all(c1_folder(home))?;
        let (program, log) = (program("connector-simulator")?, home.join("simulator.log"));
        let mut process = Managed::spawn("connector-simulator", &program, &log, |command| {
            command
                .arg("serve")
                .arg(format!("--scalr-listen={scalr}"))
                .arg(format!("--planetscale-listen={planetscale}"))
                .arg(format!("--c1-listen={c1}"))
                .arg("--c1-dir")
                .arg(c1_folder(home))
                .arg(format!("--control-listen={control}"))
                // As slow as upstreams are, so that one sees the operator at work.
                .arg("--latency-ms=200");
        })?;
        let ready = || probe::accepts_connections(control);
        process.wait_until("accepting connections", START, ready).await?;
        Ok(Self { process, scalr, planetscale, c1, control })
    }

    /// Where it listens instead of at the port that the examples name.
    pub(crate) fn addresses(&self) -> [(u16, SocketAddr); 2] {
        [(SCALR_PORT, self.scalr), (PLANETSCALE_PORT, self.planetscale)]
    }

    /// Where C1 is.
    pub(crate) fn c1(&self) -> SocketAddr {
        self.c1
    }

    /// Where its data is changed.
    pub(crate) fn control(&self) -> SocketAddr {
        self.control
    }

    pub(crate) fn still_run(&mut self) -> Result<()> {
        match self.process.ended() {
            Some(status) => Err(format!("the simulators have ended ({status})").into()),
            None => Ok(()),
        }
    }
}

/// Where the simulated C1 keeps the credentials that it gives, its authority's certificate, and what it receives.
pub(crate) fn c1_folder(home: &Path) -> PathBuf {
    home.join("c1")
}

/// The loopback address with this port, or another one if that is taken.
fn address(port: u16) -> Result<SocketAddr> {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match TcpListener::bind(usual) {
        Ok(_) => Ok(usual),
        Err(_) => Ok(probe::free_address()?),
    }
}

/// The operator.
pub(crate) struct Operator {
    process: Managed,
    listen: SocketAddr,
    snapshots: SocketAddr,
}

impl Operator {
    /// Starts it with the identity in `kubeconfig`, and waits until it watches.
    pub(crate) async fn start(
        screen: &Screen,
        home: &Path,
        kubeconfig: &Path,
        c1: SocketAddr,
    ) -> Result<Self> {
        let starting = Self::start_with(home, kubeconfig, c1);
        let done = |_: &Self| "The operator is ready".to_owned();
        screen.step("Starting the operator as its own ServiceAccount", starting, done).await
    }

    async fn start_with(home: &Path, kubeconfig: &Path, c1: SocketAddr) -> Result<Self> {
        let (listen, snapshots) = (probe::free_address()?, probe::free_address()?);
        let (program, log) = (program("connector-operator")?, home.join("operator.log"));
        let scratch = home.join("scratch");
        std::fs::create_dir_all(&scratch)?;
        let mut process = Managed::spawn("connector-operator", &program, &log, |command| {
            command
                // Neither the administrator's kubeconfig nor a proxy is any of its business.
                .env_clear()
                .env("KUBECONFIG", kubeconfig)
                .args(["run", "--allow-loopback", "--default-interval=30s", "--min-interval=5s"])
                .args([format!("--listen={listen}"), format!("--snapshot-listen={snapshots}")])
                .args([format!("--c1-api-host={c1}"), format!("--lease-namespace={SYSTEM}")])
                .arg("--snapshot-dir")
                .arg(home.join("snapshots"))
                .arg("--scratch-dir")
                .arg(scratch);
        })?;
        let ready = || probe::answers_ok(listen, "/readyz");
        process.wait_until("watching connectors", START, ready).await?;
        Ok(Self { process, listen, snapshots })
    }

    pub(crate) fn log(&self) -> &Path {
        self.process.log()
    }

    /// Where its metrics are.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Where it serves snapshots.
    pub(crate) fn snapshots(&self) -> SocketAddr {
        self.snapshots
    }

    pub(crate) fn still_runs(&mut self) -> Result<()> {
        match self.process.ended() {
            Some(status) => Err(format!("the operator has ended ({status})").into()),
            None => Ok(()),
        }
    }

    /// Asks it to stop, which it must do in good order. That it ended before has been said already.
    pub(crate) async fn stop(mut self) -> Result<()> {
        if self.process.ended().is_some() {
            return Ok(());
        }
        let status = self.process.terminate(STOP).await?;
        if status.success() { Ok(()) } else { Err(format!("the operator ended with {status}").into()) }
    }
}
