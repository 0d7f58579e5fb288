//! `reference`: the pages about fields, conditions, settings and metrics, made from the code that they are about.

mod fields;
mod settings;

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use clap::Args;

use crate::api::{ConditionType, Phase, Reason, Trigger};
use crate::server::Metrics;

use super::{Failed, report};

/// Prints the reference pages about fields, conditions, settings and metrics
#[derive(Debug, Args)]
pub(super) struct Reference {
    /// Write one file a page here instead of printing.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Reference {
    pub(super) fn execute(self) -> Result<(), Failed> {
        let pages = [
            ("conditions.md", conditions()),
            ("fields.md", fields::page()),
            ("metrics.md", metrics()),
            ("settings.md", settings::page()),
        ];
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
alerts and scripts may rely on them. The message says what is wrong, where, and what to do; it is
the same in the condition, in the event and in the log. More by symptom: [troubleshooting](../troubleshooting.md).

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
    let reasons = Reason::ALL.iter().map(|it| {
        let [meaning, remedy, next] = [it.meaning(), it.remedy(), it.next()].map(str::to_owned);
        [code(it.as_str()), meaning, remedy, next]
    });
    table(&mut page, &["reason", "meaning", "what to do", "what the operator does"], reasons);
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

const METRICS: &str = "\
# Metrics

<!-- Made by `make crds` from src/server/. -->

`GET /metrics` on `--listen` (port 8080) answers in the OpenMetrics text format. What to watch of it is in
[monitoring](../monitoring.md).

Every label has a bounded number of values. Series of single connectors have the labels `kind`, `namespace` and `name`,
never a second series for another state, and are gone as soon as the connector is; `--object-metrics=false` leaves them
out, and what is counted over all connectors remains.
";

/// The metrics by what they are about, as the beginnings of their names; the longest that fits counts.
const GROUPS: [(&str, &[&str]); 7] = [
    (
        "Single connectors",
        &[
            "connector_resource_",
            "connector_suspended",
            "connector_last_success",
            "connector_next_sync",
            "connector_sync_records",
            "connector_sync_progress",
            "connector_c1_connected",
            "connector_admins",
        ],
    ),
    ("All connectors", &["connector_resources", "connector_undecodable"]),
    ("Runs", &["connector_sync", "connector_access"]),
    ("Requests to upstreams", &["connector_api"]),
    ("Delivery to C1", &["connector_c1"]),
    ("The operator", &["connector_reconcile", "connector_watch", "connector_leader", "connector_build"]),
    ("The process", &["process"]),
];

fn metrics() -> String {
    let mut page = METRICS.to_owned();
    let text = Metrics::example().exposition();
    for (title, _) in GROUPS {
        // Writing to a String does not fail.
        let _ = writeln!(page, "\n## {title}");
        let rows = families(&text).into_iter().filter(|family| group_of(family.name) == Some(title));
        let rows = rows.map(|it| {
            let labels = it.labels.iter().map(|label| code(label)).collect::<Vec<_>>().join(", ");
            [code(&it.sample()), it.kind.to_owned(), labels, it.help.trim_end_matches('.').to_owned()]
        });
        table(&mut page, &["metric", "type", "labels", "meaning"], rows);
    }
    page
}

fn group_of(metric: &str) -> Option<&'static str> {
    let fitting = GROUPS.iter().flat_map(|(title, names)| names.iter().map(move |name| (*title, *name)));
    fitting
        .filter(|(_, name)| metric.starts_with(name))
        .max_by_key(|(_, name)| name.len())
        .map(|(title, _)| title)
}

/// One metric, as the text format describes it.
struct Family<'t> {
    name: &'t str,
    kind: &'t str,
    help: &'t str,
    labels: Vec<&'t str>,
}

impl Family<'_> {
    /// The name of its samples, which the text format makes longer.
    fn sample(&self) -> String {
        let suffix = match self.kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        format!("{}{suffix}", self.name)
    }
}

fn families(text: &str) -> Vec<Family<'_>> {
    let described = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
    let family = described.map(|(name, help)| {
        let kind = format!("# TYPE {name} ");
        let kind = text.lines().find_map(|line| line.strip_prefix(&kind)).unwrap_or_default();
        let sample = text.lines().find_map(|line| line.strip_prefix(name).filter(|_| !line.starts_with('#')));
        let labels =
            sample.and_then(|rest| rest.split_once('{')?.1.rsplit_once('}')).map(|(labels, _)| labels);
        let labels = labels.into_iter().flat_map(|labels| labels.split(',')).filter_map(|label| {
            // How a histogram divides is no label to ask for.
            label.split_once('=').map(|(label, _)| label).filter(|label| *label != "le")
        });
        Family { name, kind, help, labels: labels.collect() }
    });
    family.collect()
}

fn code(word: &str) -> String {
    format!("`{word}`")
}

/// A sentence of the code as Markdown shows it: on one line, and with nothing that it would take for its own.
fn prose(text: &str) -> String {
    text.replace('\n', " ").replace('<', "&lt;").replace('*', "\\*")
}

fn table<const N: usize>(
    page: &mut String,
    headings: &[&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) {
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
        let (page, text) = (metrics(), Metrics::example().exposition());
        for family in families(&text) {
            let row = format!("| `{}` | {} |", family.sample(), family.kind);
            assert_eq!(page.matches(&row).count(), 1, "{row}: {page}");
        }
    }

    #[test]
    fn a_metric_is_told_with_its_labels() {
        let page = metrics();
        assert!(
            page.contains("| `connector_sync_total` | counter | `kind`, `result`, `trigger` |"),
            "{page}"
        );
        assert!(page.contains("| `connector_sync_queue_wait_seconds` | histogram | `class` |"), "{page}");
        assert!(page.contains("| `connector_leader` | gauge |  |"), "{page}");
    }

    /// The words of an expression: names of metrics, functions and labels.
    fn words(expression: &str) -> impl Iterator<Item = &str> {
        expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
    }

    #[test]
    fn the_expressions_of_the_page_on_monitoring_ask_for_metrics_and_labels_that_there_are() {
        let page = include_str!("../../docs/monitoring.md");
        let text = Metrics::example().exposition();
        let families = families(&text);
        let expressions = page.split('`').skip(1).step_by(2).filter(|it| it.contains("connector_"));
        let mut tried = 0;
        for expression in expressions {
            let metrics = words(expression).filter(|word| word.starts_with("connector_"));
            let mut labels = vec!["le"];
            for metric in metrics {
                let is_of = |family: &&Family<'_>| match family.kind {
                    "histogram" => metric == format!("{}_bucket", family.name),
                    _ => metric == family.sample(),
                };
                let found = families.iter().find(is_of);
                labels.extend(&found.unwrap_or_else(|| panic!("{metric} in {expression}")).labels);
            }
            let by = expression.split("by (").skip(1).filter_map(|rest| rest.split(')').next());
            for label in by.flat_map(|labels| labels.split(", ")) {
                assert!(labels.contains(&label), "{label} in {expression}: {labels:?}");
            }
            tried += 1;
        }
        assert!(tried > 15, "{tried} expressions");
    }
}
