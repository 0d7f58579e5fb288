//! How long snapshots are kept: the last few of each owner, and all of them for a while after the owner is deleted.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::{DirectoryStore, failed, files};
use crate::snapshot::store::{DELETED_SINCE, LEFTOVER_AGE, Pruned, Retired, StoreError, run_of_pointer};
use crate::snapshot::{Owner, SyncId, container};

impl DirectoryStore {
    /// Removes all but the last `keep` snapshots of an owner, and files that were left incomplete an hour before
    /// `now`. The one that counts always stays.
    ///
    /// # Errors
    /// When the disk fails; when `latest.json` cannot be understood, nothing is removed.
    pub fn prune(&self, owner: &Owner, keep: usize, now: Timestamp) -> Result<Pruned, StoreError> {
        let mut pruned = Pruned::default();
        let entries = self.list(owner)?;
        let too_many = entries.len().saturating_sub(keep);
        for entry in entries.iter().take(too_many).filter(|entry| !entry.latest) {
            let path = self.path(owner, &entry.id);
            fs::remove_file(&path).map_err(failed("removing", &path))?;
            pruned.snapshots += 1;
        }
        pruned.leftovers = self.prune_leftovers(owner, now)?;
        Ok(pruned)
    }

    /// Removes the files of an owner that were left incomplete an hour before `now`, and says how many.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn prune_leftovers(&self, owner: &Owner, now: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        for file in files(&self.folder(owner))? {
            let path = file.path();
            if path.extension().is_some_and(|it| it == "tmp") && is_leftover(&path, now)? {
                if let Some(id) = file.file_name().to_str().and_then(run_of_pointer) {
                    self.remove_unpublished(owner, &id)?;
                }
                fs::remove_file(&path).map_err(failed("removing", &path))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Removes the snapshot of a run whose publication a crash has cut off. Before its pointer goes, without which it
    /// would look like one that was published.
    fn remove_unpublished(&self, owner: &Owner, id: &SyncId) -> Result<(), StoreError> {
        match self.latest(owner) {
            Ok(latest) if latest.as_ref().is_none_or(|latest| latest.id != *id) => {}
            // It counts, or nobody knows what does.
            Ok(_) | Err(StoreError::BaselineLost { .. }) => return Ok(()),
            Err(error) => return Err(error),
        }
        let path = self.path(owner, id);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => Err(failed("removing", &path)(source)),
            _ => Ok(()),
        }
    }

    /// Has the owner been found deleted?
    pub fn is_retired(&self, owner: &Owner) -> bool {
        self.folder(owner).join(DELETED_SINCE).exists()
    }

    /// The owner has been found deleted at `now`: removes its folder when that was so `retention` ago already. The
    /// caller has made sure that the object of this uid does not exist.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn retire(
        &self,
        owner: &Owner,
        now: Timestamp,
        retention: SignedDuration,
    ) -> Result<Retired, StoreError> {
        let folder = self.folder(owner);
        let marker = folder.join(DELETED_SINCE);
        let since = match fs::read_to_string(&marker) {
            Ok(text) => text.trim().parse().ok(),
            Err(source) if source.kind() == ErrorKind::NotFound => None,
            Err(source) => return Err(failed("reading", &marker)(source)),
        };
        // What cannot be understood begins anew.
        let Some(since) = since else {
            if !folder.exists() {
                return Ok(Retired::Removed);
            }
            write_marker(&marker, now)?;
            return Ok(Retired::Kept { since: now });
        };
        if now.duration_since(since) < retention {
            return Ok(Retired::Kept { since });
        }
        self.remove(owner)?;
        Ok(Retired::Removed)
    }

    /// The owner exists after all: its snapshots stay.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn revive(&self, owner: &Owner) -> Result<(), StoreError> {
        let marker = self.folder(owner).join(DELETED_SINCE);
        match fs::remove_file(&marker) {
            Err(source) if source.kind() != ErrorKind::NotFound => Err(failed("removing", &marker)(source)),
            _ => Ok(()),
        }
    }

    /// Removes all of an owner's snapshots at once, and the folders above that are then empty.
    fn remove(&self, owner: &Owner) -> Result<(), StoreError> {
        let folder = self.folder(owner);
        fs::remove_dir_all(&folder).map_err(failed("removing", &folder))?;
        for above in folder.ancestors().skip(1).take(3) {
            // Not empty: another owner is there.
            if fs::remove_dir(above).is_err() {
                break;
            }
        }
        Ok(())
    }
}

fn is_leftover(path: &Path, now: Timestamp) -> Result<bool, StoreError> {
    let modified = match fs::metadata(path).and_then(|metadata| metadata.modified()) {
        Ok(modified) => modified,
        // Completed, or removed, in this moment.
        Err(source) if source.kind() == ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(failed("looking at", path)(source)),
    };
    Ok(Timestamp::try_from(modified).is_ok_and(|modified| now.duration_since(modified) > LEFTOVER_AGE))
}

fn write_marker(marker: &Path, now: Timestamp) -> Result<(), StoreError> {
    let write = || {
        let mut file = container::create_private(&container::unfinished(marker))?;
        writeln!(file, "{now}")?;
        file.sync_all()?;
        container::finish(marker)
    };
    write().map_err(failed("writing", marker))
}
