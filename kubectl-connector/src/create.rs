//! `create`: a connector and the Secret that it reads with, from flags, or from what a person answers.

mod shared;
mod token;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use connector_operator::api::{
    PlanetScaleConnector, PlanetScaleConnectorSpec, ScalrConnector, ScalrConnectorSpec,
};

use self::shared::Shared;
use crate::cluster::Connection;
use crate::{Result, asking, screen};

/// Makes a connector and the Secret that it reads with
#[derive(Debug, Subcommand)]
pub(crate) enum Create {
    /// Makes a connector of a Scalr account, and the Secret with its API token
    Scalr(CreateScalr),
    /// Makes a connector of PlanetScale organizations, and the Secret with its service token
    Planetscale(CreatePlanetScale),
}

/// Makes a connector of a Scalr account, and the Secret with its API token
///
/// On a terminal it asks for what is missing. The token comes from a file, standard input, a variable, or an answer.
#[derive(Debug, Args)]
pub(crate) struct CreateScalr {
    /// What the connector is called; the account's name where it is absent.
    name: Option<String>,
    /// The Scalr account: acme for https://acme.scalr.io.
    #[arg(long)]
    account: Option<String>,
    /// Only for self-hosted Scalr: its origin.
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    #[command(flatten)]
    shared: Shared,
}

/// Makes a connector of PlanetScale organizations, and the Secret with its service token
///
/// On a terminal it asks for what is missing. The token, <token-id>:<token-value>, comes from a file, standard input, a
/// variable, or an answer.
#[derive(Debug, Args)]
pub(crate) struct CreatePlanetScale {
    /// What the connector is called.
    #[arg(default_value = "planetscale")]
    name: String,
    /// The origin of the PlanetScale API.
    #[arg(long, default_value = "https://api.planetscale.com", value_name = "URL")]
    api_url: String,
    #[command(flatten)]
    shared: Shared,
}

impl Create {
    pub(crate) async fn execute(self, connection: Connection) -> Result<ExitCode> {
        match self {
            Self::Scalr(scalr) => scalr.execute(connection).await,
            Self::Planetscale(planetscale) => planetscale.execute(connection).await,
        }
    }
}

impl CreateScalr {
    async fn execute(self, connection: Connection) -> Result<ExitCode> {
        let Self { name, account, base_url, mut shared } = self;
        let account = match account {
            Some(account) => account,
            None if screen::can_ask() => {
                let account = asking::line("Scalr account (acme for https://acme.scalr.io)", None)?;
                shared.ask_for_owner()?;
                account
            }
            None => return Err("the account is missing: say --account acme for https://acme.scalr.io".into()),
        };
        let name = name.unwrap_or_else(|| account.clone());
        let api_token_secret_ref = shared.secret_ref(&format!("scalr-{name}"));
        let spec = ScalrConnectorSpec { account, api_token_secret_ref, base_url, common: shared.common()? };
        shared.create(connection, ScalrConnector::new(&name, spec)).await
    }
}

impl CreatePlanetScale {
    async fn execute(self, connection: Connection) -> Result<ExitCode> {
        let Self { name, api_url, mut shared } = self;
        if shared.has_to_ask() {
            shared.ask_for_owner()?;
        }
        let service_token_secret_ref = shared.secret_ref(&name);
        let spec = PlanetScaleConnectorSpec { service_token_secret_ref, api_url, common: shared.common()? };
        shared.create(connection, PlanetScaleConnector::new(&name, spec)).await
    }
}
