//! Where a complete run's snapshot goes: the operator's store, or one file.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::access::guard::ScopeCounts;
use crate::access::{Changes, ResourceType};
use crate::connectors::Upstream;
use crate::snapshot::{
    CompareError, DirectoryStore, Finished, Owner, Receipt, Snapshot, StoreError, WriteError, compare,
};

use super::Published;

/// Why a complete snapshot was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The records do not hold together, or the scratch file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It could not be compared.
    #[error("comparing it with the one before: {0}")]
    Compare(#[from] CompareError),
    /// The file could not be written.
    #[error("writing {path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Where a complete run's snapshot goes.
pub trait Destination: Send + Sync {
    /// Compares the snapshot with the one before, and publishes it: whole, or not at all. Blocks its thread.
    ///
    /// # Errors
    /// [`PublishError`]; then what was published before stays.
    fn publish(
        &self,
        finished: &Finished,
        upstream: Upstream,
        types: &[ResourceType],
    ) -> Result<Published, PublishError>;
}

/// The operator's store.
#[derive(Debug, Clone)]
pub struct Snapshots {
    store: DirectoryStore,
    scratch: PathBuf,
    keep: usize,
}

impl Snapshots {
    /// The snapshots in `store`, of which each object keeps the last `keep`; scratch files go to `scratch`.
    pub fn new(store: DirectoryStore, scratch: PathBuf, keep: usize) -> Self {
        Self { store, scratch, keep }
    }

    /// The store itself.
    pub fn store(&self) -> &DirectoryStore {
        &self.store
    }

    /// The folder for scratch files.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// The place of one object's snapshots.
    pub fn of(&self, owner: Owner) -> OwnSnapshots {
        OwnSnapshots { snapshots: self.clone(), owner }
    }
}

/// The place of one object's snapshots in the operator's store.
#[derive(Debug, Clone)]
pub struct OwnSnapshots {
    snapshots: Snapshots,
    owner: Owner,
}

impl Destination for OwnSnapshots {
    fn publish(
        &self,
        finished: &Finished,
        upstream: Upstream,
        types: &[ResourceType],
    ) -> Result<Published, PublishError> {
        let Snapshots { store, scratch, keep } = &self.snapshots;
        let changes = match store.open_latest(&self.owner, scratch)? {
            Some((_, before)) => Some(compare(&before, finished.snapshot(), types)?),
            None => None,
        };
        let receipt = Receipt { account_id: Some(upstream.account_id.clone()), ..Receipt::default() };
        let latest = store.publish(&self.owner, finished, receipt)?;
        if let Err(error) = store.prune(&self.owner, *keep, Timestamp::now()) {
            // What is too much now is pruned after the next run.
            tracing::warn!(%error, owner = %self.owner, "Older snapshots could not be pruned");
        }
        Ok(Published {
            account_id: upstream.account_id,
            counts: latest.counts,
            scopes: ScopeCounts::new(),
            changes,
            uri: file_uri(&store.path(&self.owner, &latest.id)),
            digest: format!("sha256:{}", latest.digest),
            size: latest.size,
        })
    }
}

/// One file, which a later run replaces.
#[derive(Debug, Clone)]
pub struct OneFile {
    path: PathBuf,
    scratch: PathBuf,
}

impl OneFile {
    /// The file `path`; scratch files go to `scratch`.
    pub fn new(path: PathBuf, scratch: PathBuf) -> Self {
        Self { path, scratch }
    }

    /// What differs from the file that is there; what is no snapshot is merely replaced.
    fn changes_since(&self, finished: &Finished, types: &[ResourceType]) -> Option<Changes> {
        let before = Snapshot::open(&self.path, &self.scratch).ok()?;
        compare(&before, finished.snapshot(), types).ok()
    }
}

impl Destination for OneFile {
    fn publish(
        &self,
        finished: &Finished,
        upstream: Upstream,
        types: &[ResourceType],
    ) -> Result<Published, PublishError> {
        let changes = self.changes_since(finished, types);
        let packed = finished
            .pack(&self.path)
            .map_err(|source| PublishError::File { path: self.path.clone(), source })?;
        Ok(Published {
            account_id: upstream.account_id,
            counts: finished.counts().clone(),
            scopes: ScopeCounts::new(),
            changes,
            uri: file_uri(&packed.path),
            digest: format!("sha256:{}", packed.digest),
            size: packed.size,
        })
    }
}

fn file_uri(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    url::Url::from_file_path(&absolute).map_or_else(|()| absolute.display().to_string(), String::from)
}
