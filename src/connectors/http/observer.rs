//! Who is told of each request. What is told has a bounded number of values, so that it can be counted by them.

use std::fmt::{self, Debug};
use std::time::Duration;

use reqwest::StatusCode;
use tokio::time::Instant;

/// Is told of each request to an upstream, from whatever task asks.
pub trait Observer: Debug + Send + Sync {
    /// A request for `operation` has ended after `took`, its body included.
    fn ended(&self, operation: &'static str, code: Code, took: Duration);

    /// The upstream wants no more requests for now: it has answered 429, or that nothing is left.
    fn limited(&self);
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// With an answer of this HTTP status.
    Status(u16),
    /// Without a whole answer.
    Broken(Broken),
}

/// Why no whole answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// It took too long.
    Timeout,
    /// The host's address is none that a credential may go to.
    AddressRefused,
    /// The host's certificate is not trusted.
    Tls,
    /// There was no connection.
    Unreachable,
    /// The connection broke.
    CutOff,
    /// Nobody wanted the answer any more.
    Cancelled,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Broken(broken) => f.write_str(broken.as_str()),
        }
    }
}

impl Broken {
    fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::AddressRefused => "address_refused",
            Self::Tls => "tls",
            Self::Unreachable => "unreachable",
            Self::CutOff => "cut_off",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A request under way. Whoever drops it early has cancelled it.
pub(super) struct Watched<'o> {
    observer: Option<&'o dyn Observer>,
    operation: &'static str,
    begun: Instant,
    code: Code,
}

impl<'o> Watched<'o> {
    /// A request for `operation` that begins now.
    pub(super) fn begin(observer: Option<&'o dyn Observer>, operation: &'static str) -> Self {
        Self { observer, operation, begun: Instant::now(), code: Code::Broken(Broken::Cancelled) }
    }

    /// It has ended so: with `status`, where that came, unless the answer broke off.
    pub(super) fn end(mut self, status: Option<StatusCode>, broken: Option<Broken>) {
        self.code = match (broken, status) {
            (None, Some(status)) => Code::Status(status.as_u16()),
            (broken, _) => Code::Broken(broken.unwrap_or(Broken::CutOff)),
        };
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if let Some(observer) = self.observer {
            observer.ended(self.operation, self.code, self.begun.elapsed());
        }
    }
}
