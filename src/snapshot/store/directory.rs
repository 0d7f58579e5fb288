//! Keeps published snapshots in folders: each file is written beside its place, made durable, and renamed.

mod fence;
mod hold;
mod retention;

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::{
    EXTENSION, Entry, LATEST, Latest, LocalFile, Receipt, StoreError, next_pointer, open_published,
    run_of_snapshot,
};
use crate::snapshot::{Finished, Owner, Snapshot, SyncId, container};

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
    PointerWritten,
    SnapshotNamed,
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

    /// The address of the snapshot of run `id`, as a URI.
    pub(super) fn uri(&self, owner: &Owner, id: &SyncId) -> String {
        let path = self.path(owner, id);
        let absolute = std::path::absolute(&path).unwrap_or(path);
        url::Url::from_file_path(&absolute).map_or_else(|()| absolute.display().to_string(), String::from)
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
        let packed = container::pack_unfinished(finished.snapshot(), &path)
            .map_err(failed("writing the snapshot", &path))?;
        reached(Step::SnapshotWritten)?;
        let latest = Latest::of(finished, packed.digest, packed.size, &receipt);
        // Under a name of its own: what is switched in must not be what another leader has half written. And before the
        // snapshot has its name: one beside which this lies was never published.
        let next = self.next_pointer(owner, &run.id);
        made.push(next.clone());
        write_pointer(&next, &latest).map_err(failed("writing", &next))?;
        reached(Step::PointerWritten)?;
        if !path.exists() {
            made.push(path.clone());
        }
        self.name_snapshot(&path, &latest.digest)?;
        reached(Step::SnapshotNamed)?;
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
        understood.map_err(|source| StoreError::BaselineLost {
            place: pointer.display().to_string(),
            reason: source.to_string(),
        })
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
        let lost = |reason: String| StoreError::BaselineLost { place: path.display().to_string(), reason };
        match container::digest(&path) {
            Ok(digest) if digest == latest.digest => {}
            Ok(_) => return Err(lost("it is not the file that was published".to_owned())),
            Err(source) if source.kind() == ErrorKind::NotFound => {
                return Err(lost("it is missing".to_owned()));
            }
            Err(source) => return Err(failed("reading", &path)(source)),
        }
        let snapshot = open_published(&latest, &path, scratch, lost)?;
        Ok(Some((latest, snapshot)))
    }

    /// The snapshot of run `id`; `None` when it is not there.
    pub(super) fn fetch(&self, owner: &Owner, id: &SyncId) -> Option<LocalFile> {
        let path = self.path(owner, id);
        path.exists().then_some(LocalFile::Kept(path))
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
            let Some(id) = id_of(&file) else { continue };
            let size = file.metadata().map_err(failed("looking at", &file.path()))?.len();
            entries.push(Entry { latest: latest.as_ref() == Some(&id), id, size });
        }
        entries.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(entries)
    }

    /// The run of the newest snapshot of an owner that was published, or may have been; `latest.json` is not asked. One
    /// whose publication a crash has cut off is known by the pointer that was not switched in.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn newest(&self, owner: &Owner) -> Result<Option<SyncId>, StoreError> {
        let ids = files(&self.folder(owner))?.into_iter().filter_map(|file| id_of(&file));
        Ok(ids.filter(|id| !self.next_pointer(owner, id).exists()).max())
    }

    /// What becomes `latest.json` when the snapshot of run `id` is published.
    fn next_pointer(&self, owner: &Owner, id: &SyncId) -> PathBuf {
        self.folder(owner).join(next_pointer(id))
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

    /// Those owners, of the objects that there were under one name.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn owners_named(
        &self,
        namespace: &str,
        kind: &str,
        name: &str,
    ) -> Result<Vec<Owner>, StoreError> {
        let mut owners = self.owners()?;
        owners.retain(|it| it.namespace() == namespace && it.kind() == kind && it.name() == name);
        Ok(owners)
    }

    fn folder(&self, owner: &Owner) -> PathBuf {
        self.root.join(owner.folder())
    }

    fn make_folder(&self, owner: &Owner) -> Result<(), StoreError> {
        let folder = self.folder(owner);
        if folder.join(LATEST).exists() {
            // Whatever was published here came after all of this.
            return Ok(());
        }
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
            Err(StoreError::Occupied { place: path.display().to_string() })
        }
    }
}

/// The last first: what tells that a snapshot was never published goes after it.
fn remove_made(files: &[PathBuf]) {
    for file in files.iter().rev() {
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

fn id_of(file: &fs::DirEntry) -> Option<SyncId> {
    run_of_snapshot(file.file_name().to_str()?)
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

pub(super) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
