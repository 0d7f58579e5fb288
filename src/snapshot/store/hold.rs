//! What the removal guard holds: the removals of the last run that was held, one line each, kept beside the owner's
//! snapshots until something is published. So whoever must approve can see what would go, and an approval is of those
//! removals and no others.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::{DirectoryStore, StoreError, failed};
use crate::snapshot::{Owner, container};

const HELD: &str = "held.txt.zst";
const LEVEL: i32 = 1;
/// The hexadecimal digits of an id.
const ID_DIGITS: usize = 16;

/// Makes the id of a hold, line by line: the beginning of the SHA-256 of its text. The same lines have the same id.
#[derive(Debug, Clone, Default)]
pub struct HoldId(Sha256);

impl HoldId {
    /// Takes the next line.
    pub fn line(&mut self, line: &str) {
        self.0.update(line);
        self.0.update(b"\n");
    }

    /// The id of the lines taken.
    pub fn id(self) -> String {
        let mut id = container::hex(&self.0.finalize());
        id.truncate(ID_DIGITS);
        id
    }
}

/// A hold that is being written. Until [`HoldWriter::keep`] the one before stays.
pub struct HoldWriter {
    path: PathBuf,
    text: zstd::Encoder<'static, File>,
}

impl HoldWriter {
    /// Appends a line.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn line(&mut self, line: &str) -> Result<(), StoreError> {
        let write = |text: &mut zstd::Encoder<'static, File>| {
            text.write_all(line.as_bytes())?;
            text.write_all(b"\n")
        };
        write(&mut self.text).map_err(failed("writing", &self.path))
    }

    /// Puts it in place of the one before.
    ///
    /// # Errors
    /// When the disk fails; then the one before stays.
    pub fn keep(self) -> Result<(), StoreError> {
        let Self { path, text } = self;
        let keep = || {
            text.finish()?.sync_all()?;
            container::finish(&path)
        };
        keep().map_err(failed("writing", &path))
    }
}

/// The text of a hold, to read line by line.
pub type HoldText = BufReader<zstd::Decoder<'static, BufReader<File>>>;

impl DirectoryStore {
    /// Begins to write what is held of an owner.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn begin_hold(&self, owner: &Owner) -> Result<HoldWriter, StoreError> {
        self.make_folder(owner)?;
        let path = self.folder(owner).join(HELD);
        let begin = || {
            let mut text =
                zstd::Encoder::new(container::create_private(&container::unfinished(&path))?, LEVEL)?;
            text.include_checksum(true)?;
            Ok(text)
        };
        let text = begin().map_err(failed("writing", &path))?;
        Ok(HoldWriter { path, text })
    }

    /// What is held of an owner; `None` where nothing is.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn held(&self, owner: &Owner) -> Result<Option<HoldText>, StoreError> {
        let path = self.folder(owner).join(HELD);
        let open = || zstd::Decoder::new(File::open(&path)?);
        match open() {
            Ok(text) => Ok(Some(BufReader::new(text))),
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
        match id_of(text) {
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

fn id_of(text: HoldText) -> io::Result<String> {
    let mut id = HoldId::default();
    for line in text.lines() {
        id.line(&line?);
    }
    Ok(id.id())
}
