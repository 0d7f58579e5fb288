//! A stored snapshot as a file of this machine.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

/// A file to read. What was fetched for that is removed when this is dropped.
#[derive(Debug)]
pub enum LocalFile {
    /// The store's own file, which stays.
    Kept(PathBuf),
    /// A copy.
    Fetched(TempPath),
}

impl Deref for LocalFile {
    type Target = Path;

    fn deref(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Fetched(path) => path,
        }
    }
}

impl AsRef<Path> for LocalFile {
    fn as_ref(&self) -> &Path {
        self
    }
}
