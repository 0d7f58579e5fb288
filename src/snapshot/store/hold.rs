//! What the removal guard holds: the removals of the last run that was held, one line each, kept beside the owner's
//! snapshots until something is published. So whoever must approve can see what would go, and an approval is of those
//! removals and no others.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::TempPath;

use super::directory::failed;
use super::{BucketStore, StoreError};
use crate::snapshot::{Owner, container};

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

    /// The id of a text that was kept.
    pub(super) fn of(text: HoldText) -> io::Result<String> {
        let mut id = Self::default();
        for line in text.lines() {
            id.line(&line?);
        }
        Ok(id.id())
    }
}

/// A hold that is being written. Until [`HoldWriter::keep`] the one before stays.
pub struct HoldWriter {
    text: zstd::Encoder<'static, File>,
    place: HoldPlace,
}

/// Where a hold goes.
pub(super) enum HoldPlace {
    /// It is written beside this file.
    File(PathBuf),
    /// It is written to a scratch file, and goes into the bucket.
    Bucket { scratch: TempPath, store: BucketStore, owner: Owner },
}

impl HoldPlace {
    fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Bucket { scratch, .. } => scratch,
        }
    }
}

impl HoldWriter {
    /// Writes to `file`, which goes to `place`.
    pub(super) fn new(file: File, place: HoldPlace) -> Result<Self, StoreError> {
        let begin = || {
            let mut text = zstd::Encoder::new(file, LEVEL)?;
            text.include_checksum(true)?;
            Ok(text)
        };
        match begin() {
            Ok(text) => Ok(Self { text, place }),
            Err(source) => Err(failed("writing", place.path())(source)),
        }
    }

    /// Appends a line.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn line(&mut self, line: &str) -> Result<(), StoreError> {
        let write = |text: &mut zstd::Encoder<'static, File>| {
            text.write_all(line.as_bytes())?;
            text.write_all(b"\n")
        };
        write(&mut self.text).map_err(failed("writing", self.place.path()))
    }

    /// Puts it in place of the one before.
    ///
    /// # Errors
    /// When the store fails; then the one before stays.
    pub fn keep(self) -> Result<(), StoreError> {
        let Self { text, place } = self;
        let complete = text.finish().and_then(|file| file.sync_all());
        complete.map_err(failed("writing", place.path()))?;
        match place {
            HoldPlace::File(path) => container::finish(&path).map_err(failed("writing", &path)),
            HoldPlace::Bucket { scratch, store, owner } => store.keep_hold(&owner, &scratch),
        }
    }
}

/// The text of a hold, to read line by line.
pub type HoldText = BufReader<zstd::Decoder<'static, BufReader<File>>>;

/// The text in a file.
pub(super) fn text_of(file: File) -> io::Result<HoldText> {
    Ok(BufReader::new(zstd::Decoder::new(file)?))
}
