//! What every request to a vendor passes before it is routed: counting, the delay, the token.
//!
//! This is the one layer around routing. Whatever a server does wrong to a whole request or response belongs
//! here, as a list that [`Gate`] holds and [`pass`] consults.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use crate::stats::{Counters, Stats};

/// How a vendor takes a token, and how it refuses one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credential {
    /// What stands before the token in `Authorization`.
    pub(crate) scheme: &'static str,
    /// The answer to a request without a good token.
    pub(crate) refuse: fn() -> Response,
}

/// The switches and counters of one server, apart from its data.
#[derive(Debug)]
pub(crate) struct Gate {
    credential: Credential,
    token: RwLock<String>,
    latency_millis: AtomicU64,
    counters: Counters,
}

impl Gate {
    pub(crate) fn new(credential: Credential, token: String, latency: Duration) -> Self {
        let gate = Self {
            credential,
            token: RwLock::new(token),
            latency_millis: AtomicU64::new(0),
            counters: Counters::default(),
        };
        gate.set_latency(latency);
        gate
    }

    pub(crate) fn token(&self) -> String {
        self.token.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_token(&self, token: String) {
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = token;
    }

    pub(crate) fn set_latency(&self, latency: Duration) {
        let millis = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
        self.latency_millis.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> Stats {
        self.counters.read()
    }

    pub(crate) fn reset_stats(&self) {
        self.counters.reset();
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = sent.and_then(|value| value.strip_prefix(self.credential.scheme));
        token == Some(self.token.read().unwrap_or_else(PoisonError::into_inner).as_str())
    }

    async fn wait(&self) {
        let millis = self.latency_millis.load(Ordering::Relaxed);
        if millis > 0 {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
    }
}

/// The middleware around a vendor's routes.
pub(crate) async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let _in_flight = gate.counters.arrive();
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().cloned();

    gate.wait().await;
    let response =
        if gate.admits(request.headers()) { next.run(request).await } else { (gate.credential.refuse)() };

    let path = path.as_ref().map_or("(unmatched)", MatchedPath::as_str);
    let status = response.status().as_u16();
    let bytes = response.body().size_hint().exact().unwrap_or_default();
    gate.counters.answer(method.as_str(), path, status, bytes);
    tracing::debug!(%method, path, status, bytes, "answered");
    response
}

/// A response with a body of one of the vendors' media types.
pub(crate) fn json(status: StatusCode, media_type: &'static str, body: &impl Serialize) -> Response {
    // A page of a hundred members takes some 64 KiB; growing up to that from nothing costs as much as writing it.
    let mut text = Vec::with_capacity(1 << 16);
    match serde_json::to_writer(&mut text, body) {
        Ok(()) => {
            (status, [(header::CONTENT_TYPE, HeaderValue::from_static(media_type))], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
