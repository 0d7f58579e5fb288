//! Owns the way from a tool's name to its binary: `tools/build` builds it, or finds it built.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tools/build");
const STDERR_LINES: usize = 20;

static FOUND: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());

/// The path of the tool `name`: `etcd`, `kube-apiserver`, `kube-controller-manager`, `kubectl`,
/// `helm`, `kubeconform`, `baton` or `versitygw`.
///
/// The first call for a name runs `tools/build`, which takes minutes when the tool is in no cache
/// yet, so run that script before a test suite. The call blocks; from async code use
/// `spawn_blocking`.
///
/// # Errors
/// [`Error::Tool`] with the end of the script's stderr, [`Error::Io`] when it cannot be run.
pub fn locate(name: &str) -> Result<PathBuf> {
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = found.get(name) {
        return Ok(path.clone());
    }
    let path = build(name)?.join(name);
    found.insert(name.to_owned(), path.clone());
    Ok(path)
}

/// [`locate`] for async code.
///
/// # Errors
/// Those of [`locate`].
pub async fn locate_async(name: &'static str) -> Result<PathBuf> {
    tokio::task::spawn_blocking(move || locate(name))
        .await
        .map_err(|join| Error::io(format!("waiting for tools/build {name}"))(std::io::Error::other(join)))?
}

fn build(name: &str) -> Result<PathBuf> {
    let output = Command::new(SCRIPT)
        .args(["--path", name])
        .stdin(Stdio::null())
        .output()
        .map_err(Error::io(format!("running {SCRIPT}")))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let directory = output.stdout.trim_ascii_end().rsplit(|byte| *byte == b'\n').next();
    match directory {
        Some(directory) if output.status.success() && !directory.is_empty() => {
            Ok(Path::new(OsStr::from_bytes(directory)).to_owned())
        }
        _ => Err(Error::Tool {
            tool: name.to_owned(),
            status: output.status,
            stderr: last_lines(&stderr, STDERR_LINES),
        }),
    }
}

/// The last `count` lines of `text`.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}
