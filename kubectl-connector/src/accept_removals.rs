//! `accept-removals`: what the removal guard holds, and a person's word that it is right.

mod going;

use std::process::ExitCode;

use clap::Args;
use connector_operator::access::thousands;
use connector_operator::api::{ACCEPT_REMOVALS, ConnectorStatus, Hold};
use connector_operator::printing::{WIDTH, cut};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use self::going::Going;
use crate::cluster::{Cluster, Connection};
use crate::connectors::Connector;
use crate::operator::Keeper;
use crate::output::Output;
use crate::reference::Named;
use crate::waiting::{Waiting, tell_result};
use crate::{Result, asking, screen, telling};

/// So many of those who would go are shown; JSON and YAML have all.
const SHOWN: usize = 40;

/// Shows the removals that are held, and accepts them
///
/// It shows what would go, asks, and sets the annotation by which the operator publishes exactly that, or less.
#[derive(Debug, Args)]
pub(crate) struct AcceptRemovals {
    #[command(flatten)]
    named: Named,
    /// The id of what is held, as a check that it is still what was looked at.
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    /// Only show what is held.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    keeper: Keeper,
}

/// What is held, and whether it was accepted.
#[derive(Debug, Serialize)]
struct Found<'h> {
    connector: String,
    held: &'h Hold,
    /// Absent where the operator could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    going: Option<&'h [Going]>,
    accepted: bool,
}

impl AcceptRemovals {
    pub(crate) async fn execute(self, connection: Connection) -> Result<ExitCode> {
        let cluster = connection.cluster().await?;
        let connector = self.named.find(&cluster).await?;
        let held = self.held(&connector)?;
        let going = self.going(&cluster, &connector).await;
        if let Err(error) = &going {
            screen::note(&format!("Who would go cannot be shown: {error}"));
        }
        let going = going.ok();
        if self.output.is_for_people() {
            screen::text(&told(&connector, &held, going.as_deref()))?;
        }
        let accepts = !self.dry_run && self.is_confirmed(&connector)?;
        let connector = if accepts { accept(&cluster, &connector, &held).await? } else { connector };
        let title = connector.title();
        let found =
            Found { connector: title.clone(), held: &held, going: going.as_deref(), accepted: accepts };
        let said = match (accepts, self.dry_run) {
            (true, _) => format!("{title}: accepted {}; a run publishes it\n", held.id),
            (false, true) => String::new(),
            (false, false) => format!("{title}: nothing was accepted\n"),
        };
        self.output.print(&found, || vec![held.id.clone()], || said)?;
        match (accepts, self.waiting.wait) {
            (true, true) => self.until_published(&cluster, &connector, &held.id).await,
            (true, false) => Ok(ExitCode::SUCCESS),
            (false, _) => Ok(if self.dry_run { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        }
    }

    fn held(&self, connector: &Connector) -> Result<Hold> {
        let title = connector.title();
        let Some(held) = connector.status.held.clone() else {
            return Err(format!("{title} holds no removals: there is nothing to accept").into());
        };
        match &self.id {
            Some(id) if *id != held.id => {
                Err(format!("{title} holds {} now, and not {id}: look at it again with --dry-run", held.id)
                    .into())
            }
            _ => Ok(*held),
        }
    }

    /// Who and what would go, by name.
    async fn going(&self, cluster: &Cluster, connector: &Connector) -> Result<Vec<Going>> {
        let operator = self.keeper.operator(cluster).await?;
        let held = operator.held(connector).await?;
        let held = held.ok_or_else(|| {
            format!("the operator no longer holds anything of {}; try again", connector.title())
        })?;
        // Of a snapshot that is lost there are no names.
        let published = operator.snapshot(connector, None).await.ok();
        Ok(going::of(&held, published.as_ref()))
    }

    fn is_confirmed(&self, connector: &Connector) -> Result<bool> {
        if self.yes {
            return Ok(true);
        }
        if !screen::can_ask() {
            return Err(
                "there is nobody to ask: say --yes to accept it, or --dry-run to look at it alone".into()
            );
        }
        asking::confirmed(&format!("Is this right, and is {} to publish it?", connector.title()))
    }

    async fn until_published(&self, cluster: &Cluster, connector: &Connector, id: &str) -> Result<ExitCode> {
        // What was held is held no more, or the run failed and the next carries the word.
        let handled = |status: &ConnectorStatus| status.last_handled_approval.as_deref() == Some(id);
        let connector = self.waiting.wait(cluster, connector, handled).await?;
        tell_result(&connector, self.output.is_for_people())
    }
}

async fn accept(cluster: &Cluster, connector: &Connector, held: &Hold) -> Result<Connector> {
    let title = connector.title();
    let is_set = connector.annotation(ACCEPT_REMOVALS) == Some(&held.id);
    if is_set && !held.accepted && connector.status.last_handled_approval.as_ref() == Some(&held.id) {
        return Err(format!(
            "{title}: the annotation {ACCEPT_REMOVALS} has named {} since before it was held, which accepts nothing: \
             remove it first",
            held.id
        )
        .into());
    }
    let patch = json!({ "metadata": { "annotations": { ACCEPT_REMOVALS: held.id } } });
    connector.patch(cluster, &format!("accepting the removals of {title}"), &patch).await
}

fn told(connector: &Connector, held: &Hold, going: Option<&[Going]>) -> String {
    let since = telling::ago(&held.since, Timestamp::now());
    let mut text = format!("{} has held removals since {since}, id {}\n", connector.title(), held.id);
    text += &screen::table(telling::removals(held), |_, _| None);
    if let Some(more) = held.more {
        text += &format!("and {} more scopes\n", thousands(more));
    }
    let going = going.unwrap_or_default();
    if !going.is_empty() {
        text.push('\n');
    }
    for one in going.iter().take(SHOWN) {
        text += &format!("{}\n", cut(&one.to_string(), WIDTH));
    }
    if let Some(more @ 1..) = going.len().checked_sub(SHOWN) {
        text += &format!("… and {} more: -o json has all\n", thousands(more as u64));
    }
    text + "\n"
}
