//! Why a snapshot could not be written.

use std::io;
use std::path::PathBuf;

use crate::snapshot::ReadError;

/// Why a snapshot cannot be written. All but the first three mean that what was read does not hold together.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// No place for the scratch file.
    #[error("creating a scratch file in {}: {source}", path.display())]
    Scratch {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The scratch file could not be written.
    #[error("{doing} of a snapshot: {source}")]
    Database {
        /// What was being written.
        doing: &'static str,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// What was written could not be read again.
    #[error("looking at the snapshot just written: {0}")]
    Reopen(#[source] ReadError),
    /// The resource is of a type that was not announced.
    #[error("{id} is of a type that this snapshot does not have")]
    UnknownResourceType {
        /// The resource.
        id: String,
    },
    /// The type of the resource says it is something, such as a user, that the resource is not.
    #[error("{id} lacks the trait of its type, or has another")]
    WrongTrait {
        /// The resource.
        id: String,
    },
    /// A part of the id is empty.
    #[error("{what} {id:?} has an empty part in its id")]
    EmptyId {
        /// What kind of record.
        what: &'static str,
        /// The id.
        id: String,
    },
    /// The id is longer than C1 takes.
    #[error("the id of {what} {id} has {} bytes, more than 1,024", id.len())]
    LongId {
        /// What kind of record.
        what: &'static str,
        /// The id.
        id: String,
    },
    /// Two records have the same id.
    #[error("{what} {id} came twice")]
    Duplicate {
        /// What kind of record.
        what: &'static str,
        /// The id.
        id: String,
    },
    /// The entitlement is on a resource that did not come before it.
    #[error("entitlement {entitlement} is on a resource that has not been read")]
    UnknownResource {
        /// The entitlement.
        entitlement: String,
    },
    /// The entitlement is on a resource whose type is said to have none.
    #[error("entitlement {entitlement} is on a resource of a type without entitlements")]
    NotGrantable {
        /// The entitlement.
        entitlement: String,
    },
    /// The grant is of an entitlement that did not come before it.
    #[error("grant {grant} is of an entitlement that has not been read")]
    UnknownEntitlement {
        /// The grant.
        grant: String,
    },
    /// The grant is to a principal that did not come at all.
    #[error("grant {grant} is to a principal that has not been read")]
    UnknownPrincipal {
        /// The grant.
        grant: String,
    },
    /// The resource belongs to one that did not come at all.
    #[error("{resource} belongs to {parent}, which has not been read")]
    UnknownParent {
        /// The resource.
        resource: String,
        /// The resource that it belongs to.
        parent: String,
    },
}

impl WriteError {
    /// Is it the disk's fault, and not what was read?
    pub fn is_of_the_disk(&self) -> bool {
        matches!(self, Self::Scratch { .. } | Self::Database { .. } | Self::Reopen(_))
    }
}
