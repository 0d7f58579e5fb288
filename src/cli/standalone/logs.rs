//! Where a self-hosted connector's logs go, and how they look.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::sync::Arc;

use tracing_subscriber::fmt::writer::{BoxMakeWriter, MakeWriterExt};

use crate::telemetry::{self, LogFormat};

use super::problem::Problem;

/// How a run ended is not logged for a person who is shown the same.
const BUT_THE_END: &str = "info,connector_operator::sync::run=off";

/// Starts logging at `level`, by default as C1's SDK does: from info on, for people where standard output is a terminal.
/// `shown` is whether a command that reads once tells its end besides.
pub(super) fn start(
    level: Option<&str>,
    format: Option<LogFormat>,
    paths: &[String],
    shown: bool,
) -> Result<(), Problem> {
    let format = format.unwrap_or(match io::stdout().is_terminal() {
        true => LogFormat::Console,
        false => LogFormat::Json,
    });
    let usual = if shown && format == LogFormat::Console && paths.is_empty() { BUT_THE_END } else { "info" };
    let level = level.unwrap_or(usual);
    if paths.is_empty() {
        telemetry::init(level, format);
        return Ok(());
    }
    let writers = paths.iter().map(|path| writer(path)).collect::<Result<Vec<_>, _>>()?;
    if let Some(all) = writers.into_iter().reduce(|all, next| BoxMakeWriter::new(all.and(next))) {
        telemetry::init_to(level, format, all, false);
    }
    Ok(())
}

fn writer(path: &str) -> Result<BoxMakeWriter, Problem> {
    match path {
        "stdout" => Ok(BoxMakeWriter::new(io::stdout)),
        "stderr" => Ok(BoxMakeWriter::new(io::stderr)),
        path => {
            let file = append(path).map_err(|error| {
                let elsewhere = "name a file that can be written, or leave it out to log to stderr";
                Problem::usage(format!("--log-path {path}: {error}; {elsewhere}"))
            })?;
            Ok(BoxMakeWriter::new(Arc::new(file)))
        }
    }
}

fn append(path: &str) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}
