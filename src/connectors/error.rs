//! What can keep a reading from being complete. Each variant is a sentence's worth of fact; what a person should
//! do about it depends on where the credential came from, so the caller adds that.

use std::time::Duration;

use crate::access::SinkClosed;
use crate::network::{AddressError, InvalidCaBundle};

/// A setting that no request could ever succeed with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The credential does not have the vendor's form. Never carries the credential.
    #[error("the {what} {problem}")]
    Credential {
        /// What it is called, such as `service token`.
        what: &'static str,
        /// What is wrong with it, such as `has no colon between its id and its value`.
        problem: &'static str,
    },
    /// Nothing is sent to the address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A setting other than the credential or the address.
    #[error("the {what} {problem}")]
    Setting {
        /// What it is called, such as `account name`.
        what: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The CA bundle holds no certificate that can be used.
    #[error(transparent)]
    CaBundle(#[from] InvalidCaBundle),
    /// The HTTP client could not be made.
    #[error("the HTTP client could not be made: {0}")]
    Client(String),
}

/// Why a reading is not complete. `request` is always method, host and path, never a query or a credential.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// 401.
    #[error("{vendor} refused the credential: {request} answered 401 {detail}")]
    Unauthorized {
        /// The vendor.
        vendor: &'static str,
        /// What was asked.
        request: String,
        /// The vendor's own words and request id.
        detail: String,
    },
    /// 403, or a 404 that means the same.
    #[error("{vendor} does not let the credential read {what}: {request} answered {status} {detail}")]
    Forbidden {
        /// The vendor.
        vendor: &'static str,
        /// What was to be read, such as `the account's users`.
        what: String,
        /// What was asked.
        request: String,
        /// The HTTP status.
        status: u16,
        /// The vendor's own words and request id.
        detail: String,
    },
    /// The credential lacks a right that the vendor has a name for.
    #[error("{refusal}")]
    MissingGrant {
        /// How the upstream refused.
        refusal: Box<ReadError>,
        /// What the credential needs, and where, such as `the access grant read_organization on the organization acme`.
        grant: String,
    },
    /// No account has the name.
    #[error("{0}")]
    AccountNotFound(String),
    /// Several accounts have the name.
    #[error("{0}")]
    AccountAmbiguous(String),
    /// An organization that the upstream named when the reading began, and no longer.
    #[error("{0}")]
    OrganizationGone(String),
    /// No answer: the name does not resolve, nothing listens, or the connection broke, after all tries.
    #[error("{host} cannot be reached: {problem}")]
    Unreachable {
        /// The host.
        host: String,
        /// What the network said.
        problem: String,
    },
    /// The host's name leads to an address that no token is sent to: link-local, loopback or private.
    #[error("no connection is made to {host}: {problem}")]
    AddressRefused {
        /// The host.
        host: String,
        /// Which address, and why.
        problem: String,
    },
    /// The server's certificate is not one to trust.
    #[error("the TLS certificate of {host} is not trusted: {problem}")]
    Tls {
        /// The host.
        host: String,
        /// What TLS said.
        problem: String,
    },
    /// 429, after all tries.
    #[error("{vendor} limits the rate of requests: {request} answered 429 {detail}")]
    RateLimited {
        /// The vendor.
        vendor: &'static str,
        /// What was asked.
        request: String,
        /// The vendor's own words and request id.
        detail: String,
        /// How long the vendor asks to wait.
        retry_after: Option<Duration>,
    },
    /// 5xx after all tries, or a status that nothing prepares for.
    #[error("{vendor} failed: {request} answered {status} {detail}")]
    Upstream {
        /// The vendor.
        vendor: &'static str,
        /// What was asked.
        request: String,
        /// The HTTP status.
        status: u16,
        /// The vendor's own words and request id.
        detail: String,
    },
    /// An answer that is not what the vendor's API promises.
    #[error("{request} gave an answer that cannot be trusted: {problem}")]
    UnexpectedResponse {
        /// What was asked.
        request: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A listing that contradicts itself, since it changed while it was read. Reading everything once more may help
    /// at once.
    #[error("the listing of {listing} changed while it was read: {problem}")]
    ListingChanged {
        /// What is listed.
        listing: String,
        /// How it contradicts itself.
        problem: String,
    },
    /// An account without a user, though it must have an owner.
    #[error("{0}")]
    EmptyAccount(String),
    /// A credential that reaches no organization.
    #[error("{0}")]
    NoOrganizations(String),
    /// An organization without a member, though it must have an administrator.
    #[error("{0}")]
    EmptyOrganization(String),
    /// The records' taker is gone.
    #[error(transparent)]
    SinkClosed(#[from] SinkClosed),
}

impl ReadError {
    /// How long the vendor asks to wait before the next request, where it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
