//! Access tokens: one for each client, fetched when it is needed, used until shortly before it expires, and thrown
//! away when C1 no longer takes it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::{Response, StatusCode};
use secrecy::ExposeSecret;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tonic::metadata::AsciiMetadataValue;
use zeroize::Zeroizing;

use super::channel::Link;
use super::error::short;
use super::{C1Error, Credentials};
use crate::network::Redaction;

/// The most bytes of an answer.
const ANSWER: usize = 64 << 10;
/// A token is not used in its last seconds, of which this is the most, nor in the last tenth of its life.
const MARGIN: Duration = Duration::from_secs(30);
/// The longest that one is believed to live.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What is shown with each call.
#[derive(Clone)]
pub(super) struct Token {
    /// The value of `authorization`.
    pub(super) header: AsciiMetadataValue,
    /// Takes it out of any text.
    pub(super) redaction: Redaction,
    number: u64,
    good_until: Instant,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("number", &self.number).finish_non_exhaustive()
    }
}

/// Gives the token of one client.
#[derive(Debug)]
pub(super) struct Tokens {
    credentials: Arc<Credentials>,
    present: Mutex<Present>,
}

#[derive(Debug, Default)]
struct Present {
    token: Option<Token>,
    fetched: u64,
}

/// RFC 6749, section 5.1.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    access_token: Zeroizing<String>,
    #[serde(default)]
    token_type: String,
    #[serde(default)]
    expires_in: u64,
}

/// RFC 6749, section 5.2.
#[derive(Deserialize)]
struct Refusal {
    error: Option<String>,
    error_description: Option<String>,
}

impl Tokens {
    pub(super) fn new(credentials: Arc<Credentials>) -> Self {
        Self { credentials, present: Mutex::default() }
    }

    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// A token that is good. Whoever comes while one is fetched waits for that one.
    pub(super) async fn get(&self, link: &Link) -> Result<Token, C1Error> {
        let mut present = self.present.lock().await;
        if let Some(token) = present.token.as_ref().filter(|token| Instant::now() < token.good_until) {
            return Ok(token.clone());
        }
        let number = present.fetched + 1;
        let token = self.fetch(link, number).await?;
        *present = Present { token: Some(token.clone()), fetched: number };
        Ok(token)
    }

    /// C1 did not take `token`. One that was fetched since stays.
    pub(super) async fn reject(&self, token: &Token) {
        let mut present = self.present.lock().await;
        if present.token.as_ref().is_some_and(|it| it.number == token.number) {
            present.token = None;
        }
    }

    async fn fetch(&self, link: &Link, number: u64) -> Result<Token, C1Error> {
        let asked = Instant::now();
        let assertion = self
            .credentials
            .assertion(Timestamp::now())
            .map_err(|_| C1Error::Client("the system has no random numbers".to_owned()))?;
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", self.credentials.id().as_str())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_assertion_type", ASSERTION_TYPE)
            .append_pair("client_assertion", assertion.expose_secret())
            .finish();
        let response = link
            .http
            .post(link.token_url.clone())
            .header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(reqwest::header::ACCEPT, "application/json")
            .body(form)
            .send()
            .await
            .map_err(|error| unreachable(link, &error))?;
        let status = response.status();
        let body =
            body(response).await.map_err(|problem| C1Error::NoToken { host: link.host.clone(), problem })?;
        let redaction = Redaction::new(vec![assertion]);
        if status != StatusCode::OK {
            return Err(refused(link, status, &body, &redaction));
        }
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|_| no_token(link, "answered 200 with something that is no token"))?;
        token(link, answer, number, asked)
    }
}

fn token(link: &Link, answer: Answer, number: u64, asked: Instant) -> Result<Token, C1Error> {
    let secret = &*answer.access_token;
    if secret.is_empty() {
        return Err(no_token(link, "answered 200 without a token"));
    }
    let kind = if answer.token_type.is_empty() { "Bearer" } else { &answer.token_type };
    let mut header = AsciiMetadataValue::try_from(format!("{kind} {secret}"))
        .map_err(|_| no_token(link, "answered 200 with a token that no header can carry"))?;
    header.set_sensitive(true);
    let life = Duration::from_secs(answer.expires_in).min(LONGEST);
    let good_until = asked + life.saturating_sub(MARGIN.min(life / 10));
    Ok(Token { header, redaction: Redaction::new(vec![secret.as_str().into()]), number, good_until })
}

fn no_token(link: &Link, problem: &str) -> C1Error {
    C1Error::NoToken { host: link.host.clone(), problem: problem.to_owned() }
}

fn refused(link: &Link, status: StatusCode, body: &[u8], redaction: &Redaction) -> C1Error {
    let words = serde_json::from_slice(body).map(|refusal: Refusal| {
        let words = [refusal.error, refusal.error_description];
        words.into_iter().flatten().collect::<Vec<_>>().join(": ")
    });
    let detail = short(&redaction.apply(&words.unwrap_or_default()));
    let host = link.host.clone();
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            C1Error::TokenRefused { host, status: status.as_u16(), detail }
        }
        _ => C1Error::NoToken {
            host,
            problem: format!("answered {} {detail}", status.as_u16()).trim_end().to_owned(),
        },
    }
}

fn unreachable(link: &Link, error: &reqwest::Error) -> C1Error {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let problem = if error.is_timeout() { "no answer in time".to_owned() } else { short(&cause.to_string()) };
    C1Error::Unreachable { host: link.host.clone(), problem }
}

async fn body(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| short(&format!("broke off: {error}")))? {
        if body.len() + chunk.len() > ANSWER {
            return Err(format!("answered with more than {ANSWER} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
