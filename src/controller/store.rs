//! What this operator wrote last, for as long as its own watch has not shown it yet. Without it, a reconcile that
//! comes before the echo of the last write would decide on an old status and run twice.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::api::ConnectorStatus;
use crate::sync::ObjectKey;

/// Statuses that were written and not yet seen.
#[derive(Debug, Default)]
pub(super) struct Unseen {
    statuses: Mutex<HashMap<ObjectKey, Written>>,
    /// The hashes of those objects whose status this operator has written itself, by their kind.
    own: Mutex<HashMap<&'static str, HashSet<u64>>>,
}

/// A status as it was written.
#[derive(Debug, Clone)]
struct Written {
    status: ConnectorStatus,
    /// The `metadata.resourceVersion` that the object has since.
    version: Option<String>,
}

impl Unseen {
    /// What was written and is not seen yet: the status, and the version of the object that has it.
    pub(super) fn latest(&self, key: &ObjectKey) -> Option<(ConnectorStatus, Option<String>)> {
        self.statuses().get(key).map(|Written { status, version }| (status.clone(), version.clone()))
    }

    /// The watch shows these: where that is what was written, or came after it, there is nothing to remember any more.
    pub(super) fn saw(&self, key: &ObjectKey, seen: Option<&ConnectorStatus>, version: Option<&str>) {
        let mut statuses = self.statuses();
        let is_known =
            |written: &Written| Some(&written.status) == seen || !counts(written.version.as_deref(), version);
        if statuses.get(key).is_some_and(is_known) {
            statuses.remove(key);
        }
    }

    /// This status was written, and the object has this version since.
    pub(super) fn written(&self, key: &ObjectKey, status: ConnectorStatus, version: Option<String>) {
        self.is_up_to_date(key);
        self.statuses().insert(key.clone(), Written { status, version });
    }

    /// Can what the watch shows of it be older than what another operator has written? Not once this one has.
    pub(super) fn may_be_behind(&self, key: &ObjectKey) -> bool {
        !self.own().get(key.kind).is_some_and(|own| own.contains(&hash(key)))
    }

    /// What the watch shows of it is what the API server has.
    pub(super) fn is_up_to_date(&self, key: &ObjectKey) {
        self.own().entry(key.kind).or_default().insert(hash(key));
    }

    /// The object is gone.
    pub(super) fn forget(&self, key: &ObjectKey) {
        self.statuses().remove(key);
        if let Some(own) = self.own().get_mut(key.kind) {
            own.remove(&hash(key));
        }
    }

    /// Forgets every object of `kind` that `keep` does not know.
    pub(super) fn retain(&self, kind: &str, keep: impl Fn(&ObjectKey) -> bool) {
        self.statuses().retain(|key, _| key.kind != kind || keep(key));
    }

    /// All objects of `kind` were listed anew, by an API server that may be behind: all are asked for once more.
    pub(super) fn relisted(&self, kind: &str) {
        self.own().remove(kind);
    }

    fn own(&self) -> MutexGuard<'_, HashMap<&'static str, HashSet<u64>>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn statuses(&self) -> MutexGuard<'_, HashMap<ObjectKey, Written>> {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(key: &ObjectKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// Does what was written count, where the watch shows the object in this version? It may have come to be remembered only
/// after the watch had shown what came after it. Where nobody can tell, only what was written is known.
pub(super) fn counts(written: Option<&str>, shown: Option<&str>) -> bool {
    let order = shown.zip(written).and_then(|(shown, written)| compare(shown, written));
    order.is_none_or(Ordering::is_lt)
}

/// Versions grow, as Kubernetes promises since 1.35.
pub(super) fn compare(version: &str, other: &str) -> Option<Ordering> {
    let number = |version: &str| version.parse::<u128>().ok();
    Some(number(version)?.cmp(&number(other)?))
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
        let unseen = Unseen::default();
        let at = |version: &str| Some(version.to_owned());
        assert_eq!(unseen.latest(&key), None);
        unseen.written(&key, new.clone(), at("9"));
        unseen.saw(&key, Some(&old), Some("8"));
        assert_eq!(unseen.latest(&key), Some((new.clone(), at("9"))), "somebody edited it before");
        unseen.saw(&key, Some(&new), Some("9"));
        assert_eq!(unseen.latest(&key), None);
    }

    #[test]
    fn what_was_written_counts_unless_the_watch_shows_the_same_or_what_came_after_it() {
        for (written, shown, does) in [
            (Some("9"), Some("8"), true),
            (Some("9"), Some("9"), false),
            (Some("9"), Some("10"), false),
            (Some("a"), Some("b"), true),
            (Some("9"), None, true),
            (None, Some("9"), true),
        ] {
            assert_eq!(counts(written, shown), does, "{written:?} {shown:?}");
        }
    }

    #[test]
    fn what_somebody_else_has_written_since_counts() {
        let key =
            ObjectKey { kind: "ScalrConnector", namespace: "a".into(), name: "b".into(), uid: "c".into() };
        let (ours, theirs) = (
            ConnectorStatus::default(),
            ConnectorStatus { observed_generation: 5, ..ConnectorStatus::default() },
        );
        let unseen = Unseen::default();
        unseen.written(&key, ours, Some("9".into()));
        unseen.saw(&key, Some(&theirs), Some("10"));
        assert_eq!(unseen.latest(&key), None);
    }
}
