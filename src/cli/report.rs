//! What commands print: the only place that writes to stdout and stderr.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::{self, Write};

use serde::Serialize;

use crate::printing::Table;

use super::Failed;

/// One line about what went wrong.
pub(super) fn error(message: &str) {
    eprintln!("error: {message}");
}

/// Text as it is. A reader that has gone away is no failure of ours.
pub(super) fn text(text: &str) -> Result<(), Failed> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// A value as indented JSON.
pub(super) fn json(value: &impl Serialize) -> Result<(), Failed> {
    text(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// A table as kubectl prints them.
pub(super) fn table(headings: &[&str], rows: Vec<Vec<String>>) -> Result<(), Failed> {
    text(&Table::new(headings, rows).text())
}
