//! Why the store could not do what it should.

use std::io;
use std::path::PathBuf;

use crate::snapshot::{Owner, ReadError};

/// Why the store could not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk failed.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The snapshot that counts is missing or damaged. It must not be taken for a first run.
    #[error("the last published snapshot is lost: {}: {reason}", path.display())]
    BaselineLost {
        /// The file that should have been there.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A later leader has published: this process must not any more.
    #[error("{owner}: published under lease transition {stored}, we hold {ours}")]
    Fenced {
        /// Whose snapshot it would have been.
        owner: Box<Owner>,
        /// The transitions in the store.
        stored: u64,
        /// The transitions of this process.
        ours: u64,
    },
    /// Another snapshot was published since this one was compared.
    #[error("{owner}: another snapshot was published since this one was compared with the last")]
    Overtaken {
        /// Whose snapshot it would have been.
        owner: Box<Owner>,
    },
    /// The run was called off before its snapshot counted.
    #[error("the run was called off before its snapshot was published")]
    CalledOff,
    /// A snapshot of the same run with another content is there already, and snapshots do not change.
    #[error("{} is there already, with another content", path.display())]
    Occupied {
        /// The file.
        path: PathBuf,
    },
    /// A snapshot could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}
