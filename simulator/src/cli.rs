//! The command line: flags, and what they configure.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use connector_simulator::c1::{C1Config, C1Fault, listed_faults};
use connector_simulator::control::ENDPOINTS;
use connector_simulator::fault::{self, Extent, Fault, Vendor};
use connector_simulator::{OrganizationSize, PlanetScaleConfig, ScalrConfig};

/// Simulated Scalr, PlanetScale and C1 servers, with data that changes on request.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve both APIs, C1 where it has a folder, and the control endpoints until Ctrl-C or SIGTERM.
    #[command(after_long_help = format!("{ENDPOINTS}\n{}\n\n{}", fault::listed(), listed_faults()))]
    Serve(ServeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where the simulated Scalr listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8181")]
    scalr_listen: SocketAddr,
    /// The name of the Scalr account.
    #[arg(long, value_name = "NAME", default_value = "acme")]
    scalr_account: String,
    /// The bearer token that the simulated Scalr accepts.
    #[arg(long, value_name = "TOKEN", default_value = "simulated-scalr-token")]
    scalr_token: String,
    /// The number of users in the Scalr account.
    #[arg(long, value_name = "N", default_value_t = 45)]
    scalr_users: usize,
    /// The number of service accounts in the Scalr account.
    #[arg(long, value_name = "N", default_value_t = 3)]
    scalr_service_accounts: usize,

    /// Where the simulated PlanetScale listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8182")]
    planetscale_listen: SocketAddr,
    /// The service token that the simulated PlanetScale accepts.
    #[arg(long, value_name = "ID:VALUE", default_value = "simulated:pscale_tkn_simulated")]
    planetscale_token: String,
    /// The number of organizations, named org-1, org-2, and so on.
    #[arg(long, value_name = "N", default_value_t = 2)]
    organizations: usize,
    /// The number of members of each organization; every tenth is a member of all of them. Several numbers, separated
    /// by commas, are for one organization each, and the last one for the rest.
    #[arg(long, value_name = "N", default_value = "30", value_delimiter = ',')]
    members: Vec<usize>,
    /// The number of teams of each organization, or several numbers as for --members.
    #[arg(long, value_name = "N", default_value = "3", value_delimiter = ',')]
    teams: Vec<usize>,
    /// The number of members of each team.
    #[arg(long, value_name = "N", default_value_t = 5)]
    team_members: usize,
    /// Give some members the role analyst.
    #[arg(long)]
    analysts: bool,

    /// Accept every token of a vendor's form, so that each of many connectors may have its own.
    #[arg(long)]
    pub(crate) any_token: bool,

    /// Where the control endpoints listen; keep it on the loopback interface, there is no authentication.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8180")]
    pub(crate) control_listen: SocketAddr,
    /// Hold every answer of both APIs back this long.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    latency_ms: u64,
    /// The same seed gives the same data.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// Serve both APIs over TLS, and write the certificates of the authorities behind them to scalr-ca.pem and
    /// planetscale-ca.pem in this folder.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) tls_dir: Option<PathBuf>,
    /// Do something wrong, in both servers where it makes sense for both, or so many TIMES only. May be repeated.
    #[arg(long = "fault", value_name = "FAULT[=TIMES]", value_parser = parse_fault)]
    faults: Vec<(Fault, Extent)>,
    /// The same for Scalr alone.
    #[arg(long = "scalr-fault", value_name = "FAULT[=TIMES]", value_parser = parse_fault)]
    scalr_faults: Vec<(Fault, Extent)>,
    /// The same for PlanetScale alone.
    #[arg(long = "planetscale-fault", value_name = "FAULT[=TIMES]", value_parser = parse_fault)]
    planetscale_faults: Vec<(Fault, Extent)>,

    #[command(flatten)]
    pub(crate) c1: C1Args,
}

#[derive(Debug, Args)]
pub(crate) struct C1Args {
    /// Serve a simulated C1, and write to this folder what a connector needs (c1-ca.pem, client-id, client-secret) and
    /// what connectors upload (TASK.c1z).
    #[arg(long = "c1-dir", value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// Where the simulated C1 listens; port 0 takes a free one.
    #[arg(long = "c1-listen", value_name = "ADDRESS", default_value = "127.0.0.1:8183")]
    listen: SocketAddr,
    /// The number of C1's clients. The files of the second and later ones are client-id-2, client-secret-2, and so on.
    #[arg(long = "c1-clients", value_name = "N", default_value_t = 1)]
    clients: usize,
    /// When the simulated C1 wants to be polled again.
    #[arg(long = "c1-next-poll-seconds", value_name = "N", default_value_t = 1)]
    next_poll_seconds: u64,
    /// Have the simulated C1 do something wrong, or so many TIMES only. May be repeated.
    #[arg(id = "c1_faults", long = "c1-fault", value_name = "FAULT[=TIMES]", value_parser = parse_c1_fault)]
    pub(crate) faults: Vec<(C1Fault, Option<u32>)>,
}

impl C1Args {
    pub(crate) fn config(&self, seed: u64) -> C1Config {
        C1Config {
            listen: self.listen,
            seed,
            clients: C1Config::named(self.clients),
            next_poll: Duration::from_secs(self.next_poll_seconds),
            folder: self.folder.clone(),
            ..C1Config::default()
        }
    }
}

impl ServeArgs {
    pub(crate) fn scalr(&self) -> ScalrConfig {
        ScalrConfig {
            listen: self.scalr_listen,
            token: self.scalr_token.clone(),
            account: self.scalr_account.clone(),
            users: self.scalr_users,
            service_accounts: self.scalr_service_accounts,
            seed: self.seed,
            latency: Duration::from_millis(self.latency_ms),
            tls: self.tls_dir.is_some(),
        }
    }

    pub(crate) fn planetscale(&self) -> PlanetScaleConfig {
        PlanetScaleConfig {
            listen: self.planetscale_listen,
            token: self.planetscale_token.clone(),
            organizations: self.organizations(),
            analysts: self.analysts,
            seed: self.seed,
            latency: Duration::from_millis(self.latency_ms),
            tls: self.tls_dir.is_some(),
        }
    }

    /// The faults that one server starts with.
    pub(crate) fn faults(&self, vendor: Vendor) -> impl Iterator<Item = &(Fault, Extent)> {
        let its_own = match vendor {
            Vendor::Scalr => &self.scalr_faults,
            Vendor::PlanetScale => &self.planetscale_faults,
        };
        self.faults.iter().filter(move |(fault, _)| fault.senseless_for(vendor).is_none()).chain(its_own)
    }

    fn organizations(&self) -> Vec<OrganizationSize> {
        let mut sizes = OrganizationSize::several(self.organizations, 0, 0, self.team_members);
        for (index, size) in sizes.iter_mut().enumerate() {
            size.members = number_for(&self.members, index);
            size.teams = number_for(&self.teams, index);
        }
        sizes
    }
}

fn parse_fault(text: &str) -> Result<(Fault, Extent), String> {
    let (fault, times) = parse_times(text)?;
    Ok((fault, Extent { times, ..Extent::default() }))
}

fn parse_c1_fault(text: &str) -> Result<(C1Fault, Option<u32>), String> {
    parse_times(text)
}

/// A fault, and how often it strikes where that is said.
fn parse_times<F, N>(text: &str) -> Result<(F, Option<N>), String>
where
    F: FromStr<Err = connector_simulator::Error>,
    N: FromStr,
{
    let (name, times) = text.split_once('=').map_or((text, None), |(name, times)| (name, Some(times)));
    let times =
        times.map(str::parse).transpose().map_err(|_| "the number of times is no number".to_owned())?;
    let fault = name.parse().map_err(|error: connector_simulator::Error| error.to_string())?;
    Ok((fault, times))
}

/// The number for the organization at `index`; the last one where there are fewer.
fn number_for(numbers: &[usize], index: usize) -> usize {
    numbers.get(index).or(numbers.last()).copied().unwrap_or_default()
}
