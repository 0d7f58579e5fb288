//! The pages' part of [`super::super::fuzzing`].

use super::{PageMark, Sums, Totals};

/// A listing whose pages' envelopes are the bytes: four to a page, after one that says whether totals are promised.
pub(in super::super) fn envelopes(data: &[u8]) {
    let Some((promised, pages)) = data.split_first() else { return };
    let totals = if promised % 2 == 0 { Totals::Promised } else { Totals::Possible };
    let pages: Vec<(PageMark, u64)> = pages.chunks_exact(4).map(envelope).collect();
    let mut sums = Sums::new(totals);
    let mut next = Some(1);
    let mut taken = 0;
    for (mark, items) in &pages {
        let Some(asked) = next else { break };
        match sums.accept(asked, *mark, *items) {
            Ok(following) => next = following,
            Err(_) => return,
        }
        taken += 1;
    }
    if next.is_none() {
        check_whole(totals, pages.get(..taken).unwrap_or_default());
    }
}

/// `[current, next, total, items]`; 255 stands for a field that is null or absent.
fn envelope(bytes: &[u8]) -> (PageMark, u64) {
    let number = |index: usize| bytes.get(index).copied().map(u64::from).filter(|number| *number != 255);
    let mark = PageMark { current: number(0).unwrap_or_default(), next: number(1), total: number(2) };
    (mark, number(3).unwrap_or_default())
}

/// What is believed adds up, however it is looked at.
fn check_whole(totals: Totals, pages: &[(PageMark, u64)]) {
    let items: u64 = pages.iter().map(|(_, items)| items).sum();
    let last = pages.len();
    for (number, (mark, items)) in (1..).zip(pages) {
        assert_eq!(mark.current, number, "a page is not the one asked for");
        let ends = number == last as u64;
        assert_eq!(mark.next, (!ends).then_some(number + 1), "a page is left out");
        assert!(ends || *items > 0, "an empty page is in the middle");
    }
    let said: Vec<Option<u64>> = pages.iter().map(|(mark, _)| mark.total).collect();
    assert!(said.windows(2).all(|pair| pair.first() == pair.last()), "the total moved");
    match said.first() {
        Some(Some(total)) => assert_eq!(*total, items, "somebody is missing"),
        _ => assert_eq!(totals, Totals::Possible, "a total was promised"),
    }
}
