//! The result as a table of at most 100 columns.

use std::fmt::Write as _;
use std::time::Duration;

use connector_operator::sync::{Ended, Outcome};

use super::table::Row;

/// A row that was run.
pub(crate) struct Line {
    pub(crate) row: Row,
    /// How it ended, in a few words.
    pub(crate) end: String,
    /// How many requests it took.
    pub(crate) requests: u64,
    /// How long it took.
    pub(crate) took: Duration,
    /// What is not as the row says.
    pub(crate) problems: Vec<String>,
}

impl Line {
    /// A row that has not run, as wide as it can become.
    pub(crate) fn of_the_future(row: Row) -> Self {
        let end = row.end.to_string();
        Self { row, end, requests: 999, took: Duration::from_millis(99_999), problems: vec![String::new()] }
    }
}

/// How a run ended, in a few words.
pub(crate) fn ended(outcome: &Outcome) -> String {
    match &outcome.result {
        Ok(Ended::Published(_)) => "completes".to_owned(),
        Ok(Ended::Held(_)) => "is held".to_owned(),
        Err(failure) => failure.reason.as_str().to_owned(),
    }
}

pub(crate) fn table(lines: &[Line]) -> String {
    let mut table = format!("{:<34} {:<25} {:<18} {:>5} {:>6}\n", "FAULT", "CONNECTOR", "END", "ASKED", "MS");
    for Line { row, end, requests, took, problems } in lines {
        let verdict = if problems.is_empty() { "" } else { " WRONG" };
        let (name, place, took) = (row.name(), row.place(), took.as_millis());
        writeln!(table, "{name:<34} {place:<25} {end:<18} {requests:>5} {took:>6}{verdict}").unwrap();
    }
    let right = lines.iter().filter(|line| line.problems.is_empty()).count();
    write!(table, "{right} of {} as expected", lines.len()).unwrap();
    table
}

/// What is wrong with each line that is not as its row says.
pub(crate) fn wrong(lines: &[Line]) -> String {
    let wrong = lines.iter().filter(|line| !line.problems.is_empty());
    let sentences = wrong.map(|Line { row, end, problems, .. }| {
        let (place, name, expected) = (row.place(), row.name(), row.end);
        format!("{place} with {name}: {end}, expected {expected}: {}", problems.join("; "))
    });
    sentences.collect::<Vec<_>>().join("\n")
}
