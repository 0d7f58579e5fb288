//! What the operator should reach, and whether it did.

use std::fmt;

use crate::compare::mebibytes;
use crate::table::Table;
use crate::upstream::grouped;

use super::round::{Measured, STATUS};

/// All targets, each with what was found.
#[derive(Debug)]
pub(super) struct Verdict(Vec<Finding>);

#[derive(Debug)]
struct Finding {
    what: String,
    found: String,
    reached: bool,
    /// Is it so on any machine, however slow or busy?
    anywhere: bool,
}

impl Measured {
    /// How much longer it takes than applying alone.
    pub(super) fn ratio(&self) -> f64 {
        self.connecting.as_secs_f64() / self.applying.as_secs_f64()
    }

    /// How much longer it takes than its requests to the API server do, with those that apply.
    pub(super) fn ratio_of_requests(&self) -> f64 {
        self.connecting.as_secs_f64() / self.replaying.as_secs_f64()
    }

    /// Processor time in seconds for each thousand connectors.
    pub(super) fn cpu_of_a_thousand(&self) -> f64 {
        self.cpu.as_secs_f64() * 1000.0 / self.connectors as f64
    }
}

impl Verdict {
    pub(super) fn on(rounds: &[Measured]) -> Self {
        Self(rounds.iter().flat_map(findings).collect())
    }

    /// Did it miss what no slow machine excuses?
    pub(super) fn asks_too_much(&self) -> bool {
        self.0.iter().any(|finding| finding.anywhere && !finding.reached)
    }
}

fn findings(it: &Measured) -> Vec<Finding> {
    let connectors = it.connectors as u64;
    let number = grouped(connectors);
    let at_most = |what: &str, found: f64, limit: f64, unit: &str| Finding {
        what: format!("{number}: {what}, at most {limit}{unit}"),
        found: format!("{found:.2}{unit}"),
        reached: found <= limit,
        anywhere: false,
    };
    // None may be above it, which the mean shows: whoever asks less than once fails.
    let each = |what: &str, count: u64, limit: u64| Finding {
        what: format!("{number}: {what} for each connector, at most {limit}"),
        found: format!("{:.2}", count as f64 / connectors as f64),
        reached: count <= limit * connectors,
        anywhere: true,
    };
    let none = |what: &str, count: u64| Finding {
        what: format!("{number}: {what}, none"),
        found: count.to_string(),
        reached: count == 0,
        anywhere: true,
    };
    let (first, restarted) = (&it.first_run, &it.restarted);
    vec![
        at_most("all Connected, beside applying alone", it.ratio(), 2.5, " times"),
        at_most("CPU of a thousand connectors", it.cpu_of_a_thousand(), 2.0, " s"),
        at_most("memory with none", mebibytes(it.empty.resident), 15.0, " MiB"),
        at_most("memory with all, idle", mebibytes(it.after.resident), 60.0, " MiB"),
        at_most("memory with all, restarted", mebibytes(it.after_restart.resident), 60.0, " MiB"),
        at_most("ready with none", it.ready_empty.as_secs_f64() * 1000.0, 300.0, " ms"),
        at_most("ready after a restart", it.ready.as_secs_f64(), 5.0, " s"),
        each("reads of a Secret", first.on("get", &["secrets"]), 1),
        each("status writes", first.on("patch", &STATUS), 2),
        each("events", first.on("create", &["events"]), 2),
        none("writes while idle", it.idle.requests.writes()),
        none("upstream requests while idle", it.idle.upstream),
        none("status writes after a restart", restarted.requests.on("patch", &STATUS)),
        none("upstream requests after a restart", restarted.upstream),
    ]
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["to reach", "found", "reached"]);
        for Finding { what, found, reached, .. } in &self.0 {
            let reached = if *reached { "yes" } else { "no" };
            table.row(vec![what.clone(), found.clone(), reached.to_owned()]);
        }
        write!(f, "\n#### Targets\n\n{}\n", table.render())
    }
}
