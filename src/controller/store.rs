//! What this operator wrote last, for as long as its own watch has not shown it yet. Without it, a reconcile that
//! comes before the echo of the last write would decide on an old status and run twice.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::api::ConnectorStatus;
use crate::sync::ObjectKey;

/// Statuses that were written and not yet seen.
#[derive(Debug, Default)]
pub(super) struct Unseen {
    statuses: Mutex<HashMap<ObjectKey, ConnectorStatus>>,
}

impl Unseen {
    /// The status to decide on, where the watch shows `seen`.
    pub(super) fn latest(&self, key: &ObjectKey, seen: Option<&ConnectorStatus>) -> ConnectorStatus {
        self.statuses().get(key).or(seen).cloned().unwrap_or_default()
    }

    /// The watch shows `seen`: where that is what was written, there is nothing to remember any more.
    pub(super) fn saw(&self, key: &ObjectKey, seen: Option<&ConnectorStatus>) {
        let mut statuses = self.statuses();
        if statuses.get(key).is_some_and(|written| Some(written) == seen) {
            statuses.remove(key);
        }
    }

    /// This status was written.
    pub(super) fn written(&self, key: &ObjectKey, status: ConnectorStatus) {
        self.statuses().insert(key.clone(), status);
    }

    /// The object is gone.
    pub(super) fn forget(&self, key: &ObjectKey) {
        self.statuses().remove(key);
    }

    /// Forgets every object of `kind` that `keep` does not know.
    pub(super) fn retain(&self, kind: &str, keep: impl Fn(&ObjectKey) -> bool) {
        self.statuses().retain(|key, _| key.kind != kind || keep(key));
    }

    fn statuses(&self) -> MutexGuard<'_, HashMap<ObjectKey, ConnectorStatus>> {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_counts_until_the_watch_shows_it() {
        let key =
            ObjectKey { kind: "ScalrConnector", namespace: "a".into(), name: "b".into(), uid: "c".into() };
        let old = ConnectorStatus { observed_generation: 1, ..ConnectorStatus::default() };
        let new = ConnectorStatus { observed_generation: 2, ..ConnectorStatus::default() };
        let later = ConnectorStatus { observed_generation: 3, ..ConnectorStatus::default() };
        let unseen = Unseen::default();
        assert_eq!(unseen.latest(&key, Some(&old)), old);
        unseen.written(&key, new.clone());
        unseen.saw(&key, Some(&old));
        assert_eq!(unseen.latest(&key, Some(&old)), new);
        unseen.saw(&key, Some(&new));
        assert_eq!(unseen.latest(&key, Some(&later)), later);
    }
}
