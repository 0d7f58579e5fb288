//! Keeps published snapshots in a bucket: S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage. What
//! renaming is on a disk, a conditional write is here: `latest.json` is switched only where it is still what was read.
//! So no clock, no lock and no order of requests is relied upon; a server without such writes is refused.

mod address;
mod fence;
mod hold;
mod problem;
mod proof;
mod requests;
mod retention;
mod transfer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use object_store::ObjectStore;
use object_store::path::Path as Key;
use tempfile::TempPath;

pub use self::address::{BucketAddress, InvalidBucket};
pub use self::problem::BucketProblem;
use self::requests::Requests;
use super::{
    EXTENSION, Entry, LATEST, Latest, LocalFile, Receipt, StoreError, next_pointer, open_published,
    run_of_pointer, run_of_snapshot,
};
use crate::snapshot::store::directory::failed;
use crate::snapshot::{Finished, Owner, Packed, Snapshot, SyncId, container};

/// Snapshots in a bucket, below a prefix. Several processes may write; a former leader cannot publish.
#[derive(Clone)]
pub struct BucketStore {
    requests: Arc<Requests>,
    /// For what goes up and comes down.
    scratch: PathBuf,
    /// Set once the server was seen to keep to conditions.
    proven: Arc<OnceLock<()>>,
}

impl fmt::Debug for BucketStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BucketStore({})", self.requests.address())
    }
}

impl BucketStore {
    /// The store at `address`, with the credentials that the environment has for it. Files on their way up or down are in
    /// `scratch`. Nothing is asked of the server yet.
    ///
    /// # Errors
    /// When the environment does not say enough, or something that cannot be used.
    pub fn connect(address: BucketAddress, scratch: PathBuf) -> Result<Self, InvalidBucket> {
        let objects = address.connect()?;
        Self::over(objects, address, scratch)
    }

    /// The same over `objects`, whoever keeps them.
    ///
    /// # Errors
    /// When no thread can be had for the requests.
    pub fn over(
        objects: Arc<dyn ObjectStore>,
        address: BucketAddress,
        scratch: PathBuf,
    ) -> Result<Self, InvalidBucket> {
        let requests = Arc::new(Requests::new(objects, address)?);
        Ok(Self { requests, scratch, proven: Arc::default() })
    }

    pub(super) fn uri(&self, owner: &Owner, id: &SyncId) -> String {
        self.requests.address().of(&self.snapshot_key(owner, id))
    }

    pub(super) fn publish(
        &self,
        owner: &Owner,
        snapshot: &Finished,
        receipt: Receipt,
        called_off: &dyn Fn() -> bool,
    ) -> Result<Latest, StoreError> {
        self.prove()?;
        let mut made = Vec::new();
        let published = self.publish_in_steps(owner, snapshot, &receipt, called_off, &mut made);
        if published.is_err() {
            self.remove_made(&made);
        }
        published
    }

    /// In `made` are the objects that are of no use unless this comes to its end.
    fn publish_in_steps(
        &self,
        owner: &Owner,
        finished: &Finished,
        receipt: &Receipt,
        called_off: &dyn Fn() -> bool,
        made: &mut Vec<Key>,
    ) -> Result<Latest, StoreError> {
        self.last_published(owner)?.check(owner, receipt)?;
        let (packed, _file) = self.pack(finished)?;
        if called_off() {
            return Err(StoreError::CalledOff);
        }
        let latest = Latest::of(finished, packed.digest.clone(), packed.size, receipt);
        let text = self.text_of(&latest)?;
        // Before the snapshot: one beside which this lies was never published. Nobody else can make it, so that nobody
        // else writes that snapshot.
        let next = self.key(owner, &next_pointer(&latest.id));
        if !self.requests.write_if(&next, None, &text)? {
            return Err(StoreError::Occupied { place: self.requests.address().of(&next) });
        }
        made.push(next.clone());
        let snapshot = self.snapshot_key(owner, &latest.id);
        if self.put_snapshot(&snapshot, &packed)? {
            made.push(snapshot);
        }
        // Once more: uploading takes time, in which another may have become the leader. From here to the switch it
        // holds, since that is of no other `latest.json` than this one.
        let last = self.last_published(owner)?;
        last.check(owner, receipt)?;
        self.raise_fence(owner, receipt.lease_transitions, last.fence)?;
        if called_off() {
            return Err(StoreError::CalledOff);
        }
        // Before the switch: what is held was compared with what counts until then.
        self.clear_hold(owner)?;
        // Whatever is answered, it may count from here on.
        let unless_switched = std::mem::take(made);
        if !self.requests.write_if(&self.key(owner, LATEST), last.pointer, &text)? {
            *made = unless_switched;
            return Err(StoreError::Overtaken { owner: Box::new(owner.clone()) });
        }
        self.tidy_up(owner, &next);
        Ok(latest)
    }

    /// Packs what goes up, in the scratch folder, for as long as the second is kept.
    fn pack(&self, finished: &Finished) -> Result<(Packed, TempPath), StoreError> {
        let file = tempfile::Builder::new().prefix("upload-").suffix(".c1z").tempfile_in(&self.scratch);
        let file = file.map_err(failed("making a file in", &self.scratch))?.into_temp_path();
        let packed = container::pack(finished.snapshot(), &file);
        Ok((packed.map_err(failed("writing the snapshot", &file))?, file))
    }

    fn text_of(&self, latest: &Latest) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec_pretty(latest).map_err(|error| failed("writing", Path::new(LATEST))(error.into()))
    }

    /// Puts the snapshot at `key`, and says whether it did. A repeated publication finds its own.
    fn put_snapshot(&self, key: &Key, packed: &Packed) -> Result<bool, StoreError> {
        if self.requests.size(key)?.is_none() {
            self.requests.upload(key, packed)?;
            return Ok(true);
        }
        let same = self
            .requests
            .download(key, &self.scratch, Some(packed.size))?
            .is_some_and(|it| it.digest == packed.digest);
        if same { Ok(false) } else { Err(StoreError::Occupied { place: self.requests.address().of(key) }) }
    }

    /// The last first: what tells that a snapshot was never published goes after it.
    fn remove_made(&self, keys: &[Key]) {
        for key in keys.iter().rev() {
            if let Err(error) = self.requests.delete(key) {
                tracing::warn!(%error, "An object that was not published could not be removed");
                return;
            }
        }
    }

    /// What is left to do once it counts. What fails here is made up for by the next run.
    fn tidy_up(&self, owner: &Owner, next: &Key) {
        if let Err(error) = self.requests.delete(next).and_then(|()| self.revive(owner)) {
            tracing::warn!(%error, %owner, "Not everything could be tidied up after a publication");
        }
    }

    pub(super) fn latest(&self, owner: &Owner) -> Result<Option<Latest>, StoreError> {
        let pointer = self.key(owner, LATEST);
        let Some(object) = self.requests.read(&pointer)? else { return Ok(None) };
        serde_json::from_slice(&object.text).map(Some).map_err(|source| StoreError::BaselineLost {
            place: self.requests.address().of(&pointer),
            reason: source.to_string(),
        })
    }

    pub(super) fn open_latest(
        &self,
        owner: &Owner,
        scratch: &Path,
    ) -> Result<Option<(Latest, Snapshot)>, StoreError> {
        let Some(latest) = self.latest(owner)? else { return Ok(None) };
        let key = self.snapshot_key(owner, &latest.id);
        let lost =
            |reason: String| StoreError::BaselineLost { place: self.requests.address().of(&key), reason };
        let fetched = self.requests.download(&key, scratch, Some(latest.size))?;
        let fetched = fetched.ok_or_else(|| lost("it is missing".to_owned()))?;
        if fetched.digest != latest.digest {
            return Err(lost("it is not the file that was published".to_owned()));
        }
        let snapshot = open_published(&latest, &fetched.file, scratch, lost)?;
        Ok(Some((latest, snapshot)))
    }

    pub(super) fn fetch(
        &self,
        owner: &Owner,
        id: &SyncId,
        scratch: &Path,
    ) -> Result<Option<LocalFile>, StoreError> {
        let key = self.snapshot_key(owner, id);
        let Some(fetched) = self.requests.download(&key, scratch, None)? else { return Ok(None) };
        if fetched.recorded.as_ref().is_some_and(|recorded| *recorded != fetched.digest) {
            return Err(self.requests.failed("fetching", &key, BucketProblem::Altered));
        }
        Ok(Some(LocalFile::Fetched(fetched.file)))
    }

    pub(super) fn list(&self, owner: &Owner) -> Result<Vec<Entry>, StoreError> {
        let latest = self.latest(owner)?.map(|latest| latest.id);
        let objects = self.requests.list(&self.folder(owner))?;
        let mut entries: Vec<Entry> = objects
            .into_iter()
            .filter_map(|object| {
                let id = run_of_snapshot(&object.name)?;
                Some(Entry { latest: latest.as_ref() == Some(&id), id, size: object.size })
            })
            .collect();
        entries.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(entries)
    }

    pub(super) fn newest(&self, owner: &Owner) -> Result<Option<SyncId>, StoreError> {
        let objects = self.requests.list(&self.folder(owner))?;
        let unpublished: Vec<SyncId> = objects.iter().filter_map(|it| run_of_pointer(&it.name)).collect();
        let ids = objects.iter().filter_map(|it| run_of_snapshot(&it.name));
        Ok(ids.filter(|id| !unpublished.contains(id)).max())
    }

    pub(super) fn owners(&self) -> Result<Vec<Owner>, StoreError> {
        self.requests.owners(self.requests.address().prefix())
    }

    pub(super) fn owners_named(
        &self,
        namespace: &str,
        kind: &str,
        name: &str,
    ) -> Result<Vec<Owner>, StoreError> {
        // What is no name of an object must not lead elsewhere.
        if Owner::new(namespace, kind, name, "any").is_err() {
            return Ok(Vec::new());
        }
        let prefix = self.requests.address().prefix();
        self.requests.owners(&prefix.clone().join(namespace).join(kind).join(name))
    }

    fn folder(&self, owner: &Owner) -> Key {
        let parts = [owner.namespace(), owner.kind(), owner.name(), owner.uid()];
        parts.into_iter().fold(self.requests.address().prefix().clone(), |key, part| key.join(part))
    }

    fn key(&self, owner: &Owner, name: &str) -> Key {
        self.folder(owner).join(name)
    }

    fn snapshot_key(&self, owner: &Owner, id: &SyncId) -> Key {
        self.key(owner, &format!("{id}.{EXTENSION}"))
    }
}

#[cfg(test)]
mod tests;
