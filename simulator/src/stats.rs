//! What a server counts about the requests it answers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// How often one kind of request was answered with one status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestCount {
    /// The HTTP method.
    pub method: String,
    /// The route with its parameters in braces, such as `/v1/organizations/{organization}/members`;
    /// `(unmatched)` for a path that the vendor does not have.
    pub path: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The number of answers.
    pub count: u64,
}

/// What a server has done since it started, or since its statistics were reset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Answers by method, route and status, in that order.
    pub requests: Vec<RequestCount>,
    /// Requests that have arrived, answered or not.
    pub arrived: u64,
    /// Requests that have arrived and are not answered yet.
    pub in_flight: u64,
    /// The most requests that were in flight at once.
    pub max_in_flight: u64,
    /// Bytes of response bodies.
    pub bytes: u64,
}

impl Stats {
    /// All answers, whatever their status.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.requests.iter().map(|request| request.count).sum()
    }

    /// Answers on one route, whatever their status.
    #[must_use]
    pub fn on(&self, path: &str) -> u64 {
        self.requests.iter().filter(|request| request.path == path).map(|request| request.count).sum()
    }

    /// Answers with one status, whatever their route.
    #[must_use]
    pub fn with_status(&self, status: u16) -> u64 {
        self.requests.iter().filter(|request| request.status == status).map(|request| request.count).sum()
    }
}

/// The live counters behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    answered: Mutex<BTreeMap<(String, String, u16), u64>>,
    arrived: AtomicU64,
    in_flight: AtomicU64,
    max_in_flight: AtomicU64,
    bytes: AtomicU64,
}

impl Counters {
    /// Counts a request as in flight until the guard is dropped, which is also when a client hangs up.
    pub(crate) fn arrive(&self) -> InFlight<'_> {
        self.arrived.fetch_add(1, Ordering::Relaxed);
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.max_in_flight.fetch_max(now, Ordering::Relaxed);
        InFlight(self)
    }

    pub(crate) fn answer(&self, method: &str, path: &str, status: u16, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        *answered.entry((method.to_owned(), path.to_owned(), status)).or_default() += 1;
    }

    pub(crate) fn read(&self) -> Stats {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = answered
            .iter()
            .map(|((method, path, status), count)| RequestCount {
                method: method.clone(),
                path: path.clone(),
                status: *status,
                count: *count,
            })
            .collect();
        Stats {
            requests,
            arrived: self.arrived.load(Ordering::Relaxed),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            max_in_flight: self.max_in_flight.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    /// Forgets everything but the requests that are in flight.
    pub(crate) fn reset(&self) {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.arrived.store(0, Ordering::Relaxed);
        self.max_in_flight.store(self.in_flight.load(Ordering::Relaxed), Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
    }
}

/// A request that has arrived and is not answered yet.
pub(crate) struct InFlight<'a>(&'a Counters);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
