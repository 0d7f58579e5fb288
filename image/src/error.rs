//! Why no image was made.

use std::io;
use std::path::{Path, PathBuf};

/// Why no image was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file could not be read or written.
    #[error("{doing} {}: {source}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The binary needs what the image has not.
    #[error("{} is no static binary: it asks for the interpreter {interpreter}; build it for a musl target", path.display())]
    NotStatic {
        /// The file.
        path: PathBuf,
        /// What it asks for.
        interpreter: String,
    },
    /// It is none.
    #[error("{} is no ELF binary for 64 bits", path.display())]
    NotElf {
        /// The file.
        path: PathBuf,
    },
    /// A layer could not be packed.
    #[error("packing the layer: {0}")]
    Layer(#[source] io::Error),
    /// It has grown beyond what was promised.
    #[error(
        "the image is {size} bytes compressed, more than the {largest} that it may be: look at what has made the binary grow"
    )]
    TooLarge {
        /// Its size.
        size: u64,
        /// What it may be.
        largest: u64,
    },
    /// The time is none.
    #[error("--source-date is no time between the years 0 and 9999")]
    SourceDate,
    /// The lock file is none.
    #[error("{}: line {line} is not as Cargo writes it", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// Where.
        line: usize,
    },
}

/// What happened to a file.
pub(crate) fn failed(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::File { doing, path: path.to_owned(), source }
}
