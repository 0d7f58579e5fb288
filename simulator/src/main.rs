//! The simulated servers as a program, for the demo, benches and people.

mod cli;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use connector_simulator::{ControlServer, Error, Handle, PlanetScaleSimulator, ScalrSimulator};
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
    misbehave(args, &scalr)?;
    misbehave(args, &planetscale)?;
    if let Some(folder) = &args.tls_dir {
        write_authority(folder, "scalr-ca.pem", scalr.ca_pem())?;
        write_authority(folder, "planetscale-ca.pem", planetscale.ca_pem())?;
    }
    let handles = (Some(scalr.clone()), Some(planetscale.clone()));
    let control = ControlServer::start(args.control_listen, handles.0, handles.1).await?;
    announce(&scalr, &planetscale, &control)?;

    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    let stopped = async { tokio::join!(scalr.stop(), planetscale.stop(), control.stop()) };
    // Answers that take longer are cut off, which is what a second signal would do.
    drop(tokio::time::timeout(PATIENCE, stopped).await);
    Ok(())
}

fn misbehave<S>(args: &ServeArgs, server: &Handle<S>) -> Result<(), Error> {
    args.faults(server.vendor()).try_for_each(|(fault, extent)| server.switch_on(*fault, extent))
}

fn write_authority(folder: &Path, name: &str, pem: Option<&str>) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join(name), pem.unwrap_or_default())
}

/// One line per server. Tokens are simulated too, and needed by whoever connects.
fn announce(
    scalr: &ScalrSimulator,
    planetscale: &PlanetScaleSimulator,
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
    writeln!(
        out,
        "Control      {}/_simulator  lists what can be changed (stop with Ctrl-C)",
        control.base_url()
    )?;
    out.flush()
}
