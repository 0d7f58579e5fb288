//! Walks a listing page by page and believes it only where it adds up: each page is the one asked for, the next
//! one follows it, the total stays the same, no item comes twice, and the items seen are as many as the total.
//!
//! A page's bytes are fetched in one step and looked at in another. Where the first page says how many items there
//! are, the pages after it are fetched ahead, as many at once as the credential has room for; they are looked at strictly
//! in order, so that a listing is believed, refused and told in the same way as if each page had been asked for after
//! the one before. No page is asked for twice, and none beyond the last by that sum unless the page before names it.
//!
//! Records already sent cannot be taken back, so a listing that changed while it was read is not begun again here.
//! It ends in [`ReadError::ListingChanged`], upon which the caller reads everything once more with the same
//! connector, a bounded number of times: a connector keeps nothing of a reading.

#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod ids;
mod sums;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::Deserialize;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::ReadError;
use super::http::{Ahead, Answer, Get, Request, UpstreamClient};
use crate::access::{Record, RecordSender};
use crate::telemetry::TRACED;

pub(super) use ids::IdSet;
use sums::Sums;

/// The page size that both vendors allow at most.
pub(super) const PAGE_SIZE: &str = "100";

/// What a page says about itself and the listing that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageMark {
    /// Its number, from 1.
    pub(super) current: u64,
    /// The number of the page after it, where there is one.
    pub(super) next: Option<u64>,
    /// Items in the listing, where the page says so.
    pub(super) total: Option<u64>,
}

/// A page of either vendor's form.
pub(super) trait Page {
    /// What it says about itself.
    fn mark(&self) -> PageMark;
    /// The ids that tell its items apart.
    fn ids(&self) -> impl Iterator<Item = &str>;
}

/// Why a page cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is not what the API promises.
    Unexpected(String),
    /// It contradicts an earlier one.
    Changed(String),
}

impl Fault {
    /// The fault as an error about `answer`, a page of `listing`.
    pub(super) fn into_error(self, answer: &Answer, listing: &str) -> ReadError {
        match self {
            Self::Unexpected(problem) => answer.unexpected(&problem),
            Self::Changed(problem) => ReadError::ListingChanged { listing: listing.to_owned(), problem },
        }
    }
}

/// What becomes of the items of one listing.
pub(super) trait Visitor: Send {
    /// A page, borrowed from the bytes it came in.
    type Page<'a>: Page + Deserialize<'a>;

    /// Notes an item; `false` where the listing had it before.
    fn is_new(&mut self, id: &str) -> bool;

    /// The records that a page makes.
    fn visit(&mut self, page: Self::Page<'_>) -> Result<Vec<Record>, Fault>;
}

/// Does a listing always say how many items it has?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Totals {
    /// Every page must say.
    Promised,
    /// A page may say.
    Possible,
}

/// A listing, and how its pages are asked for.
#[derive(Debug, Clone)]
pub(super) struct Listing<'a> {
    /// What is listed, such as `the members of acme`.
    pub(super) what: &'a str,
    /// The word that its pages are counted by.
    pub(super) operation: &'static str,
    /// The segments of its path.
    pub(super) path: &'a [&'a str],
    /// The query, the page's number excepted.
    pub(super) query: &'a [(&'a str, &'a str)],
    /// The name of the parameter that carries the page's number.
    pub(super) number: &'a str,
    /// Does it say how many items it has?
    pub(super) totals: Totals,
}

impl Listing<'_> {
    fn request(&self, client: &UpstreamClient, page: u64) -> Result<Request, ReadError> {
        let page = page.to_string();
        let mut query = self.query.to_vec();
        query.push((self.number, &page));
        let get = Get { what: self.what, operation: self.operation, path: self.path, query: &query };
        client.request(&get)
    }

    async fn fetch(&self, client: &UpstreamClient, page: u64) -> Result<Answer, ReadError> {
        client.answer_to(self.request(client, page)?).await
    }
}

/// Listings that begin later in a reading are part of no trace, which has to end somewhere.
const TRACED_PAGES: u64 = 200;

/// Reads the whole of `listing` and sends what `visitor` makes of it to `records`. Returns how many items it has.
///
/// # Errors
/// [`ReadError`] as soon as a page does not come, or does not add up with those before it.
pub(super) async fn walk<V: Visitor>(
    client: &Arc<UpstreamClient>,
    listing: &Listing<'_>,
    visitor: &mut V,
    records: &RecordSender,
) -> Result<u64, ReadError> {
    let span = match records.progress().pages() {
        0..TRACED_PAGES => tracing::debug_span!(
            target: TRACED, "listing",
            operation = listing.operation, pages = Empty, items = Empty, otel.status_code = Empty
        ),
        _ => Span::none(),
    };
    let mut walk = Walk { client, listing, sums: Sums::new(listing.totals), pages: 0, visitor, records };
    let walked = walk.go_through().instrument(span.clone()).await;
    span.record("pages", walk.pages).record("items", walk.sums.items);
    if walked.is_err() {
        span.record("otel.status_code", "ERROR");
    }
    walked.map(|()| walk.sums.items)
}

/// A listing on the way through it.
struct Walk<'w, V> {
    client: &'w Arc<UpstreamClient>,
    listing: &'w Listing<'w>,
    sums: Sums,
    /// Pages taken.
    pages: u64,
    visitor: &'w mut V,
    records: &'w RecordSender,
}

impl<V: Visitor> Walk<'_, V> {
    async fn go_through(&mut self) -> Result<(), ReadError> {
        let (client, listing) = (self.client, self.listing);
        let mut next = self.take(listing.fetch(client, 1).await?, 1).await?;
        self.records.progress().expect(self.sums.total.unwrap_or(0));
        let following = self.sums.following(next).map(|number| ((), listing.request(client, number)));
        let mut ahead = Ahead::new(client, following);
        while let Some(number) = next {
            let answer = match ahead.next().await {
                Some(((), fetched)) => fetched?,
                None => listing.fetch(client, number).await?,
            };
            next = self.take(answer, number).await?;
        }
        Ok(())
    }

    /// Takes page `number` and sends the records that it makes. Returns the number of the next page. Where the page
    /// breaks off, which may show only when it is decoded, it is asked for once more.
    async fn take(&mut self, answer: Answer, number: u64) -> Result<Option<u64>, ReadError> {
        let (made, next) = match self.look_at(&answer, number) {
            Err(Refused::Undecodable(_)) if answer.breaks_off() => {
                let again = self.listing.fetch(self.client, number).await?;
                self.look_at(&again, number)
                    .map_err(|refused| refused.into_error(&again, self.listing.what))?
            }
            looked_at => looked_at.map_err(|refused| refused.into_error(&answer, self.listing.what))?,
        };
        // Not kept for as long as the writer is behind.
        drop(answer);
        self.pages += 1;
        self.records.progress().page_read();
        if !made.is_empty() {
            self.records.send(made).await?;
        }
        Ok(next)
    }

    /// Looks at page `number` and hands it to the visitor. Returns the records, and the number of the next page.
    fn look_at(&mut self, answer: &Answer, number: u64) -> Result<(Vec<Record>, Option<u64>), Refused> {
        let page: V::Page<'_> = answer.decode().map_err(Refused::Undecodable)?;
        let next = self.sums.accept(number, page.mark(), page.ids().count() as u64)?;
        if page.ids().any(|id| !self.visitor.is_new(id)) {
            return Err(Fault::Changed(format!("page {number} has an item that came before")).into());
        }
        Ok((self.visitor.visit(page)?, next))
    }
}

/// A page that is not taken: it could not be decoded, or it does not add up.
enum Refused {
    Undecodable(ReadError),
    Fault(Fault),
}

impl Refused {
    fn into_error(self, answer: &Answer, listing: &str) -> ReadError {
        match self {
            Self::Undecodable(error) => error,
            Self::Fault(fault) => fault.into_error(answer, listing),
        }
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
