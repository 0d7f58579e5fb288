//! The outside of a `.c1z`, version 1: a header and one zstd frame, around an SQLite database.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::TempPath;

use super::reader::ReadError;

const HEADER: &[u8; 5] = b"C1ZF\0";
/// The header of version 3, a Pebble database, which only newer SDKs write.
const HEADER_V3: &[u8; 5] = b"C1Z3\0";
/// Higher levels cost more time and save nothing on these files.
const LEVEL: i32 = 1;
/// The most memory that a file may ask of its reader, as a power of two: 8 MiB.
const WINDOW_LOG: u32 = 23;
/// The most that a file may grow to: the limit of C1's own readers.
const MAX_DATABASE: u64 = 10 << 30;
const CHUNK: usize = 256 * 1024;

/// A `.c1z` that has been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Where it is.
    pub path: PathBuf,
    /// The SHA-256 of the file, in lowercase hexadecimal digits.
    pub digest: String,
    /// The size of the file in bytes.
    pub size: u64,
}

/// What a file is written under until it is complete: `<path>.tmp`.
pub(super) fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

/// A database that can be packed.
pub(super) trait Content {
    /// Its bytes, and how many they are.
    fn content(&self) -> io::Result<(u64, Box<dyn Read + '_>)>;
}

impl Content for Path {
    fn content(&self) -> io::Result<(u64, Box<dyn Read + '_>)> {
        let file = File::open(self)?;
        Ok((file.metadata()?.len(), Box::new(BufReader::with_capacity(CHUNK, file))))
    }
}

/// Packs `database` as `path`, mode 0600. The file appears complete or not at all.
pub(super) fn pack<C: Content + ?Sized>(database: &C, path: &Path) -> io::Result<Packed> {
    let packed = pack_unfinished(database, path)?;
    finish(path)?;
    Ok(packed)
}

/// Packs `database` beside `path`, for [`finish`] to put in place. Nothing is left behind on failure.
pub(super) fn pack_unfinished(database: &(impl Content + ?Sized), path: &Path) -> io::Result<Packed> {
    let beside = unfinished(path);
    write(database, &beside)
        .map(|(digest, size)| Packed { path: path.to_owned(), digest, size })
        .inspect_err(|_| fs::remove_file(&beside).unwrap_or_default())
}

/// Gives the file beside `path` its name.
pub(super) fn finish(path: &Path) -> io::Result<()> {
    rename(&unfinished(path), path)
}

/// Renames within a folder, durably.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_folder_of(to)
}

/// Makes a change of names in the folder of `path` durable.
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Creates `path` for its owner alone, empty even when a crash left something there.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    Ok(file)
}

fn write(database: &(impl Content + ?Sized), out: &Path) -> io::Result<(String, u64)> {
    let (size, mut database) = database.content()?;
    let mut out = Hashing::new(create_private(out)?);
    out.write_all(HEADER)?;
    let mut encoder = zstd::Encoder::new(out, LEVEL)?;
    encoder.set_pledged_src_size(Some(size))?;
    encoder.include_contentsize(true)?;
    encoder.include_checksum(true)?;
    io::copy(&mut database, &mut encoder)?;
    let out = encoder.finish()?;
    out.inner.sync_all()?;
    Ok(out.finish())
}

/// Unpacks the `.c1z` at `path` into a file of its own in `scratch`, which goes when the result is dropped.
pub(super) fn unpack(path: &Path, scratch: &Path) -> Result<TempPath, ReadError> {
    let unreadable = |source| ReadError::Read { path: path.to_owned(), source };
    let unwritable = |source| ReadError::Scratch { path: scratch.to_owned(), source };

    let mut packed = File::open(path).map_err(unreadable)?;
    check_header(&mut packed, path)?;
    let mut database =
        tempfile::Builder::new().prefix("snapshot-").tempfile_in(scratch).map_err(unwritable)?;
    let mut decoder = zstd::Decoder::new(packed).map_err(unreadable)?;
    decoder.window_log_max(WINDOW_LOG).map_err(unreadable)?;
    let mut chunk = vec![0; CHUNK];
    let mut size = 0;
    loop {
        let read = decoder.read(&mut chunk).map_err(|source| match source.kind() {
            ErrorKind::UnexpectedEof => ReadError::Truncated { path: path.to_owned() },
            _ => ReadError::Corrupt { path: path.to_owned(), source },
        })?;
        if read == 0 {
            return Ok(database.into_temp_path());
        }
        size += read as u64;
        if size > MAX_DATABASE {
            return Err(ReadError::TooLarge { path: path.to_owned(), limit: MAX_DATABASE });
        }
        database.write_all(chunk.get(..read).unwrap_or_default()).map_err(unwritable)?;
    }
}

fn check_header(file: &mut File, path: &Path) -> Result<(), ReadError> {
    let mut header = [0; HEADER.len()];
    match file.read_exact(&mut header) {
        Ok(()) if header == *HEADER => Ok(()),
        Ok(()) if header == *HEADER_V3 => Err(ReadError::Pebble { path: path.to_owned() }),
        Ok(()) => Err(ReadError::NotASnapshot { path: path.to_owned() }),
        Err(source) if source.kind() == ErrorKind::UnexpectedEof => {
            Err(ReadError::Truncated { path: path.to_owned() })
        }
        Err(source) => Err(ReadError::Read { path: path.to_owned(), source }),
    }
}

/// The SHA-256 of the file at `path`, in lowercase hexadecimal digits.
pub(super) fn digest(path: &Path) -> io::Result<String> {
    let mut hashing = Hashing::new(io::sink());
    io::copy(&mut BufReader::with_capacity(CHUNK, File::open(path)?), &mut hashing)?;
    Ok(hashing.finish().0)
}

/// Lowercase hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Counts and hashes what goes through.
pub(super) struct Hashing<W> {
    inner: W,
    digest: Sha256,
    size: u64,
}

impl<W> Hashing<W> {
    pub(super) fn new(inner: W) -> Self {
        Self { inner, digest: Sha256::new(), size: 0 }
    }

    /// The SHA-256 of what went through, in lowercase hexadecimal digits, and its size in bytes.
    pub(super) fn finish(self) -> (String, u64) {
        (hex(&self.digest.finalize()), self.size)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.digest.update(bytes.get(..written).unwrap_or_default());
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
