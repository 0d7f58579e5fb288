//! The series of single objects, made at each scrape from what is known then: what is gone has none.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::access::Progress;
use crate::api::{ConditionType, ConnectorStatus};
use crate::sync::ObjectKey;

/// What is known of each object.
#[derive(Debug, Clone, Default)]
pub(super) struct Objects {
    objects: Arc<Mutex<BTreeMap<ObjectKey, Object>>>,
    runs: Arc<Mutex<BTreeMap<ObjectKey, Arc<Progress>>>>,
}

/// A run of an object has its series until this is dropped.
#[derive(Debug)]
pub struct UnderWay {
    objects: Objects,
    key: ObjectKey,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.objects.runs().remove(&self.key);
    }
}

#[derive(Debug)]
struct Object {
    ready: i64,
    /// `None` without spec.c1.
    c1_connected: Option<i64>,
    held: i64,
    last_success: Option<i64>,
    records: BTreeMap<String, u64>,
}

impl Objects {
    pub(super) fn set(&self, key: &ObjectKey, status: &ConnectorStatus) {
        let object = Object {
            ready: value_of(status, ConditionType::Ready).unwrap_or(-1),
            c1_connected: value_of(status, ConditionType::C1Connected),
            held: i64::from(status.held.is_some()),
            last_success: status.last_success_time.as_ref().map(|time| time.0.as_second()),
            records: status.last_published.as_ref().map(|it| it.counts.clone()).unwrap_or_default(),
        };
        self.objects().insert(key.clone(), object);
    }

    pub(super) fn retain(&self, keep: impl Fn(&ObjectKey) -> bool) {
        self.objects().retain(|key, _| keep(key));
        self.runs().retain(|key, _| keep(key));
    }

    pub(super) fn run_under_way(&self, key: &ObjectKey, progress: Arc<Progress>) -> UnderWay {
        self.runs().insert(key.clone(), progress);
        UnderWay { objects: self.clone(), key: key.clone() }
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<ObjectKey, Object>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<ObjectKey, Arc<Progress>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn value_of(status: &ConnectorStatus, type_: ConditionType) -> Option<i64> {
    let condition = status.condition(type_)?;
    Some(match condition.status.as_str() {
        "True" => 1,
        "False" => 0,
        _ => -1,
    })
}

impl Collector for Objects {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let objects = self.objects();
        let help = "The Ready condition: 1 True, 0 False, -1 Unknown";
        let mut family = encoder.encode_descriptor("resource_ready", help, None, MetricType::Gauge)?;
        for (key, object) in objects.iter() {
            ConstGauge::new(object.ready).encode(family.encode_family(&labels(key))?)?;
        }
        let help = "The C1Connected condition of those with spec.c1: 1 True, 0 False, -1 Unknown";
        let mut family = encoder.encode_descriptor("c1_connected", help, None, MetricType::Gauge)?;
        for (key, object) in objects.iter() {
            if let Some(value) = object.c1_connected {
                ConstGauge::new(value).encode(family.encode_family(&labels(key))?)?;
            }
        }
        let help = "Does the removal guard hold something: 1 yes, 0 no";
        let mut family = encoder.encode_descriptor("resource_held", help, None, MetricType::Gauge)?;
        for (key, object) in objects.iter() {
            ConstGauge::new(object.held).encode(family.encode_family(&labels(key))?)?;
        }
        let help = "When everything was last read and published";
        let unit = Unit::Seconds;
        let mut family =
            encoder.encode_descriptor("last_success_timestamp", help, Some(&unit), MetricType::Gauge)?;
        for (key, object) in objects.iter() {
            if let Some(time) = object.last_success {
                ConstGauge::new(time).encode(family.encode_family(&labels(key))?)?;
            }
        }
        let help = "What the last published snapshot holds, by scope";
        let mut family = encoder.encode_descriptor("sync_records", help, None, MetricType::Gauge)?;
        for (key, object) in objects.iter() {
            for (scope, count) in &object.records {
                let [kind, namespace, name] = labels(key);
                let labels = [kind, namespace, name, ("object", scope.as_str())];
                let count = i64::try_from(*count).unwrap_or(i64::MAX);
                ConstGauge::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        drop(objects);
        let runs = self.runs();
        for (name, help, value) in PROGRESS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (key, progress) in runs.iter() {
                if let Some(value) = value(progress) {
                    let value = i64::try_from(value).unwrap_or(i64::MAX);
                    ConstGauge::new(value).encode(family.encode_family(&labels(key))?)?;
                }
            }
        }
        Ok(())
    }
}

type Measure = (&'static str, &'static str, fn(&Progress) -> Option<u64>);

/// How far a run has come. A listing that was not begun yet has not said what to expect of it.
const PROGRESS: [Measure; 3] = [
    ("sync_progress_pages", "Pages that the run under way has read", |progress| Some(progress.pages())),
    ("sync_progress_records", "Records that the run under way has read", |progress| Some(progress.records())),
    (
        "sync_progress_expected",
        "Upstream items that the listings begun by the run under way say they have",
        |progress| Some(progress.expected()).filter(|expected| *expected > 0),
    ),
];

fn labels(key: &ObjectKey) -> [(&'static str, &str); 3] {
    [("kind", key.kind), ("namespace", &key.namespace), ("name", &key.name)]
}
