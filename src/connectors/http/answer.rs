//! The judgement of an answer: only a 200 with JSON in it, of bounded size, is one. Everything else becomes an
//! error that says who was asked what, in the vendor's own words and with the vendor's request id.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::sync::OwnedSemaphorePermit;
use url::Url;

use super::super::ReadError;
use super::failure::{Failure, short};
use super::options::Limits;
use super::retry::retry_after;
use super::{Asked, Vendor};
use crate::network::Redaction;

/// An error's body is read up to here, in bytes.
const ERROR_BODY_BYTES: usize = 64 << 10;

/// The headers in which vendors and what stands before them put a request's id.
const REQUEST_ID_HEADERS: [&str; 4] = ["x-request-id", "request-id", "x-amzn-requestid", "cf-ray"];

/// The JSON that came in answer to a request.
#[derive(Debug)]
pub struct Answer {
    pub(super) body: Vec<u8>,
    pub(super) asked: Asked,
    pub(super) redaction: Redaction,
    /// What it takes up of the room for answers that came before they were wanted.
    pub(super) _room: Option<OwnedSemaphorePermit>,
}

impl Answer {
    /// The same, which takes up `room` until it is dropped.
    pub(super) fn kept_in(self, room: OwnedSemaphorePermit) -> Self {
        Self { _room: Some(room), ..self }
    }

    /// Does its JSON end too early? An answer cut right behind a brace looks whole until it is decoded.
    pub fn breaks_off(&self) -> bool {
        serde_json::from_slice::<IgnoredAny>(&self.body).is_err_and(|error| error.is_eof())
    }

    /// The body as a `T`, borrowed from it where `T` can borrow.
    ///
    /// # Errors
    /// [`ReadError::UnexpectedResponse`] where it is no `T`.
    pub fn decode<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ReadError> {
        // Looked at as a whole, which costs a third of looking at each string in it.
        let text = std::str::from_utf8(&self.body)
            .map_err(|error| self.unexpected(&format!("it is not UTF-8: {error}")))?;
        serde_json::from_str(text)
            .map_err(|error| self.unexpected(&format!("its JSON is not as expected: {error}")))
    }

    /// The error that this answer cannot be trusted, and why.
    pub fn unexpected(&self, problem: &str) -> ReadError {
        let problem = short(&self.redaction.apply(problem));
        ReadError::UnexpectedResponse { request: self.asked.request.clone(), problem }
    }
}

/// Takes the body of an answer that may be trusted so far.
pub(super) async fn body_of(
    response: Response,
    vendor: &Vendor,
    asked: &Asked,
    limits: &Limits,
    redaction: &Redaction,
) -> Result<Vec<u8>, Failure> {
    check_headers(&response, asked, limits)?;
    if response.status() != StatusCode::OK {
        return Err(refusal(response, vendor, asked, redaction).await);
    }
    check_content_type(response.headers(), asked)?;
    let body = collect(response, asked, limits.body).await?;
    if body.iter().rev().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'}') {
        return Ok(body);
    }
    Err(Failure::transient(unexpected(asked, "its JSON breaks off, or is no object".to_owned())))
}

fn unexpected(asked: &Asked, problem: String) -> ReadError {
    ReadError::UnexpectedResponse { request: asked.request.clone(), problem }
}

fn check_headers(response: &Response, asked: &Asked, limits: &Limits) -> Result<(), Failure> {
    let size: usize = response.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size <= limits.headers {
        return Ok(());
    }
    let problem = format!("its headers have {size} bytes, more than the {} that are taken", limits.headers);
    Err(Failure::permanent(unexpected(asked, problem)))
}

/// A login page of a proxy is a 200 too.
fn check_content_type(headers: &HeaderMap, asked: &Asked) -> Result<(), Failure> {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    let problem = format!("its content type is `{}`, not JSON", short(&essence));
    Err(Failure::permanent(unexpected(asked, problem)))
}

/// The whole body, counted after gzip has been undone, so that a small answer cannot unfold into a large one.
async fn collect(mut response: Response, asked: &Asked, limit: usize) -> Result<Vec<u8>, Failure> {
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let mut body = Vec::with_capacity(announced.min(limit));
    loop {
        let chunk = response.chunk().await;
        let Some(chunk) =
            chunk.map_err(|error| Failure::from_network(&error, &asked.host, &asked.request))?
        else {
            return Ok(body);
        };
        if body.len() + chunk.len() > limit {
            let problem = format!("it is larger than the {limit} bytes that are taken");
            return Err(Failure::permanent(unexpected(asked, problem)));
        }
        body.extend_from_slice(&chunk);
    }
}

/// What an answer other than 200 means.
async fn refusal(response: Response, vendor: &Vendor, asked: &Asked, redaction: &Redaction) -> Failure {
    let status = response.status();
    if status.is_redirection() {
        return Failure::permanent(unexpected(asked, redirection(&response)));
    }
    if status.is_success() {
        return Failure::permanent(unexpected(asked, format!("its status is {}, not 200", status.as_u16())));
    }
    let wait = retry_after_of(response.headers(), Timestamp::now());
    let id = request_id(response.headers());
    let body = collect(response, asked, ERROR_BODY_BYTES).await.unwrap_or_default();
    let words =
        (vendor.error_text)(&body).map(|text| short(&redaction.apply(&text))).filter(|text| !text.is_empty());
    let detail = match (words, id) {
        (Some(words), Some(id)) => format!("{words} ({id})"),
        (Some(text), None) | (None, Some(text)) => text,
        (None, None) => "without an explanation".to_owned(),
    };
    let transient = matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504);
    let error = error_of(status, vendor.name, asked, detail, wait);
    Failure { error, transient, retry_after: wait, broken: None }
}

fn error_of(
    status: StatusCode,
    vendor: &'static str,
    asked: &Asked,
    detail: String,
    retry_after: Option<Duration>,
) -> ReadError {
    let request = asked.request.clone();
    match status.as_u16() {
        401 => ReadError::Unauthorized { vendor, request, detail },
        403 | 404 => ReadError::Forbidden {
            vendor,
            what: asked.what.clone(),
            request,
            status: status.as_u16(),
            detail,
        },
        429 => ReadError::RateLimited { vendor, request, detail, retry_after },
        status => ReadError::Upstream { vendor, request, status, detail },
    }
}

/// What `Retry-After` asks for, where it is there.
pub(super) fn retry_after_of(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    retry_after(text_of(headers, RETRY_AFTER.as_str())?, now)
}

/// Where a redirect wanted to lead: the host only, for the rest may carry a session.
fn redirection(response: &Response) -> String {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let target = location.and_then(|location| response.url().join(location).ok());
    let host = target.as_ref().and_then(Url::host_str).unwrap_or("nowhere");
    format!("it redirects ({}) to {}, and no redirect is followed", response.status().as_u16(), short(host))
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    REQUEST_ID_HEADERS.into_iter().find_map(|name| {
        let id = text_of(headers, name).filter(|id| !id.is_empty())?;
        Some(format!("{name} {}", super::super::text::clean(id, 80)))
    })
}

fn text_of<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
