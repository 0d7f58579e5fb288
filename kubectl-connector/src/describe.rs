//! `describe`: the page about one connector.

mod page;

use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;

use self::page::Page;
use crate::Result;
use crate::cluster::{Cluster, Connection};
use crate::connectors::Connector;
use crate::output::Output;
use crate::reference::Named;

/// Tells all about a connector: how it is, what to do, its last run, what changed, what is held
#[derive(Debug, Args)]
pub(crate) struct Describe {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    output: Output,
}

impl Describe {
    pub(crate) async fn execute(self, connection: Connection) -> Result<ExitCode> {
        let cluster = connection.cluster().await?;
        let connector = self.named.find(&cluster).await?;
        let events = events(&cluster, &connector).await;
        let page = Page::of(&connector, events);
        let names = || vec![connector.full_name()];
        self.output.print(&page, names, || page.text(&connector, Timestamp::now()))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What was told about the connector, the latest last. Nothing where that may not be read: a page without it is better
/// than none.
async fn events(cluster: &Cluster, connector: &Connector) -> Vec<Event> {
    let api: Api<Event> = Api::namespaced(cluster.client.clone(), connector.namespace());
    let of = format!("regarding.uid={}", connector.meta.uid.as_deref().unwrap_or_default());
    let listed = api.list(&ListParams::default().fields(&of)).await;
    let mut events = listed.map(|events| events.items).unwrap_or_default();
    events.sort_by_key(page::time_of);
    events
}
