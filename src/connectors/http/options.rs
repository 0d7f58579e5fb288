//! What may be set about a client, and what is good for both vendors.

use std::sync::Arc;
use std::time::Duration;

use super::allowance::Allowances;
use super::observer::Observer;
use crate::network::{HostPolicy, Tls};

/// How a client behaves. The default asks no host at all: say with [`ClientOptions::new`] which it may.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The hosts that a token may be sent to.
    pub allowed_hosts: HostPolicy,
    /// Certificates (PEM) to trust besides those of the platform, for a private CA.
    pub ca_bundle: Option<Vec<u8>>,
    /// What the program calls itself.
    pub user_agent: String,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// When to try again.
    pub retry: RetryPolicy,
    /// How much of an answer to take.
    pub limits: Limits,
    /// How much each credential may ask. Clients share what they are given here.
    pub allowances: Allowances,
    /// Who is told of each request.
    pub observer: Option<Arc<dyn Observer>>,
    /// How to speak TLS. Clients share what they are given here too.
    pub tls: Tls,
}

impl ClientOptions {
    /// The usual behaviour, with `allowed_hosts` to ask.
    pub fn new(allowed_hosts: HostPolicy) -> Self {
        Self { allowed_hosts, ..Self::default() }
    }
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            allowed_hosts: HostPolicy::default(),
            ca_bundle: None,
            user_agent: concat!("connector-operator/", env!("CARGO_PKG_VERSION")).to_owned(),
            timeouts: Timeouts::default(),
            retry: RetryPolicy::default(),
            limits: Limits::default(),
            allowances: Allowances::default(),
            observer: None,
            tls: Tls::default(),
        }
    }
}

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the next piece of an answer.
    pub idle: Duration,
    /// For one answer as a whole.
    pub request: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            request: Duration::from_secs(60),
        }
    }
}

/// When to ask again after an answer that may have been bad luck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries in all, the first included.
    pub tries: usize,
    /// The longest wait before the second try; it doubles with each further one, and the actual wait is a random
    /// part of it (full jitter).
    pub first_wait: Duration,
    /// What that doubling ends at.
    pub longest_wait: Duration,
    /// The wait after a 429 that names none. Both vendors count per minute.
    pub rate_limit_wait: Duration,
    /// Tries and the waits between them take no longer than this; waiting for the credential's turn is not counted.
    /// A `Retry-After` beyond it ends the request at once, and the run is what waits.
    pub total: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            tries: 5,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            rate_limit_wait: Duration::from_secs(15),
            total: Duration::from_secs(180),
        }
    }
}

/// How much of an answer to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body, after gzip has been undone.
    pub body: usize,
    /// Bytes of all header names and values.
    pub headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // Twenty times what a page of a hundred has. So much, and no less, is what a hostile host makes us keep for each
        // answer.
        Self { body: 2 << 20, headers: 32 << 10 }
    }
}
