//! One file as the place of a run's snapshot, for those who run a command and look at what it prints: nothing is held.

use std::io::ErrorKind;
use std::path::PathBuf;

use crate::snapshot::{
    Finished, Packed, ReadError, Receipt, Replaces, Selection, Snapshot, StoreError, pair, select,
};

use super::baseline::{Baseline, Known, PublishedBefore};
use super::snapshots::file_uri;
use super::{Destination, Holds, Place, PublishError};

/// One file, which a later run replaces.
#[derive(Debug, Clone)]
pub struct OneFile {
    path: PathBuf,
    scratch: PathBuf,
    keeps_previous: bool,
    selection: Selection,
}

impl OneFile {
    /// The file `path`, which holds one run; scratch files go to `scratch`.
    pub fn new(path: PathBuf, scratch: PathBuf) -> Self {
        Self { path, scratch, keeps_previous: false, selection: Selection::everything() }
    }

    /// The same, which keeps the run before beside the last one, as a connector built on C1's own SDK does.
    #[must_use]
    pub fn keeping_previous(self, keeps_previous: bool) -> Self {
        Self { keeps_previous, ..self }
    }

    /// The same, in which only `selection` of what was read is written. What is compared and confirmed is everything.
    #[must_use]
    pub fn with_only(self, selection: Selection) -> Self {
        Self { selection, ..self }
    }

    fn write(&self, finished: &Finished) -> Result<Packed, PublishError> {
        let all = finished.snapshot();
        if self.selection.is_everything() {
            return match self.beside_previous(all) {
                Some(packed) => Ok(packed),
                None => finished
                    .pack(&self.path)
                    .map_err(|source| PublishError::File { path: self.path.clone(), source }),
            };
        }
        // A run without entitlements is no full one, and only full ones stand beside each other.
        if self.keeps_previous && self.selection.entitlements && self.path.exists() {
            let folder = tempfile::Builder::new().prefix("selected-").tempdir_in(&self.scratch);
            let folder =
                folder.map_err(|source| PublishError::File { path: self.scratch.clone(), source })?;
            let selected = select(all, &self.selection, &folder.path().join("selected.c1z"), &self.scratch)?;
            if let Some(packed) = self.beside_previous(&Snapshot::open(&selected.path, &self.scratch)?) {
                return Ok(packed);
            }
        }
        Ok(select(all, &self.selection, &self.path, &self.scratch)?)
    }

    /// Writes `run` and the one before. `None` where none is kept, or none can be: no older file is worth failing for.
    fn beside_previous(&self, run: &Snapshot) -> Option<Packed> {
        if !self.keeps_previous {
            return None;
        }
        let previous = match Snapshot::open(&self.path, &self.scratch) {
            Ok(previous) => previous,
            // The baseline has told of it already, or there is none.
            Err(_) => return None,
        };
        // Readers show the run that ended last, which has to be the one just made.
        if previous.run().ended_at >= run.run().ended_at {
            tracing::warn!("The run in the file ended in the future by this machine's clock; it is not kept");
            return None;
        }
        match pair(&previous, run, &self.path, &self.scratch) {
            Ok(packed) => Some(packed),
            Err(error) => {
                tracing::warn!(%error, "The run before cannot be kept; the file holds the last one alone");
                None
            }
        }
    }
}

impl Destination for OneFile {
    /// The file that is there; what is no snapshot is merely replaced.
    fn baseline(&self, before: Option<&PublishedBefore>) -> Result<Baseline, PublishError> {
        match Snapshot::open(&self.path, &self.scratch) {
            Ok(snapshot) => {
                let known = Known::Snapshot { snapshot: Box::new(snapshot), account_id: None };
                Ok(Baseline { known, replaces: Replaces::Anything })
            }
            Err(ReadError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => self.lost(before),
            Err(error) if error.is_of_the_content() => {
                tracing::warn!(path = %self.path.display(), "What is there is replaced, uncompared: {error}");
                self.lost(before)
            }
            Err(error) => Err(StoreError::from(error).into()),
        }
    }

    fn lost(&self, _: Option<&PublishedBefore>) -> Result<Baseline, PublishError> {
        Ok(Baseline { known: Known::Nothing, replaces: Replaces::Anything })
    }

    fn has_published(&self) -> bool {
        self.path.exists()
    }

    fn holds(&self) -> Option<Holds<'_>> {
        None
    }

    fn publish(
        &self,
        finished: &Finished,
        _: Receipt,
        called_off: &dyn Fn() -> bool,
    ) -> Result<Place, PublishError> {
        if called_off() {
            return Err(StoreError::CalledOff.into());
        }
        let packed = self.write(finished)?;
        Ok(Place { uri: file_uri(&packed.path), digest: packed.digest, size: packed.size })
    }
}
