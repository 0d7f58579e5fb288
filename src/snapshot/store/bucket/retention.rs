//! How long snapshots are kept in a bucket.

use jiff::{SignedDuration, Timestamp};

use super::BucketStore;
use crate::snapshot::store::{DELETED_SINCE, LEFTOVER_AGE, Pruned, Retired, StoreError, run_of_pointer};
use crate::snapshot::{Owner, SyncId};

impl BucketStore {
    pub(in crate::snapshot::store) fn prune(
        &self,
        owner: &Owner,
        keep: usize,
        now: Timestamp,
    ) -> Result<Pruned, StoreError> {
        let mut pruned = Pruned::default();
        let entries = self.list(owner)?;
        let too_many = entries.len().saturating_sub(keep);
        for entry in entries.iter().take(too_many).filter(|entry| !entry.latest) {
            self.requests.delete(&self.snapshot_key(owner, &entry.id))?;
            pruned.snapshots += 1;
        }
        pruned.leftovers = self.prune_leftovers(owner, now)?;
        Ok(pruned)
    }

    pub(in crate::snapshot::store) fn prune_leftovers(
        &self,
        owner: &Owner,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut removed = 0;
        for object in self.requests.list(&self.folder(owner))? {
            let Some(id) = run_of_pointer(&object.name) else { continue };
            let is_old = now.duration_since(object.modified) > LEFTOVER_AGE;
            if self.remove_unpublished(owner, &id, is_old)? {
                self.requests.delete(&self.key(owner, &object.name))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Removes the snapshot of a run whose publication was cut off, and says whether its pointer is to go. Before that,
    /// without which it would look like one that was published. Of one that counts only the pointer is too much, at any
    /// time.
    fn remove_unpublished(&self, owner: &Owner, id: &SyncId, is_old: bool) -> Result<bool, StoreError> {
        match self.latest(owner) {
            Ok(Some(latest)) if latest.id == *id => return Ok(true),
            Ok(_) if is_old => {}
            Ok(_) => return Ok(false),
            // Nobody knows what counts.
            Err(StoreError::BaselineLost { .. }) => return Ok(is_old),
            Err(error) => return Err(error),
        }
        self.requests.delete(&self.snapshot_key(owner, id))?;
        Ok(true)
    }

    pub(in crate::snapshot::store) fn is_retired(&self, owner: &Owner) -> Result<bool, StoreError> {
        Ok(self.requests.size(&self.key(owner, DELETED_SINCE))?.is_some())
    }

    pub(in crate::snapshot::store) fn retire(
        &self,
        owner: &Owner,
        now: Timestamp,
        retention: SignedDuration,
    ) -> Result<Retired, StoreError> {
        let marker = self.key(owner, DELETED_SINCE);
        let found = self.requests.read(&marker)?;
        // What cannot be understood begins anew.
        let since = found.and_then(|found| String::from_utf8_lossy(&found.text).trim().parse().ok());
        let Some(since) = since else {
            if self.requests.list(&self.folder(owner))?.is_empty() {
                return Ok(Retired::Removed);
            }
            self.requests.write(&marker, format!("{now}\n").as_bytes())?;
            return Ok(Retired::Kept { since: now });
        };
        if now.duration_since(since) < retention {
            return Ok(Retired::Kept { since });
        }
        self.remove(owner)?;
        Ok(Retired::Removed)
    }

    pub(in crate::snapshot::store) fn revive(&self, owner: &Owner) -> Result<(), StoreError> {
        self.requests.delete(&self.key(owner, DELETED_SINCE))
    }

    /// Removes all of an owner's objects. Last the one that says that they are to go: a removal that is cut off goes on.
    fn remove(&self, owner: &Owner) -> Result<(), StoreError> {
        let folder = self.folder(owner);
        let names = self.requests.list(&folder)?.into_iter().map(|object| object.name);
        let keys = names.filter(|name| name != DELETED_SINCE).map(|name| folder.clone().join(name));
        self.requests.delete_all(&folder, keys.collect())?;
        self.requests.delete(&self.key(owner, DELETED_SINCE))
    }
}
