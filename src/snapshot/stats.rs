//! What the row of a run says of the content of the run: JSON, by the names that C1's readers know.

use std::collections::BTreeMap;

use serde::Serialize;

/// How many records a run has. Readers trust it where there are any resource types, and count for themselves else.
#[derive(Debug, Default, Serialize)]
pub(super) struct Stats<Id: Ord> {
    pub(super) resource_types: u64,
    pub(super) resources: u64,
    pub(super) entitlements: u64,
    pub(super) grants: u64,
    pub(super) resources_by_resource_type: BTreeMap<Id, u64>,
    /// By the type of the resource that they are on.
    pub(super) entitlements_by_resource_type: BTreeMap<Id, u64>,
    /// By the type of the resource whose entitlement it is.
    pub(super) grants_by_resource_type: BTreeMap<Id, u64>,
}

impl<Id: Ord + Serialize> Stats<Id> {
    /// As the column holds it.
    pub(super) fn to_json(&self) -> rusqlite::Result<String> {
        serde_json::to_string(self).map_err(|source| rusqlite::Error::ToSqlConversionFailure(source.into()))
    }
}
