//! What a line of the log says in either format, and what gets to a collector.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use futures::FutureExt;
use opentelemetry_http::HttpClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use rstest::rstest;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::collector::Collector;
use super::testing::Log;
use super::*;
use crate::api::Trigger;
use crate::sync::{CredentialKey, NewRun, ObjectKey, Queue};

/// Lets one run go through a queue, which logs a line.
async fn log_in_a_run() {
    let (stop, key) = (CancellationToken::new(), key());
    let queue = Queue::new(stop.clone());
    let mut reports = queue.reports(key.kind);
    let credential =
        CredentialKey { namespace: "identity".into(), secret: "scalr".into(), key: "api-token".into() };
    let run =
        NewRun { id: "run-1".into(), generation: 1, trigger: Trigger::First, approved: None, credential };
    let job = Box::new(|_| {
        async {
            tracing::error!(pages = 3, "It goes on");
            None
        }
        .boxed()
    });
    queue.submit(key, run, job);
    tokio::spawn(queue.work(1));
    for _begun_and_ended in 0..2 {
        reports.recv().await.unwrap();
    }
    stop.cancel();
}

fn key() -> ObjectKey {
    ObjectKey { kind: "ScalrConnector", namespace: "identity".into(), name: "acme".into(), uid: "uid".into() }
}

#[rstest]
#[case::everything("debug")]
#[case::as_usual("info")]
#[case::only_errors("error")]
#[tokio::test]
async fn a_line_of_a_run_has_its_object_and_its_id_for_people_and_for_machines(#[case] level: &str) {
    let (console, json) = (Log::default(), Log::default());
    for (format, log) in [(LogFormat::Console, &console), (LogFormat::Json, &json)] {
        let writer = BoxMakeWriter::new(log.clone());
        let _logs = tracing::subscriber::set_default(subscriber(level, format, writer, false, None));
        log_in_a_run().await;
    }
    let line = console.text();
    let context = "run{kind=\"ScalrConnector\" namespace=\"identity\" connector=\"acme\" run=\"run-1\"";
    assert!(line.contains(context) && line.contains("It goes on pages=3"), "{line}");
    let line: Value = serde_json::from_str(&json.text()).unwrap();
    assert_eq!((&line["message"], &line["pages"]), (&"It goes on".into(), &3.into()));
    let object = |field: &str| line["span"][field].as_str().unwrap().to_owned();
    assert_eq!(
        ["kind", "namespace", "connector", "run"].map(object),
        ["ScalrConnector", "identity", "acme", "run-1"]
    );
}

#[tokio::test]
async fn there_is_no_colour_for_machines_whatever_is_wanted() {
    let log = Log::default();
    let writer = BoxMakeWriter::new(log.clone());
    let _logs = tracing::subscriber::set_default(subscriber("info", LogFormat::Json, writer, true, None));
    tracing::warn!("\u{1b}[31mred");
    assert!(!log.text().contains('\u{1b}'), "{:?}", log.text());
}

/// A collector: its address, and what it gets.
async fn collector(status: u16) -> (String, Arc<Mutex<Vec<ExportTraceServiceRequest>>>) {
    let got: Arc<Mutex<Vec<ExportTraceServiceRequest>>> = Arc::default();
    let noted = Arc::clone(&got);
    let take = move |body: Bytes| {
        noted.lock().unwrap().push(ExportTraceServiceRequest::decode(body).unwrap());
        async move { axum::http::StatusCode::from_u16(status).unwrap() }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/v1/traces", post(take));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address, got)
}

#[tokio::test]
async fn what_is_left_at_the_end_is_sent_and_nothing_but_runs_is() {
    let (address, got) = collector(200).await;
    let endpoint = address.parse().unwrap();
    let runtime = tokio::runtime::Handle::current();
    let traces = Traces::begin(Some(&endpoint), "operator-0", &runtime).unwrap().unwrap();
    let log = Log::default();
    let writer = BoxMakeWriter::new(log.clone());
    let logs =
        tracing::subscriber::set_default(subscriber("off", LogFormat::Json, writer, false, Some(&traces)));
    log_in_a_run().await;
    tracing::error_span!("another", email = "ada@example.com")
        .in_scope(|| tracing::error!("ada@example.com"));
    drop(logs);
    assert!(got.lock().unwrap().is_empty(), "they are sent now and then");
    tokio::task::spawn_blocking(move || traces.end(Duration::from_secs(10))).await.unwrap();

    let got = got.lock().unwrap();
    let resource = format!("{:?}", got[0].resource_spans[0].resource);
    for word in ["\"connector-operator\"", env!("CARGO_PKG_VERSION"), "\"operator-0\""] {
        assert!(resource.contains(word), "{word}: {resource}");
    }
    let spans = got.iter().flat_map(|request| &request.resource_spans).flat_map(|it| &it.scope_spans);
    let spans: Vec<_> = spans.flat_map(|it| &it.spans).collect();
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["waiting", "run"]);
    assert!(spans.iter().all(|span| span.events.is_empty()), "what is logged is in no trace: {spans:?}");
    assert_eq!(spans[0].parent_span_id, spans[1].span_id);
}

#[tokio::test]
async fn a_collector_that_takes_nothing_is_told_of_once_and_once_more_when_it_does() {
    let log = Log::default();
    let writer = BoxMakeWriter::new(log.clone());
    let _logs = tracing::subscriber::set_default(subscriber("info", LogFormat::Console, writer, false, None));
    let collector = Collector::new(tokio::runtime::Handle::current()).unwrap();
    let send = async |address: &str| {
        let request = http::Request::post(format!("{address}/v1/traces")).body(bytes::Bytes::new()).unwrap();
        collector.send_bytes(request).await
    };
    let (refusing, _) = self::collector(503).await;
    let (taking, _) = self::collector(200).await;
    let nobody = format!("http://user:canary@{}", testbed::probe::free_address().unwrap());
    for address in [&nobody, &refusing, &nobody] {
        let _ = send(address).await;
    }
    let lines = log.text();
    assert_eq!(lines.lines().count(), 1, "{lines}");
    assert!(
        lines.contains("WARN") && lines.contains("takes no traces") && !lines.contains("canary"),
        "{lines}"
    );
    for _again in 0..2 {
        assert!(send(&taking).await.unwrap().status().is_success());
    }
    let lines = log.text();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(lines.contains("takes traces again"), "{lines}");
}
