//! What it costs to work for C1 while C1 wants nothing: a process with many loops of the task loop, each with a client
//! of its own, against a simulated C1 in another process. Nothing is read; only the polls go on.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clap::Args;
use connector_operator::c1::{
    About, Asset, Channels, Credentials, Pace, Reader, Refused, Service, SyncTask, View, Work, work,
};
use connector_operator::network::HostPolicy;
use testbed::Managed;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::compare::{folder, mebibytes};
use crate::error::{Error, Result};
use crate::measure::{Usage, usage};
use crate::say;
use crate::table::Table;
use crate::upstream::{address, ask, simulate};

/// The loops of one process; a process with a single one shows what is the process's own.
const LOOPS: [usize; 2] = [1, 1000];
/// When C1 wants to be asked again.
const NEXT_POLL: u64 = 60;
/// How long is measured, unless `BENCH_SECONDS` says otherwise.
const SECONDS: u64 = 60;
/// What the program with the loops prints when C1 has answered each.
const GREETED: &str = "greeted";

/// Measures, and prints a table.
pub(crate) async fn measure(programs: &Path) -> Result<()> {
    let seconds = match std::env::var("BENCH_SECONDS") {
        Err(_) => SECONDS,
        Ok(text) => text.parse().map_err(|_| Error::new("BENCH_SECONDS is no number"))?,
    };
    let folder = folder()?;
    let c1 = SimulatedC1::start(programs, folder.path()).await?;
    let mut rows = Table::new(&["loops", "resident MiB", "anonymous MiB", "CPU s", "polls"]);
    let mut notes = String::new();
    let mut alone: Option<Usage> = None;
    for loops in LOOPS {
        say(&format!("{loops} idle loops, {seconds} s"));
        let idle = Idle::start(&c1, loops)?;
        let (asked, before) = (c1.polls()?, usage(idle.0.id())?);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let (after, polls) = (usage(idle.0.id())?, c1.polls()?.saturating_sub(asked));
        let cpu = after.cpu.saturating_sub(before.cpu);
        let memory = [after.resident, after.anonymous].map(|bytes| format!("{:.1}", mebibytes(bytes)));
        let [resident, anonymous] = memory;
        rows.row(vec![
            loops.to_string(),
            resident,
            anonymous,
            format!("{:.2}", cpu.as_secs_f64()),
            polls.to_string(),
        ]);
        match alone {
            None => alone = Some(after),
            Some(alone) => {
                let more = after.anonymous.saturating_sub(alone.anonymous) / (loops as u64 - 1);
                let written = writeln!(
                    notes,
                    "Each further loop: {:.1} KiB, {:.2} ms of CPU a minute",
                    more as f64 / 1024.0,
                    cpu.as_secs_f64() * 1000.0 * 60.0 / seconds as f64 / loops as f64
                );
                // Writing into a string cannot fail.
                written.unwrap_or_default();
            }
        }
    }
    println!(
        "\n### Idle loops for C1, {seconds} s, a poll every {NEXT_POLL} s\n\n{}\n{notes}",
        rows.render()
    );
    Ok(())
}

/// A simulated C1 with a client for each loop, in a process of its own.
struct SimulatedC1 {
    folder: PathBuf,
    host: SocketAddr,
    control: SocketAddr,
    /// Ends with this.
    _process: Managed,
}

impl SimulatedC1 {
    async fn start(programs: &Path, folder: &Path) -> Result<Self> {
        let (host, control, scalr, planetscale) = (address()?, address()?, address()?, address()?);
        let clients = LOOPS.into_iter().max().unwrap_or(1);
        let c1_folder = folder.join("c1");
        let arguments = [
            "--scalr-users=1".to_owned(),
            "--members=1".to_owned(),
            format!("--c1-dir={}", c1_folder.display()),
            format!("--c1-clients={clients}"),
            format!("--c1-next-poll-seconds={NEXT_POLL}"),
        ];
        let listening =
            [("--c1-listen", host), ("--scalr-listen", scalr), ("--planetscale-listen", planetscale)];
        let process = simulate(programs, folder, &arguments, &listening, control).await?;
        Ok(Self { folder: c1_folder, host, control, _process: process })
    }

    /// How often it has been asked for tasks.
    fn polls(&self) -> Result<usize> {
        Ok(ask(self.control, "GET", "c1/transcript", "")?.matches("GetTask").count())
    }
}

/// A process with loops that does not outlive its owner.
struct Idle(Child);

impl Idle {
    /// Starts one, and waits until C1 has answered each loop.
    fn start(c1: &SimulatedC1, loops: usize) -> Result<Self> {
        let failed = |error: std::io::Error| Error::new(format!("starting the loops: {error}"));
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.arg("idle-loops").arg("--c1-dir").arg(&c1.folder).arg("--c1-host").arg(c1.host.to_string());
        command.arg("--loops").arg(loops.to_string());
        let mut idle = Self(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?);
        let mut line = String::new();
        let out = idle.0.stdout.take().ok_or_else(|| Error::new("the loops have no output"))?;
        BufReader::new(out).read_line(&mut line).map_err(failed)?;
        if line.trim() == GREETED { Ok(idle) } else { Err(Error::new("the loops have ended early")) }
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        // Both fail where it has ended, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How the process with the loops is started.
#[derive(Debug, Args)]
pub(crate) struct LoopsArgs {
    #[arg(long)]
    c1_dir: PathBuf,
    #[arg(long)]
    c1_host: String,
    #[arg(long)]
    loops: usize,
}

/// Runs the loops until it is killed.
pub(crate) async fn run_loops(args: &LoopsArgs) -> Result<()> {
    let read = |name: String| {
        let path = args.c1_dir.join(name);
        fs::read_to_string(&path).map_err(|error| Error::new(format!("reading {}: {error}", path.display())))
    };
    let ca = read("c1-ca.pem".to_owned())?;
    let channels = Channels::new(HostPolicy::default().with_loopback(true));
    let stop = CancellationToken::new();
    let mut views = Vec::new();
    for number in 1..=args.loops {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        let (id, secret) = (read(format!("client-id{suffix}"))?, read(format!("client-secret{suffix}"))?);
        let credentials =
            Credentials::new(&id, &secret.into()).map_err(|error| Error::new(error.to_string()))?;
        let service = Service::new(&channels, credentials, Some(&args.c1_host), Some(ca.as_bytes()), "bench")
            .map_err(|error| Error::new(error.to_string()))?;
        let (view, seen) = watch::channel(View::default());
        views.push(seen);
        let work_ = Work {
            service,
            reader: Arc::new(Nothing),
            view,
            pace: Pace::default(),
            at_once: 2,
            ends_when_refused: false,
        };
        tokio::spawn(work(work_, stop.clone()));
    }
    for view in &mut views {
        let answered = view.wait_for(|view| view.connected && view.trouble.is_none()).await;
        answered.map_err(|_| Error::new("a loop has ended"))?;
    }
    println!("{GREETED}");
    std::future::pending().await
}

/// There is nothing to read.
struct Nothing;

#[async_trait]
impl Reader for Nothing {
    fn about(&self) -> About {
        About { display_name: "Nothing", description: "Reads nothing.", resource_types: &[] }
    }

    async fn read(&self, _: &SyncTask) -> std::result::Result<Asset, Refused> {
        std::future::pending().await
    }
}
