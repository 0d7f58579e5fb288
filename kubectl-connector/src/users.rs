//! `users`: who is in the last snapshot.

use std::process::ExitCode;

use clap::Args;
use connector_operator::access::thousands;
use connector_operator::printing::Table;
use jiff::Timestamp;
use serde::Serialize;

use crate::cluster::Connection;
use crate::content::{Content, User};
use crate::operator::Keeper;
use crate::output::Output;
use crate::reference::Named;
use crate::screen::{self, Colour};
use crate::{Result, telling};

/// Lists the users of the last snapshot
#[derive(Debug, Args)]
pub(crate) struct Users {
    #[command(flatten)]
    named: Named,
    /// Only those whose name, email or id has this in it.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    keeper: Keeper,
}

/// The users, and of which snapshot.
#[derive(Debug, Serialize)]
struct Found<'c> {
    connector: String,
    snapshot: &'c str,
    users: Vec<&'c User>,
}

impl Users {
    pub(crate) async fn execute(self, connection: Connection) -> Result<ExitCode> {
        let cluster = connection.cluster().await?;
        let connector = self.named.find(&cluster).await?;
        let content = self.keeper.operator(&cluster).await?.snapshot(&connector, None).await?;
        let users = content.users().into_iter().filter(|user| self.is_wanted(user)).collect();
        let found = Found { connector: connector.title(), snapshot: &content.run, users };
        let names = || found.users.iter().map(|user| user.id.clone()).collect();
        self.output.print(&found, names, || found.table(&content, Timestamp::now()))?;
        Ok(ExitCode::SUCCESS)
    }

    fn is_wanted(&self, user: &User) -> bool {
        let has = |text: &str| {
            [&user.name, &user.email, &user.login, &user.id].iter().any(|it| it.to_lowercase().contains(text))
        };
        self.search.as_ref().is_none_or(|text| has(&text.to_lowercase()))
    }
}

impl Found<'_> {
    fn table(&self, content: &Content, now: Timestamp) -> String {
        let headings = ["NAME", "EMAIL", "STATUS", "KIND", "LAST SIGN-IN"];
        let rows = self.users.iter().map(|user| {
            let signed_in =
                user.last_sign_in.as_ref().map_or_else(String::new, |time| telling::ago(time, now));
            vec![user.name.clone(), user.email.clone(), user.status.clone(), user.kind.to_owned(), signed_in]
        });
        let table = Table::new(&headings, rows.collect()).without_empty_columns();
        let colour = |heading: &str, cell: &str| {
            (heading == "STATUS" && cell.starts_with("disabled")).then_some(Colour::Faint)
        };
        let count = match self.users.len() {
            1 => "1 user".to_owned(),
            many => format!("{} users", thousands(many as u64)),
        };
        let read = telling::ago(&content.read_at, now);
        format!("{}{count}, read {read}\n", screen::table(table, colour))
    }
}
