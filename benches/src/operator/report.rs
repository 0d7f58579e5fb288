//! What was measured, as tables.

use std::time::Duration;

use crate::compare::mebibytes;
use crate::measure::Usage;
use crate::table::Table;
use crate::upstream::grouped;

use super::round::{Measured, Requests, STATUS};

const CONNECTORS: &str = "connectors";
const KINDS: [&str; 2] = ["scalrconnectors", "planetscaleconnectors"];

/// All tables.
pub(super) fn tables(rounds: &[Measured]) -> String {
    let (idle, connectors) = (rounds.first().map(|it| it.idle.lasted).unwrap_or_default(), CONNECTORS);
    let titled = |title: &str, table: &Table| format!("\n#### {title}\n\n{}\n", table.render());
    [
        titled("From the first apply to all Connected", &times(rounds)),
        titled("Memory, MiB: resident / anonymous", &memory(rounds)),
        titled("Requests to the API server in the first run, for each connector", &requests(rounds)),
        titled(&format!("Idle, {} s, none of the {connectors} due", idle.as_secs()), &idle_times(rounds)),
        titled("Restart, none due", &restarts(rounds)),
    ]
    .concat()
}

fn times(rounds: &[Measured]) -> Table {
    let mut table = Table::new(&[
        CONNECTORS,
        "apply alone s",
        "its requests alone s",
        "all Connected s",
        "× apply",
        "× requests",
        "each ms",
        "CPU s",
        "CPU s a 1,000",
        "load before",
    ]);
    for it in rounds {
        let each = it.connecting.as_secs_f64() * 1000.0 / it.connectors as f64;
        table.row(vec![
            grouped(it.connectors as u64),
            seconds(it.applying),
            seconds(it.replaying),
            seconds(it.connecting),
            format!("{:.2}", it.ratio()),
            format!("{:.2}", it.ratio_of_requests()),
            format!("{each:.1}"),
            seconds(it.cpu),
            format!("{:.2}", it.cpu_of_a_thousand()),
            format!("{:.1}", it.load),
        ]);
    }
    table
}

fn memory(rounds: &[Measured]) -> Table {
    let mut table =
        Table::new(&[CONNECTORS, "none yet", "peak", "all Connected", "restarted", "snapshots MiB"]);
    for it in rounds {
        table.row(vec![
            grouped(it.connectors as u64),
            both(it.empty),
            both(it.peak),
            both(it.after),
            both(it.after_restart),
            format!("{:.1}", mebibytes(it.snapshots)),
        ]);
    }
    table
}

fn requests(rounds: &[Measured]) -> Table {
    let mut table = Table::new(&[
        CONNECTORS,
        "get Secret",
        "patch status",
        "create event",
        "list and watch",
        "other",
        "all",
        "Lease in all",
    ]);
    for it in rounds {
        let (requests, of) = (&it.first_run, it.connectors as f64);
        let each = |count: u64| format!("{:.2}", count as f64 / of);
        let known = [
            requests.on("get", &["secrets"]),
            requests.on("patch", &STATUS),
            requests.on("create", &["events"]),
            lists_and_watches(requests),
        ];
        let mut row = vec![grouped(it.connectors as u64)];
        row.extend(known.map(each));
        row.extend([
            each(requests.all() - known.iter().sum::<u64>()),
            each(requests.all()),
            requests.for_the_lease().to_string(),
        ]);
        table.row(row);
    }
    table
}

fn lists_and_watches(requests: &Requests) -> u64 {
    ["list", "watch"]
        .into_iter()
        .map(|verb| requests.on(verb, &KINDS) + requests.on(verb, &["secrets"]))
        .sum()
}

fn idle_times(rounds: &[Measured]) -> Table {
    let mut table = Table::new(&[
        CONNECTORS,
        "writes",
        "other requests",
        "Lease",
        "upstream requests",
        "CPU s",
        "CPU % of a core",
    ]);
    for it in rounds {
        let (idle, requests) = (&it.idle, &it.idle.requests);
        table.row(vec![
            grouped(it.connectors as u64),
            requests.writes().to_string(),
            (requests.all() - requests.writes()).to_string(),
            requests.for_the_lease().to_string(),
            idle.upstream.to_string(),
            seconds(idle.cpu),
            format!("{:.2}", 100.0 * idle.cpu.as_secs_f64() / idle.lasted.as_secs_f64()),
        ]);
    }
    table
}

fn restarts(rounds: &[Measured]) -> Table {
    let mut table = Table::new(&[
        CONNECTORS,
        "ready ms",
        "with none ms",
        "upstream",
        "status writes",
        "all writes",
        "other requests",
        "CPU s",
    ]);
    for it in rounds {
        let requests = &it.restarted.requests;
        table.row(vec![
            grouped(it.connectors as u64),
            it.ready.as_millis().to_string(),
            it.ready_empty.as_millis().to_string(),
            it.restarted.upstream.to_string(),
            requests.on("patch", &STATUS).to_string(),
            requests.writes().to_string(),
            (requests.all() - requests.writes()).to_string(),
            seconds(it.restarted.cpu),
        ]);
    }
    table
}

fn seconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64())
}

fn both(usage: Usage) -> String {
    format!("{:.1} / {:.1}", mebibytes(usage.resident), mebibytes(usage.anonymous))
}
