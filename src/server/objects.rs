//! The series of single objects, made at each scrape from what is known then: what is gone has none.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::api::{ConditionType, ConnectorStatus};
use crate::sync::ObjectKey;

/// What is known of each object.
#[derive(Debug, Clone, Default)]
pub(super) struct Objects {
    objects: Arc<Mutex<BTreeMap<ObjectKey, Object>>>,
}

#[derive(Debug)]
struct Object {
    ready: i64,
    last_success: Option<i64>,
    records: BTreeMap<String, u64>,
}

impl Objects {
    pub(super) fn set(&self, key: &ObjectKey, status: &ConnectorStatus) {
        let ready = match status.condition(ConditionType::Ready).map(|ready| ready.status.as_str()) {
            Some("True") => 1,
            Some("False") => 0,
            _ => -1,
        };
        let object = Object {
            ready,
            last_success: status.last_success_time.as_ref().map(|time| time.0.as_second()),
            records: status.last_published.as_ref().map(|it| it.counts.clone()).unwrap_or_default(),
        };
        self.objects().insert(key.clone(), object);
    }

    pub(super) fn retain(&self, keep: impl Fn(&ObjectKey) -> bool) {
        self.objects().retain(|key, _| keep(key));
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<ObjectKey, Object>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Objects {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let objects = self.objects();
        let help = "The Ready condition: 1 True, 0 False, -1 Unknown";
        let mut family = encoder.encode_descriptor("resource_ready", help, None, MetricType::Gauge)?;
        for (key, object) in objects.iter() {
            ConstGauge::new(object.ready).encode(family.encode_family(&labels(key))?)?;
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
        Ok(())
    }
}

fn labels(key: &ObjectKey) -> [(&'static str, &str); 3] {
    [("kind", key.kind), ("namespace", &key.namespace), ("name", &key.name)]
}
