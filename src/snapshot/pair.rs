//! Two snapshots in one file, which is what `baton diff` compares, and what a connector built on the SDK leaves when
//! it is run twice with the same `--file`.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::container::{self, Packed};
use super::reader::immutable;
use super::schema::{self, LATE_INDEXES};
use super::{Snapshot, SyncId};

/// The tables and those of their columns that are carried over, except the number of the row.
const TABLES: [(&str, &str); 5] = [
    ("v1_resource_types", "external_id, data, sync_id, discovered_at"),
    (
        "v1_resources",
        "resource_type_id, external_id, parent_resource_type_id, parent_resource_id, data, sync_id, discovered_at",
    ),
    ("v1_entitlements", "resource_type_id, resource_id, external_id, data, sync_id, discovered_at"),
    (
        "v1_grants",
        "resource_type_id, resource_id, entitlement_id, principal_resource_type_id, principal_resource_id, \
         external_id, expansion, needs_expansion, data, sync_id, discovered_at",
    ),
    (
        "v1_sync_runs",
        "sync_id, started_at, ended_at, sync_token, sync_type, parent_sync_id, linked_sync_id, supports_diff, \
         grants_backfilled, stats, ingest_invariant_generation, ingest_invariant_coverage, ingest_invariant_mode",
    ),
];

/// Why two snapshots cannot be put into one file.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// Both are the same run.
    #[error("both snapshots are of the run {0}")]
    SameRun(SyncId),
    /// No place for the scratch file.
    #[error("creating a scratch file in {}: {source}", path.display())]
    Scratch {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A database could not be read or written.
    #[error("{doing} while pairing two snapshots: {source}")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The file could not be written.
    #[error("writing {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Writes both runs, each under its own id, as the `.c1z` file `out`, mode 0600, replacing what was there. The run
/// that ended later is the one that readers show. `scratch` is the folder for the database until it is packed.
///
/// # Errors
/// When both are the same run, or a file cannot be read or written.
pub fn pair(first: &Snapshot, second: &Snapshot, out: &Path, scratch: &Path) -> Result<Packed, PairError> {
    if first.run().id == second.run().id {
        return Err(PairError::SameRun(first.run().id.clone()));
    }
    let database = tempfile::Builder::new()
        .prefix("snapshot-")
        .tempfile_in(scratch)
        .map_err(|source| PairError::Scratch { path: scratch.to_owned(), source })?
        .into_temp_path();
    let connection = schema::open_scratch(&database).map_err(failed("creating the database"))?;
    for (snapshot, name) in [(first, "first"), (second, "second")] {
        attach(&connection, snapshot, name).map_err(failed("opening the snapshots"))?;
    }
    schema::begin_load(&connection).map_err(failed("creating the tables"))?;
    for (snapshot, name) in [(first, "first"), (second, "second")] {
        copy(&connection, snapshot, name).map_err(failed("copying the records"))?;
    }
    connection.execute_batch("commit; begin").map_err(failed("committing the records"))?;
    for index in LATE_INDEXES {
        connection.execute_batch(index).map_err(failed("making the indexes"))?;
    }
    connection.execute_batch("commit").map_err(failed("committing the indexes"))?;
    connection.close().map_err(|(_, source)| failed("closing the database")(source))?;
    container::pack(&database, out).map_err(|source| PairError::Write { path: out.to_owned(), source })
}

fn attach(connection: &Connection, snapshot: &Snapshot, name: &str) -> rusqlite::Result<()> {
    connection.execute(&format!("attach ?1 as {name}"), [immutable(snapshot.database())])?;
    connection.execute_batch(&format!("pragma {name}.cache_size = -2000"))
}

/// Copies in the order of the rows, so that a record stands where it stood.
fn copy(connection: &Connection, snapshot: &Snapshot, name: &str) -> rusqlite::Result<()> {
    for (table, columns) in TABLES {
        connection.execute(
            &format!(
                "insert into main.{table} ({columns})
                select {columns} from {name}.{table} where sync_id = ?1 order by rowid"
            ),
            [snapshot.run().id.as_str()],
        )?;
    }
    Ok(())
}

fn failed(doing: &'static str) -> impl Fn(rusqlite::Error) -> PairError {
    move |source| PairError::Database { doing, source }
}

#[cfg(test)]
mod tests;
