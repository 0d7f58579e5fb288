//! A server for tests that answers as it is told, whatever nonsense that is, and remembers what it was asked.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use futures::stream;
use url::Url;

use super::http::{Allowances, ClientOptions, RetryPolicy};
use crate::access::{Record, channel};
use crate::network::HostPolicy;

/// What the server was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    /// How often this path and query was asked before.
    pub(crate) before: usize,
}

impl Asked {
    pub(crate) fn query(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }
}

/// What the server answers.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    broken_off: bool,
    after: Duration,
}

impl Reply {
    pub(crate) fn json(body: impl ToString) -> Self {
        Self::of(200, "application/json", body)
    }

    pub(crate) fn of(status: u16, content_type: &str, body: impl ToString) -> Self {
        Self {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            body: body.to_string().into_bytes(),
            broken_off: false,
            after: Duration::ZERO,
        }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::of(status, "text/plain", "")
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn with_body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    /// It comes only after a while.
    pub(crate) fn after(mut self, milliseconds: u64) -> Self {
        self.after = Duration::from_millis(milliseconds);
        self
    }

    /// The connection ends in the middle of the body.
    pub(crate) fn broken_off(mut self) -> Self {
        self.body.truncate(self.body.len() / 2);
        self.broken_off = true;
        self
    }

    fn into_response(self) -> Response {
        let mut response = Response::builder().status(StatusCode::from_u16(self.status).unwrap());
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        let body = if self.broken_off {
            let end = Err(io::Error::other("the connection breaks"));
            Body::from_stream(stream::iter([Ok(self.body), end]))
        } else {
            Body::from(self.body)
        };
        response.body(body).unwrap()
    }
}

/// Requests that are not answered yet.
#[derive(Default)]
struct UnderWay {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// A running server.
pub(crate) struct Scripted {
    pub(crate) base: Url,
    asked: Arc<Mutex<Vec<Asked>>>,
    under_way: Arc<UnderWay>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Scripted {
    /// Starts a server that answers each request with what `script` says.
    pub(crate) async fn start(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let script = Arc::new(script);
        let under_way = Arc::new(UnderWay::default());
        let counted = Arc::clone(&under_way);
        let router = Router::new().fallback(move |request: Request| {
            let reply = script(&note(&log, &request));
            let under_way = Arc::clone(&counted);
            async move {
                let now = under_way.now.fetch_add(1, Ordering::SeqCst) + 1;
                under_way.most.fetch_max(now, Ordering::SeqCst);
                tokio::time::sleep(reply.after).await;
                under_way.now.fetch_sub(1, Ordering::SeqCst);
                reply.into_response()
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base, asked, under_way, server }
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The most requests that were under way at once.
    pub(crate) fn most_under_way(&self) -> usize {
        self.under_way.most.load(Ordering::SeqCst)
    }

    /// The paths that were asked for so far.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.path).collect()
    }
}

fn note(log: &Mutex<Vec<Asked>>, request: &Request) -> Asked {
    let url = Url::parse("http://scripted").unwrap().join(&request.uri().to_string()).unwrap();
    let query: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
        .collect();
    let path = url.path().to_owned();
    let mut log = log.lock().unwrap();
    let before = log.iter().filter(|other| other.path == path && other.query == query).count();
    let asked = Asked { path, query, headers, before };
    log.push(asked.clone());
    asked
}

/// Options under which a scripted server may be asked, and no test waits.
pub(crate) fn options() -> ClientOptions {
    let moment = Duration::from_millis(1);
    ClientOptions {
        retry: RetryPolicy {
            tries: 3,
            first_wait: moment,
            longest_wait: moment,
            rate_limit_wait: moment,
            total: Duration::from_secs(2),
        },
        allowances: Allowances::new(Some(0)),
        ..ClientOptions::new(HostPolicy::default().with_loopback(true))
    }
}

/// What `connector` reads: how it ended, and the records that it sent.
pub(crate) async fn read(
    connector: &dyn super::Connector,
) -> (Result<super::Upstream, super::ReadError>, Vec<Record>) {
    let (sender, mut receiver) = channel();
    let collect = async {
        let mut records = Vec::new();
        while let Some(page) = receiver.next().await {
            records.extend(page);
        }
        records
    };
    let read = async {
        let sender = sender;
        connector.read(&sender).await
    };
    tokio::join!(read, collect)
}
