//! The series that are counted as things happen: their names, labels and buckets. Every label has a bounded number of
//! values, and none is made of what an upstream says.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfKind {
    pub(super) kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfRun {
    pub(super) kind: &'static str,
    pub(super) result: &'static str,
    pub(super) trigger: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfResult {
    pub(super) kind: &'static str,
    pub(super) result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfReason {
    pub(super) kind: &'static str,
    pub(super) reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfAccess {
    pub(super) kind: &'static str,
    pub(super) scope: String,
    pub(super) change: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfTask {
    pub(super) kind: &'static str,
    pub(super) r#type: &'static str,
    pub(super) result: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfRequest {
    pub(super) kind: &'static str,
    pub(super) operation: &'static str,
    pub(super) code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfOperation {
    pub(super) kind: &'static str,
    pub(super) operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfClass {
    pub(super) class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfResource {
    pub(super) resource: String,
}

/// The series that are counted as things happen.
#[derive(Clone)]
pub(super) struct Series {
    pub(super) syncs: Family<OfRun, Counter>,
    pub(super) sync_duration: Family<OfResult, Histogram>,
    pub(super) queue_wait: Family<OfClass, Histogram>,
    pub(super) access_changes: Family<OfAccess, Counter>,
    pub(super) reconcile_duration: Family<OfResult, Histogram>,
    pub(super) reconcile_errors: Family<OfReason, Counter>,
    pub(super) requests: Family<OfRequest, Counter>,
    pub(super) request_duration: Family<OfOperation, Histogram>,
    pub(super) rate_limited: Family<OfKind, Counter>,
    pub(super) watch_restarts: Family<OfResource, Counter>,
    pub(super) undecodable: Family<OfKind, Gauge>,
    pub(super) c1_tasks: Family<OfTask, Counter>,
    pub(super) c1_uploaded: Family<OfKind, Counter>,
}

impl Series {
    /// All of them, made known to `registry`.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let series = Self {
            syncs: Family::default(),
            sync_duration: Family::new_with_constructor(long),
            queue_wait: Family::new_with_constructor(long),
            access_changes: Family::default(),
            reconcile_duration: Family::new_with_constructor(short),
            reconcile_errors: Family::default(),
            requests: Family::default(),
            request_duration: Family::new_with_constructor(short),
            rate_limited: Family::default(),
            watch_restarts: Family::default(),
            undecodable: Family::default(),
            c1_tasks: Family::default(),
            c1_uploaded: Family::default(),
        };
        series.register_runs(registry);
        series.register_requests(registry);
        series.register_reconciles(registry);
        series.register_c1(registry);
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of this operator", version);
        series
    }

    fn register_runs(&self, registry: &mut Registry) {
        let help = "Runs that ended, by trigger and by result: a condition reason";
        registry.register("sync", help, self.syncs.clone());
        let help = "How long runs took, from when a worker took them, by result: success, held or error";
        registry.register_with_unit("sync_duration", help, Unit::Seconds, self.sync_duration.clone());
        let help =
            "How long runs waited in the queue, by class: prompt, for which somebody waits, or periodic";
        registry.register_with_unit("sync_queue_wait", help, Unit::Seconds, self.queue_wait.clone());
        let help = "What published runs have changed, by scope and by what became of it: added, removed, enabled, disabled";
        registry.register("access_changes", help, self.access_changes.clone());
    }

    fn register_requests(&self, registry: &mut Registry) {
        let help =
            "Requests to upstreams, by operation and by code: the HTTP status, or why no whole answer came";
        registry.register("api_requests", help, self.requests.clone());
        let help =
            "How long requests to upstreams took, their bodies included and what they waited before not";
        registry.register_with_unit(
            "api_request_duration",
            help,
            Unit::Seconds,
            self.request_duration.clone(),
        );
        let help = "How often an upstream has answered 429, or that nothing is left of its allowance";
        registry.register("api_rate_limited", help, self.rate_limited.clone());
    }

    fn register_reconciles(&self, registry: &mut Registry) {
        let help = "How long reconciles took, by result: success or error";
        registry.register_with_unit(
            "reconcile_duration",
            help,
            Unit::Seconds,
            self.reconcile_duration.clone(),
        );
        let help = "Reconciles that could not be finished and are repeated, by reason";
        registry.register("reconcile_errors", help, self.reconcile_errors.clone());
        let help = "How often a watch on the API server was interrupted and went on, by resource";
        registry.register("watch_restarts", help, self.watch_restarts.clone());
        let help = "Objects that are stored and cannot be understood, which are left alone";
        registry.register("undecodable_objects", help, self.undecodable.clone());
    }

    fn register_c1(&self, registry: &mut Registry) {
        let help = "Tasks of C1 that ended, by what they asked for and by result: OK, or the gRPC status code that C1 was told";
        registry.register("c1_tasks", help, self.c1_tasks.clone());
        let help = "What C1 has taken of snapshots";
        registry.register_with_unit("c1_uploaded", help, Unit::Bytes, self.c1_uploaded.clone());
    }

    /// One of each, so that all of it is described.
    pub(super) fn example(&self) {
        let _ = self.syncs.get_or_create(&OfRun { kind: "", result: "", trigger: "" });
        let _ = self.sync_duration.get_or_create(&OfResult { kind: "", result: "" });
        let _ = self.queue_wait.get_or_create(&OfClass { class: "" });
        let _ = self.access_changes.get_or_create(&OfAccess { kind: "", scope: String::new(), change: "" });
        let _ = self.reconcile_duration.get_or_create(&OfResult { kind: "", result: "" });
        let _ = self.reconcile_errors.get_or_create(&OfReason { kind: "", reason: "" });
        let _ = self.requests.get_or_create(&OfRequest { kind: "", operation: "", code: String::new() });
        let _ = self.request_duration.get_or_create(&OfOperation { kind: "", operation: "" });
        let _ = self.rate_limited.get_or_create(&OfKind { kind: "" });
        let _ = self.watch_restarts.get_or_create(&OfResource { resource: String::new() });
        let _ = self.undecodable.get_or_create(&OfKind { kind: "" });
        let _ = self.c1_tasks.get_or_create(&OfTask { kind: "", r#type: "", result: String::new() });
        let _ = self.c1_uploaded.get_or_create(&OfKind { kind: "" });
    }
}

/// For what takes seconds to half an hour.
fn long() -> Histogram {
    Histogram::new(exponential_buckets(0.01, 3.0, 12))
}

/// For what takes milliseconds to minutes.
fn short() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 3.0, 12))
}
