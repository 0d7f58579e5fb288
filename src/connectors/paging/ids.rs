//! The ids seen in a run.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

/// The ids seen in a run: the only thing that grows with the account, so only a 64-bit hash of each is kept. The
/// hash is keyed anew for each run; two ids that share one (once in 30 million runs of a million users) look like
/// a repeated item, which fails the run, and never like a missing one.
#[derive(Debug, Default)]
pub(in super::super) struct IdSet {
    seen: HashSet<u64>,
    key: RandomState,
}

impl IdSet {
    /// Notes `id`; `false` where it was there.
    pub(in super::super) fn insert(&mut self, id: &str) -> bool {
        self.seen.insert(self.key.hash_one(id))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_is_new_once(ids in prop::collection::hash_set("[a-z0-9]{1,12}", 0..50)) {
            let mut set = IdSet::default();
            prop_assert!(ids.iter().all(|id| set.insert(id)));
            prop_assert!(!ids.iter().any(|id| set.insert(id)));
        }
    }
}
