//! A collector of traces: OTLP over HTTP, decoded with OpenTelemetry's own messages.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::operator::SOON;

/// A collector that has taken everything.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    spans: Arc<Mutex<Vec<Span>>>,
}

/// The trace of one run.
pub(crate) struct Trace(Vec<Span>);

/// The collector that the shared operator sends to. It outlives the test that comes first, so it has a runtime of its own.
pub(crate) fn shared_collector() -> &'static Collector {
    static SHARED: LazyLock<Collector> = LazyLock::new(|| {
        let spans: Arc<Mutex<Vec<Span>>> = Arc::default();
        let taken = Arc::clone(&spans);
        let (sender, started) = mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                sender.send(listener.local_addr().unwrap()).unwrap();
                let take = move |body: Bytes| {
                    let request = ExportTraceServiceRequest::decode(body).unwrap();
                    let spans = request.resource_spans.into_iter().flat_map(|it| it.scope_spans);
                    taken.lock().unwrap().extend(spans.flat_map(|it| it.spans));
                    std::future::ready(())
                };
                axum::serve(listener, Router::new().route("/v1/traces", post(take))).await.unwrap();
            });
        });
        Collector { address: started.recv().unwrap(), spans }
    });
    &SHARED
}

impl Collector {
    /// The traces of all runs of the objects in `namespace` that have ended so, in the order in which they began, once
    /// there are `count`.
    pub(crate) async fn traces(&self, namespace: &str, result: &str, count: usize) -> Vec<Trace> {
        let deadline = Instant::now() + SOON;
        loop {
            let traces = self.traces_by_now(namespace, result);
            if traces.len() >= count {
                assert_eq!(traces.len(), count, "more traces than runs");
                return traces;
            }
            assert!(Instant::now() < deadline, "{} traces of {namespace} that end so", traces.len());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn traces_by_now(&self, namespace: &str, result: &str) -> Vec<Trace> {
        let spans = self.spans.lock().unwrap();
        let is_root = |span: &&Span| {
            span.parent_span_id.is_empty()
                && text(span, "namespace").as_deref() == Some(namespace)
                && text(span, "result").as_deref() == Some(result)
        };
        let mut roots: Vec<&Span> = spans.iter().filter(is_root).collect();
        roots.sort_by_key(|root| root.start_time_unix_nano);
        let all = |root: &&Span| spans.iter().filter(|it| it.trace_id == root.trace_id).cloned().collect();
        roots.iter().map(all).map(Trace).collect()
    }
}

impl Trace {
    /// The names of its spans, each below its parent and further in, in the order in which they began.
    pub(crate) fn tree(&self) -> String {
        let mut lines = String::new();
        self.branch(&[], 0, &mut lines);
        lines
    }

    fn branch(&self, parent: &[u8], depth: usize, lines: &mut String) {
        let mut children: Vec<&Span> = self.0.iter().filter(|span| span.parent_span_id == parent).collect();
        children.sort_by_key(|span| span.start_time_unix_nano);
        for span in children {
            let operation = text(span, "operation").map(|it| format!(" {it}")).unwrap_or_default();
            lines.push_str(&format!("{}{}{operation}\n", "  ".repeat(depth), span.name));
            self.branch(&span.span_id, depth + 1, lines);
        }
    }

    /// What the span of this name says.
    pub(crate) fn says(&self, name: &str, attribute: &str) -> String {
        let span = self.0.iter().find(|span| span.name == name).unwrap();
        text(span, attribute).unwrap_or_else(|| panic!("{name} says nothing of {attribute}: {span:?}"))
    }

    /// Is the span of this name an error?
    pub(crate) fn is_error(&self, name: &str) -> bool {
        let span = self.0.iter().find(|span| span.name == name).unwrap();
        span.status.as_ref().is_some_and(|status| status.code == 2)
    }

    /// All that it says.
    pub(crate) fn text(&self) -> String {
        format!("{:?}", self.0)
    }
}

fn text(span: &Span, attribute: &str) -> Option<String> {
    let found = span.attributes.iter().find(|it| it.key == attribute)?;
    Some(match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}
