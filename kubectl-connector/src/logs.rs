//! `logs`: what the operator logged about one connector.

mod filter;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use futures::io::AsyncBufReadExt as _;
use futures::stream::{BoxStream, StreamExt, select_all};
use jiff::Timestamp;
use kube::api::LogParams;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

use self::filter::Filter;
use crate::cluster::{Cluster, Connection, refused};
use crate::operator::Where;
use crate::reference::Named;
use crate::waiting::duration;
use crate::{Result, screen};

/// The container of the operator's pods.
const CONTAINER: &str = "operator";

/// Shows what the operator logged about a connector
///
/// The lines are as the operator wrote them, JSON or console, and those of other connectors are left out.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    named: Named,
    /// Go on with what is logged from now on, until Ctrl-C.
    #[arg(short, long)]
    follow: bool,
    /// Only what is not older than this, such as 30m.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    since: Option<Duration>,
    /// A log of the operator that is a file, or - for standard input, in place of those of its pods.
    #[arg(long, env = "CONNECTOR_OPERATOR_LOG", value_name = "FILE")]
    log_file: Option<PathBuf>,
    #[command(flatten)]
    place: Where,
}

/// How often a file is looked at for more.
const LOOK: Duration = Duration::from_millis(250);

/// Lines as they come.
type Lines = BoxStream<'static, std::io::Result<String>>;

impl Logs {
    pub(crate) async fn execute(self, connection: Connection) -> Result<ExitCode> {
        let cluster = connection.cluster().await?;
        let connector = self.named.find(&cluster).await?;
        let kind = &connector.kind.resource.kind;
        let mut filter = Filter::new(kind, connector.namespace(), connector.name());
        let mut lines = match &self.log_file {
            Some(file) => {
                filter = filter.since(self.since.and_then(|since| Timestamp::now().checked_sub(since).ok()));
                of_file(file, self.follow).await?
            }
            None => self.of_pods(&cluster).await?,
        };
        let mut shown = false;
        while let Some(line) = lines.next().await {
            let line = line.map_err(|error| format!("reading the log: {error}"))?;
            if filter.takes(&line) {
                shown = true;
                if !screen::line(&line) {
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
        if !shown {
            screen::note(&format!("The operator has logged nothing about {}.", connector.title()));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The logs of the pods that lead.
    async fn of_pods(&self, cluster: &Cluster) -> Result<Lines> {
        let (pods, names) = self.place.leaders(cluster, "--log-file").await?;
        let params = LogParams {
            container: Some(CONTAINER.to_owned()),
            follow: self.follow,
            since_seconds: self.since.map(|since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX).max(1)),
            ..LogParams::default()
        };
        let mut all = Vec::new();
        for name in names {
            let log = pods.log_stream(&name, &params).await;
            let log = log.map_err(|error| refused(&format!("reading the log of pod {name}"), &error))?;
            all.push(log.lines().boxed());
        }
        Ok(select_all(all).boxed())
    }
}

async fn of_file(file: &PathBuf, follow: bool) -> Result<Lines> {
    if file.as_os_str() == "-" {
        return Ok(lines(tokio::io::stdin(), false));
    }
    let opened = tokio::fs::File::open(file).await;
    let opened = opened.map_err(|error| {
        format!(
            "--log-file {}: {error}; name a file that can be read, or - for standard input",
            file.display()
        )
    })?;
    Ok(lines(opened, follow))
}

/// The lines that there are; to `follow` is to wait at their end for more, and there for the rest of a line.
fn lines(reader: impl AsyncRead + Send + Unpin + 'static, follow: bool) -> Lines {
    futures::stream::unfold(BufReader::new(reader), move |mut reader| async move {
        let mut line = String::new();
        loop {
            match reader.read_line(&mut line).await {
                Err(error) => return Some((Err(error), reader)),
                Ok(_) if line.ends_with('\n') => break,
                Ok(0) if follow => tokio::time::sleep(LOOK).await,
                Ok(0) if line.is_empty() => return None,
                Ok(0) => break,
                Ok(_) => {}
            }
        }
        Some((Ok(line.trim_end().to_owned()), reader))
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[tokio::test]
    async fn a_log_that_is_followed_goes_on_where_a_line_was_half_written() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"one\ntw").unwrap();
        let mut followed = of_file(&file.path().to_owned(), true).await.unwrap();
        assert_eq!(followed.next().await.unwrap().unwrap(), "one");
        let (next, ()) = tokio::join!(followed.next(), async { file.write_all(b"o\nthree").unwrap() });
        assert_eq!(next.unwrap().unwrap(), "two");
        let whole = of_file(&file.path().to_owned(), false).await.unwrap();
        let lines: Vec<String> = whole.map(|line| line.unwrap()).collect().await;
        assert_eq!(lines, ["one", "two", "three"]);
    }
}
