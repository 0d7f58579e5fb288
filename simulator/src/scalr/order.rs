//! The order of a listing: as it is stored, or as `sort` asks, remembered until the data changes.
//!
//! Sorting a hundred thousand users for each of their thousand pages would take most of a minute.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::query::{SortKey, sort_keys};

/// How two things compare by one key of `sort`.
pub(super) type Compare<T> = fn(&T, &T, SortKey<'_>) -> Ordering;

/// The orders in which clients have asked for listings since the data last changed.
#[derive(Debug, Default)]
pub(super) struct Orders(Mutex<BTreeMap<(&'static str, String), Order>>);

impl Orders {
    /// The order of a listing. The caller holds the lock under which `things` cannot change.
    pub(super) fn of<T>(
        &self,
        listing: &'static str,
        sort: Option<&str>,
        things: &[T],
        compare: Compare<T>,
    ) -> Order {
        let Some(sort) = sort else { return Order(None) };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let order = known.entry((listing, sort.to_owned()));
        order.or_insert_with(|| Order(Some(sorted(things, sort, compare)))).clone()
    }

    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The order of one listing: positions, or `None` for the order in which things are stored.
#[derive(Clone, Debug)]
pub(super) struct Order(Option<Arc<[usize]>>);

impl Order {
    /// The things in `range` of the ordered listing.
    pub(super) fn cut<'a, T>(&self, things: &'a [T], range: Range<usize>) -> Vec<&'a T> {
        match &self.0 {
            None => things.get(range).unwrap_or_default().iter().collect(),
            Some(positions) => {
                let positions = positions.get(range).unwrap_or_default();
                positions.iter().filter_map(|position| things.get(*position)).collect()
            }
        }
    }
}

/// Things that are equal by every key keep the order in which they are stored.
fn sorted<T>(things: &[T], sort: &str, compare: Compare<T>) -> Arc<[usize]> {
    let mut order: Vec<(usize, &T)> = things.iter().enumerate().collect();
    order.sort_by(|(_, a), (_, b)| {
        let mut orderings = sort_keys(sort).map(|key| compare(a, b, key));
        orderings.find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
    });
    order.into_iter().map(|(position, _)| position).collect()
}
