//! What the removal guard holds, as a file.

use std::fs::{self, File};
use std::io::ErrorKind;

use super::{DirectoryStore, failed};
use crate::snapshot::store::hold::{HoldPlace, text_of};
use crate::snapshot::store::{HELD, HoldId, HoldText, HoldWriter, StoreError};
use crate::snapshot::{Owner, container};

impl DirectoryStore {
    /// Begins to write what is held of an owner.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn begin_hold(&self, owner: &Owner) -> Result<HoldWriter, StoreError> {
        self.make_folder(owner)?;
        let path = self.folder(owner).join(HELD);
        let file = container::create_private(&container::unfinished(&path));
        let file = file.map_err(failed("writing", &path))?;
        HoldWriter::new(file, HoldPlace::File(path))
    }

    /// What is held of an owner; `None` where nothing is.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn held(&self, owner: &Owner) -> Result<Option<HoldText>, StoreError> {
        let path = self.folder(owner).join(HELD);
        match File::open(&path).and_then(text_of) {
            Ok(text) => Ok(Some(text)),
            Err(source) if source.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed("reading", &path)(source)),
        }
    }

    /// What is held of an owner under this id; `None` where nothing is, or something else, or what is damaged.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn held_as(&self, owner: &Owner, id: &str) -> Result<Option<HoldText>, StoreError> {
        let Some(text) = self.held(owner)? else { return Ok(None) };
        match HoldId::of(text) {
            Ok(found) if found == id => self.held(owner),
            _ => Ok(None),
        }
    }

    /// Nothing is held of an owner any more.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn clear_hold(&self, owner: &Owner) -> Result<(), StoreError> {
        let path = self.folder(owner).join(HELD);
        match fs::remove_file(&path) {
            Ok(()) => container::sync_folder_of(&path).map_err(failed("removing", &path)),
            Err(source) if source.kind() == ErrorKind::NotFound => Ok(()),
            Err(source) => Err(failed("removing", &path)(source)),
        }
    }
}
