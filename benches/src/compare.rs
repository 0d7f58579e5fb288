//! The same data read by several programs in turn, so that all of them meet the same hiccups of the machine.

use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::measure::{Cost, measure};
use crate::program::{Limit, Program, Programs};
use crate::say;
use crate::table::Table;
use crate::upstream::{Asked, Data, Upstream};

/// Requests that ours may have in flight for one credential.
const IN_FLIGHT: u64 = 4;

/// One comparison.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) data: Data,
    /// How long upstream holds each answer back, in milliseconds.
    pub(crate) latency: u64,
    /// Ours first: the others are related to it.
    pub(crate) contenders: Vec<(Program, Limit)>,
    /// How often each runs, at most.
    pub(crate) rounds: usize,
    /// A contender that has run for so long does not run again.
    pub(crate) enough: Duration,
}

struct Contender {
    program: Program,
    limit: Limit,
    costs: Vec<Cost>,
    asked: Option<Asked>,
    counts: Option<serde_json::Value>,
}

impl Scenario {
    /// Runs the comparison on `upstream`, which has its data, and prints a table.
    pub(crate) fn run(&self, programs: &Programs, upstream: &Upstream) -> Result<()> {
        upstream.delay(self.latency)?;
        let mut contenders: Vec<Contender> = self.contenders.iter().map(Contender::of).collect();
        for round in 1..=self.rounds {
            for contender in &mut contenders {
                if contender.costs.iter().map(|cost| cost.wall).sum::<Duration>() < self.enough {
                    say(&format!("{}, round {round}: {}", self.title(), contender.title()));
                    contender.run(programs, upstream)?;
                }
            }
        }
        self.check(&contenders)?;
        println!("\n### {}\n\n{}", self.title(), table(&contenders).render());
        Ok(())
    }

    fn title(&self) -> String {
        format!("{}, {} ms a request", self.data.title(), self.latency)
    }

    /// What must hold on any machine.
    fn check(&self, contenders: &[Contender]) -> Result<()> {
        let first = contenders.first().and_then(|first| first.counts.as_ref());
        for contender in contenders {
            if contender.counts.as_ref() != first {
                return Err(Error::new(format!(
                    "{} has read {:?}, and {:?} is what the first one has read",
                    contender.title(),
                    contender.counts,
                    first
                )));
            }
            if contender.program == Program::Ours {
                contender.check_guest(self.data)?;
            }
        }
        Ok(())
    }
}

impl Contender {
    fn of((program, limit): &(Program, Limit)) -> Self {
        Self { program: *program, limit: *limit, costs: Vec::new(), asked: None, counts: None }
    }

    fn title(&self) -> String {
        match self.limit {
            Limit::None => self.program.title(),
            Limit::Default => format!("{}, default limit", self.program.title()),
            Limit::PerMinute(requests) => format!("{}, {requests} a minute", self.program.title()),
        }
    }

    fn run(&mut self, programs: &Programs, upstream: &Upstream) -> Result<()> {
        let folder = folder()?;
        let (mut command, snapshot) = programs.command(self.program, upstream, self.limit, folder.path())?;
        upstream.forget()?;
        let cost = measure(&mut command).map_err(|error| with_log(&error, folder.path()))?;
        self.costs.push(cost);
        self.asked = Some(upstream.asked()?);
        if self.counts.is_none() {
            self.counts = Some(programs.stats(&snapshot)?);
        }
        Ok(())
    }

    /// No page is asked for twice, and never too many at once.
    fn check_guest(&self, data: Data) -> Result<()> {
        let Some(Asked { requests, most_in_flight }) = self.asked else { return Ok(()) };
        if requests > data.pages() || most_in_flight > IN_FLIGHT {
            return Err(Error::new(format!(
                "{} has sent {requests} requests for {} pages, {most_in_flight} of them at once",
                self.title(),
                data.pages()
            )));
        }
        Ok(())
    }

    fn typical(&self) -> Cost {
        Cost {
            wall: median(self.costs.iter().map(|cost| cost.wall)),
            cpu: median(self.costs.iter().map(|cost| cost.cpu)),
            peak: median(self.costs.iter().map(|cost| cost.peak)),
        }
    }
}

fn table(contenders: &[Contender]) -> Table {
    let mut table = Table::new(&[
        "program", "runs", "wall s", "CPU s", "MiB", "requests", "at once", "wall ×", "CPU ×", "MiB ×",
    ]);
    let ours = contenders.first().map(Contender::typical);
    for contender in contenders {
        let cost = contender.typical();
        let asked = contender.asked.unwrap_or(Asked { requests: 0, most_in_flight: 0 });
        let mut row = vec![
            contender.title(),
            contender.costs.len().to_string(),
            format!("{:.2}", cost.wall.as_secs_f64()),
            format!("{:.2}", cost.cpu.as_secs_f64()),
            format!("{:.1}", mebibytes(cost.peak)),
            asked.requests.to_string(),
            asked.most_in_flight.to_string(),
        ];
        let than = ours.unwrap_or(cost);
        row.push(times(cost.wall.as_secs_f64(), than.wall.as_secs_f64()));
        row.push(times(cost.cpu.as_secs_f64(), than.cpu.as_secs_f64()));
        row.push(times(mebibytes(cost.peak), mebibytes(than.peak)));
        table.row(row);
    }
    table
}

/// An empty folder for one run.
pub(crate) fn folder() -> Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix("bench-")
        .tempdir()
        .map_err(|error| Error::new(format!("making a folder for a run: {error}")))
}

/// The error, with the end of what the program has said.
pub(crate) fn with_log(error: &Error, folder: &Path) -> Error {
    const LINES: usize = 10;
    let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    let end = lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default();
    Error::new(format!("{error}:\n{}", end.join("\n")))
}

/// The value in the middle, the upper one of two.
pub(crate) fn median<T: Ord + Default>(values: impl Iterator<Item = T>) -> T {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    let middle = values.len() / 2;
    values.into_iter().nth(middle).unwrap_or_default()
}

pub(crate) fn mebibytes(bytes: u64) -> f64 {
    // No peak of memory is so large that this loses anything that is shown.
    f64::from(u32::try_from(bytes / 1024).unwrap_or(u32::MAX)) / 1024.0
}

fn times(this: f64, that: f64) -> String {
    if that > 0.0 { format!("{:.1}", this / that) } else { String::new() }
}
