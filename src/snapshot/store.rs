//! Keeps published snapshots, in a folder or in a bucket: `<namespace>/<kind>/<name>/<uid>/<sync id>.c1z`, and beside
//! them `latest.json`, which says which one counts. A snapshot never changes; `latest.json` is switched when all else
//! is safe, so that a crash at any moment leaves the former one in place.
//!
//! Whom a folder belongs to, and whether that object still exists, is for the caller to know.

mod bucket;
mod directory;
mod error;
mod hold;
mod local;

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::bucket::{BucketAddress, BucketProblem, BucketStore, InvalidBucket};
pub use self::directory::DirectoryStore;
pub use self::error::StoreError;
pub use self::hold::{HoldId, HoldText, HoldWriter};
pub use self::local::LocalFile;
use super::{Finished, Owner, ReadError, Snapshot, SyncId};
use crate::access::Counts;
use crate::access::guard::ScopeCounts;

const LATEST: &str = "latest.json";
const EXTENSION: &str = "c1z";
/// The lease transitions of the last who published, apart from `latest.json`, should that be damaged.
const FENCE: &str = "lease-transitions";
const HELD: &str = "held.txt.zst";
/// Says since when the owner has been found deleted.
const DELETED_SINCE: &str = "deleted-since";
/// What was left incomplete, and is of this age, is not being written any more.
const LEFTOVER_AGE: SignedDuration = SignedDuration::from_hours(1);

/// The snapshot of an owner that counts: what `latest.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Latest {
    /// The run, and the name of the file.
    pub id: SyncId,
    /// The SHA-256 of the file, in lowercase hexadecimal digits.
    pub digest: String,
    /// The size of the file in bytes.
    pub size: u64,
    /// How many records it holds.
    pub counts: Counts,
    /// The stable id of the upstream account that was read, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// How many of it are in each scope of the removal guard.
    #[serde(default, skip_serializing_if = "ScopeCounts::is_empty")]
    pub scopes: ScopeCounts,
    /// When the run ended.
    pub completed_at: Timestamp,
    /// How often the lease had changed hands when this was published.
    pub lease_transitions: u64,
}

/// What is known of a snapshot besides its content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The stable id of the upstream account that was read, where it has one.
    pub account_id: Option<String>,
    /// How many of it are in each scope of the removal guard.
    pub scopes: ScopeCounts,
    /// What it was compared with.
    pub replaces: Replaces,
    /// How often the publisher's lease has changed hands: one with fewer is no longer the leader. 0 without a lease.
    pub lease_transitions: u64,
}

/// What has to count still at the moment in which something else takes its place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Replaces {
    /// Whatever it is, or was.
    #[default]
    Anything,
    /// Nothing was published before.
    Nothing,
    /// The snapshot of this run.
    Run(SyncId),
}

/// A snapshot in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The run.
    pub id: SyncId,
    /// The size of the file in bytes.
    pub size: u64,
    /// Is it the one that counts?
    pub latest: bool,
}

/// What [`Store::prune`] has removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Snapshots that were too many.
    pub snapshots: u64,
    /// Files that a crash had left incomplete.
    pub leftovers: u64,
}

/// What became of the snapshots of a deleted owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retired {
    /// They are kept; the owner has been found deleted since then.
    Kept {
        /// When it was first found deleted.
        since: Timestamp,
    },
    /// They are gone.
    Removed,
}

/// Where snapshots are kept. Everything here blocks its thread.
#[derive(Debug, Clone)]
pub enum Store {
    /// In folders.
    Directory(DirectoryStore),
    /// In a bucket of an object store.
    Bucket(BucketStore),
}

impl From<DirectoryStore> for Store {
    fn from(store: DirectoryStore) -> Self {
        Self::Directory(store)
    }
}

impl From<BucketStore> for Store {
    fn from(store: BucketStore) -> Self {
        Self::Bucket(store)
    }
}

impl Store {
    /// The address of the snapshot of run `id`, as a URI.
    pub fn uri(&self, owner: &Owner, id: &SyncId) -> String {
        match self {
            Self::Directory(store) => store.uri(owner, id),
            Self::Bucket(store) => store.uri(owner, id),
        }
    }

    /// Makes `snapshot` the one that counts, and clears what is held. Publishing the same run again is harmless.
    /// `called_off` is asked once more in the last moment.
    ///
    /// # Errors
    /// [`StoreError::CalledOff`] when it was; [`StoreError::Fenced`] when a later leader has published, and
    /// [`StoreError::Overtaken`] when anybody has; otherwise when the store fails. What counted before counts still,
    /// unless the very last step is what failed: making the switch durable, or hearing from a bucket that it was made.
    pub fn publish(
        &self,
        owner: &Owner,
        snapshot: &Finished,
        receipt: Receipt,
        called_off: &dyn Fn() -> bool,
    ) -> Result<Latest, StoreError> {
        match self {
            Self::Directory(store) => store.publish(owner, snapshot, receipt, called_off),
            Self::Bucket(store) => store.publish(owner, snapshot, receipt, called_off),
        }
    }

    /// The snapshot that counts, without opening it; `None` when nothing has been published.
    ///
    /// # Errors
    /// [`StoreError::BaselineLost`] when `latest.json` cannot be understood; otherwise when the store fails.
    pub fn latest(&self, owner: &Owner) -> Result<Option<Latest>, StoreError> {
        match self {
            Self::Directory(store) => store.latest(owner),
            Self::Bucket(store) => store.latest(owner),
        }
    }

    /// Opens the snapshot that counts, unpacking it in `scratch`; `None` when nothing has been published.
    ///
    /// # Errors
    /// [`StoreError::BaselineLost`] when `latest.json` or the file it names is missing, damaged or another than
    /// what was published; otherwise when the store fails.
    pub fn open_latest(
        &self,
        owner: &Owner,
        scratch: &Path,
    ) -> Result<Option<(Latest, Snapshot)>, StoreError> {
        match self {
            Self::Directory(store) => store.open_latest(owner, scratch),
            Self::Bucket(store) => store.open_latest(owner, scratch),
        }
    }

    /// The snapshot of run `id` as a file of this machine; `None` when it is not there.
    ///
    /// # Errors
    /// When the store fails, or the file is not what was put there.
    pub fn fetch(&self, owner: &Owner, id: &SyncId, scratch: &Path) -> Result<Option<LocalFile>, StoreError> {
        match self {
            Self::Directory(store) => Ok(store.fetch(owner, id)),
            Self::Bucket(store) => store.fetch(owner, id, scratch),
        }
    }

    /// Opens the snapshot of run `id`, unpacking it in `scratch`; `None` when it is not there.
    ///
    /// # Errors
    /// When it is damaged, or the store fails.
    pub fn open(&self, owner: &Owner, id: &SyncId, scratch: &Path) -> Result<Option<Snapshot>, StoreError> {
        let Some(file) = self.fetch(owner, id, scratch)? else { return Ok(None) };
        Ok(Some(Snapshot::open(&file, scratch)?))
    }

    /// The snapshots of an owner, the earliest first.
    ///
    /// # Errors
    /// When the store fails, or `latest.json` cannot be understood.
    pub fn list(&self, owner: &Owner) -> Result<Vec<Entry>, StoreError> {
        match self {
            Self::Directory(store) => store.list(owner),
            Self::Bucket(store) => store.list(owner),
        }
    }

    /// The run of the newest snapshot of an owner that was published, or may have been; `latest.json` is not asked. One
    /// whose publication a crash has cut off is known by the pointer that was not switched in.
    ///
    /// # Errors
    /// When the store fails.
    pub fn newest(&self, owner: &Owner) -> Result<Option<SyncId>, StoreError> {
        match self {
            Self::Directory(store) => store.newest(owner),
            Self::Bucket(store) => store.newest(owner),
        }
    }

    /// The lease transitions of the last who published; 0 where nobody has.
    ///
    /// # Errors
    /// When the store fails, or nobody can tell.
    pub fn last_term(&self, owner: &Owner) -> Result<u64, StoreError> {
        match self {
            Self::Directory(store) => store.last_term(owner),
            Self::Bucket(store) => store.last_term(owner),
        }
    }

    /// All owners that have a folder, in order. What is not a folder of the store's own making is passed over.
    ///
    /// # Errors
    /// When the store fails.
    pub fn owners(&self) -> Result<Vec<Owner>, StoreError> {
        match self {
            Self::Directory(store) => store.owners(),
            Self::Bucket(store) => store.owners(),
        }
    }

    /// Those owners, of the objects that there were under one name.
    ///
    /// # Errors
    /// When the store fails.
    pub fn owners_named(&self, namespace: &str, kind: &str, name: &str) -> Result<Vec<Owner>, StoreError> {
        match self {
            Self::Directory(store) => store.owners_named(namespace, kind, name),
            Self::Bucket(store) => store.owners_named(namespace, kind, name),
        }
    }

    /// Begins to write what is held of an owner.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn begin_hold(&self, owner: &Owner) -> Result<HoldWriter, StoreError> {
        match self {
            Self::Directory(store) => store.begin_hold(owner),
            Self::Bucket(store) => store.begin_hold(owner),
        }
    }

    /// What is held of an owner; `None` where nothing is.
    ///
    /// # Errors
    /// When the store fails.
    pub fn held(&self, owner: &Owner) -> Result<Option<HoldText>, StoreError> {
        match self {
            Self::Directory(store) => store.held(owner),
            Self::Bucket(store) => store.held(owner),
        }
    }

    /// What is held of an owner under this id; `None` where nothing is, or something else, or what is damaged.
    ///
    /// # Errors
    /// When the store fails.
    pub fn held_as(&self, owner: &Owner, id: &str) -> Result<Option<HoldText>, StoreError> {
        match self {
            Self::Directory(store) => store.held_as(owner, id),
            Self::Bucket(store) => store.held_as(owner, id),
        }
    }

    /// Nothing is held of an owner any more.
    ///
    /// # Errors
    /// When the store fails.
    pub fn clear_hold(&self, owner: &Owner) -> Result<(), StoreError> {
        match self {
            Self::Directory(store) => store.clear_hold(owner),
            Self::Bucket(store) => store.clear_hold(owner),
        }
    }

    /// Removes all but the last `keep` snapshots of an owner, and files that were left incomplete an hour before
    /// `now`. The one that counts always stays.
    ///
    /// # Errors
    /// When the store fails; when `latest.json` cannot be understood, nothing is removed.
    pub fn prune(&self, owner: &Owner, keep: usize, now: Timestamp) -> Result<Pruned, StoreError> {
        match self {
            Self::Directory(store) => store.prune(owner, keep, now),
            Self::Bucket(store) => store.prune(owner, keep, now),
        }
    }

    /// Removes the files of an owner that were left incomplete an hour before `now`, and says how many.
    ///
    /// # Errors
    /// When the store fails.
    pub fn prune_leftovers(&self, owner: &Owner, now: Timestamp) -> Result<u64, StoreError> {
        match self {
            Self::Directory(store) => store.prune_leftovers(owner, now),
            Self::Bucket(store) => store.prune_leftovers(owner, now),
        }
    }

    /// Has the owner been found deleted?
    ///
    /// # Errors
    /// When the store fails.
    pub fn is_retired(&self, owner: &Owner) -> Result<bool, StoreError> {
        match self {
            Self::Directory(store) => Ok(store.is_retired(owner)),
            Self::Bucket(store) => store.is_retired(owner),
        }
    }

    /// The owner has been found deleted at `now`: removes its folder when that was so `retention` ago already. The
    /// caller has made sure that the object of this uid does not exist.
    ///
    /// # Errors
    /// When the store fails.
    pub fn retire(
        &self,
        owner: &Owner,
        now: Timestamp,
        retention: SignedDuration,
    ) -> Result<Retired, StoreError> {
        match self {
            Self::Directory(store) => store.retire(owner, now, retention),
            Self::Bucket(store) => store.retire(owner, now, retention),
        }
    }

    /// The owner exists after all: its snapshots stay.
    ///
    /// # Errors
    /// When the store fails.
    pub fn revive(&self, owner: &Owner) -> Result<(), StoreError> {
        match self {
            Self::Directory(store) => store.revive(owner),
            Self::Bucket(store) => store.revive(owner),
        }
    }
}

impl Latest {
    fn of(finished: &Finished, digest: String, size: u64, receipt: &Receipt) -> Self {
        let run = finished.snapshot().run();
        Self {
            id: run.id.clone(),
            digest,
            size,
            counts: finished.counts().clone(),
            account_id: receipt.account_id.clone(),
            scopes: receipt.scopes.clone(),
            completed_at: run.ended_at,
            lease_transitions: receipt.lease_transitions,
        }
    }
}

impl Receipt {
    /// May this be published where `latest` was published last, in the term `stored`? What nobody can tell is `None`.
    fn check(&self, owner: &Owner, latest: Option<&Replaces>, stored: u64) -> Result<(), StoreError> {
        if stored > self.lease_transitions {
            return Err(StoreError::Fenced {
                owner: Box::new(owner.clone()),
                stored,
                ours: self.lease_transitions,
            });
        }
        match latest {
            Some(latest) if self.replaces != Replaces::Anything && self.replaces != *latest => {
                Err(StoreError::Overtaken { owner: Box::new(owner.clone()) })
            }
            _ => Ok(()),
        }
    }
}

/// Opens what was published as `latest`, of which `file` is a copy that is known to be the same. What is wrong with its
/// content is a loss, told by `lost`.
fn open_published(
    latest: &Latest,
    file: &Path,
    scratch: &Path,
    lost: impl FnOnce(String) -> StoreError,
) -> Result<Snapshot, StoreError> {
    // The content is what was written, so mostly only the place to unpack it can fail.
    let snapshot = match Snapshot::open(file, scratch) {
        Ok(snapshot) => snapshot,
        Err(error) if error.is_of_the_content() => return Err(lost(error.to_string())),
        Err(error) => return Err(ReadError::into(error)),
    };
    if snapshot.run().id != latest.id {
        return Err(lost(format!("it holds run {}", snapshot.run().id)));
    }
    Ok(snapshot)
}

/// The run of the snapshot with this file name.
fn run_of_snapshot(name: &str) -> Option<SyncId> {
    name.strip_suffix(EXTENSION)?.strip_suffix('.')?.parse().ok()
}

/// What a pointer is called until it is switched in.
fn next_pointer(id: &SyncId) -> String {
    format!("latest-{id}.json.tmp")
}

/// The run for which a pointer was written that was not switched in.
fn run_of_pointer(name: &str) -> Option<SyncId> {
    name.strip_prefix("latest-")?.strip_suffix(".json.tmp")?.parse().ok()
}

/// The number in the text of a fence.
fn fence_of(text: &str) -> Result<u64, &'static str> {
    text.trim().parse().map_err(|_| {
        "it holds no number, so nobody can tell whether a later leader has published; remove it if no other operator \
         runs"
    })
}

#[cfg(test)]
mod tests;
