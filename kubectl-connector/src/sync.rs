//! `sync`: a reading now.

use std::process::ExitCode;

use clap::Args;
use connector_operator::api::REQUESTED_AT;
use jiff::Timestamp;
use serde_json::json;

use crate::cluster::Connection;
use crate::output::Output;
use crate::reference::Named;
use crate::waiting::{Waiting, tell_result};
use crate::{Result, screen};

/// Has a connector read now
#[derive(Debug, Args)]
pub(crate) struct Sync {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    output: Output,
}

impl Sync {
    pub(crate) async fn execute(self, connection: Connection) -> Result<ExitCode> {
        let cluster = connection.cluster().await?;
        let connector = self.named.find(&cluster).await?;
        let title = connector.title();
        if connector.is_suspended() {
            return Err(
                format!("{title} is suspended and reads nothing: kubectl connector resume {title}").into()
            );
        }
        // Any new value will do; this one says when.
        let requested_at = Timestamp::now().to_string();
        let patch = json!({ "metadata": { "annotations": { REQUESTED_AT: requested_at } } });
        let connector = connector.patch(&cluster, &format!("asking {title} to read"), &patch).await?;
        if !self.waiting.wait {
            let asked = || format!("{title}: a run was asked for\n");
            self.output.print(&connector.object, || vec![connector.full_name()], asked)?;
            return Ok(ExitCode::SUCCESS);
        }
        if self.output.is_for_people() {
            screen::note(&format!("{title}: waiting for the run"));
        }
        let handled = |status: &connector_operator::api::ConnectorStatus| {
            status.last_handled_reconcile_at.as_deref() == Some(&requested_at)
        };
        let connector = self.waiting.wait(&cluster, &connector, handled).await?;
        self.output.print(&connector.object, || vec![connector.full_name()], String::new)?;
        tell_result(&connector, self.output.is_for_people())
    }
}
