//! Whoever takes the traces, asked with the HTTP client that everything else is asked with. That it fails is told once,
//! and once more when it takes them again: a collector that is away must not fill the log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use opentelemetry_http::{HttpClient, HttpError};
use reqwest::Client;
use reqwest::redirect::Policy;
use tokio::runtime::Handle;

/// A collector that takes longer has lost what was sent.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Whoever takes the traces.
#[derive(Debug)]
pub(super) struct Collector {
    http: Client,
    runtime: Handle,
    failing: AtomicBool,
}

impl Collector {
    /// Requests go out on `runtime`: the thread that waits for them has none.
    pub(super) fn new(runtime: Handle) -> Result<Self, reqwest::Error> {
        let http = Client::builder().timeout(TIMEOUT).redirect(Policy::none()).build()?;
        Ok(Self { http, runtime, failing: AtomicBool::new(false) })
    }

    fn note(&self, sent: &Result<Response<Bytes>, HttpError>) {
        let problem = match sent {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answered {}", answer.status())),
            Err(error) => Some(with_causes(error.as_ref())),
        };
        match (problem, self.failing.load(Ordering::Relaxed)) {
            (Some(problem), false) => {
                self.failing.store(true, Ordering::Relaxed);
                tracing::warn!("The collector takes no traces, which are lost until it does: {problem}");
            }
            (None, true) => {
                self.failing.store(false, Ordering::Relaxed);
                tracing::info!("The collector takes traces again");
            }
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sending = self.runtime.spawn(async move { send(&http, request).await });
        let sent = sending.await.unwrap_or_else(|error| Err(error.into()));
        self.note(&sent);
        sent
    }
}

async fn send(http: &Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    // The address may hold a password.
    let answer = http.execute(request.try_into()?).await.map_err(reqwest::Error::without_url)?;
    let status: StatusCode = answer.status();
    let body = answer.bytes().await.map_err(reqwest::Error::without_url)?;
    let mut response = Response::new(body);
    *response.status_mut() = status;
    Ok(response)
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
