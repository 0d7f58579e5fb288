//! The one upstream client. It only ever asks (GET), only one host, and gives back an answer only where it is
//! whole: 200, JSON, of bounded size. What may pass is tried again; a redirect is never followed; the credential
//! is in no error, no log and no `Debug`. How much is asked is bounded for each credential, whoever shows it.
//!
//! It must not know what the answers mean: that is the connectors' part.

mod ahead;
mod allowance;
mod answer;
mod failure;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod observer;
mod options;
mod retry;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use backon::BackoffBuilder;
use jiff::Timestamp;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Client, Response, StatusCode, redirect};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use url::Url;

use super::{ConfigError, ReadError};
use crate::network::{self, GuardedResolver, Redaction, TlsError};

pub(super) use ahead::Ahead;
use allowance::Allowance;
pub use allowance::Allowances;
pub use answer::Answer;
use failure::Failure;
use observer::Watched;
pub use observer::{Broken, Code, Observer};
pub use options::{ClientOptions, Limits, RetryPolicy, Timeouts};

/// What differs between vendors below the level of their data.
#[derive(Debug, Clone, Copy)]
pub struct Vendor {
    /// The name, as errors give it.
    pub name: &'static str,
    /// The media type to ask for.
    pub accept: &'static str,
    /// Finds the vendor's own words in the body of an error, where there are any.
    pub error_text: fn(&[u8]) -> Option<String>,
    /// Requests a minute that are asked of it for each credential, unless it is said otherwise: half of what it
    /// allows, for the rest is the customer's own.
    pub requests_per_minute: NonZeroU32,
}

/// What proves who asks.
pub struct Credential {
    /// The value of the `Authorization` header.
    pub authorization: SecretString,
    /// The parts of it that no text may ever carry.
    pub secrets: Vec<SecretString>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

/// A request: what is wanted, and where it is found.
#[derive(Debug, Clone)]
pub struct Get<'a> {
    /// What is to be read, as an error would name it, such as `the members of acme`.
    pub what: &'a str,
    /// The word that such requests are counted by: one of a few, and never made of data.
    pub operation: &'static str,
    /// The segments of the path, unescaped.
    pub path: &'a [&'a str],
    /// The names and values of the query, unescaped.
    pub query: &'a [(&'a str, &'a str)],
}

/// A request that can be sent.
#[derive(Debug)]
pub(super) struct Request {
    url: Url,
    asked: Asked,
}

/// A request as errors tell of it: never with its query.
#[derive(Debug, Clone)]
struct Asked {
    what: String,
    operation: &'static str,
    host: String,
    request: String,
}

/// Asks one host, on behalf of one credential.
pub struct UpstreamClient {
    http: Client,
    vendor: Vendor,
    base: Url,
    authorization: HeaderValue,
    redaction: Redaction,
    allowance: Arc<Allowance>,
    options: ClientOptions,
}

impl fmt::Debug for UpstreamClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamClient")
            .field("vendor", &self.vendor.name)
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

impl UpstreamClient {
    /// A client of `vendor` at `base`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ConfigError`] where `base` is not an origin that `options` allow, or the CA bundle or the credential
    /// cannot be used.
    pub fn new(
        vendor: Vendor,
        base: Url,
        credential: Credential,
        options: ClientOptions,
    ) -> Result<Self, ConfigError> {
        options.allowed_hosts.check(&base)?;
        let mut authorization =
            HeaderValue::from_str(credential.authorization.expose_secret()).map_err(|_| {
                ConfigError::Credential {
                    what: "token",
                    problem: "has a character that no HTTP header can carry",
                }
            })?;
        authorization.set_sensitive(true);
        let allowance =
            options.allowances.of(&host_of(&base), &credential.authorization, vendor.requests_per_minute);
        Ok(Self {
            http: http_client(&base, &options, allowance.places())?,
            vendor,
            base,
            authorization,
            redaction: Redaction::new(credential.secrets),
            allowance,
            options,
        })
    }

    /// The vendor whose host is asked.
    pub fn vendor(&self) -> &Vendor {
        &self.vendor
    }

    /// The host that is asked, with its port where it is not the usual one.
    pub fn host(&self) -> String {
        host_of(&self.base)
    }

    /// Requests that may be under way at once, with those of all others who show the same credential.
    pub fn requests_in_flight(&self) -> usize {
        self.allowance.places()
    }

    /// The answer to `get`, after as many tries as the policy allows.
    ///
    /// # Errors
    /// [`ReadError`] where no try ended in an answer to trust. A 404 is [`ReadError::Forbidden`], for neither
    /// vendor tells what is missing from what is hidden.
    pub async fn get(&self, get: &Get<'_>) -> Result<Answer, ReadError> {
        self.answer_to(self.request(get)?).await
    }

    /// The request that asks for `get`.
    pub(super) fn request(&self, get: &Get<'_>) -> Result<Request, ReadError> {
        let url = self.url(get)?;
        let asked = Asked {
            what: get.what.to_owned(),
            operation: get.operation,
            host: self.host(),
            request: format!("GET {}{}", self.host(), url.path()),
        };
        Ok(Request { url, asked })
    }

    /// Room for one answer more than is needed just now, as long as what is returned is kept.
    fn room_ahead(&self) -> Option<OwnedSemaphorePermit> {
        self.allowance.room_ahead()
    }

    /// As [`Self::get`], to a request made before.
    pub(super) async fn answer_to(&self, Request { url, asked }: Request) -> Result<Answer, ReadError> {
        let policy = &self.options.retry;
        let mut ceilings = retry::ceilings(policy).build();
        let mut spent = Duration::ZERO;
        loop {
            let place = self.allowance.take(policy.total).await.map_err(|pause| self.paused(pause))?;
            let begun = Instant::now();
            let attempted = self.attempt(&url, &asked).await;
            drop(place);
            let failure = match attempted {
                Ok(body) => {
                    let redaction = self.redaction.clone();
                    return Ok(Answer { body, asked, redaction, _room: None });
                }
                Err(failure) => failure,
            };
            spent += begun.elapsed();
            let Some(wait) = retry::wait(policy, &failure, ceilings.next(), spent, fastrand::f32()) else {
                return Err(failure.error);
            };
            tracing::debug!(error = %failure.error, ?wait, "asking once more");
            tokio::time::sleep(wait).await;
            spent += wait;
        }
    }

    async fn attempt(&self, url: &Url, asked: &Asked) -> Result<Vec<u8>, Failure> {
        let watched = Watched::begin(self.options.observer.as_deref(), asked.operation);
        let response = match self.send(url, asked).await {
            Ok(response) => response,
            Err(failure) => {
                watched.end(None, failure.broken);
                return Err(failure);
            }
        };
        self.heed(&response);
        let status = response.status();
        let body =
            answer::body_of(response, &self.vendor, asked, &self.options.limits, &self.redaction).await;
        watched.end(Some(status), body.as_ref().err().and_then(|failure| failure.broken));
        body
    }

    async fn send(&self, url: &Url, asked: &Asked) -> Result<Response, Failure> {
        let request = self
            .http
            .get(url.clone())
            .header(ACCEPT, self.vendor.accept)
            .header(AUTHORIZATION, self.authorization.clone());
        request.send().await.map_err(|error| Failure::from_network(&error, &asked.host, &asked.request))
    }

    /// Does as the answer says about the rate of requests, on behalf of all who show this credential.
    fn heed(&self, response: &Response) {
        let now = Timestamp::now();
        let nothing_left = allowance::nothing_left_for(response.headers(), now);
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            let asked_for = answer::retry_after_of(response.headers(), now).or(nothing_left);
            self.allowance.refuse(asked_for.unwrap_or(self.options.retry.rate_limit_wait));
        } else if let Some(wait) = nothing_left {
            self.allowance.pause(wait);
        } else {
            return;
        }
        if let Some(observer) = &self.options.observer {
            observer.limited();
        }
    }

    /// The error of a request that was not sent, since it would have to wait for `pause`.
    fn paused(&self, pause: Duration) -> ReadError {
        ReadError::RateLimited {
            vendor: self.vendor.name,
            request: "an earlier request".to_owned(),
            detail: format!("and asked for a pause, of which {} s are left", pause.as_secs()),
            retry_after: Some(pause),
        }
    }

    /// The address of `get`, which is always below the base. A segment that would lead elsewhere is refused.
    fn url(&self, get: &Get<'_>) -> Result<Url, ReadError> {
        let unusable = || ReadError::UnexpectedResponse {
            request: format!("GET {}", self.host()),
            problem: format!(
                "{} cannot be asked for: a name in the path is empty or has only dots",
                get.what
            ),
        };
        if get.path.iter().any(|segment| matches!(*segment, "" | "." | "..")) {
            return Err(unusable());
        }
        let mut url = self.base.clone();
        url.path_segments_mut().map_err(|()| unusable())?.clear().extend(get.path);
        if !get.query.is_empty() {
            url.query_pairs_mut().extend_pairs(get.query);
        }
        Ok(url)
    }
}

/// The host of `base`, with its port where it is not the usual one.
fn host_of(base: &Url) -> String {
    let host = base.host_str().unwrap_or_default();
    base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn http_client(base: &Url, options: &ClientOptions, in_flight: usize) -> Result<Client, ConfigError> {
    let resolver = GuardedResolver {
        host: base.host_str().unwrap_or_default().to_owned(),
        policy: options.allowed_hosts.clone(),
    };
    let tls = options.tls.trusting(options.ca_bundle.as_deref()).map_err(|error| match error {
        TlsError::CaBundle(error) => error.into(),
        TlsError::Platform(error) => ConfigError::Client(failure::short(&error.to_string())),
    })?;
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(&options.user_agent)
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .gzip(true)
        .connect_timeout(options.timeouts.connect)
        .read_timeout(options.timeouts.idle)
        .timeout(options.timeouts.request)
        .pool_max_idle_per_host(in_flight)
        .http2_max_header_list_size(u32::try_from(options.limits.headers).unwrap_or(u32::MAX))
        .dns_resolver(resolver);
    if base.host().is_some_and(|host| network::is_loopback_host(&host)) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| ConfigError::Client(failure::short(&error.to_string())))
}
