//! `reference`: the pages about conditions and metrics, made from the code that sets and counts them.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use clap::Args;

use crate::api::{Class, ConditionType, Phase, Reason, Trigger};
use crate::server::Metrics;

use super::{Failed, report};

/// Prints the reference pages about conditions and metrics
#[derive(Debug, Args)]
pub(super) struct Reference {
    /// Write one file a page here instead of printing.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Reference {
    pub(super) fn execute(self) -> Result<(), Failed> {
        let pages = [("conditions.md", conditions()), ("metrics.md", metrics())];
        let Some(folder) = self.out else {
            return pages.iter().try_for_each(|(_, page)| report::text(page));
        };
        fs::create_dir_all(&folder)?;
        for (name, page) in pages {
            fs::write(folder.join(name), page)?;
        }
        Ok(())
    }
}

const CONDITIONS: &str = "\
# Conditions

<!-- Made by `make crds` from src/api/. -->

Every connector has a label for people, `status.phase`, and conditions for programs. The reasons are a closed list:
alerts and scripts may rely on them. The message says what is wrong, where, and what to do.

```sh
kubectl wait scalr acme --for=condition=Ready
kubectl get scalr acme -o jsonpath='{.status.conditions[?(@.type==\"Ready\")].message}'
```
";

fn conditions() -> String {
    let mut page = CONDITIONS.to_owned();
    page += "\n## Phases\n";
    let phases = Phase::ALL.iter().map(|it| [code(&it.to_string()), it.meaning().to_owned()]);
    table(&mut page, &["phase", "meaning"], phases);
    page += "\n## Types\n";
    let types = ConditionType::ALL.iter().map(|it| [code(it.as_str()), it.meaning().to_owned()]);
    table(&mut page, &["type", "meaning"], types);
    page += REASONS;
    let reasons = Reason::ALL.iter();
    let reasons = reasons.map(|it| [code(it.as_str()), it.meaning().to_owned(), next(it.class()).to_owned()]);
    table(&mut page, &["reason", "meaning", "what happens next"], reasons);
    page += "\n## Why a run began\n\n`status.lastSync.trigger` is one of ";
    let triggers: Vec<String> = Trigger::ALL.iter().map(|it| code(it.as_str())).collect();
    page += &triggers.join(", ");
    page += ".\n";
    page
}

const REASONS: &str = "
## Reasons

What is tried again is tried after 30 s, then after twice as long each time up to 15 min, and never later than it is due
anyway. What waits for a change (`Stalled`) is looked at again when it is due, and not within 15 min; a change is acted on
at once. What waits for an object to be there (`Reconciling`) begins as soon as a Secret appears, and is tried again besides.
";

/// What the operator does by itself.
fn next(class: Option<Class>) -> &'static str {
    match class {
        None => "",
        Some(Class::Retry) => "is tried again",
        Some(Class::WaitForChange) => "waits for a change",
        Some(Class::WaitForSecret) => "waits for it to be there",
    }
}

const METRICS: &str = "\
# Metrics

<!-- Made by `make crds` from src/server/. -->

`GET /metrics` on `--listen` (port 8080) answers in the OpenMetrics text format. What is about single connectors has the
labels `kind`, `namespace` and `name`, and is gone as soon as the connector is.
";

fn metrics() -> String {
    let mut page = METRICS.to_owned();
    let text = Metrics::example().exposition();
    let described = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
    let rows = described.map(|(name, help)| {
        let of = |word: &str| {
            let line = format!("# {word} {name} ");
            text.lines().find_map(|it| it.strip_prefix(&line)).unwrap_or_default().to_owned()
        };
        let kind = of("TYPE");
        // The text format adds what it adds to the samples' names.
        let suffix = if kind == "counter" {
            "_total"
        } else if kind == "info" {
            "_info"
        } else {
            ""
        };
        [code(&format!("{name}{suffix}")), kind, help.trim_end_matches('.').to_owned()]
    });
    table(&mut page, &["metric", "type", "meaning"], rows.collect::<Vec<_>>().into_iter());
    page
}

fn code(word: &str) -> String {
    format!("`{word}`")
}

fn table<const N: usize>(page: &mut String, headings: &[&str; N], rows: impl Iterator<Item = [String; N]>) {
    // Writing to a String does not fail.
    let _ = writeln!(page, "\n| {} |\n|{}", headings.join(" | "), "---|".repeat(N));
    for row in rows {
        let _ = writeln!(page, "| {} |", row.map(|cell| cell.replace('|', "\\|")).join(" | "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_and_every_metric_has_its_row() {
        let page = conditions();
        assert!(Reason::ALL.iter().all(|it| page.contains(&format!("| `{}` |", it.as_str()))));
        let page = metrics();
        for name in [
            "connector_sync_total",
            "connector_resource_ready",
            "connector_build_info",
            "connector_sync_duration_seconds",
        ] {
            assert!(page.contains(&format!("| `{name}` |")), "{name}: {page}");
        }
    }
}
