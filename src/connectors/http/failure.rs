//! What a request that did not succeed means: which error it is, and whether another try may help.

use std::error::Error;
use std::time::Duration;

use super::super::{ReadError, text};
use super::observer::Broken;
use crate::network::AddressRefused;

/// The longest text taken over from an answer or a library into an error, in bytes.
pub(super) const DETAIL_BYTES: usize = 200;

/// One try that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: ReadError,
    /// May another try succeed?
    pub(super) transient: bool,
    /// The wait that the vendor asks for.
    pub(super) retry_after: Option<Duration>,
    /// Why no whole answer came, where none did.
    pub(super) broken: Option<Broken>,
}

impl Failure {
    pub(super) fn permanent(error: ReadError) -> Self {
        Self { error, transient: false, retry_after: None, broken: None }
    }

    pub(super) fn transient(error: ReadError) -> Self {
        Self { error, transient: true, retry_after: None, broken: None }
    }

    pub(super) fn is_rate_limit(&self) -> bool {
        matches!(self.error, ReadError::RateLimited { .. })
    }

    /// What it means that no whole answer came to `request`.
    pub(super) fn from_network(error: &reqwest::Error, host: &str, request: &str) -> Self {
        let host = host.to_owned();
        if let Some(refused) = find::<AddressRefused>(error) {
            let refused = ReadError::AddressRefused { host, problem: refused.to_string() };
            return Self::permanent(refused).because(Broken::AddressRefused);
        }
        if let Some(tls @ rustls::Error::InvalidCertificate(_)) = find::<rustls::Error>(error) {
            let untrusted = ReadError::Tls { host, problem: short(&tls.to_string()) };
            return Self::permanent(untrusted).because(Broken::Tls);
        }
        let (problem, broken) = match () {
            () if error.is_timeout() && error.is_connect() => {
                ("no connection in time".to_owned(), Broken::Timeout)
            }
            () if error.is_timeout() => (format!("{request} was not answered in time"), Broken::Timeout),
            () if error.is_connect() => (root_cause(error), Broken::Unreachable),
            () => (format!("the answer to {request} broke off: {}", root_cause(error)), Broken::CutOff),
        };
        Self::transient(ReadError::Unreachable { host, problem }).because(broken)
    }

    fn because(self, broken: Broken) -> Self {
        Self { broken: Some(broken), ..self }
    }
}

/// The first error of type `E` in the chain, also where an I/O error wraps it.
fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| find::<E>(inner)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The innermost cause: the outer ones repeat the address, and the query with it.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    short(&cause.to_string())
}

/// `text` as an error may carry it.
pub(super) fn short(text: &str) -> String {
    text::clean(text, DETAIL_BYTES)
}
