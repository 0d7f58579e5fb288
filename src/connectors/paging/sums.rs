//! What the pages of a listing add up to, and whether they can be believed.

use std::ops::Range;

use super::{Fault, PageMark, Totals};

/// No listing has more pages than this; one that says so goes round in circles.
const MOST_PAGES: u64 = 100_000;

/// What the pages so far add up to.
#[derive(Debug)]
pub(super) struct Sums {
    totals: Totals,
    /// What the first page says.
    pub(super) total: Option<u64>,
    /// Items that came.
    pub(super) items: u64,
}

impl Sums {
    pub(super) fn new(totals: Totals) -> Self {
        Self { totals, total: None, items: 0 }
    }

    /// Adds the page that came when page `asked` was asked for, with `items` items. Returns the next to ask for.
    pub(super) fn accept(&mut self, asked: u64, mark: PageMark, items: u64) -> Result<Option<u64>, Fault> {
        // First, since a listing that has shrunk may give its last page for one that is no longer there.
        self.check_total(asked, mark.total)?;
        if mark.current != asked {
            return Err(Fault::Unexpected(format!("page {asked} was asked for, page {} came", mark.current)));
        }
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

    /// The pages after the first, by the total and the items on it, where it says that there are more.
    pub(super) fn following(&self, next: Option<u64>) -> Range<u64> {
        match (next, self.total) {
            (Some(next), Some(total)) if self.items > 0 => {
                next..total.div_ceil(self.items).min(MOST_PAGES) + 1
            }
            _ => 0..0,
        }
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
    #[case::the_last_page_for_one_that_is_gone(&[(mark(1, Some(2), Some(5)), 3), (mark(1, None, Some(3)), 3)], "had 5 items")]
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
    }
}
