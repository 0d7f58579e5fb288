//! What every request to a vendor passes before it is routed, and every answer before it is sent: counting, the
//! delay, the token, and the faults that are on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::Value;

use crate::error::Error;
use crate::fault::document::Document;
use crate::fault::{Asked, Fault, Switches, Vendor, answers, pages, people};
use crate::server::Reset;
use crate::stats::{Counters, Stats};

/// How a vendor takes a token, and how it refuses one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credential {
    /// The vendor.
    pub(crate) vendor: Vendor,
    /// What stands before the token in `Authorization`.
    pub(crate) scheme: &'static str,
    /// Refuses a token that has not the vendor's form.
    pub(crate) check: fn(&str) -> Result<(), Error>,
    /// The answer to a request without a good token.
    pub(crate) refuse: fn() -> Response,
}

/// Data that a fault changes while it is read.
pub(crate) trait Turmoil: std::fmt::Debug + Send + Sync + 'static {
    /// Deletes somebody at `place` of the listing that `path` names, and adds somebody at its end.
    fn slide(&self, path: &str, place: usize);

    /// Deletes the organization that `path` names.
    fn vanish(&self, path: &str);
}

/// The place on a first page at which somebody is deleted: near its end, and within the pages that clients ask for.
const DELETED_PLACE: usize = 18;

/// The switches and counters of one server, apart from its data.
#[derive(Debug)]
pub(crate) struct Gate {
    credential: Credential,
    token: RwLock<String>,
    any_token: AtomicBool,
    latency_millis: AtomicU64,
    counters: Counters,
    switches: Arc<Switches>,
    data: Arc<dyn Turmoil>,
}

impl Gate {
    pub(crate) fn new(
        credential: Credential,
        token: String,
        latency: Duration,
        switches: Arc<Switches>,
        data: Arc<dyn Turmoil>,
    ) -> Self {
        let gate = Self {
            credential,
            token: RwLock::new(token),
            any_token: AtomicBool::new(false),
            latency_millis: AtomicU64::new(0),
            counters: Counters::default(),
            switches,
            data,
        };
        gate.set_latency(latency);
        gate
    }

    pub(crate) fn vendor(&self) -> Vendor {
        self.credential.vendor
    }

    pub(crate) fn switches(&self) -> &Switches {
        &self.switches
    }

    pub(crate) fn token(&self) -> String {
        self.token.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_token(&self, token: &str) -> Result<(), Error> {
        (self.credential.check)(token)?;
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = token.to_owned();
        Ok(())
    }

    pub(crate) fn accept_any_token(&self) {
        self.any_token.store(true, Ordering::Relaxed);
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
        if self.any_token.load(Ordering::Relaxed) {
            return token.is_some_and(|token| (self.credential.check)(token).is_ok());
        }
        token == Some(self.token.read().unwrap_or_else(PoisonError::into_inner).as_str())
    }

    async fn wait(&self) {
        let millis = self.latency_millis.load(Ordering::Relaxed);
        if millis > 0 {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
    }

    /// The answer to a request that is admitted, with whatever is wrong about it.
    async fn answer(&self, route: Option<&str>, mut request: Request, next: Next) -> Response {
        let asked = Asked::new(self.vendor(), route, request.uri());
        let struck = self.switches.strike(asked);
        if struck.is_empty() {
            return next.run(request).await;
        }
        for fault in &struck {
            self.stir(*fault, request.uri().path());
            if let Some(answer) = self.instead(*fault).await {
                return answer;
            }
            if let Some(uri) = pages::redirected(*fault, self.vendor(), asked, request.uri()) {
                *request.uri_mut() = uri;
            }
        }
        let reset = request.extensions().get::<ConnectInfo<Reset>>().map(|info| info.0.clone());
        let answer = next.run(request).await;
        if answer.status() != StatusCode::OK {
            return answer;
        }
        self.changed(&struck, asked, answer, reset.as_ref()).await
    }

    fn stir(&self, fault: Fault, path: &str) {
        match fault {
            Fault::InsertAndDelete => self.data.slide(path, DELETED_PLACE),
            Fault::OrgVanishes => self.data.vanish(path),
            _ => {}
        }
    }

    async fn instead(&self, fault: Fault) -> Option<Response> {
        match fault {
            Fault::ExpiredToken => Some((self.credential.refuse)()),
            _ => answers::instead(fault, self.vendor()).await,
        }
    }

    /// The right answer, changed by each fault: first what it says, then its bytes.
    async fn changed(
        &self,
        struck: &[Fault],
        asked: Asked,
        answer: Response,
        reset: Option<&Reset>,
    ) -> Response {
        let (mut head, body) = answer.into_parts();
        // The body is one of this program's own, and in memory already.
        let mut bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
        if let Ok(mut json) = serde_json::from_slice::<Value>(&bytes) {
            let mut document = Document { vendor: self.vendor(), json: &mut json };
            for fault in struck {
                pages::change(*fault, asked, &mut document);
                people::change(*fault, &mut document);
            }
            let text = json.to_string();
            let deep = struck.contains(&Fault::DeepJson);
            bytes = if deep { pages::deepen(&text) } else { text }.into();
        }
        head.headers.remove(header::CONTENT_LENGTH);
        let mangle = struck.iter().find(|fault| answers::mangles(**fault));
        let body = match mangle {
            Some(fault) => answers::mangled(*fault, &mut head.headers, bytes, reset),
            None => Body::from(bytes),
        };
        Response::from_parts(head, body)
    }
}

/// The middleware around a vendor's routes.
pub(crate) async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let _in_flight = gate.counters.arrive();
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().cloned();

    gate.wait().await;
    let route = path.as_ref().map(MatchedPath::as_str);
    let response = if gate.admits(request.headers()) {
        gate.answer(route, request, next).await
    } else {
        (gate.credential.refuse)()
    };

    let path = route.unwrap_or("(unmatched)");
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
