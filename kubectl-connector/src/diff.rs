//! `diff`: what changed between two snapshots.

mod differences;

use std::process::ExitCode;

use clap::Args;
use connector_operator::printing::Table;
use jiff::Timestamp;
use serde::Serialize;

use self::differences::{Difference, Sign, differences};
use crate::cluster::Connection;
use crate::content::Content;
use crate::operator::{Keeper, Operator, no_snapshot};
use crate::output::Output;
use crate::reference::Named;
use crate::screen::{self, Colour};
use crate::{Result, connectors::Connector, telling};

/// Shows what changed between the last two snapshots: resources, entitlements and grants
///
/// A later sign-in alone is no change.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    #[command(flatten)]
    named: Named,
    /// The id of the earlier snapshot, in place of the last but one.
    #[arg(long, value_name = "ID")]
    from: Option<String>,
    /// The id of the later snapshot, in place of the last.
    #[arg(long, value_name = "ID")]
    to: Option<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    keeper: Keeper,
}

/// What changed, and from which snapshot to which.
#[derive(Debug, Serialize)]
struct Found {
    connector: String,
    from: String,
    to: String,
    changes: Vec<Difference>,
}

impl Diff {
    pub(crate) async fn execute(self, connection: Connection) -> Result<ExitCode> {
        let cluster = connection.cluster().await?;
        let connector = self.named.find(&cluster).await?;
        let operator = self.keeper.operator(&cluster).await?;
        let (from, to) = self.ids(&operator, &connector).await?;
        let before = operator.snapshot(&connector, Some(&from)).await?;
        let after = operator.snapshot(&connector, Some(&to)).await?;
        let found = Found { connector: connector.title(), from, to, changes: differences(&before, &after) };
        let names = || found.changes.iter().map(|change| change.id.clone()).collect();
        self.output.print(&found, names, || found.table(&before, &after, Timestamp::now()))?;
        Ok(ExitCode::SUCCESS)
    }

    /// The ids of the two that are compared.
    async fn ids(&self, operator: &Operator, connector: &Connector) -> Result<(String, String)> {
        let ids = match (&self.from, &self.to) {
            (Some(from), Some(to)) => return Ok((from.clone(), to.clone())),
            _ => operator.ids(connector).await?,
        };
        let to = self.to.clone().or_else(|| ids.last().cloned());
        let Some(to) = to else {
            return Err(no_snapshot("no snapshot yet", connector).into());
        };
        let before_it = || ids.iter().rev().find(|id| **id < to).cloned();
        match self.from.clone().or_else(before_it) {
            Some(from) => Ok((from, to)),
            None => Err(format!(
                "{}: there is nothing to compare {to} with: the operator has no earlier snapshot; it will after the next run",
                connector.title()
            )
            .into()),
        }
    }
}

impl Found {
    fn table(&self, before: &Content, after: &Content, now: Timestamp) -> String {
        let heading = format!(
            "from {}, read {}\nto   {}, read {}\n{}\n",
            self.from,
            telling::ago(&before.read_at, now),
            self.to,
            telling::ago(&after.read_at, now),
            self.summary()
        );
        if self.changes.is_empty() {
            return heading;
        }
        let rows = self.changes.iter().map(|change| {
            vec![change.change.sign().to_owned(), change.r#type.clone(), change.name.clone(), change.told()]
        });
        let table = Table::new(&["", "WHAT", "NAME", "CHANGED"], rows.collect()).without_empty_columns();
        let colour = |_: &str, cell: &str| match cell {
            "+" => Some(Colour::Good),
            "-" => Some(Colour::Bad),
            "~" => Some(Colour::Waiting),
            _ => None,
        };
        format!("{heading}\n{}", screen::table(table, colour))
    }

    fn summary(&self) -> String {
        let count = |sign: Sign| self.changes.iter().filter(|change| change.change == sign).count();
        if self.changes.is_empty() {
            return "nothing changed".to_owned();
        }
        format!(
            "{} added, {} removed, {} changed",
            count(Sign::Added),
            count(Sign::Removed),
            count(Sign::Changed)
        )
    }
}
