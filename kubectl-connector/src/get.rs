//! `get`: the list of connectors.

use std::process::ExitCode;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use connector_operator::access::thousands;
use connector_operator::printing::Table;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cluster::{Cluster, Connection};
use crate::connectors::{self, Connector};
use crate::output::Output;
use crate::reference::Reference;
use crate::screen::{self, Colour};
use crate::{Result, completion, telling};

/// Lists connectors: how each is, whom it reads, when it did and when it will
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// Only these connectors, such as scalr/acme.
    #[arg(value_name = "CONNECTOR", add = ArgValueCompleter::new(completion::connectors))]
    connectors: Vec<Reference>,
    /// Those of all namespaces.
    #[arg(short = 'A', long, conflicts_with = "connectors")]
    all_namespaces: bool,
    /// Only those with such labels, as in team=identity or env in (dev, test).
    #[arg(short = 'l', long, value_name = "LABELS", conflicts_with = "connectors")]
    selector: Option<String>,
    #[command(flatten)]
    output: Output,
}

impl Get {
    pub(crate) async fn execute(self, connection: Connection) -> Result<ExitCode> {
        let cluster = connection.cluster().await?;
        let connectors = self.find(&cluster).await?;
        if connectors.is_empty() && self.output.is_for_people() {
            screen::note(&self.nothing(&cluster.namespace));
            return Ok(ExitCode::SUCCESS);
        }
        let names = || connectors.iter().map(Connector::full_name).collect();
        let shown = || table(&connectors, self.all_namespaces, Timestamp::now());
        self.output.print(&self.objects(&connectors), names, shown)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Says that there is nothing, and where else to look.
    fn nothing(&self, namespace: &str) -> String {
        let such = if self.selector.is_some() { "such " } else { "" };
        if self.all_namespaces {
            format!("There are no {such}connectors in any namespace; kubectl connector create makes one.")
        } else {
            format!(
                "There are no {such}connectors in namespace {namespace}; -A lists those of all namespaces."
            )
        }
    }

    async fn find(&self, cluster: &Cluster) -> Result<Vec<Connector>> {
        if self.connectors.is_empty() {
            let namespace = (!self.all_namespaces).then_some(cluster.namespace.as_str());
            return connectors::list(cluster, namespace, self.selector.as_deref()).await;
        }
        let mut found = Vec::new();
        for reference in &self.connectors {
            found.push(reference.find(cluster).await?);
        }
        Ok(found)
    }

    /// As kubectl gives them: one object for one name, else a list.
    fn objects(&self, connectors: &[Connector]) -> Value {
        match (self.connectors.len(), connectors) {
            (1, [only]) => only.object.clone(),
            _ => {
                let items: Vec<&Value> = connectors.iter().map(|it| &it.object).collect();
                json!({ "apiVersion": "v1", "kind": "List", "items": items })
            }
        }
    }
}

fn table(connectors: &[Connector], with_namespace: bool, now: Timestamp) -> String {
    let headings = ["NAMESPACE", "KIND", "NAME", "STATUS", "READS", "USERS", "LAST SYNC", "NEXT"];
    let skipped = usize::from(!with_namespace);
    let rows = connectors.iter().map(|it| row(it, now).into_iter().skip(skipped).collect());
    let table = Table::new(headings.get(skipped..).unwrap_or_default(), rows.collect());
    screen::table(table, |heading, cell| if heading == "STATUS" { Colour::of_phase(cell) } else { None })
}

fn row(connector: &Connector, now: Timestamp) -> [String; 8] {
    let status = &connector.status;
    let users = status.last_published.as_ref().and_then(|published| published.counts.get("users"));
    [
        connector.namespace().to_owned(),
        connector.kind.word.clone(),
        connector.name().to_owned(),
        connector.phase(),
        connector.scope.clone(),
        users.map_or_else(String::new, |users| thousands(*users)),
        status.last_success_time.as_ref().map_or_else(|| "never".to_owned(), |it| telling::ago(it, now)),
        status.next_sync_time.as_ref().map_or_else(String::new, |it| telling::ahead(it, now)),
    ]
}
