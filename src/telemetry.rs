//! Logs: JSON for machines, lines for people, always to stderr unless a writer is named. And traces of runs, which go
//! nowhere unless somebody says where.

mod collector;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod traces;

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing::Subscriber;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

pub use traces::{NoTraces, TRACED, Traces};

/// How to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people; coloured on a terminal unless NO_COLOR is set.
    Console,
    /// One JSON object a line.
    Json,
}

/// The Kubernetes client logs at warn the whole body of an answer that it can't decode, which may be a Secret. The
/// controller runtime has a span of its own around each reconcile, in which ours says the same. The object store tells of each
/// repetition, of which the end is what counts.
const QUIET: &str = "kube_client::client=error,kube_runtime::controller=warn,object_store=warn";

/// Starts logging at `level` to stderr. The level may name modules as tracing's filters do; one that can't be
/// understood means `info`.
pub fn init(level: &str, format: LogFormat) {
    init_traced(level, format, None);
}

/// The same, with the runs going to `traces` besides.
pub fn init_traced(level: &str, format: LogFormat, traces: Option<&Traces>) {
    start(level, format, BoxMakeWriter::new(io::stderr), colour(), traces);
}

/// As [`init`], to `writer`, with colours where it shows them.
pub fn init_to(level: &str, format: LogFormat, writer: BoxMakeWriter, colour: bool) {
    start(level, format, writer, colour, None);
}

fn start(level: &str, format: LogFormat, writer: BoxMakeWriter, colour: bool, traces: Option<&Traces>) {
    // A second initialisation only happens in tests, where the first is as good.
    let _ = subscriber(level, format, writer, colour, traces).try_init();
}

fn subscriber(
    level: &str,
    format: LogFormat,
    writer: BoxMakeWriter,
    colour: bool,
    traces: Option<&Traces>,
) -> impl Subscriber + Send + Sync + 'static + use<> {
    let filter = EnvFilter::try_new(format!("{level},{QUIET}"));
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(format!("info,{QUIET}")));
    let lines = fmt::layer().with_writer(writer);
    let lines = match format {
        LogFormat::Json => lines.json().with_ansi(false).flatten_event(true).with_current_span(true).boxed(),
        LogFormat::Console => lines.with_ansi(colour).boxed(),
    };
    registry().with(lines.with_filter(filter)).with(traces.map(Traces::layer))
}

fn colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
