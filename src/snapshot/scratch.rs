//! Where a database lies while it is worked on: in memory where it is small, for files that come and go cost a small run
//! more than all that is in them; else in a scratch file, so that memory does not grow with what is read.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, OpenFlags};
use tempfile::TempPath;

/// A database that has at most so many bytes is small.
const SMALL: u64 = 1 << 20;

/// How a database is written: nobody else looks at it and it is thrown away on any failure, so it needs no journal.
/// A larger cache saves nothing.
const WRITTEN: &str = "
pragma journal_mode = off;
pragma synchronous = off;
pragma cache_size = -2000;
";

const WRITING: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE
    .union(OpenFlags::SQLITE_OPEN_NO_MUTEX)
    .union(OpenFlags::SQLITE_OPEN_URI);
const READING: OpenFlags =
    OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX).union(OpenFlags::SQLITE_OPEN_URI);

/// A database that goes when this is dropped, or with the last connection to it.
#[derive(Debug)]
pub(super) enum Scratch {
    /// In the memory of this process, under this name.
    Memory(String),
    /// In a file.
    File(TempPath),
}

impl Scratch {
    /// A new one in memory.
    pub(super) fn in_memory() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self::Memory(format!("/{}", LAST.fetch_add(1, Ordering::Relaxed)))
    }

    /// A new one in a file in `folder`, whose name begins with `prefix`.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn in_file(folder: &Path, prefix: &str) -> io::Result<Self> {
        Ok(Self::File(file(folder, prefix)?))
    }

    /// Opens it, empty, for writing.
    pub(super) fn open_empty(&self) -> rusqlite::Result<Connection> {
        match self {
            Self::Memory(_) => {
                let flags = WRITING | OpenFlags::SQLITE_OPEN_CREATE;
                let connection = Connection::open_with_flags(self.address(), flags)?;
                connection.execute_batch(WRITTEN)?;
                Ok(connection)
            }
            Self::File(path) => open_empty(path),
        }
    }

    /// What SQLite calls it where it is read, once nobody writes it any more.
    pub(super) fn address(&self) -> String {
        match self {
            Self::Memory(name) => format!("file:{name}?vfs=memdb"),
            Self::File(path) => immutable(path),
        }
    }

    /// Opens it for reading, once nobody writes it any more.
    pub(super) fn open(&self) -> rusqlite::Result<Connection> {
        Connection::open_with_flags(self.address(), READING)
    }

    /// The file that it is in.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Memory(_) => None,
            Self::File(path) => Some(path),
        }
    }

    /// Is it small enough to be kept in memory?
    pub(super) fn is_small(&self) -> bool {
        match self {
            Self::Memory(_) => true,
            Self::File(path) => {
                File::open(path).and_then(|it| it.metadata()).is_ok_and(|it| it.len() <= SMALL)
            }
        }
    }
}

/// A new file in `folder`, whose name begins with `prefix`; it goes when this is dropped.
///
/// # Errors
/// What the system says.
pub(super) fn file(folder: &Path, prefix: &str) -> io::Result<TempPath> {
    Ok(tempfile::Builder::new().prefix(prefix).tempfile_in(folder)?.into_temp_path())
}

/// Opens the new, empty file at `path` for writing.
pub(super) fn open_empty(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, WRITING)?;
    connection.execute_batch("pragma locking_mode = exclusive")?;
    connection.execute_batch(WRITTEN)?;
    Ok(connection)
}

/// The address of a file that nobody writes any more, so that it is read without locks. A connection to what is in memory
/// would look for it there.
fn immutable(database: &Path) -> String {
    let mut address = "file:".to_owned();
    for byte in database.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => address.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => address.push(char::from(*byte)),
            byte => address.push_str(&format!("%{byte:02X}")),
        }
    }
    address + "?immutable=1&vfs=unix"
}
