//! `suspend` and `resume`.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::cluster::{Cluster, Connection};
use crate::connectors::{Connector, manager_of};
use crate::output::Output;
use crate::reference::Named;
use crate::{Result, screen};

/// Stops a connector from reading; what it published stays
#[derive(Debug, Args)]
pub(crate) struct Suspend {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    output: Output,
}

/// Lets a suspended connector read again
#[derive(Debug, Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    output: Output,
}

impl Suspend {
    pub(crate) async fn execute(self, connection: Connection) -> Result<ExitCode> {
        set(&self.named, &self.output, connection, true).await
    }
}

impl Resume {
    pub(crate) async fn execute(self, connection: Connection) -> Result<ExitCode> {
        set(&self.named, &self.output, connection, false).await
    }
}

async fn set(named: &Named, output: &Output, connection: Connection, suspend: bool) -> Result<ExitCode> {
    let cluster = connection.cluster().await?;
    let connector = named.find(&cluster).await?;
    let title = connector.title();
    let said = match (connector.is_suspended(), suspend) {
        (false, true) => format!("{title} is suspended: kubectl connector resume {title} lets it read again"),
        (true, true) => format!("{title} was suspended already"),
        (true, false) => format!("{title} reads again, at once"),
        (false, false) => format!("{title} was not suspended"),
    };
    let connector = if connector.is_suspended() == suspend {
        connector
    } else {
        warn_of_owner(&cluster, &connector).await?;
        // Without the field it is as before anybody suspended it.
        let value = suspend.then_some(true);
        let doing = format!("{} {title}", if suspend { "suspending" } else { "resuming" });
        connector.patch(&cluster, &doing, &json!({ "spec": { "suspend": value } })).await?
    };
    output.print(&connector.object, || vec![connector.full_name()], || format!("{said}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Whoever else sets the field sets it back.
async fn warn_of_owner(cluster: &Cluster, connector: &Connector) -> Result<()> {
    if let Some(manager) = manager_of(cluster, connector, "suspend").await? {
        screen::note(&format!(
            "{}: spec.suspend was set by {manager}, which may set it back: change it there, too",
            connector.title()
        ));
    }
    Ok(())
}
