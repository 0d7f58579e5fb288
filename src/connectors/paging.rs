//! Walks a listing page by page and believes it only where it adds up: each page is the one asked for, the next
//! one follows it, the total stays the same, no item comes twice, and the items seen are as many as the total.
//!
//! A page's bytes are fetched in one step and looked at in another, in order; the second is pure, so that later
//! pages can be fetched ahead without changing it. Records already sent cannot be taken back, so a listing that
//! changed while it was read is not begun again here: the whole run is, by the caller.

#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use serde::Deserialize;

use super::ReadError;
use super::http::{Answer, Get, UpstreamClient};
use crate::access::{Record, RecordSender};

/// The page size that both vendors allow at most.
pub(super) const PAGE_SIZE: &str = "100";

/// No listing has more pages than this; one that says so goes round in circles.
const MOST_PAGES: u64 = 100_000;

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
    async fn fetch(&self, client: &UpstreamClient, page: u64) -> Result<Answer, ReadError> {
        let page = page.to_string();
        let mut query = self.query.to_vec();
        query.push((self.number, &page));
        client.get(&Get { what: self.what, path: self.path, query: &query }).await
    }
}

/// Reads the whole of `listing` and sends what `visitor` makes of it to `records`. Returns how many items it has.
///
/// # Errors
/// [`ReadError`] as soon as a page does not come, or does not add up with those before it.
pub(super) async fn walk<V: Visitor>(
    client: &UpstreamClient,
    listing: &Listing<'_>,
    visitor: &mut V,
    records: &RecordSender,
) -> Result<u64, ReadError> {
    let mut sums = Sums::new(listing.totals);
    let mut next = Some(1);
    while let Some(number) = next {
        let answer = listing.fetch(client, number).await?;
        let (made, following) = take(&answer, number, &mut sums, visitor)
            .map_err(|refused| refused.into_error(&answer, listing.what))?;
        let progress = records.progress();
        progress.page_read();
        if number == 1 {
            progress.expect(sums.total.unwrap_or(0));
        }
        if !made.is_empty() {
            records.send(made).await?;
        }
        next = following;
    }
    Ok(sums.items)
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

/// Looks at page `number` and hands it to the visitor. Returns the records, and the number of the next page.
fn take<V: Visitor>(
    answer: &Answer,
    number: u64,
    sums: &mut Sums,
    visitor: &mut V,
) -> Result<(Vec<Record>, Option<u64>), Refused> {
    let page: V::Page<'_> = answer.decode().map_err(Refused::Undecodable)?;
    let next = sums.accept(number, page.mark(), page.ids().count() as u64)?;
    if page.ids().any(|id| !visitor.is_new(id)) {
        return Err(Fault::Changed(format!("page {number} has an item that came before")).into());
    }
    Ok((visitor.visit(page)?, next))
}

/// What the pages so far add up to.
#[derive(Debug)]
struct Sums {
    totals: Totals,
    total: Option<u64>,
    items: u64,
}

impl Sums {
    fn new(totals: Totals) -> Self {
        Self { totals, total: None, items: 0 }
    }

    /// Adds the page that came when page `asked` was asked for, with `items` items. Returns the next to ask for.
    fn accept(&mut self, asked: u64, mark: PageMark, items: u64) -> Result<Option<u64>, Fault> {
        if mark.current != asked {
            return Err(Fault::Unexpected(format!("page {asked} was asked for, page {} came", mark.current)));
        }
        self.check_total(asked, mark.total)?;
        self.items += items;
        let Some(next) = mark.next else {
            self.check_items()?;
            return Ok(None);
        };
        if next != asked + 1 {
            return Err(Fault::Unexpected(format!("it names page {next} as the one after page {asked}")));
        }
        if items == 0 {
            return Err(Fault::Unexpected(format!(
                "page {asked} is empty, and yet page {next} is to follow"
            )));
        }
        if asked >= MOST_PAGES {
            return Err(Fault::Unexpected(format!("it has no end after {MOST_PAGES} pages")));
        }
        Ok(Some(next))
    }

    fn check_total(&mut self, asked: u64, total: Option<u64>) -> Result<(), Fault> {
        if asked == 1 {
            self.total = total;
        }
        match (total, self.total) {
            (None, _) if self.totals == Totals::Promised => {
                Err(Fault::Unexpected("it does not say how many items there are".to_owned()))
            }
            (now, before) if now == before => Ok(()),
            (Some(now), Some(before)) => {
                Err(Fault::Changed(format!("it had {before} items, and on page {asked} it has {now}")))
            }
            _ => Err(Fault::Unexpected("only some of its pages say how many items there are".to_owned())),
        }
    }

    fn check_items(&self) -> Result<(), Fault> {
        match self.total {
            Some(total) if total != self.items => {
                Err(Fault::Changed(format!("it says that it has {total} items, and {} came", self.items)))
            }
            _ => Ok(()),
        }
    }
}

/// The ids seen in a run: the only thing that grows with the account, so only a 64-bit hash of each is kept. The
/// hash is keyed anew for each run; two ids that share one (once in 30 million runs of a million users) look like
/// a repeated item, which fails the run, and never like a missing one.
#[derive(Debug, Default)]
pub(super) struct IdSet {
    seen: HashSet<u64>,
    key: RandomState,
}

impl IdSet {
    /// Notes `id`; `false` where it was there.
    pub(super) fn insert(&mut self, id: &str) -> bool {
        self.seen.insert(self.key.hash_one(id))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn mark(current: u64, next: Option<u64>, total: Option<u64>) -> PageMark {
        PageMark { current, next, total }
    }

    fn add_up(totals: Totals, pages: &[(PageMark, u64)]) -> Result<u64, Fault> {
        let mut sums = Sums::new(totals);
        let mut next = Some(1);
        for (mark, items) in pages {
            let Some(asked) = next else { break };
            next = sums.accept(asked, *mark, *items)?;
        }
        assert_eq!(next, None, "the pages end before the listing does");
        Ok(sums.items)
    }

    #[rstest]
    #[case::one_page(&[(mark(1, None, Some(3)), 3)], 3)]
    #[case::nothing(&[(mark(1, None, Some(0)), 0)], 0)]
    #[case::two_pages(&[(mark(1, Some(2), Some(5)), 3), (mark(2, None, Some(5)), 2)], 5)]
    fn a_listing_that_adds_up_is_believed(#[case] pages: &[(PageMark, u64)], #[case] items: u64) {
        assert_eq!(add_up(Totals::Promised, pages), Ok(items));
    }

    #[rstest]
    #[case::another_page(&[(mark(2, None, Some(3)), 3)], "page 1 was asked for, page 2 came")]
    #[case::the_next_page_is_this_one(&[(mark(1, Some(1), Some(3)), 3)], "page 1 as the one after page 1")]
    #[case::a_page_is_left_out(&[(mark(1, Some(3), Some(3)), 3)], "page 3 as the one after page 1")]
    #[case::an_empty_page_in_the_middle(&[(mark(1, Some(2), Some(3)), 0)], "page 1 is empty")]
    #[case::no_total(&[(mark(1, None, None), 3)], "how many")]
    fn a_page_that_breaks_the_rules_is_unexpected(#[case] pages: &[(PageMark, u64)], #[case] because: &str) {
        let Err(Fault::Unexpected(problem)) = add_up(Totals::Promised, pages) else { panic!("believed") };
        assert!(problem.contains(because), "{problem}");
    }

    #[rstest]
    #[case::the_total_moves(&[(mark(1, Some(2), Some(5)), 3), (mark(2, None, Some(4)), 1)], "had 5 items")]
    #[case::too_few(&[(mark(1, None, Some(5)), 3)], "says that it has 5 items, and 3 came")]
    #[case::too_many(&[(mark(1, None, Some(2)), 3)], "says that it has 2 items, and 3 came")]
    fn a_listing_that_contradicts_itself_has_changed(
        #[case] pages: &[(PageMark, u64)],
        #[case] because: &str,
    ) {
        let Err(Fault::Changed(problem)) = add_up(Totals::Promised, pages) else { panic!("believed") };
        assert!(problem.contains(because), "{problem}");
    }

    #[test]
    fn a_total_on_some_pages_only_is_unexpected() {
        let pages = [(mark(1, Some(2), Some(5)), 3), (mark(2, None, None), 2)];
        assert!(matches!(add_up(Totals::Possible, &pages), Err(Fault::Unexpected(_))));
        assert_eq!(add_up(Totals::Possible, &[(mark(1, None, None), 3)]), Ok(3));
    }

    #[test]
    fn a_listing_without_an_end_is_given_up() {
        let mut sums = Sums::new(Totals::Possible);
        assert!(sums.accept(MOST_PAGES, mark(MOST_PAGES, Some(MOST_PAGES + 1), None), 1).is_err());
    }

    proptest! {
        #[test]
        fn no_page_can_be_lost_or_repeated_unseen(sizes in prop::collection::vec(1_u64..5, 1..20), victim in 0_usize..20) {
            let total = sizes.iter().sum::<u64>();
            let last = sizes.len() as u64;
            let pages: Vec<_> = (1..=last)
                .zip(&sizes)
                .map(|(number, items)| (mark(number, (number < last).then_some(number + 1), Some(total)), *items))
                .collect();
            prop_assert_eq!(add_up(Totals::Promised, &pages), Ok(total));
            let victim = victim % pages.len();
            let mut repeated = pages.clone();
            repeated.insert(victim, pages[victim]);
            if victim + 1 < pages.len() {
                prop_assert!(add_up(Totals::Promised, &repeated).is_err());
                let mut lost = pages.clone();
                lost.remove(victim);
                prop_assert!(add_up(Totals::Promised, &lost).is_err());
            }
            let mut shrunk = pages;
            shrunk[victim].1 -= 1;
            prop_assert!(add_up(Totals::Promised, &shrunk).is_err());
        }

        #[test]
        fn an_id_is_new_once(ids in prop::collection::hash_set("[a-z0-9]{1,12}", 0..50)) {
            let mut set = IdSet::default();
            prop_assert!(ids.iter().all(|id| set.insert(id)));
            prop_assert!(!ids.iter().any(|id| set.insert(id)));
        }
    }
}
