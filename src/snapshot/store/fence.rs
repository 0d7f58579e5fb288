//! Whether this process may still publish: not when a later leader has, not when the run was called off, and not when
//! something else was published since it looked.

use std::fs;
use std::io::{self, ErrorKind, Write};

use super::{DirectoryStore, Receipt, StoreError, failed};
use crate::snapshot::{Owner, SyncId, container};

/// The lease transitions of the last who published, apart from `latest.json`, should that be damaged.
const FENCE: &str = "lease-transitions";

/// What has to count still at the moment in which something else takes its place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Replaces {
    /// Whatever it is, or was.
    #[default]
    Anything,
    /// Nothing was published before.
    Nothing,
    /// The snapshot of this run.
    Run(SyncId),
}

impl DirectoryStore {
    pub(super) fn refuse_if_overtaken(&self, owner: &Owner, receipt: &Receipt) -> Result<(), StoreError> {
        let (latest, mut stored) = match self.latest(owner) {
            Ok(Some(latest)) => (Some(Replaces::Run(latest.id)), latest.lease_transitions),
            Ok(None) => (Some(Replaces::Nothing), 0),
            // It is no use for anything else either.
            Err(StoreError::BaselineLost { .. }) => (None, 0),
            Err(other) => return Err(other),
        };
        stored = stored.max(self.fence(owner)?);
        if stored > receipt.lease_transitions {
            return Err(StoreError::Fenced {
                owner: Box::new(owner.clone()),
                stored,
                ours: receipt.lease_transitions,
            });
        }
        match latest {
            Some(latest) if receipt.replaces != Replaces::Anything && receipt.replaces != latest => {
                Err(StoreError::Overtaken { owner: Box::new(owner.clone()) })
            }
            _ => Ok(()),
        }
    }

    /// Keeps former leaders out, even where `latest.json` is damaged later.
    pub(super) fn raise_fence(&self, owner: &Owner, transitions: u64) -> Result<(), StoreError> {
        if transitions <= self.fence(owner)? {
            return Ok(());
        }
        let path = self.folder(owner).join(FENCE);
        let write = || {
            let mut file = container::create_private(&container::unfinished(&path))?;
            writeln!(file, "{transitions}")?;
            file.sync_all()?;
            container::finish(&path)
        };
        write().map_err(failed("writing", &path))
    }

    fn fence(&self, owner: &Owner) -> Result<u64, StoreError> {
        let path = self.folder(owner).join(FENCE);
        match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map_err(|_| {
                let problem = "it holds no number, so nobody can tell whether a later leader has published; remove it \
                    if no other operator runs";
                failed("reading", &path)(io::Error::new(ErrorKind::InvalidData, problem))
            }),
            Err(source) if source.kind() == ErrorKind::NotFound => Ok(0),
            Err(source) => Err(failed("reading", &path)(source)),
        }
    }
}
