//! `/healthz`, `/readyz` and `/metrics`.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, http::HeaderValue};
use tokio::net::TcpListener;

use super::Metrics;

/// What must have happened before the operator is ready, and has not yet.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    awaited: Arc<Mutex<BTreeSet<&'static str>>>,
}

impl Readiness {
    /// Not ready before [`Readiness::reached`] says the same.
    pub fn awaits(&self, what: &'static str) {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner).insert(what);
    }

    /// This has happened.
    pub fn reached(&self, what: &'static str) {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner).remove(what);
    }

    fn missing(&self) -> Vec<&'static str> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

#[derive(Clone)]
struct Sources {
    readiness: Readiness,
    metrics: Metrics,
}

/// Answers on `listener` until `stop`.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    readiness: Readiness,
    metrics: Metrics,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let address: Option<SocketAddr> = listener.local_addr().ok();
    tracing::info!(address = address.map(|it| it.to_string()), "Serving health and metrics");
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(exposition))
        .with_state(Sources { readiness, metrics });
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

async fn ready(State(sources): State<Sources>) -> (StatusCode, String) {
    let missing = sources.readiness.missing();
    if missing.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for: {}\n", missing.join(", ")))
    }
}

async fn exposition(State(sources): State<Sources>) -> impl IntoResponse {
    const OPEN_METRICS: HeaderValue =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    ([(header::CONTENT_TYPE, OPEN_METRICS)], sources.metrics.exposition())
}
