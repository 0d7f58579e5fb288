//! The simulated servers as a program, for the demo, benches and people.

mod cli;

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use connector_simulator::{
    C1, C1Simulator, ControlServer, Error, Handle, PlanetScaleSimulator, ScalrSimulator,
};
use tokio::signal::unix::{SignalKind, signal};

use cli::{Cli, Command, ServeArgs};

/// How long requests in flight may take after the signal to stop.
const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Serve(args) = Cli::parse().command;
    match serve(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell it to when standard error is closed.
            drop(writeln!(io::stderr(), "connector-simulator: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: &ServeArgs) -> Result<(), Box<dyn std::error::Error>> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;

    let scalr = ScalrSimulator::start(args.scalr()).await?;
    let planetscale = PlanetScaleSimulator::start(args.planetscale()).await?;
    if args.any_token {
        scalr.accept_any_token();
        planetscale.accept_any_token();
    }
    misbehave(args, &scalr)?;
    misbehave(args, &planetscale)?;
    if let Some(folder) = &args.tls_dir {
        write_authority(folder, "scalr-ca.pem", scalr.ca_pem())?;
        write_authority(folder, "planetscale-ca.pem", planetscale.ca_pem())?;
    }
    let c1 = serve_c1(args).await?;
    let c1_handle = c1.as_ref().map(|c1| C1::clone(c1));
    let handles = (Some(scalr.clone()), Some(planetscale.clone()), c1_handle);
    let control = ControlServer::start(args.control_listen, handles.0, handles.1, handles.2).await?;
    announce(&scalr, &planetscale, c1.as_deref(), &control)?;

    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    let c1_stopped = async {
        if let Some(c1) = c1 {
            c1.stop().await;
        }
    };
    let stopped = async { tokio::join!(scalr.stop(), planetscale.stop(), c1_stopped, control.stop()) };
    // Answers that take longer are cut off, which is what a second signal would do.
    drop(tokio::time::timeout(PATIENCE, stopped).await);
    Ok(())
}

fn misbehave<S>(args: &ServeArgs, server: &Handle<S>) -> Result<(), Error> {
    args.faults(server.vendor()).try_for_each(|(fault, extent)| server.switch_on(*fault, extent))
}

fn write_authority(folder: &Path, name: &str, pem: Option<&str>) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join(name), pem.unwrap_or_default())
}

/// The simulated C1, where it has a folder, with what a connector needs in that folder.
async fn serve_c1(args: &ServeArgs) -> Result<Option<C1Simulator>, Box<dyn std::error::Error>> {
    let Some(folder) = &args.c1.folder else { return Ok(None) };
    fs::create_dir_all(folder)?;
    let c1 = C1Simulator::start(args.c1.config(args.seed)).await?;
    for (fault, times) in &args.c1.faults {
        c1.switch_on(*fault, *times);
    }
    fs::write(folder.join("c1-ca.pem"), c1.ca_pem())?;
    for client in c1.clients() {
        let number = if client.index == 0 { String::new() } else { format!("-{}", client.index + 1) };
        fs::write(folder.join(format!("client-id{number}")), &client.client_id)?;
        write_secret(&folder.join(format!("client-secret{number}")), &client.client_secret)?;
    }
    Ok(Some(c1))
}

/// For the owner alone, as a connector would demand of a real one.
fn write_secret(path: &Path, secret: &str) -> io::Result<()> {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(secret.as_bytes())
}

/// One line per server. Tokens are simulated too, and needed by whoever connects.
fn announce(
    scalr: &ScalrSimulator,
    planetscale: &PlanetScaleSimulator,
    c1: Option<&C1>,
    control: &ControlServer,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let counts = scalr.counts();
    writeln!(
        out,
        "Scalr        {}  {} users, {} service accounts (stop with Ctrl-C)",
        scalr.base_url(),
        counts.users,
        counts.service_accounts,
    )?;
    let counts = planetscale.counts();
    writeln!(
        out,
        "PlanetScale  {}  {} organizations, {} users, {} teams (stop with Ctrl-C)",
        planetscale.base_url(),
        counts.organizations,
        counts.users,
        counts.teams,
    )?;
    if let Some(c1) = c1 {
        let (clients, s) = match c1.clients().len() {
            1 => (1, ""),
            several => (several, "s"),
        };
        writeln!(out, "C1           https://{}  {clients} client{s} (stop with Ctrl-C)", c1.host())?;
    }
    writeln!(
        out,
        "Control      {}/_simulator  lists what can be changed (stop with Ctrl-C)",
        control.base_url()
    )?;
    out.flush()
}
