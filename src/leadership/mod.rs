//! Which of several operators leads: the one whose name is in a Lease, for as long as it renews it in time. Whoever is
//! about to write something asks [`Leadership`].

mod candidate;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

pub use candidate::{Candidate, Ended, Leases, OneLease, Timing};

/// Whether this operator leads, for whoever is about to write something.
#[derive(Debug, Clone)]
pub struct Leadership(watch::Receiver<Option<Term>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Term {
    /// How often the Lease had changed hands.
    number: u64,
    /// Until then, unless it is renewed; `None` where nobody else could lead.
    until: Option<Instant>,
}

impl Leadership {
    /// Of an operator that is the only one.
    pub fn alone() -> Self {
        Self::alone_since(Timestamp::now())
    }

    /// The same, which began then.
    pub fn alone_since(began: Timestamp) -> Self {
        let number = first_term(began).unsigned_abs().into();
        Self(watch::channel(Some(Term { number, until: None })).1)
    }

    /// Could nobody else lead?
    pub fn is_alone(&self) -> bool {
        self.0.borrow().is_some_and(|term| term.until.is_none())
    }

    fn of(term: watch::Receiver<Option<Term>>) -> Self {
        Self(term)
    }

    /// How often the Lease had changed hands when this operator took it; `None` while it does not lead. Asked anew
    /// before each write, it tells a process that was stopped for a while that it no longer leads.
    pub fn term(&self) -> Option<u64> {
        let term = (*self.0.borrow())?;
        term.until.is_none_or(|until| Instant::now() < until).then_some(term.number)
    }

    /// Does this operator lead, and has it since it was in term `number`?
    pub fn holds(&self, number: u64) -> bool {
        self.term() == Some(number)
    }

    /// Resolves when this operator leads.
    pub async fn begins(&mut self) {
        if self.0.wait_for(Option::is_some).await.is_err() {
            std::future::pending().await
        }
    }
}

/// The number of the first term of a Lease that is made now: minutes since 1970. A Lease that was deleted and is made
/// again must not count from the beginning, or what was published in its former terms would keep the new ones out; and
/// no Lease changes hands every minute.
fn first_term(now: Timestamp) -> i32 {
    i32::try_from(now.as_second() / 60).unwrap_or(i32::MAX)
}
