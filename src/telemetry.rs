//! Logs: JSON for machines, lines for people, always to stderr unless a writer is named.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// How to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people; coloured on a terminal unless NO_COLOR is set.
    Console,
    /// One JSON object a line.
    Json,
}

/// The Kubernetes client logs at warn the whole body of an answer that it can't decode, which may be a Secret.
const QUIET: &str = "kube_client::client=error";

/// Starts logging at `level` to stderr. The level may name modules as tracing's filters do; one that can't be
/// understood means `info`.
pub fn init(level: &str, format: LogFormat) {
    init_to(level, format, BoxMakeWriter::new(io::stderr), colour());
}

/// The same to `writer`, with colours where it shows them.
pub fn init_to(level: &str, format: LogFormat, writer: BoxMakeWriter, colour: bool) {
    let filter = EnvFilter::try_new(format!("{level},{QUIET}"));
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(format!("info,{QUIET}")));
    let subscriber = fmt().with_env_filter(filter).with_writer(writer);
    // A second initialisation only happens in tests, where the first is as good.
    let _ = match format {
        LogFormat::Json => subscriber.json().flatten_event(true).with_current_span(true).try_init(),
        LogFormat::Console => subscriber.with_ansi(colour).try_init(),
    };
}

fn colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
