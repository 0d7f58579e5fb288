//! What the operator counts. Series of an object go when it goes.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use crate::access::{AccessNews, Progress};
use crate::connectors::http::{Code, Observer};
use crate::leadership::Leadership;
use crate::sync::{Class, Ended, ObjectKey, Outcome, Queue};

use super::objects::{Objects, Shown, UnderWay};
use super::process::Process;
use super::series::{
    OfAccess, OfClass, OfKind, OfOperation, OfReason, OfRequest, OfResource, OfResult, OfRun, OfTask, Series,
};
use super::standing::Standing;

// How runs and reconciles end, for histograms.
const SUCCESS: &str = "success";
const HELD: &str = "held";
const ERROR: &str = "error";

/// What the operator counts.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    series: Series,
    objects: Objects,
    standing: Standing,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::with(Objects::default())
    }
}

impl Metrics {
    /// Metrics without a series of any single object: what is counted over all objects remains.
    pub fn without_objects() -> Self {
        Self::with(Objects::hidden())
    }

    fn with(objects: Objects) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process));
        let own = registry.sub_registry_with_prefix("connector");
        let series = Series::new(own);
        let standing = Standing::default();
        own.register_collector(Box::new(standing.clone()));
        own.register_collector(Box::new(objects.clone()));
        Self(Arc::new(Inner { registry, series, objects, standing }))
    }

    /// One series of everything, so that all of it is described.
    pub(crate) fn example() -> Self {
        let metrics = Self::default();
        metrics.0.series.example();
        metrics.0.objects.example();
        metrics.0.standing.leadership_is(Leadership::alone());
        metrics
    }

    /// All of it, in the OpenMetrics text format.
    pub fn exposition(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.0.registry);
        text
    }

    /// Tells of the runs that wait in `queue`, and of how long they have waited.
    pub fn observe_queue(&self, queue: &Queue) {
        self.0.standing.queue_is(queue.clone());
        let waits = self.0.series.queue_wait.clone();
        for class in Class::ALL {
            let _ = waits.get_or_create(&OfClass { class: class.as_str() });
        }
        queue.when_begun(move |class, waited| {
            waits.get_or_create(&OfClass { class: class.as_str() }).observe(waited.as_secs_f64());
        });
    }

    /// Tells whether this operator leads.
    pub fn observe_leadership(&self, leadership: Leadership) {
        self.0.standing.leadership_is(leadership);
    }

    /// Counts the requests of all connectors of `kind`. What has not happened yet is told as 0.
    pub fn upstream(&self, kind: &'static str) -> Arc<dyn Observer> {
        let _ = self.0.series.rate_limited.get_or_create(&OfKind { kind });
        for result in [SUCCESS, HELD, ERROR] {
            let _ = self.0.series.sync_duration.get_or_create(&OfResult { kind, result });
        }
        Arc::new(OfUpstream { kind, series: self.0.series.clone() })
    }

    /// A run has ended.
    pub fn run_ended(&self, key: &ObjectKey, outcome: &Outcome) {
        let word = match &outcome.result {
            Ok(Ended::Published(_)) => SUCCESS,
            Ok(Ended::Held(_)) => HELD,
            Err(_) => ERROR,
        };
        let (kind, trigger) = (key.kind, outcome.trigger.as_str());
        let result = outcome.reason().as_str();
        self.0.series.syncs.get_or_create(&OfRun { kind, result, trigger }).inc();
        if let Ok(Ended::Published(published)) = &outcome.result
            && let Some(news) = &published.news
        {
            self.access_changed(kind, news);
        }
        let took = outcome.completed.duration_since(outcome.started).as_secs_f64();
        self.0.series.sync_duration.get_or_create(&OfResult { kind, result: word }).observe(took);
    }

    /// A run has published what is news for people.
    fn access_changed(&self, kind: &'static str, news: &AccessNews) {
        // Also where there is none: a series that begins with its first change has no increase to show for it.
        let count = |scope: &str, change, more| {
            let of_access = OfAccess { kind, scope: scope.to_owned(), change };
            self.0.series.access_changes.get_or_create(&of_access).inc_by(more);
        };
        for (scope, change) in &news.changes {
            count(scope, "added", change.added);
            count(scope, "removed", change.removed);
        }
        count("users", "enabled", news.enabled);
        count("users", "disabled", news.disabled);
    }

    /// A run of an object is under way, for as long as what is returned is kept.
    pub fn run_under_way(&self, key: &ObjectKey, progress: Arc<Progress>) -> UnderWay {
        self.0.objects.run_under_way(key, progress)
    }

    /// A reconcile has taken so long. It could not be finished where there is a `problem`, which is one of a few words.
    pub fn reconciled(&self, kind: &'static str, took: Duration, problem: Option<&'static str>) {
        let result = if problem.is_none() { SUCCESS } else { ERROR };
        let durations = &self.0.series.reconcile_duration;
        durations.get_or_create(&OfResult { kind, result }).observe(took.as_secs_f64());
        if let Some(reason) = problem {
            self.0.series.reconcile_errors.get_or_create(&OfReason { kind, reason }).inc();
        }
    }

    /// A watch on this resource, such as `secrets`, begins: what has not happened yet is told as 0.
    pub fn watch_begins(&self, resource: &str) {
        let _ = self.0.series.watch_restarts.get_or_create(&OfResource { resource: resource.to_owned() });
    }

    /// A watch on this resource was interrupted, and goes on.
    pub fn watch_restarted(&self, resource: &str) {
        self.0.series.watch_restarts.get_or_create(&OfResource { resource: resource.to_owned() }).inc();
    }

    /// So many objects of `kind` are stored that cannot be understood.
    pub fn undecodable_objects(&self, kind: &'static str, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.0.series.undecodable.get_or_create(&OfKind { kind }).set(count);
    }

    /// So many more tasks of C1 have ended so.
    pub fn c1_tasks_ended(&self, kind: &'static str, r#type: &'static str, result: &str, more: u64) {
        if more > 0 {
            let of_task = OfTask { kind, r#type, result: result.to_owned() };
            self.0.series.c1_tasks.get_or_create(&of_task).inc_by(more);
        }
    }

    /// C1 has taken so many bytes more.
    pub fn c1_uploaded(&self, kind: &'static str, more: u64) {
        if more > 0 {
            self.0.series.c1_uploaded.get_or_create(&OfKind { kind }).inc_by(more);
        }
    }

    /// From now on, these are the objects of `kind`.
    pub fn shows(&self, kind: &'static str, objects: Shown) {
        self.0.objects.shown(kind, objects);
    }

    /// An object is gone: its run has no series any more.
    pub fn forget(&self, key: &ObjectKey) {
        self.0.objects.retain(|known| known != key);
    }

    /// Every object of `kind` that `keep` does not know is gone.
    pub fn retain(&self, kind: &str, keep: impl Fn(&ObjectKey) -> bool) {
        self.0.objects.retain(|known| known.kind != kind || keep(known));
    }
}

/// Counts the requests of all connectors of one kind.
struct OfUpstream {
    kind: &'static str,
    series: Series,
}

impl std::fmt::Debug for OfUpstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OfUpstream").field(&self.kind).finish()
    }
}

impl Observer for OfUpstream {
    fn ended(&self, operation: &'static str, code: Code, took: Duration) {
        let (kind, code) = (self.kind, code.to_string());
        self.series.requests.get_or_create(&OfRequest { kind, operation, code }).inc();
        let durations = &self.series.request_duration;
        durations.get_or_create(&OfOperation { kind, operation }).observe(took.as_secs_f64());
    }

    fn limited(&self) {
        self.series.rate_limited.get_or_create(&OfKind { kind: self.kind }).inc();
    }
}
