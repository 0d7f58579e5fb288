//! The folder of one process among the scratch files. It goes with the process; that of a process that was killed goes
//! when the next one begins, since a volume for scratch files outlives the container.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A file in it, by which it is known for one of ours; locked for as long as the folder is in use.
const LOCK: &str = "connector-operator.lock";

/// The folder of this process.
#[derive(Debug)]
pub(super) struct Folder {
    folder: TempDir,
    _lock: File,
}

impl Folder {
    /// A folder in `scratch` for the connector `name`, in place of those that nobody uses any more.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn new(name: &str, scratch: &Path) -> io::Result<Self> {
        let prefix = format!("{name}-");
        for left in left_over(&prefix, scratch) {
            match fs::remove_dir_all(&left) {
                Ok(()) => tracing::info!(folder = %left.display(), "Removed what a killed process has left"),
                Err(error) => tracing::warn!(folder = %left.display(), %error, "What is left here stays"),
            }
        }
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(scratch)?;
        let lock = File::create(folder.path().join(LOCK))?;
        lock.lock()?;
        Ok(Self { folder, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The folders of our own making that nobody holds. What cannot be looked at is somebody else's.
fn left_over(prefix: &str, scratch: &Path) -> Vec<PathBuf> {
    let is_free = |folder: &Path| File::open(folder.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
    let entries = fs::read_dir(scratch).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        // Of the entry itself, not of what a link leads to.
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .filter(|folder| is_free(folder))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(scratch: &Path) -> usize {
        fs::read_dir(scratch).unwrap().count()
    }

    #[test]
    fn what_a_killed_process_left_goes_and_what_is_in_use_or_not_ours_stays() {
        let scratch = tempfile::tempdir().unwrap();
        for (folder, file) in [("scalr-killed", LOCK), ("scalr-notes", "mine"), ("planetscale-other", LOCK)] {
            fs::create_dir(scratch.path().join(folder)).unwrap();
            fs::write(scratch.path().join(folder).join(file), b"x").unwrap();
        }
        let one = Folder::new("scalr", scratch.path()).unwrap();
        assert!(!scratch.path().join("scalr-killed").exists());
        let two = Folder::new("scalr", scratch.path()).unwrap();
        assert!(one.path().exists() && two.path().exists());
        assert_eq!(names(scratch.path()), 4);
        drop((one, two));
        assert_eq!(names(scratch.path()), 2, "with the process");
    }
}
