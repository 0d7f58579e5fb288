//! Where a complete run's snapshot goes: the operator's store, or one file.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::task::spawn_blocking;

use crate::access::{Changes, ResourceType};
use crate::connectors::Upstream;
use crate::snapshot::{
    CompareError, DirectoryStore, Finished, Owner, Receipt, Snapshot, StoreError, compare,
};

use super::{Failure, Published};

/// Why a complete snapshot was not published.
#[derive(Debug, thiserror::Error)]
enum PublishError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("comparing it with the one before: {0}")]
    Compare(#[from] CompareError),
    #[error("writing {path}: {source}", path = path.display())]
    File { path: PathBuf, source: std::io::Error },
}

/// Where a complete run's snapshot goes.
#[async_trait]
pub trait Destination: Send + Sync {
    /// Compares the snapshot with the one before, and publishes it: whole, or not at all.
    async fn publish(
        &self,
        finished: Finished,
        upstream: Upstream,
        types: &'static [ResourceType],
    ) -> Result<Published, Failure>;
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

impl OwnSnapshots {
    fn publish_blocking(
        self,
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
            changes,
            uri: file_uri(&store.path(&self.owner, &latest.id)),
            digest: format!("sha256:{}", latest.digest),
            size: latest.size,
        })
    }
}

#[async_trait]
impl Destination for OwnSnapshots {
    async fn publish(
        &self,
        finished: Finished,
        upstream: Upstream,
        types: &'static [ResourceType],
    ) -> Result<Published, Failure> {
        let this = self.clone();
        let published = spawn_blocking(move || this.publish_blocking(&finished, upstream, types));
        settled(published.await)
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

    fn publish_blocking(
        self,
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
            changes,
            uri: file_uri(&packed.path),
            digest: format!("sha256:{}", packed.digest),
            size: packed.size,
        })
    }

    /// What differs from the file that is there; what is no snapshot is merely replaced.
    fn changes_since(&self, finished: &Finished, types: &[ResourceType]) -> Option<Changes> {
        let before = Snapshot::open(&self.path, &self.scratch).ok()?;
        compare(&before, finished.snapshot(), types).ok()
    }
}

#[async_trait]
impl Destination for OneFile {
    async fn publish(
        &self,
        finished: Finished,
        upstream: Upstream,
        types: &'static [ResourceType],
    ) -> Result<Published, Failure> {
        let this = self.clone();
        let published = spawn_blocking(move || this.publish_blocking(&finished, upstream, types));
        settled(published.await)
    }
}

fn settled(
    published: Result<Result<Published, PublishError>, tokio::task::JoinError>,
) -> Result<Published, Failure> {
    const DOING: &str = "publishing the snapshot";
    published
        .map_err(|panic| Failure::snapshot(DOING, &panic))?
        .map_err(|error| Failure::snapshot(DOING, &error))
}

fn file_uri(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    url::Url::from_file_path(&absolute).map_or_else(|()| absolute.display().to_string(), String::from)
}
