//! A snapshot cut down to what was asked for.

use std::collections::BTreeSet;
use std::path::Path;

use super::Snapshot;
use super::container::Packed;

/// Which records of a snapshot are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The ids of the resource types; all types where there is none.
    pub resource_types: Option<BTreeSet<String>>,
    /// Whether entitlements, and with them grants, are wanted.
    pub entitlements: bool,
    /// Whether grants are wanted.
    pub grants: bool,
}

impl Selection {
    /// All records.
    pub fn everything() -> Self {
        Self { resource_types: None, entitlements: true, grants: true }
    }

    /// What a task says that wants a full sync.
    pub fn of_task(
        sync_resource_type_ids: &[String],
        skip_entitlements_and_grants: bool,
        skip_grants: bool,
    ) -> Self {
        let resource_types = sync_resource_type_ids.iter().cloned().collect::<BTreeSet<_>>();
        Self {
            resource_types: (!resource_types.is_empty()).then_some(resource_types),
            entitlements: !skip_entitlements_and_grants,
            grants: !skip_entitlements_and_grants && !skip_grants,
        }
    }

    /// Does it leave a snapshot as it is?
    pub fn is_everything(&self) -> bool {
        *self == Self::everything()
    }
}

/// Why a snapshot cannot be cut down.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// Not yet.
    #[error("filters are not part of this build")]
    NotYet,
}

/// Writes what `selection` wants of the run of `snapshot` as the `.c1z` file `out`.
///
/// # Errors
/// Always.
pub fn select(_: &Snapshot, _: &Selection, _: &Path, _: &Path) -> Result<Packed, SelectError> {
    Err(SelectError::NotYet)
}
