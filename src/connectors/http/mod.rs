//! The one upstream client. It only ever asks (GET), only one host, and gives back an answer only where it is
//! whole: 200, JSON, of bounded size. What may pass is tried again; a redirect is never followed; the credential
//! is in no error, no log and no `Debug`.
//!
//! It must not know what the answers mean: that is the connectors' part.

mod answer;
mod failure;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod options;
mod policy;
mod redaction;
mod resolver;
mod retry;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;

use std::fmt;
use std::time::Instant;

use backon::Retryable;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Certificate, Client, redirect};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use url::Url;

use super::{ConfigError, ReadError};

pub use answer::Answer;
use failure::Failure;
pub use options::{ClientOptions, Limits, RetryPolicy, Timeouts};
pub use policy::HostPolicy;
use redaction::Redaction;
use resolver::GuardedResolver;

/// What differs between vendors below the level of their data.
#[derive(Debug, Clone, Copy)]
pub struct Vendor {
    /// The name, as errors give it.
    pub name: &'static str,
    /// The media type to ask for.
    pub accept: &'static str,
    /// Finds the vendor's own words in the body of an error, where there are any.
    pub error_text: fn(&[u8]) -> Option<String>,
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
    /// The segments of the path, unescaped.
    pub path: &'a [&'a str],
    /// The names and values of the query, unescaped.
    pub query: &'a [(&'a str, &'a str)],
}

/// A request as errors tell of it: never with its query.
#[derive(Debug, Clone)]
struct Asked {
    what: String,
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
    in_flight: Semaphore,
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
        Ok(Self {
            http: http_client(&base, &options)?,
            vendor,
            base,
            authorization,
            redaction: Redaction::new(credential.secrets),
            in_flight: Semaphore::new(options.requests_in_flight.max(1)),
            options,
        })
    }

    /// The vendor whose host is asked.
    pub fn vendor(&self) -> &Vendor {
        &self.vendor
    }

    /// The host that is asked, with its port where it is not the usual one.
    pub fn host(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        self.base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Requests that may be under way at once.
    pub fn requests_in_flight(&self) -> usize {
        self.options.requests_in_flight.max(1)
    }

    /// The answer to `get`, after as many tries as the policy allows.
    ///
    /// # Errors
    /// [`ReadError`] where no try ended in an answer to trust. A 404 is [`ReadError::Forbidden`], for neither
    /// vendor tells what is missing from what is hidden.
    pub async fn get(&self, get: &Get<'_>) -> Result<Answer, ReadError> {
        let url = self.url(get)?;
        let asked = Asked {
            what: get.what.to_owned(),
            host: self.host(),
            request: format!("GET {}{}", self.host(), url.path()),
        };
        let begun = Instant::now();
        let policy = &self.options.retry;
        let body = (|| self.attempt(&url, &asked))
            .retry(retry::ceilings(policy))
            .when(|failure: &Failure| failure.transient)
            .adjust(|failure, ceiling| {
                retry::wait(policy, failure, ceiling, begun.elapsed(), fastrand::f32())
            })
            .notify(|failure, wait| tracing::debug!(error = %failure.error, ?wait, "asking once more"))
            .await
            .map_err(|failure| failure.error)?;
        Ok(Answer { body, asked, redaction: self.redaction.clone() })
    }

    async fn attempt(&self, url: &Url, asked: &Asked) -> Result<Vec<u8>, Failure> {
        // The semaphore is never closed, so there is always a permit in the end.
        let _permit = self.in_flight.acquire().await.ok();
        let response = self
            .http
            .get(url.clone())
            .header(ACCEPT, self.vendor.accept)
            .header(AUTHORIZATION, self.authorization.clone())
            .send()
            .await
            .map_err(|error| Failure::from_network(&error, &asked.host, &asked.request))?;
        answer::body_of(response, &self.vendor, asked, &self.options.limits, &self.redaction).await
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

fn http_client(base: &Url, options: &ClientOptions) -> Result<Client, ConfigError> {
    let resolver = GuardedResolver {
        host: base.host_str().unwrap_or_default().to_owned(),
        policy: options.allowed_hosts.clone(),
    };
    let mut builder = Client::builder()
        .user_agent(&options.user_agent)
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .gzip(true)
        .connect_timeout(options.timeouts.connect)
        .read_timeout(options.timeouts.idle)
        .timeout(options.timeouts.request)
        .pool_max_idle_per_host(options.requests_in_flight)
        .http2_max_header_list_size(u32::try_from(options.limits.headers).unwrap_or(u32::MAX))
        .dns_resolver(resolver);
    if base.host().is_some_and(|host| policy::is_loopback_host(&host)) {
        builder = builder.no_proxy();
    }
    if let Some(bundle) = &options.ca_bundle {
        builder = builder.tls_certs_merge(certificates(bundle)?);
    }
    builder.build().map_err(|error| ConfigError::Client(failure::short(&error.to_string())))
}

fn certificates(bundle: &[u8]) -> Result<Vec<Certificate>, ConfigError> {
    let certificates =
        Certificate::from_pem_bundle(bundle).map_err(|error| ConfigError::CaBundle(error.to_string()))?;
    if certificates.is_empty() {
        return Err(ConfigError::CaBundle("it holds no certificate in PEM form".to_owned()));
    }
    Ok(certificates)
}
