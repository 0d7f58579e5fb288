//! The arithmetic of pages that both vendors share: a number from 1, a size with a default and a bound.

use std::ops::Range;

/// The largest page that either vendor hands out.
pub(crate) const MAX_SIZE: usize = 100;

/// The page that a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageRequest {
    /// Counted from 1.
    pub(crate) number: usize,
    /// At most [`MAX_SIZE`].
    pub(crate) size: usize,
}

impl PageRequest {
    pub(crate) fn first(default_size: usize) -> Self {
        Self { number: 1, size: default_size }
    }

    /// Takes over a page number as it stands in a query; `None` unless it is one.
    pub(crate) fn with_number(self, text: &str) -> Option<Self> {
        let number = text.parse().ok().filter(|number| *number > 0)?;
        Some(Self { number, ..self })
    }

    /// Takes over a page size as it stands in a query, clamped; `None` unless it is one.
    pub(crate) fn with_size(self, text: &str) -> Option<Self> {
        let size: usize = text.parse().ok().filter(|size| *size > 0)?;
        Some(Self { size: size.min(MAX_SIZE), ..self })
    }

    /// Lays the page over a listing of `total` things.
    pub(crate) fn over(self, total: usize) -> Window {
        Window { number: self.number, size: self.size, total, pages: total.div_ceil(self.size) }
    }
}

/// One page of a listing whose length is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) number: usize,
    pub(crate) size: usize,
    pub(crate) total: usize,
    /// 0 where there is nothing to list.
    pub(crate) pages: usize,
}

impl Window {
    /// The part of the listing that the page shows; empty beyond the end.
    pub(crate) fn range(&self) -> Range<usize> {
        let start = (self.number - 1).saturating_mul(self.size).min(self.total);
        start..start.saturating_add(self.size).min(self.total)
    }

    /// The page's part of a listing.
    pub(crate) fn cut<'a, T>(&self, listing: &'a [T]) -> &'a [T] {
        listing.get(self.range()).unwrap_or_default()
    }

    pub(crate) fn next(&self) -> Option<usize> {
        (self.number < self.pages).then(|| self.number + 1)
    }

    pub(crate) fn previous(&self) -> Option<usize> {
        (self.number > 1).then(|| self.number - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_above_the_bound_is_clamped_and_a_senseless_one_refused() {
        let page = PageRequest::first(25);
        assert_eq!(page.with_size("1000").unwrap().size, MAX_SIZE);
        assert_eq!(page.with_size("0"), None);
        assert_eq!(page.with_number("-1"), None);
        assert_eq!(page.with_number("two"), None);
    }

    #[test]
    fn the_last_page_shows_the_rest_and_has_no_next() {
        let window = PageRequest { number: 3, size: 10 }.over(25);
        assert_eq!(window.range(), 20..25);
        assert_eq!((window.previous(), window.next(), window.pages), (Some(2), None, 3));
    }

    #[test]
    fn a_page_far_beyond_the_end_is_empty() {
        let window = PageRequest { number: usize::MAX, size: 100 }.over(25);
        assert!(window.range().is_empty());
        assert_eq!(window.next(), None);
    }
}
