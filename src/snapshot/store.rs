//! Keeps published snapshots in folders: `<root>/<namespace>/<kind>/<name>/<uid>/<sync id>.c1z`, and beside them
//! `latest.json`, which says which one counts. A snapshot never changes; `latest.json` is switched when all else is
//! safe on the disk, so that a crash at any moment leaves the former one in place.
//!
//! Whom a folder belongs to, and whether that object still exists, is for the caller to know.

mod error;
mod fence;
mod hold;
mod retention;

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::error::StoreError;
pub use self::fence::Replaces;
pub use self::hold::{HoldId, HoldText, HoldWriter};
pub use self::retention::{Pruned, Retired};
use super::{Finished, Owner, Snapshot, SyncId, container};
use crate::access::Counts;
use crate::access::guard::ScopeCounts;

const LATEST: &str = "latest.json";
const EXTENSION: &str = "c1z";

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

/// A snapshot in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The run.
    pub id: SyncId,
    /// Where the file is.
    pub path: PathBuf,
    /// The size of the file in bytes.
    pub size: u64,
    /// Is it the one that counts?
    pub latest: bool,
}

/// Snapshots in folders below a root. One process writes; any may read.
#[derive(Debug, Clone)]
pub struct DirectoryStore {
    root: PathBuf,
}

/// How far a publication has come. Whatever comes after may be missing after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    FolderMade,
    SnapshotWritten,
    SnapshotNamed,
    PointerWritten,
    FenceRaised,
    HoldCleared,
    PointerSwitched,
}

impl DirectoryStore {
    /// The store below `root`, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder below which everything is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the snapshot of run `id` is, or would be.
    pub fn path(&self, owner: &Owner, id: &SyncId) -> PathBuf {
        self.folder(owner).join(format!("{id}.{EXTENSION}"))
    }

    /// Makes `snapshot` the one that counts, and clears what is held. Publishing the same run again is harmless.
    /// `called_off` is asked once more in the last moment.
    ///
    /// # Errors
    /// [`StoreError::CalledOff`] when it was; [`StoreError::Fenced`] when a later leader has published, and
    /// [`StoreError::Overtaken`] when anybody has; otherwise when the disk fails. What counted before counts still,
    /// unless the very last step, making the switch durable, is what failed.
    pub fn publish(
        &self,
        owner: &Owner,
        snapshot: &Finished,
        receipt: Receipt,
        called_off: &dyn Fn() -> bool,
    ) -> Result<Latest, StoreError> {
        let mut made = Vec::new();
        let published = self.publish_in_steps(owner, snapshot, receipt, &mut made, |step| match step {
            Step::FenceRaised | Step::SnapshotWritten if called_off() => Err(StoreError::CalledOff),
            _ => Ok(()),
        });
        if published.is_err() {
            remove_made(&made);
        }
        published
    }

    /// In `made` are the files that are of no use unless this comes to its end.
    fn publish_in_steps(
        &self,
        owner: &Owner,
        finished: &Finished,
        receipt: Receipt,
        made: &mut Vec<PathBuf>,
        reached: impl Fn(Step) -> Result<(), StoreError>,
    ) -> Result<Latest, StoreError> {
        let run = finished.snapshot().run();
        let path = self.path(owner, &run.id);
        self.refuse_if_overtaken(owner, &receipt)?;

        self.make_folder(owner)?;
        reached(Step::FolderMade)?;
        made.push(container::unfinished(&path));
        let packed = container::pack_unfinished(finished.snapshot().database(), &path)
            .map_err(failed("writing the snapshot", &path))?;
        reached(Step::SnapshotWritten)?;
        if !path.exists() {
            made.push(path.clone());
        }
        self.name_snapshot(&path, &packed.digest)?;
        reached(Step::SnapshotNamed)?;

        let latest = Latest {
            id: run.id.clone(),
            digest: packed.digest,
            size: packed.size,
            counts: finished.counts().clone(),
            account_id: receipt.account_id.clone(),
            scopes: receipt.scopes.clone(),
            completed_at: run.ended_at,
            lease_transitions: receipt.lease_transitions,
        };
        // Under a name of its own: what is switched in must not be what another leader has half written.
        let next = self.folder(owner).join(format!("latest-{}.json.tmp", run.id));
        made.push(next.clone());
        write_pointer(&next, &latest).map_err(failed("writing", &next))?;
        reached(Step::PointerWritten)?;
        // Once more: packing takes time, in which another may have become the leader.
        self.refuse_if_overtaken(owner, &receipt)?;
        self.raise_fence(owner, receipt.lease_transitions)?;
        reached(Step::FenceRaised)?;
        // Before the switch: what is held was compared with what counts until then.
        self.clear_hold(owner)?;
        reached(Step::HoldCleared)?;
        let pointer = self.folder(owner).join(LATEST);
        fs::rename(&next, &pointer).map_err(failed("switching", &pointer))?;
        // From here on it counts.
        made.clear();
        container::sync_folder_of(&pointer).map_err(failed("switching", &pointer))?;
        reached(Step::PointerSwitched)?;
        if let Err(error) = self.revive(owner) {
            tracing::warn!(%error, %owner, "It is still marked as found deleted");
        }
        Ok(latest)
    }

    /// The snapshot that counts, without opening it; `None` when nothing has been published.
    ///
    /// # Errors
    /// [`StoreError::BaselineLost`] when `latest.json` cannot be understood; otherwise when the disk fails.
    pub fn latest(&self, owner: &Owner) -> Result<Option<Latest>, StoreError> {
        let pointer = self.folder(owner).join(LATEST);
        let text = match fs::read(&pointer) {
            Ok(text) => text,
            Err(source) if source.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed("reading", &pointer)(source)),
        };
        let understood = serde_json::from_slice(&text).map(Some);
        understood.map_err(|source| StoreError::BaselineLost { path: pointer, reason: source.to_string() })
    }

    /// Opens the snapshot that counts, unpacking it in `scratch`; `None` when nothing has been published.
    ///
    /// # Errors
    /// [`StoreError::BaselineLost`] when `latest.json` or the file it names is missing, damaged or another than
    /// what was published; otherwise when the disk fails.
    pub fn open_latest(
        &self,
        owner: &Owner,
        scratch: &Path,
    ) -> Result<Option<(Latest, Snapshot)>, StoreError> {
        let Some(latest) = self.latest(owner)? else { return Ok(None) };
        let path = self.path(owner, &latest.id);
        let lost = |reason: String| StoreError::BaselineLost { path: path.clone(), reason };
        match container::digest(&path) {
            Ok(digest) if digest == latest.digest => {}
            Ok(_) => return Err(lost("it is not the file that was published".to_owned())),
            Err(source) if source.kind() == ErrorKind::NotFound => {
                return Err(lost("it is missing".to_owned()));
            }
            Err(source) => return Err(failed("reading", &path)(source)),
        }
        // The content is what was written, so mostly only the place to unpack it can fail.
        let snapshot = match Snapshot::open(&path, scratch) {
            Err(error) if error.is_of_the_content() => return Err(lost(error.to_string())),
            opened => opened?,
        };
        if snapshot.run().id != latest.id {
            return Err(lost(format!("it holds run {}", snapshot.run().id)));
        }
        Ok(Some((latest, snapshot)))
    }

    /// Opens the snapshot of run `id`, unpacking it in `scratch`.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub fn open(&self, owner: &Owner, id: &SyncId, scratch: &Path) -> Result<Snapshot, StoreError> {
        Ok(Snapshot::open(&self.path(owner, id), scratch)?)
    }

    /// The snapshots of an owner, the earliest first.
    ///
    /// # Errors
    /// When the disk fails, or `latest.json` cannot be understood.
    pub fn list(&self, owner: &Owner) -> Result<Vec<Entry>, StoreError> {
        let latest = self.latest(owner)?.map(|latest| latest.id);
        let folder = self.folder(owner);
        let mut entries = Vec::new();
        for file in files(&folder)? {
            let path = file.path();
            let Some(id) = id_of(&path) else { continue };
            let size = file.metadata().map_err(failed("looking at", &path))?.len();
            entries.push(Entry { latest: latest.as_ref() == Some(&id), id, path, size });
        }
        entries.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(entries)
    }

    /// The run of the newest snapshot of an owner, be it published or not; `latest.json` is not asked.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn newest(&self, owner: &Owner) -> Result<Option<SyncId>, StoreError> {
        Ok(files(&self.folder(owner))?.iter().filter_map(|file| id_of(&file.path())).max())
    }

    /// All owners that have a folder, in order. What is not a folder of the store's own making is passed over.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn owners(&self) -> Result<Vec<Owner>, StoreError> {
        let mut owners = Vec::new();
        for (namespace, folder) in folders(&self.root)? {
            for (kind, folder) in folders(&folder)? {
                for (name, folder) in folders(&folder)? {
                    for (uid, _) in folders(&folder)? {
                        owners.extend(Owner::new(&namespace, &kind, &name, &uid).ok());
                    }
                }
            }
        }
        owners.sort();
        Ok(owners)
    }

    fn folder(&self, owner: &Owner) -> PathBuf {
        self.root.join(owner.folder())
    }

    fn make_folder(&self, owner: &Owner) -> Result<(), StoreError> {
        let folder = self.folder(owner);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed("making", &folder))?;
        // Each folder's name stands in the one above it.
        for part in folder.ancestors().take(4) {
            container::sync_folder_of(part).map_err(failed("making", part))?;
        }
        Ok(())
    }

    /// Gives the snapshot beside `path` its name, unless another has it. A repeated publication finds its own.
    fn name_snapshot(&self, path: &Path, digest: &str) -> Result<(), StoreError> {
        if !path.exists() {
            return container::finish(path).map_err(failed("naming", path));
        }
        fs::remove_file(container::unfinished(path)).map_err(failed("removing a copy of", path))?;
        if container::digest(path).map_err(failed("reading", path))? == digest {
            Ok(())
        } else {
            Err(StoreError::Occupied { path: path.to_owned() })
        }
    }
}

fn remove_made(files: &[PathBuf]) {
    for file in files {
        match fs::remove_file(file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(%error, file = %file.display(), "A file that was not published could not be removed");
            }
            _ => {}
        }
    }
}

fn write_pointer(path: &Path, latest: &Latest) -> io::Result<()> {
    let mut file = container::create_private(path)?;
    file.write_all(&serde_json::to_vec_pretty(latest)?)?;
    file.sync_all()
}

fn id_of(path: &Path) -> Option<SyncId> {
    if path.extension()? != EXTENSION {
        return None;
    }
    path.file_stem()?.to_str()?.parse().ok()
}

/// What is in `folder`; nothing when it does not exist.
fn files(folder: &Path) -> Result<Vec<fs::DirEntry>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries.collect(),
        Err(source) if source.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(source),
    };
    entries.map_err(failed("listing", folder))
}

/// The folders in `folder` with their names, without links.
fn folders(folder: &Path) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let mut folders = Vec::new();
    for entry in files(folder)? {
        let path = entry.path();
        if entry.file_type().map_err(failed("looking at", &path))?.is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            folders.push((name, path));
        }
    }
    Ok(folders)
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
