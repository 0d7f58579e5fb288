//! What the operator counts. Series of an object go when it goes.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::access::Progress;
use crate::api::{ConnectorStatus, Reason};
use crate::sync::{Ended, ObjectKey, Outcome};

use super::objects::{Objects, UnderWay};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRun {
    kind: &'static str,
    result: String,
    trigger: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfResult {
    kind: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTask {
    kind: &'static str,
    r#type: &'static str,
    result: String,
}

/// What the operator counts.
#[derive(Clone)]
pub struct Metrics {
    series: Arc<Series>,
}

type OfKind = Vec<(&'static str, &'static str)>;

struct Series {
    registry: Registry,
    syncs: Family<OfRun, Counter>,
    sync_duration: Family<OfResult, Histogram>,
    reconcile_errors: Family<OfKind, Counter>,
    c1_tasks: Family<OfTask, Counter>,
    c1_uploaded: Family<OfKind, Counter>,
    objects: Objects,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("connector");
        let syncs = Family::default();
        let histogram: fn() -> Histogram = || Histogram::new(exponential_buckets(0.01, 3.0, 12));
        let sync_duration = Family::new_with_constructor(histogram);
        let reconcile_errors = Family::default();
        let (c1_tasks, c1_uploaded) = (Family::default(), Family::default());
        let objects = Objects::default();
        registry.register(
            "sync",
            "Runs that ended, by trigger and by result: a condition reason",
            syncs.clone(),
        );
        registry.register_with_unit(
            "sync_duration",
            "How long runs took",
            Unit::Seconds,
            sync_duration.clone(),
        );
        registry.register(
            "reconcile_errors",
            "Reconciles that could not be finished",
            reconcile_errors.clone(),
        );
        registry.register(
            "c1_tasks",
            "Tasks of C1 that ended, by what they asked for and by result: OK, or the gRPC status code that C1 was told",
            c1_tasks.clone(),
        );
        registry.register_with_unit(
            "c1_uploaded",
            "What C1 has taken of snapshots",
            Unit::Bytes,
            c1_uploaded.clone(),
        );
        registry.register_collector(Box::new(objects.clone()));
        registry.register(
            "build",
            "The version of this operator",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
        );
        let series =
            Series { registry, syncs, sync_duration, reconcile_errors, c1_tasks, c1_uploaded, objects };
        Self { series: Arc::new(series) }
    }
}

impl Metrics {
    /// One series of everything, so that all of it is described.
    pub(crate) fn example() -> Self {
        let metrics = Self::default();
        let Series { syncs, sync_duration, reconcile_errors, c1_tasks, c1_uploaded, .. } =
            metrics.series.as_ref();
        let _ = syncs.get_or_create(&OfRun { kind: "", result: String::new(), trigger: "" });
        let _ = sync_duration.get_or_create(&OfResult { kind: "", result: "" });
        let _ = reconcile_errors.get_or_create(&vec![("kind", "")]);
        let _ = c1_tasks.get_or_create(&OfTask { kind: "", r#type: "", result: String::new() });
        let _ = c1_uploaded.get_or_create(&vec![("kind", "")]);
        metrics
    }

    /// All of it, in the OpenMetrics text format.
    pub fn exposition(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.series.registry);
        text
    }

    /// A run has ended.
    pub fn run_ended(&self, key: &ObjectKey, outcome: &Outcome) {
        let (result, word) = match &outcome.result {
            Ok(Ended::Published(_)) => ("Succeeded", "success"),
            Ok(Ended::Held(held)) => {
                let whys = held.removals.iter().map(|removal| removal.why.into());
                (Reason::of_hold(whys).as_str(), "held")
            }
            Err(failure) => (failure.reason.as_str(), "error"),
        };
        let of_run = OfRun { kind: key.kind, result: result.to_owned(), trigger: outcome.trigger.as_str() };
        self.series.syncs.get_or_create(&of_run).inc();
        let took = outcome.completed.duration_since(outcome.started).as_secs_f64();
        self.series.sync_duration.get_or_create(&OfResult { kind: key.kind, result: word }).observe(took);
    }

    /// A run of an object is under way, for as long as what is returned is kept.
    pub fn run_under_way(&self, key: &ObjectKey, progress: Arc<Progress>) -> UnderWay {
        self.series.objects.run_under_way(key, progress)
    }

    /// A reconcile could not be finished.
    pub fn reconcile_failed(&self, kind: &'static str) {
        self.series.reconcile_errors.get_or_create(&vec![("kind", kind)]).inc();
    }

    /// So many more tasks of C1 have ended so.
    pub fn c1_tasks_ended(&self, kind: &'static str, r#type: &'static str, result: &str, more: u64) {
        if more > 0 {
            let of_task = OfTask { kind, r#type, result: result.to_owned() };
            self.series.c1_tasks.get_or_create(&of_task).inc_by(more);
        }
    }

    /// C1 has taken so many bytes more.
    pub fn c1_uploaded(&self, kind: &'static str, more: u64) {
        if more > 0 {
            self.series.c1_uploaded.get_or_create(&vec![("kind", kind)]).inc_by(more);
        }
    }

    /// An object has this status now.
    pub fn status_is(&self, key: &ObjectKey, status: &ConnectorStatus) {
        self.series.objects.set(key, status);
    }

    /// An object is gone.
    pub fn forget(&self, key: &ObjectKey) {
        self.series.objects.retain(|known| known != key);
    }

    /// Every object of `kind` that `keep` does not know is gone.
    pub fn retain(&self, kind: &str, keep: impl Fn(&ObjectKey) -> bool) {
        self.series.objects.retain(|known| known.kind != kind || keep(known));
    }
}
