//! Owns the folder a control plane lives in, and its removal.
//!
//! A temporary folder must also go when nothing is dropped: with a shared control plane that is how
//! every test run ends. A janitor does that: a shell that waits for the end of its stdin, whose only
//! other end this process holds, and then removes the folder.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::error::{Error, Result};

/// Tries for some seconds, because the children die at the same moment and may still write.
const REMOVE_AT_END_OF_STDIN: &str = r#"
    read -r _
    tries=0
    while [ -e "$0" ] && [ $tries -lt 100 ]; do
        rm -rf -- "$0" || sleep 0.05
        tries=$((tries + 1))
    done"#;

/// A folder that only this user can read.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    // Dropped in this order: folder, then janitor, which then finds nothing to do.
    _temporary: Option<(TempDir, Janitor)>,
}

impl Home {
    /// A folder that goes with this value, or with this process.
    pub(crate) fn temporary() -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("testbed-")
            .tempdir()
            .map_err(Error::io("making a temporary folder"))?;
        let janitor = Janitor::start(directory.path())?;
        Ok(Self { path: directory.path().to_owned(), _temporary: Some((directory, janitor)) })
    }

    /// The folder `path`, which stays.
    pub(crate) fn kept(path: &Path) -> Result<Self> {
        let doing = || format!("making the folder {}", path.display());
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::io(doing()))?;
        // The children are given absolute paths.
        let path = path.canonicalize().map_err(Error::io(doing()))?;
        Ok(Self { path, _temporary: None })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A folder in this one, made when missing.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.path.join(name);
        fs::create_dir_all(&folder).map_err(Error::io(format!("making the folder {}", folder.display())))?;
        Ok(folder)
    }
}

#[derive(Debug)]
struct Janitor(Child);

impl Janitor {
    fn start(folder: &Path) -> Result<Self> {
        Command::new("sh")
            .args(["-c", REMOVE_AT_END_OF_STDIN])
            .arg(folder)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of reach of a Ctrl-C in the terminal: it has to outlive this process a little.
            .process_group(0)
            .spawn()
            .map(Self)
            .map_err(Error::io("starting the shell that removes the temporary folder"))
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        // `wait` closes its stdin first.
        let _ = self.0.wait();
    }
}
