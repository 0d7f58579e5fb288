//! A snapshot cut down to what was asked for. A task of C1 may ask for less than everything; a run reads everything
//! all the same, and only the file that is delivered for the task has less.
//!
//! What remains is what C1's own SDK (v0.25.0, `pkg/sync/syncer.go` and `ingest_filter.go`) would have written:
//!
//! | of | remain |
//! |---|---|
//! | resource types | those selected |
//! | resources | those of a selected type, if they have no parent or their parent remains: the SDK finds children by their parents |
//! | entitlements | those on resources that remain; `grantable_to` keeps naming types that do not |
//! | grants | those of entitlements that remain, to principals of a selected type |
//!
//! Without entitlements and grants the run is of the type `resources_only`; without grants alone, or with fewer
//! types, it stays `full`.
//!
//! So one thing can refer to what is missing, as in the SDK's own files: a grant to a principal whose type is
//! selected, but whose parent is not. None of our connectors has such principals: users have no parent.
//!
//! `tests/interop` holds this against files that a connector on the SDK writes for the same tasks. They have exactly
//! these rows, with one exception that is meant: that connector lists users as children of organizations without
//! making them so in the file, and thus finds nobody when organizations are not selected. Here a user belongs to no
//! organization and remains: whoever selects users wants users.

mod choice;

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::Connection;

use self::choice::Choice;
use super::assembly::{
    Assembly, AssemblyError, ENTITLEMENTS, GRANTS, RESOURCE_TYPES, RESOURCES, SYNC_RUNS, failed,
};
use super::container::Packed;
use super::schema;
use super::stats::Stats;
use super::{Snapshot, SyncId};

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

    /// What a task says that wants a full sync (`SyncFullTask`): no resource types stand for all of them, and
    /// without entitlements there are no grants either.
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
    /// There is no such type; the SDK fails such a sync too.
    #[error("there is no resource type {id:?} to select; there are {}", valid.join(", "))]
    UnknownResourceType {
        /// The id that was asked for.
        id: String,
        /// The ids that there are, in order.
        valid: Vec<String>,
    },
    /// The file could not be put together.
    #[error("cutting down a snapshot: {0}")]
    Assembly(#[from] AssemblyError),
}

/// Writes what `selection` wants of the run of `snapshot` as the `.c1z` file `out`, mode 0600, replacing what was
/// there: under the run's own id, with its times. `scratch` is the folder for the database until it is packed.
///
/// # Errors
/// When the selection names a type that there is not, or a file cannot be read or written.
pub fn select(
    snapshot: &Snapshot,
    selection: &Selection,
    out: &Path,
    scratch: &Path,
) -> Result<Packed, SelectError> {
    check_types(snapshot, selection)?;
    let id = &snapshot.run().id;
    let assembly = Assembly::of(&[("source", snapshot)], scratch)?;
    let choice = Choice::of(assembly.connection(), id, selection).map_err(failed("finding what remains"))?;
    assembly.copy("source", id, RESOURCE_TYPES, choice.resource_types())?;
    assembly.copy("source", id, RESOURCES, choice.resources())?;
    if selection.entitlements {
        assembly.copy("source", id, ENTITLEMENTS, choice.entitlements())?;
        if selection.grants {
            assembly.copy("source", id, GRANTS, choice.grants())?;
        }
    }
    assembly.copy("source", id, SYNC_RUNS, "true")?;
    describe_run(assembly.connection(), selection).map_err(failed("writing the run"))?;
    Ok(assembly.pack(out)?)
}

fn check_types(snapshot: &Snapshot, selection: &Selection) -> Result<(), SelectError> {
    let Some(wanted) = &selection.resource_types else {
        return Ok(());
    };
    let valid = types(snapshot.connection(), &snapshot.run().id);
    let valid = valid.map_err(failed("reading the resource types"))?;
    match wanted.iter().find(|id| !valid.contains(id)) {
        Some(id) => Err(SelectError::UnknownResourceType { id: id.clone(), valid }),
        None => Ok(()),
    }
}

fn types(connection: &Connection, id: &SyncId) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection
        .prepare("select external_id from v1_resource_types where sync_id = ?1 order by external_id")?;
    let ids = statement.query_map([id.as_str()], |row| row.get(0))?;
    ids.collect()
}

/// What the run was, and what there is of it.
fn describe_run(connection: &Connection, selection: &Selection) -> rusqlite::Result<()> {
    let stats = stats(connection)?.to_json()?;
    connection.execute("update main.v1_sync_runs set stats = ?1", [stats])?;
    if !selection.entitlements {
        // The SDK sets supports_diff when it comes to expand grants, which it does not without any.
        connection
            .execute("update main.v1_sync_runs set sync_type = 'resources_only', supports_diff = 0", [])?;
    }
    Ok(())
}

/// Counts by the indexes that are there already.
fn stats(connection: &Connection) -> rusqlite::Result<Stats<String>> {
    let by_type = |table: &str| {
        let query = format!("select resource_type_id, count(*) from main.{table} group by resource_type_id");
        let mut statement = connection.prepare(&query)?;
        let counts =
            statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
        counts.collect::<rusqlite::Result<_>>()
    };
    let resource_types =
        connection.query_row("select count(*) from main.v1_resource_types", [], schema::count)?;
    let mut stats = Stats {
        resource_types,
        resources_by_resource_type: by_type("v1_resources")?,
        entitlements_by_resource_type: by_type("v1_entitlements")?,
        grants_by_resource_type: by_type("v1_grants")?,
        ..Stats::default()
    };
    stats.resources = stats.resources_by_resource_type.values().sum();
    stats.entitlements = stats.entitlements_by_resource_type.values().sum();
    stats.grants = stats.grants_by_resource_type.values().sum();
    Ok(stats)
}

#[cfg(test)]
mod tests;
