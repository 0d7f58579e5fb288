//! Two snapshots in one file, which is what `baton diff` compares, and what a connector built on the SDK leaves when
//! it is run twice with the same `--file`.

use std::path::Path;

use super::assembly::{Assembly, AssemblyError, ENTITLEMENTS, GRANTS, RESOURCE_TYPES, RESOURCES, SYNC_RUNS};
use super::container::Packed;
use super::{Snapshot, SyncId};

/// Why two snapshots cannot be put into one file.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// Both are the same run.
    #[error("both snapshots are of the run {0}; name those of two runs")]
    SameRun(SyncId),
    /// The file could not be put together.
    #[error("pairing two snapshots: {0}")]
    Assembly(#[from] AssemblyError),
}

/// Writes both runs, each under its own id, as the `.c1z` file `out`, mode 0600, replacing what was there. The run
/// that ended later is the one that readers show. `scratch` is the folder for the database until it is packed.
///
/// # Errors
/// When both are the same run, or a file cannot be read or written.
pub fn pair(first: &Snapshot, second: &Snapshot, out: &Path, scratch: &Path) -> Result<Packed, PairError> {
    if first.run().id == second.run().id {
        return Err(PairError::SameRun(first.run().id.clone()));
    }
    let sources = [("first", first), ("second", second)];
    let assembly = Assembly::of(&sources, scratch)?;
    for (name, snapshot) in sources {
        for table in [RESOURCE_TYPES, RESOURCES, ENTITLEMENTS, GRANTS, SYNC_RUNS] {
            assembly.copy(name, &snapshot.run().id, table, "true")?;
        }
    }
    Ok(assembly.pack(out)?)
}

#[cfg(test)]
mod tests;
