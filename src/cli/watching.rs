//! What the operator looks after.

use clap::{Args, ValueEnum};
use kube::Client;
use kube::api::{Api, ListParams};

use crate::api::ScalrConnector;
use crate::controller::Scope;

use super::Failed;

/// What the operator looks after.
#[derive(Debug, Args)]
pub(super) struct Watching {
    /// A namespace whose connectors to look after. Repeat it, or separate by commas. Those of all namespaces where it is
    /// absent. The operator needs no rights elsewhere.
    #[arg(
        long = "watch-namespace",
        env = "CONNECTOR_WATCH_NAMESPACES",
        value_delimiter = ',',
        value_name = "NAMESPACE",
        value_parser = namespace
    )]
    namespaces: Vec<String>,
    /// Look after connectors with such labels alone, as in shard=a or env in (dev, test). Each of several operators that
    /// share a cluster needs a --lease-name of its own.
    #[arg(long = "watch-label-selector", env = "CONNECTOR_WATCH_LABEL_SELECTOR", value_name = "SELECTOR")]
    selector: Option<String>,
    /// Whether Secrets are watched. With off, the operator needs no right to list Secrets; a changed Secret is then seen
    /// by the next run.
    #[arg(long, env = "CONNECTOR_SECRET_WATCH", value_enum, default_value_t = SecretWatch::All)]
    secret_watch: SecretWatch,
}

/// Which Secrets are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SecretWatch {
    /// The names and versions of all of them, where connectors are looked after.
    All,
    /// None.
    Off,
}

impl Watching {
    /// Are Secrets watched?
    pub(super) fn watches_secrets(&self) -> bool {
        self.secret_watch == SecretWatch::All
    }

    /// Does it leave out connectors that another operator looks after?
    pub(super) fn is_a_shard(&self) -> bool {
        self.selector.is_some()
    }

    /// Which connectors are looked after.
    ///
    /// # Errors
    /// Where the API server says that the selector is none.
    pub(super) async fn scope(self, client: &Client) -> Result<Scope, Failed> {
        if let Some(selector) = &self.selector {
            understood(client, self.namespaces.first(), selector).await?;
        }
        Ok(Scope::new(self.namespaces, self.selector))
    }
}

/// The API server alone knows what a selector is. Whatever else keeps it from answering, the watches tell.
async fn understood(client: &Client, namespace: Option<&String>, selector: &str) -> Result<(), Failed> {
    let api: Api<ScalrConnector> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    match api.list_metadata(&ListParams::default().labels(selector).limit(1)).await {
        Err(kube::Error::Api(status)) if status.code == 400 => {
            Err(format!("--watch-label-selector {selector:?}: {}", status.message).into())
        }
        _ => Ok(()),
    }
}

fn namespace(text: &str) -> Result<String, String> {
    let is_label = !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if is_label { Ok(text.to_owned()) } else { Err("must be the name of a namespace".to_owned()) }
}
