//! The token endpoint, and the tokens that are good.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::rand;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::assertion;
use super::faults::C1Fault;
use super::state::C1State;
use super::transcript::{Answer, Who};

/// RFC 7523, section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long a token lives that the server ends early.
const ENDED_EARLY: Duration = Duration::from_secs(1);

/// Tokens by their text, with whose they are and when they end.
#[derive(Debug, Default)]
pub(super) struct Tokens(BTreeMap<String, (usize, Instant)>);

impl Tokens {
    /// Whose token it is, if it is good.
    pub(super) fn owner(&self, token: &str, now: Instant) -> Option<usize> {
        self.0.get(token).filter(|(_, ends)| *ends > now).map(|(client, _)| *client)
    }

    pub(super) fn end_all(&mut self) {
        self.0.clear();
    }

    fn insert(&mut self, token: String, client: usize, ends: Instant) {
        self.0.insert(token, (client, ends));
    }
}

pub(super) fn router(state: Arc<C1State>) -> Router {
    Router::new().route("/auth/v1/token", post(token)).with_state(state)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenRequest {
    client_id: String,
    grant_type: String,
    client_assertion_type: String,
    client_assertion: String,
}

#[derive(Serialize)]
struct Granted {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
}

/// A refusal in OAuth's terms (RFC 6749, section 5.2).
struct Refusal {
    status: StatusCode,
    error: &'static str,
    description: String,
}

impl Refusal {
    fn request(error: &'static str, description: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, description: description.into() }
    }

    fn client(description: impl Into<String>) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, error: "invalid_client", description: description.into() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            error: &'static str,
            error_description: String,
        }
        let body = Body { error: self.error, error_description: self.description };
        (self.status, Json(body)).into_response()
    }
}

async fn token(
    State(state): State<Arc<C1State>>,
    form: Result<Form<TokenRequest>, FormRejection>,
) -> Response {
    let client_id = form.as_ref().map_or_else(|_| String::new(), |Form(form)| form.client_id.clone());
    let who =
        Who { client: client_id.split('@').next().unwrap_or_default().to_owned(), host_id: String::new() };
    let tell =
        |status: StatusCode, text: &str| state.tell(&who, "Token", text, Answer::Http(status.as_u16()));
    if state.faults.strike(C1Fault::TokenUnavailable) {
        tell(StatusCode::SERVICE_UNAVAILABLE, "unavailable on purpose");
        return (StatusCode::SERVICE_UNAVAILABLE, "<html><body>503 Service Unavailable</body></html>")
            .into_response();
    }
    match granted(&state, form) {
        Ok(granted) => {
            tell(StatusCode::OK, &format!("good for {} s", granted.expires_in));
            Json(granted).into_response()
        }
        Err(refusal) => {
            tell(refusal.status, &refusal.description);
            refusal.into_response()
        }
    }
}

fn granted(state: &C1State, form: Result<Form<TokenRequest>, FormRejection>) -> Result<Granted, Refusal> {
    let Form(form) = form.map_err(|error| Refusal::request("invalid_request", error.body_text()))?;
    if form.grant_type != "client_credentials" {
        return Err(Refusal::request("unsupported_grant_type", "grant_type must be client_credentials"));
    }
    if form.client_assertion_type != ASSERTION_TYPE {
        let description = format!("client_assertion_type must be {ASSERTION_TYPE}");
        return Err(Refusal::request("invalid_request", description));
    }
    if form.client_assertion.is_empty() {
        return Err(Refusal::request("invalid_request", "client_assertion is missing"));
    }
    if state.faults.strike(C1Fault::TokenRefused) {
        return Err(Refusal::client("refused on purpose"));
    }
    let mut world = state.world();
    let audience = &state.config.tenant_host;
    let registered = world.clients.iter().find(|registered| registered.client.client_id == form.client_id);
    let registered = registered.ok_or_else(|| Refusal::client("there is no such client"))?;
    assertion::verify(&form.client_assertion, registered, audience, Timestamp::now().as_second())
        .map_err(Refusal::client)?;

    let mut random = [0; 32];
    rand::fill(&mut random).map_err(|_| Refusal::request("server_error", "no randomness"))?;
    let access_token = URL_SAFE_NO_PAD.encode(random);
    let lifetime = state.config.token_lifetime;
    let lives = if state.faults.strike(C1Fault::TokenExpires) { ENDED_EARLY } else { lifetime };
    let client = registered.client.index;
    world.tokens.insert(access_token.clone(), client, Instant::now() + lives);
    Ok(Granted { access_token, token_type: "Bearer", expires_in: lifetime.as_secs() })
}
