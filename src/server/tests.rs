//! The exposition as a whole, held to the rules of OpenMetrics and to Prometheus' own on names.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tokio_util::sync::CancellationToken;

use super::Metrics;
use crate::access::guard::ScopeCounts;
use crate::access::{AccessNews, Change, Counts, Progress};
use crate::api::{ConnectorStatus, Phase, Trigger};
use crate::connectors::http::{Broken, Code};
use crate::sync::{CredentialKey, Ended, NewRun, ObjectKey, Outcome, Published, Queue, SecretSeen};

const KIND: &str = "ScalrConnector";

fn key(name: &str) -> ObjectKey {
    ObjectKey { kind: KIND, namespace: "identity".into(), name: name.into(), uid: name.into() }
}

/// These are the objects now.
fn show(metrics: &Metrics, objects: &[(&str, Phase)]) {
    let object = |&(name, phase): &(&str, Phase)| {
        let meta = ObjectMeta {
            namespace: Some("identity".to_owned()),
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        };
        (meta, ConnectorStatus { phase: Some(phase), ..ConnectorStatus::default() })
    };
    let objects: Vec<_> = objects.iter().map(object).collect();
    metrics.shows(KIND, Box::new(move |visit| objects.iter().for_each(|(meta, status)| visit(meta, status))));
}

/// Name, kind and unit of each metric.
fn described(text: &str) -> Vec<(&str, &str, Option<&str>)> {
    let words = |word: &str, name: &str| {
        let line = format!("# {word} {name} ");
        let mut found = text.lines().filter_map(|it| it.strip_prefix(&line));
        let first = found.next();
        assert_eq!(found.next(), None, "{word} of {name} twice");
        first
    };
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types
        .map(|(name, kind)| {
            assert!(words("HELP", name).is_some_and(|help| help.trim().len() > 10), "{name} says nothing");
            assert_eq!(words("TYPE", name), Some(kind));
            (name, kind, words("UNIT", name))
        })
        .collect()
}

#[test]
fn every_metric_has_a_name_a_unit_and_a_help_by_the_rules() {
    let text = Metrics::example().exposition();
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
    for (name, kind, unit) in described(&text) {
        let letters = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'_';
        assert!(name.bytes().all(letters) && !name.contains("__"), "{name}");
        assert!(name.starts_with("connector_") || name.starts_with("process_"), "{name}");
        for suffix in ["_total", "_count", "_sum", "_bucket", "_info", "_created"] {
            assert!(!name.ends_with(suffix), "{name}: the text format adds {suffix}");
        }
        for no_base_unit in ["milliseconds", "ms", "minutes", "hours", "days", "kilobytes", "percent"] {
            assert!(!name.split('_').any(|word| word == no_base_unit), "{name}");
        }
        assert!(!name.split('_').any(|word| word == kind), "{name} says what type it is");
        let of_name = ["seconds", "bytes"].into_iter().find(|unit| name.ends_with(unit));
        assert_eq!(of_name, unit, "{name}: its unit is its last word");
        assert!(["counter", "gauge", "histogram", "info"].contains(&kind), "{name}: {kind}");
    }
}

#[test]
fn every_sample_belongs_to_a_described_metric_and_comes_once() {
    let text = Metrics::example().exposition();
    let described = described(&text);
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(seen.insert(series), "{series} twice");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let name = series.split('{').next().unwrap();
        let is_of = |(metric, kind, _): &(&str, &str, Option<&str>)| match *kind {
            "counter" => name == format!("{metric}_total"),
            "info" => name == format!("{metric}_info"),
            "histogram" => ["_bucket", "_sum", "_count"].iter().any(|it| name == format!("{metric}{it}")),
            _ => name == *metric,
        };
        assert_eq!(described.iter().filter(|it| is_of(it)).count(), 1, "{line}");
    }
}

#[test]
fn everything_of_the_facts_is_there() {
    let text = Metrics::example().exposition();
    for series in [
        "connector_build_info{version=",
        "connector_leader 1",
        "connector_sync_queue_depth{class=\"prompt\"} 0",
        "connector_sync_queue_depth{class=\"periodic\"} 0",
        "process_cpu_seconds_total ",
        "process_resident_memory_bytes ",
        "process_open_fds ",
        "process_start_time_seconds ",
    ] {
        assert!(text.lines().any(|line| line.starts_with(series)), "{series}: {text}");
    }
}

#[test]
fn an_object_has_at_most_one_series_of_each_name_and_none_once_it_is_gone() {
    let metrics = Metrics::default();
    show(&metrics, &[("acme", Phase::Connected), ("other", Phase::Error)]);
    show(&metrics, &[("acme", Phase::Suspended), ("other", Phase::Error)]);
    let text = metrics.exposition();
    let of_acme: Vec<&str> = text.lines().filter(|line| line.contains("name=\"acme\"")).collect();
    let names: BTreeSet<&str> = of_acme.iter().map(|line| line.split('{').next().unwrap()).collect();
    assert_eq!(names.len(), of_acme.len(), "{of_acme:?}");
    let of = "{kind=\"ScalrConnector\",namespace=\"identity\",name=\"acme\"}";
    assert!(text.contains(&format!("connector_suspended{of} 1\n")), "{text}");
    assert!(text.contains("connector_resources{kind=\"ScalrConnector\",phase=\"Suspended\"} 1\n"), "{text}");
    show(&metrics, &[("other", Phase::Error)]);
    let text = metrics.exposition();
    assert!(!text.contains("name=\"acme\"") && text.contains("name=\"other\""), "{text}");
    assert!(text.contains("connector_resources{kind=\"ScalrConnector\",phase=\"Suspended\"} 0\n"), "{text}");
}

#[test]
fn without_series_of_objects_no_series_names_one_and_their_number_remains() {
    let metrics = Metrics::without_objects();
    show(&metrics, &[("acme", Phase::Error)]);
    let _under_way = metrics.run_under_way(&key("acme"), Arc::new(Progress::default()));
    let text = metrics.exposition();
    assert!(!text.contains("acme") && !text.contains("namespace="), "{text}");
    assert!(text.contains("connector_resources{kind=\"ScalrConnector\",phase=\"Error\"} 1\n"), "{text}");
    assert!(
        text.contains("connector_resources{kind=\"PlanetScaleConnector\",phase=\"Error\"} 0\n"),
        "{text}"
    );
}

#[test]
fn requests_reconciles_and_watches_are_counted_by_what_they_are() {
    let metrics = Metrics::default();
    let upstream = metrics.upstream(KIND);
    upstream.ended("list_members", Code::Status(200), Duration::from_millis(20));
    upstream.ended("list_members", Code::Broken(Broken::Timeout), Duration::from_secs(60));
    upstream.limited();
    metrics.reconciled(KIND, Duration::from_millis(2), None);
    metrics.reconciled(KIND, Duration::from_millis(2), Some("StatusNotWritten"));
    metrics.watch_begins("secrets");
    metrics.watch_begins("scalrconnectors");
    metrics.watch_restarted("secrets");
    metrics.undecodable_objects(KIND, 3);
    metrics.undecodable_objects(KIND, 2);
    let text = metrics.exposition();
    for line in [
        "connector_api_requests_total{kind=\"ScalrConnector\",operation=\"list_members\",code=\"200\"} 1",
        "connector_api_requests_total{kind=\"ScalrConnector\",operation=\"list_members\",code=\"timeout\"} 1",
        "connector_api_request_duration_seconds_count{kind=\"ScalrConnector\",operation=\"list_members\"} 2",
        "connector_api_rate_limited_total{kind=\"ScalrConnector\"} 1",
        "connector_reconcile_duration_seconds_count{kind=\"ScalrConnector\",result=\"success\"} 1",
        "connector_reconcile_duration_seconds_count{kind=\"ScalrConnector\",result=\"error\"} 1",
        "connector_reconcile_errors_total{kind=\"ScalrConnector\",reason=\"StatusNotWritten\"} 1",
        "connector_watch_restarts_total{resource=\"secrets\"} 1",
        "connector_watch_restarts_total{resource=\"scalrconnectors\"} 0",
        "connector_undecodable_objects{kind=\"ScalrConnector\"} 2",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}: {text}");
    }
}

/// A run that was published, and changed so many users.
fn published(users: Change) -> Outcome {
    let news = AccessNews { changes: [("users".to_owned(), users)].into(), ..AccessNews::default() };
    Outcome {
        id: "r".into(),
        generation: 1,
        trigger: Trigger::Scheduled,
        requested_at: None,
        approved: None,
        secret: SecretSeen::Unread,
        started: Timestamp::UNIX_EPOCH,
        completed: Timestamp::UNIX_EPOCH,
        result: Ok(Ended::Published(Published {
            account_id: "acc-1".into(),
            counts: Counts::default(),
            scopes: ScopeCounts::default(),
            news: Some(news),
            uri: String::new(),
            digest: String::new(),
            size: 0,
        })),
    }
}

#[test]
fn what_has_not_happened_yet_is_told_as_zero_so_that_its_first_time_is_an_increase() {
    let metrics = Metrics::default();
    let _ = metrics.upstream(KIND);
    for result in ["success", "held", "error"] {
        let line = format!(
            "connector_sync_duration_seconds_count{{kind=\"ScalrConnector\",result=\"{result}\"}} 0\n"
        );
        assert!(metrics.exposition().contains(&line), "{line}");
    }
    let counted = |change: &str, count: u64| {
        let series = format!(
            "connector_access_changes_total{{kind=\"ScalrConnector\",scope=\"users\",change=\"{change}\"}}"
        );
        let text = metrics.exposition();
        assert!(text.contains(&format!("{series} {count}\n")), "{series} {count}: {text}");
    };
    metrics.run_ended(&key("acme"), &published(Change::default()));
    ["added", "removed", "enabled", "disabled"].into_iter().for_each(|change| counted(change, 0));
    metrics.run_ended(&key("acme"), &published(Change { added: 2, removed: 1, changed: 0 }));
    counted("added", 2);
    counted("removed", 1);
}

#[tokio::test(start_paused = true)]
async fn what_waits_in_the_queue_and_for_how_long_is_told_by_class() {
    let (metrics, stop) = (Metrics::default(), CancellationToken::new());
    let queue = Queue::new(stop.clone());
    metrics.observe_queue(&queue);
    let mut reports = queue.reports(KIND);
    for (name, trigger) in
        [("acme", Trigger::First), ("one", Trigger::Scheduled), ("two", Trigger::Scheduled)]
    {
        let credential =
            CredentialKey { namespace: "identity".into(), secret: name.into(), key: "api-token".into() };
        let run = NewRun { id: name.into(), generation: 1, trigger, approved: None, credential };
        queue.submit(key(name), run, Box::new(|_| async { None }.boxed()));
    }
    let depths = |prompt: u32, periodic: u32| {
        format!(
            "connector_sync_queue_depth{{class=\"prompt\"}} {prompt}\n\
             connector_sync_queue_depth{{class=\"periodic\"}} {periodic}\n"
        )
    };
    let text = metrics.exposition();
    assert!(text.contains(&depths(1, 2)), "{text}");
    assert!(text.contains("connector_sync_queue_wait_seconds_count{class=\"periodic\"} 0\n"), "{text}");
    tokio::time::advance(Duration::from_secs(40)).await;
    tokio::spawn(queue.work(1));
    for _begun_and_ended in 0..6 {
        reports.recv().await.unwrap();
    }
    let text = metrics.exposition();
    assert!(text.contains(&depths(0, 0)), "{text}");
    assert!(text.contains("connector_sync_queue_wait_seconds_count{class=\"periodic\"} 2\n"), "{text}");
    assert!(text.contains("connector_sync_queue_wait_seconds_sum{class=\"prompt\"} 40.0\n"), "{text}");
    stop.cancel();
}
