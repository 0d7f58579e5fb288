//! Writing and reading `.c1z` snapshots, comparing them, and the store that keeps them.
//!
//! A run writes its records with [`SnapshotWriter`] into a scratch database, compares that with the last snapshot
//! published ([`Difference`]), and has the [`Store`] publish it. Everything here blocks its thread. It must not
//! know a SaaS, Kubernetes or C1's service.

mod assembly;
mod census;
mod compare;
mod container;
mod encode;
mod integrity;
mod owner;
mod pair;
mod reader;
mod rows;
mod schema;
mod scratch;
mod select;
mod stats;
mod store;
mod sync_id;
mod writer;

#[cfg(test)]
mod testing;

pub use assembly::AssemblyError;
pub use compare::{CompareError, Difference, Missing};
pub use container::Packed;
pub(crate) use encode::resource_type;
pub use owner::{InvalidOwner, Owner};
pub use pair::{PairError, pair};
pub use reader::{ReadError, Snapshot, SyncRun};
pub use select::{SelectError, Selection, select};
pub use store::{
    BucketAddress, BucketProblem, BucketStore, DirectoryStore, Entry, HoldId, HoldText, HoldWriter,
    InvalidBucket, Latest, LocalFile, Pruned, Receipt, Replaces, Retired, Store, StoreError,
};
pub use sync_id::{InvalidSyncId, SyncId};
pub use writer::{Finished, SnapshotWriter, WriteError};
