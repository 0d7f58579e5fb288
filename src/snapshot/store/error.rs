//! Why the store could not do what it should.

use std::io;
use std::path::PathBuf;

use super::BucketProblem;
use crate::snapshot::{Owner, ReadError};

/// Why the store could not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A disk failed: that of the store, or that for scratch files.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The bucket failed, or who answers for it.
    #[error("{doing} {address}: {problem}")]
    Bucket {
        /// What was being done.
        doing: &'static str,
        /// To what: the address of an object, or of the bucket.
        address: String,
        /// What is wrong.
        problem: BucketProblem,
    },
    /// The snapshot that counts is missing or damaged. It must not be taken for a first run.
    #[error("the last published snapshot is lost: {place}: {reason}")]
    BaselineLost {
        /// Where it should have been: a path, or the address of an object.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What is kept beside snapshots makes no sense.
    #[error("reading {place}: {reason}")]
    Unreadable {
        /// Where: the address of an object.
        place: String,
        /// What is wrong with it, and what to do.
        reason: &'static str,
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
    #[error("{place} is there already, with another content")]
    Occupied {
        /// Where: a path, or the address of an object.
        place: String,
    },
    /// A snapshot could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl StoreError {
    /// What is wrong with the bucket, where that is it.
    pub fn bucket_problem(&self) -> Option<&BucketProblem> {
        match self {
            Self::Bucket { problem, .. } => Some(problem),
            _ => None,
        }
    }
}
