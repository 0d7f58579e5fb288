//! The series of single objects, made at each scrape from what the watch shows then: what is gone has none.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::access::Progress;
use crate::access::guard::Part;
use crate::api::{ConditionType, ConnectorStatus, LastPublished, Phase, Reason, SnapshotCounts};
use crate::kinds;
use crate::sync::ObjectKey;

/// Says every object of one kind that the watch shows: its metadata and its status, where it has one.
pub type Shown = Box<dyn Fn(&mut dyn FnMut(&ObjectMeta, &ConnectorStatus)) + Send + Sync>;

/// What is known of each object.
#[derive(Clone, Default)]
pub(super) struct Objects {
    /// Only what they have in common is told.
    hidden: bool,
    /// By their kind. The watch has them in memory already: nothing is kept of them here.
    shown: Arc<Mutex<BTreeMap<&'static str, Shown>>>,
    runs: Arc<Mutex<BTreeMap<ObjectKey, Arc<Progress>>>>,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects")
            .field("hidden", &self.hidden)
            .field("runs", &self.runs)
            .finish_non_exhaustive()
    }
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

impl Objects {
    /// Without a series of any single object.
    pub(super) fn hidden() -> Self {
        Self { hidden: true, ..Self::default() }
    }

    /// An object of which everything is known.
    pub(super) fn example(&self) {
        let mut status = ConnectorStatus {
            last_success_time: Some(Time(Timestamp::UNIX_EPOCH)),
            next_sync_time: Some(Time(Timestamp::UNIX_EPOCH)),
            last_published: Some(LastPublished {
                counts: [(String::new(), 0)].into(),
                scopes: [(Part::Administrators.id("organization:"), 0)].into(),
                ..LastPublished::default()
            }),
            ..ConnectorStatus::default()
        };
        let now = Timestamp::UNIX_EPOCH;
        status.set_condition(ConditionType::C1Connected, "True", Reason::Succeeded, "", now);
        let object = ObjectMeta::default();
        self.shown("", Box::new(move |visit| visit(&object, &status)));
        let key = ObjectKey { kind: "", namespace: String::new(), name: String::new(), uid: String::new() };
        let progress = Progress::default();
        progress.expect(1);
        self.runs().insert(key, Arc::new(progress));
    }

    pub(super) fn shown(&self, kind: &'static str, objects: Shown) {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, objects);
    }

    pub(super) fn retain(&self, keep: impl Fn(&ObjectKey) -> bool) {
        self.runs().retain(|key, _| keep(key));
    }

    /// Visits every object until it fails.
    fn each(
        &self,
        mut visit: impl FnMut([(&'static str, &str); 3], &ConnectorStatus) -> fmt::Result,
    ) -> fmt::Result {
        let mut done = Ok(());
        for (kind, shown) in self.shown.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            shown(&mut |object, status| {
                if done.is_ok() {
                    let [namespace, name] =
                        [&object.namespace, &object.name].map(|it| it.as_deref().unwrap_or_default());
                    done = visit(labels(kind, namespace, name), status);
                }
            });
        }
        done
    }

    pub(super) fn run_under_way(&self, key: &ObjectKey, progress: Arc<Progress>) -> UnderWay {
        self.runs().insert(key.clone(), progress);
        UnderWay { objects: self.clone(), key: key.clone() }
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<ObjectKey, Arc<Progress>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// By the id of what they administer.
fn administrators(published: &LastPublished) -> Vec<(&str, u64)> {
    // Of very many organizations only the sum is remembered, under the type alone.
    let of_one = |(scope, _): &(&str, u64)| scope.contains(':');
    let split = |(scope, count): (_, u64)| Some((str::rsplit_once(scope, '/')?, count));
    let administrate =
        |((owner, part), count)| (part == Part::Administrators.word()).then_some((owner, count));
    counts(&published.scopes).filter(of_one).filter_map(split).filter_map(administrate).collect()
}

fn records(published: &LastPublished) -> Vec<(&str, u64)> {
    counts(&published.counts).collect()
}

fn counts(per_scope: &SnapshotCounts) -> impl Iterator<Item = (&str, u64)> {
    per_scope.iter().map(|(scope, count)| (scope.as_str(), *count))
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
        self.encode_phases(&mut encoder)?;
        if self.hidden {
            return Ok(());
        }
        self.encode_states(&mut encoder)?;
        let help = "What the last published snapshot holds, by scope";
        self.encode_counts(&mut encoder, ("sync_records", help), "object", records)?;
        let help = "How many administer each organization, by the last published snapshot";
        self.encode_counts(&mut encoder, ("admins", help), "organization", administrators)?;
        self.encode_runs(&mut encoder)
    }
}

impl Objects {
    /// How many there are in each phase: what remains where no single object is told of.
    fn encode_phases(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "Connectors by phase, without those that no operator has looked at yet";
        let mut family = encoder.encode_descriptor("resources", help, None, MetricType::Gauge)?;
        let mut counts: HashMap<(&str, Phase), i64> = HashMap::new();
        let kinds = kinds::names();
        self.each(|[(_, kind), ..], status| {
            let known = kinds.iter().find(|known| **known == kind);
            if let (Some(kind), Some(phase)) = (known, status.phase) {
                *counts.entry((kind, phase)).or_default() += 1;
            }
            Ok(())
        })?;
        for kind in kinds {
            for phase in Phase::ALL {
                let count = counts.get(&(kind, phase)).copied().unwrap_or_default();
                let labels = [("kind", kind.to_owned()), ("phase", phase.to_string())];
                ConstGauge::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn encode_states(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for State { name, help, unit, value } in STATES {
            let mut family = encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
            self.each(|labels, status| match value(status) {
                Some(value) => ConstGauge::new(value).encode(family.encode_family(&labels)?),
                None => Ok(()),
            })?;
        }
        Ok(())
    }

    /// Counts of the last snapshot of each object, by what this label says.
    fn encode_counts(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        (name, help): (&str, &str),
        label: &'static str,
        counts: fn(&LastPublished) -> Vec<(&str, u64)>,
    ) -> Result<(), fmt::Error> {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        self.each(|[kind, namespace, name], status| {
            for (of, count) in status.last_published.iter().flat_map(counts) {
                let labels = [kind, namespace, name, (label, of)];
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                ConstGauge::new(count).encode(family.encode_family(&labels)?)?;
            }
            Ok(())
        })
    }

    fn encode_runs(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let runs = self.runs();
        for (name, help, value) in PROGRESS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (key, progress) in runs.iter() {
                if let Some(value) = value(progress) {
                    let value = i64::try_from(value).unwrap_or(i64::MAX);
                    ConstGauge::new(value).encode(family.encode_family(&labels_of(key))?)?;
                }
            }
        }
        Ok(())
    }
}

/// One series of each object that has a value.
struct State {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    value: fn(&ConnectorStatus) -> Option<i64>,
}

const STATES: [State; 6] = [
    State {
        name: "resource_ready",
        help: "The Ready condition: 1 True, 0 False, -1 Unknown",
        unit: None,
        value: |status| Some(value_of(status, ConditionType::Ready).unwrap_or(-1)),
    },
    State {
        name: "c1_connected",
        help: "The C1Connected condition of those with spec.c1: 1 True, 0 False, -1 Unknown",
        unit: None,
        value: |status| value_of(status, ConditionType::C1Connected),
    },
    State {
        name: "resource_held",
        help: "Does the removal guard hold something: 1 yes, 0 no",
        unit: None,
        value: |status| Some(status.held.is_some().into()),
    },
    State {
        name: "suspended",
        help: "Is it suspended: 1 yes, 0 no",
        unit: None,
        value: |status| Some((status.phase == Some(Phase::Suspended)).into()),
    },
    State {
        name: "last_success_timestamp",
        help: "When everything was last read and published, since 1970",
        unit: Some(Unit::Seconds),
        value: |status| seconds(status.last_success_time.as_ref()),
    },
    State {
        name: "next_sync_timestamp",
        help: "When it is read next unless something comes before, since 1970; none while it is suspended",
        unit: Some(Unit::Seconds),
        value: |status| seconds(status.next_sync_time.as_ref()),
    },
];

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

fn seconds(time: Option<&Time>) -> Option<i64> {
    time.map(|time| time.0.as_second())
}

fn labels_of(key: &ObjectKey) -> [(&'static str, &str); 3] {
    labels(key.kind, &key.namespace, &key.name)
}

fn labels<'a>(kind: &'static str, namespace: &'a str, name: &'a str) -> [(&'static str, &'a str); 3] {
    [("kind", kind), ("namespace", namespace), ("name", name)]
}
