//! `/health`, `/ready` and `/live` of a self-hosted connector, as C1's own SDK serves them (baton-sdk v0.25.0,
//! `pkg/healthcheck`).

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// How long the upstream may take to say whether the credential works, and how long what it said is believed. Probes come
/// often, and what they ask counts against the customer's allowance.
const BELIEVED_FOR: Duration = Duration::from_secs(30);

/// Asks the upstream whether the credential works. The error is a sentence.
pub type Probe = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// How a self-hosted connector is.
pub struct Health {
    probe: Probe,
    /// What the probe said last, and when. Whoever asks while it is asking waits for the same answer.
    last: Mutex<Option<(Instant, Result<(), String>)>>,
    ready: AtomicBool,
}

#[derive(Serialize)]
struct Said {
    status: &'static str,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

#[derive(Serialize)]
struct Details {
    error: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_error: Option<String>,
}

impl Health {
    /// The health of what `probe` asks about. It is ready unless it is said otherwise.
    pub fn new(probe: Probe) -> Self {
        Self { probe, last: Mutex::default(), ready: AtomicBool::new(true) }
    }

    /// Says whether it does its work by now.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    async fn check(&self) -> Result<(), String> {
        let mut last = self.last.lock().await;
        if let Some((when, said)) = &*last
            && when.elapsed() < BELIEVED_FOR
        {
            return said.clone();
        }
        let late = || format!("The upstream did not answer within {} s.", BELIEVED_FOR.as_secs());
        let said = timeout(BELIEVED_FOR, (self.probe)()).await.unwrap_or_else(|_| Err(late()));
        *last = Some((Instant::now(), said.clone()));
        said
    }
}

/// Answers on `listener` until `stop`.
///
/// # Errors
/// When the listener fails.
pub async fn serve_health(
    listener: TcpListener,
    health: Arc<Health>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/health", get(healthy))
        .route("/ready", get(ready))
        .route("/live", get(|| async { say("alive", None) }))
        .with_state(health);
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

async fn healthy(State(health): State<Arc<Health>>) -> (StatusCode, Json<Said>) {
    match health.check().await {
        Ok(()) => say("healthy", None),
        Err(problem) => {
            tracing::warn!("The connector is not healthy: {problem}");
            let details = Details { error: "connector validation failed", validation_error: Some(problem) };
            say("unhealthy", Some(details))
        }
    }
}

async fn ready(State(health): State<Arc<Health>>) -> (StatusCode, Json<Said>) {
    if health.ready.load(Ordering::Relaxed) {
        return say("ready", None);
    }
    say("not_ready", Some(Details { error: "the connector does not work yet", validation_error: None }))
}

fn say(status: &'static str, details: Option<Details>) -> (StatusCode, Json<Said>) {
    let code = if details.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(Said { status, timestamp: Timestamp::now().strftime("%FT%TZ").to_string(), details }))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn counting(asked: &Arc<AtomicUsize>, said: Result<(), String>) -> Health {
        let asked = Arc::clone(asked);
        Health::new(Box::new(move || {
            asked.fetch_add(1, Ordering::Relaxed);
            Box::pin(std::future::ready(said.clone()))
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn the_upstream_is_asked_at_most_once_in_half_a_minute_whatever_it_said() {
        for said in [Ok(()), Err("No.".to_owned())] {
            let asked = Arc::new(AtomicUsize::new(0));
            let health = counting(&asked, said.clone());
            for _ in 0..3 {
                assert_eq!(health.check().await, said);
                tokio::time::advance(Duration::from_secs(9)).await;
            }
            assert_eq!(asked.load(Ordering::Relaxed), 1);
            tokio::time::advance(Duration::from_secs(4)).await;
            assert_eq!(health.check().await, said);
            assert_eq!(asked.load(Ordering::Relaxed), 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_never_answers_is_not_waited_for() {
        let health = Health::new(Box::new(|| Box::pin(std::future::pending())));
        assert_eq!(health.check().await, Err("The upstream did not answer within 30 s.".to_owned()));
    }

    #[tokio::test]
    async fn what_does_not_work_yet_is_alive_and_not_ready() {
        let health = Arc::new(Health::new(Box::new(|| Box::pin(std::future::ready(Ok(()))))));
        assert_eq!(ready(State(Arc::clone(&health))).await.0, StatusCode::OK);
        health.set_ready(false);
        assert_eq!(ready(State(health)).await.0, StatusCode::SERVICE_UNAVAILABLE);
    }
}
