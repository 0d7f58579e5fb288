//! `access`: who has what in the last snapshot.

use std::process::ExitCode;

use clap::Args;
use connector_operator::access::thousands;
use connector_operator::printing::Table;
use jiff::Timestamp;
use serde::Serialize;

use crate::cluster::Connection;
use crate::content::{Content, Holding};
use crate::operator::Keeper;
use crate::output::Output;
use crate::reference::Named;
use crate::{Result, screen, telling};

/// Lists who has what in the last snapshot
#[derive(Debug, Args)]
pub(crate) struct Access {
    #[command(flatten)]
    named: Named,
    /// Only what this user has: an email address, a name, or an id such as user:a1b2c3d4e5f6.
    #[arg(value_name = "USER")]
    who: Option<String>,
    /// Only what there is on this: the name of an organization or team, or its id.
    #[arg(long, value_name = "RESOURCE")]
    on: Option<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    keeper: Keeper,
}

/// Who has what, and by which snapshot.
#[derive(Debug, Serialize)]
struct Found<'c> {
    connector: String,
    snapshot: &'c str,
    access: Vec<Grant<'c>>,
}

/// Somebody has something.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Grant<'c> {
    id: &'c str,
    principal: &'c str,
    principal_name: String,
    role: String,
    resource: &'c str,
    resource_type: &'c str,
    resource_name: String,
}

impl Access {
    pub(crate) async fn execute(self, connection: Connection) -> Result<ExitCode> {
        let cluster = connection.cluster().await?;
        let connector = self.named.find(&cluster).await?;
        let content = self.keeper.operator(&cluster).await?.snapshot(&connector, None).await?;
        let title = connector.title();
        if let Some(user) = self.who.as_deref()
            && !content.resources.keys().any(|id| is_called(&content, id, user))
        {
            return Err(format!(
                "nobody in the last snapshot of {title} is called {user}: kubectl connector users {title} lists all"
            )
            .into());
        }
        let mut access: Vec<Grant<'_>> = content
            .grants
            .iter()
            .filter(|(_, grant)| self.is_wanted(&content, grant))
            .map(|(id, grant)| Grant::of(&content, id, grant))
            .collect();
        access.sort_by(|a, b| a.order().cmp(&b.order()));
        let found = Found { connector: title.clone(), snapshot: &content.run, access };
        if content.grants.is_empty() && self.output.is_for_people() {
            screen::note(&format!("{title} reads users alone: it has no roles to list"));
            return Ok(ExitCode::SUCCESS);
        }
        let names = || found.access.iter().map(|grant| grant.id.to_owned()).collect();
        self.output.print(&found, names, || found.table(&content, Timestamp::now()))?;
        Ok(ExitCode::SUCCESS)
    }

    fn is_wanted(&self, content: &Content, grant: &Holding) -> bool {
        let fits = |id: &str, wanted: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| is_called(content, id, wanted))
        };
        fits(&grant.principal, &self.who) && fits(&grant.resource, &self.on)
    }
}

/// Is the resource of this id meant by what was typed?
fn is_called(content: &Content, id: &str, typed: &str) -> bool {
    let same = |text: &str| text.eq_ignore_ascii_case(typed);
    let bare = id.split_once(':').map_or(id, |(_, bare)| bare);
    let Some(thing) = content.resources.get(id) else { return id == typed || bare == typed };
    id == typed
        || bare == typed
        || same(&thing.name)
        || thing.user.as_ref().is_some_and(|user| same(&user.email) || same(&user.login))
}

impl<'c> Grant<'c> {
    fn of(content: &'c Content, id: &'c str, grant: &'c Holding) -> Self {
        let resource_type = content.resources.get(&grant.resource).map_or("", |it| it.resource_type.as_str());
        Self {
            id,
            principal: &grant.principal,
            principal_name: content.name_of(&grant.principal),
            role: content.role(grant),
            resource: &grant.resource,
            resource_type,
            resource_name: content.name_of(&grant.resource),
        }
    }

    fn order(&self) -> (String, &str, String, &str, &str) {
        let (who, what) = (self.principal_name.to_lowercase(), self.resource_name.to_lowercase());
        (who, self.principal, what, self.role.as_str(), self.id)
    }
}

impl Found<'_> {
    fn table(&self, content: &Content, now: Timestamp) -> String {
        let rows = self.access.iter().map(|grant| {
            vec![
                grant.principal_name.clone(),
                grant.role.clone(),
                grant.resource_type.to_owned(),
                grant.resource_name.clone(),
            ]
        });
        let table = Table::new(&["WHO", "ROLE", "ON", "CALLED"], rows.collect());
        let count = thousands(self.access.len() as u64);
        let read = telling::ago(&content.read_at, now);
        format!("{}{count} grants, read {read}\n", screen::table(table, |_, _| None))
    }
}
