//! What the removal guard holds, as an object. It is written to a scratch file first, and goes up as a whole.

use std::io;
use std::path::Path;

use super::BucketStore;
use crate::snapshot::Owner;
use crate::snapshot::store::directory::failed;
use crate::snapshot::store::hold::{HoldPlace, text_of};
use crate::snapshot::store::{HELD, HoldId, HoldText, HoldWriter, StoreError};

impl BucketStore {
    pub(in crate::snapshot::store) fn begin_hold(&self, owner: &Owner) -> Result<HoldWriter, StoreError> {
        let file = tempfile::Builder::new().prefix("held-").tempfile_in(&self.scratch);
        let (file, scratch) = file.map_err(failed("making a file in", &self.scratch))?.into_parts();
        HoldWriter::new(file, HoldPlace::Bucket { scratch, store: self.clone(), owner: owner.clone() })
    }

    /// Puts what was written to `file` in place of the hold before.
    pub(in crate::snapshot::store) fn keep_hold(&self, owner: &Owner, file: &Path) -> Result<(), StoreError> {
        self.requests.replace(&self.key(owner, HELD), file)
    }

    pub(in crate::snapshot::store) fn held(&self, owner: &Owner) -> Result<Option<HoldText>, StoreError> {
        let key = self.key(owner, HELD);
        let Some(fetched) = self.requests.download(&key, &self.scratch, None)? else { return Ok(None) };
        // It is open, so that its name may go.
        let text = std::fs::File::open(&fetched.file).and_then(text_of);
        text.map(Some).map_err(failed("reading", &fetched.file))
    }

    pub(in crate::snapshot::store) fn held_as(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Option<HoldText>, StoreError> {
        let key = self.key(owner, HELD);
        let Some(fetched) = self.requests.download(&key, &self.scratch, None)? else { return Ok(None) };
        let open = || std::fs::File::open(&fetched.file).and_then(text_of);
        match open().and_then(HoldId::of) {
            Ok(found) if found == id => open().map(Some).map_err(failed("reading", &fetched.file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(failed("reading", &fetched.file)(error))
            }
            _ => Ok(None),
        }
    }

    pub(in crate::snapshot::store) fn clear_hold(&self, owner: &Owner) -> Result<(), StoreError> {
        self.requests.delete(&self.key(owner, HELD))
    }
}
