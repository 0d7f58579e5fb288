//! The operator's own folder for scratch files. What is in there is half a snapshot, with the names of people: a
//! process that was killed cannot remove it, so the next one does.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

const PREFIX: &str = "connector-operator-";
/// Locked for as long as the folder's owner lives: the kernel opens the lock, however the owner ends.
const LOCK: &str = "lock";

/// A folder that goes with this value, or when the next operator starts.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes a folder in `parent`, and removes those there whose owners are gone.
    pub(super) fn claim(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        remove_abandoned(parent)?;
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        // Named when it is locked, so that nobody finds it unlocked before.
        let unnamed = folder.path().join("lock.tmp");
        let lock = File::create(&unnamed)?;
        lock.lock()?;
        fs::rename(unnamed, folder.path().join(LOCK))?;
        Ok(Self { folder, _lock: lock })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn remove_abandoned(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_abandoned(&entry.path()) {
            let folder: PathBuf = entry.path();
            match fs::remove_dir_all(&folder) {
                Ok(()) => {
                    tracing::info!(folder = %folder.display(), "Removed the scratch files of an operator that was killed");
                }
                Err(error) => {
                    tracing::warn!(folder = %folder.display(), %error, "Scratch files could not be removed");
                }
            }
        }
    }
    Ok(())
}

/// One without a lock is just being made, or is not ours.
fn is_abandoned(folder: &Path) -> bool {
    File::open(folder.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_operator_left_is_removed_and_what_a_living_one_uses_stays() {
        let parent = tempfile::tempdir().unwrap();
        let living = Scratch::claim(&parent.path().join("made")).unwrap();
        let parent = parent.path().join("made");
        fs::write(living.path().join("snapshot"), "half").unwrap();
        let left = parent.join("connector-operator-left");
        fs::create_dir(&left).unwrap();
        fs::write(left.join(LOCK), "").unwrap();
        fs::write(left.join("snapshot"), "half").unwrap();
        let not_ours = parent.join("connector-operator-settings");
        fs::create_dir(&not_ours).unwrap();

        let second = Scratch::claim(&parent).unwrap();
        assert!(!left.exists());
        assert!(not_ours.exists());
        assert!(living.path().join("snapshot").exists());
        assert_ne!(living.path(), second.path());
        let path = second.path().to_owned();
        drop(second);
        assert!(!path.exists());
    }
}
