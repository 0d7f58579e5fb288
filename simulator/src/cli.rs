//! The command line: flags, and what they configure.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use connector_simulator::control::ENDPOINTS;
use connector_simulator::{OrganizationSize, PlanetScaleConfig, ScalrConfig};

/// Simulated Scalr and PlanetScale servers, with data that changes on request.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve both APIs and the control endpoints until Ctrl-C or SIGTERM.
    #[command(after_long_help = ENDPOINTS)]
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

    /// Where the control endpoints listen; keep it on the loopback interface, there is no authentication.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8180")]
    pub(crate) control_listen: SocketAddr,
    /// Hold every answer of both APIs back this long.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    latency_ms: u64,
    /// The same seed gives the same data.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
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
        }
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

/// The number for the organization at `index`; the last one where there are fewer.
fn number_for(numbers: &[usize], index: usize) -> usize {
    numbers.get(index).or(numbers.last()).copied().unwrap_or_default()
}
