//! Whether this process may still publish: not when a later leader has, not when the run was called off, and not when
//! something else was published since it looked.

use std::fs;
use std::io::{self, ErrorKind, Write};

use super::{DirectoryStore, failed};
use crate::snapshot::store::{FENCE, Receipt, Replaces, StoreError, fence_of};
use crate::snapshot::{Owner, container};

impl DirectoryStore {
    pub(super) fn refuse_if_overtaken(&self, owner: &Owner, receipt: &Receipt) -> Result<(), StoreError> {
        let (latest, stored) = self.last_published(owner)?;
        receipt.check(owner, latest.as_ref(), stored)
    }

    /// The lease transitions of the last who published; 0 where nobody has.
    ///
    /// # Errors
    /// When the disk fails, or nobody can tell.
    pub fn last_term(&self, owner: &Owner) -> Result<u64, StoreError> {
        Ok(self.last_published(owner)?.1)
    }

    /// What was published last, where anybody can tell, and in which term.
    fn last_published(&self, owner: &Owner) -> Result<(Option<Replaces>, u64), StoreError> {
        let (latest, term) = match self.latest(owner) {
            Ok(Some(latest)) => (Some(Replaces::Run(latest.id)), latest.lease_transitions),
            Ok(None) => (Some(Replaces::Nothing), 0),
            // It is no use for anything else either.
            Err(StoreError::BaselineLost { .. }) => (None, 0),
            Err(other) => return Err(other),
        };
        Ok((latest, term.max(self.fence(owner)?)))
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
            Ok(text) => fence_of(&text)
                .map_err(|problem| failed("reading", &path)(io::Error::new(ErrorKind::InvalidData, problem))),
            Err(source) if source.kind() == ErrorKind::NotFound => Ok(0),
            Err(source) => Err(failed("reading", &path)(source)),
        }
    }
}
