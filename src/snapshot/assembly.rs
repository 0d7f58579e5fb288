//! A `.c1z` put together from the rows of others, which stay as they are. Rows are copied into a new database, never
//! deleted from a copy of an old one: that costs three times as much, and leaves empty pages in the file.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempPath;

use super::container::{self, Packed};
use super::schema::{self, LATE_INDEXES, Pages};
use super::{Snapshot, SyncId, scratch};

/// A table, and those of its columns that are copied: all except the number of the row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table {
    name: &'static str,
    columns: &'static str,
}

pub(super) const RESOURCE_TYPES: Table =
    Table { name: "v1_resource_types", columns: "external_id, data, sync_id, discovered_at" };
pub(super) const RESOURCES: Table = Table {
    name: "v1_resources",
    columns: "resource_type_id, external_id, parent_resource_type_id, parent_resource_id, data, sync_id, \
              discovered_at",
};
pub(super) const ENTITLEMENTS: Table = Table {
    name: "v1_entitlements",
    columns: "resource_type_id, resource_id, external_id, data, sync_id, discovered_at",
};
pub(super) const GRANTS: Table = Table {
    name: "v1_grants",
    columns: "resource_type_id, resource_id, entitlement_id, principal_resource_type_id, \
              principal_resource_id, external_id, expansion, needs_expansion, data, sync_id, discovered_at",
};
pub(super) const SYNC_RUNS: Table = Table {
    name: "v1_sync_runs",
    columns: "sync_id, started_at, ended_at, sync_token, sync_type, parent_sync_id, linked_sync_id, \
              supports_diff, grants_backfilled, stats, ingest_invariant_generation, \
              ingest_invariant_coverage, ingest_invariant_mode",
};

/// Why a snapshot cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    /// No place for the scratch file.
    #[error("creating a scratch file in {}: {source}", path.display())]
    Scratch {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A database could not be read or written.
    #[error("{doing}: {source}")]
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

/// A new database in a scratch file, which goes when this is dropped, with the others beside it.
#[derive(Debug)]
pub(super) struct Assembly {
    connection: Connection,
    // After the connection: the file goes last.
    database: TempPath,
}

impl Assembly {
    /// An empty database in `folder`, beside which each of `sources` can be read under its name.
    pub(super) fn of(sources: &[(&str, &Snapshot)], folder: &Path) -> Result<Self, AssemblyError> {
        let database = scratch::file(folder, "snapshot-")
            .map_err(|source| AssemblyError::Scratch { path: folder.to_owned(), source })?;
        let mut connection = scratch::open_empty(&database).map_err(failed("creating the database"))?;
        for (name, snapshot) in sources {
            attach(&connection, snapshot, name).map_err(failed("opening the snapshots"))?;
        }
        schema::begin_load(&mut connection, Pages::Large).map_err(failed("creating the tables"))?;
        Ok(Self { connection, database })
    }

    /// The connection that has all of them, in the transaction that loads the rows.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Copies those rows (`it`) of the run `id` in `source` for which the expression `which` is true, in their
    /// order. Reading them by an index would mean sorting them.
    pub(super) fn copy(
        &self,
        source: &str,
        id: &SyncId,
        table: Table,
        which: &str,
    ) -> Result<(), AssemblyError> {
        let Table { name, columns } = table;
        let query = format!(
            "insert into main.{name} ({columns})
            select {columns} from {source}.{name} as it not indexed
            where sync_id = ?1 and ({which}) order by rowid"
        );
        self.connection.execute(&query, [id.as_str()]).map_err(failed("copying the records"))?;
        Ok(())
    }

    /// Completes the database and packs it as the `.c1z` file `out`, mode 0600, replacing what was there.
    pub(super) fn pack(self, out: &Path) -> Result<Packed, AssemblyError> {
        let connection = self.connection;
        connection.execute_batch("commit; begin").map_err(failed("committing the records"))?;
        for index in LATE_INDEXES {
            connection.execute_batch(index).map_err(failed("making the indexes"))?;
        }
        connection.execute_batch("commit").map_err(failed("committing the indexes"))?;
        connection.close().map_err(|(_, source)| failed("closing the database")(source))?;
        container::pack::<Path>(&self.database, out)
            .map_err(|source| AssemblyError::Write { path: out.to_owned(), source })
    }
}

fn attach(connection: &Connection, snapshot: &Snapshot, name: &str) -> rusqlite::Result<()> {
    connection.execute(&format!("attach ?1 as {name}"), [snapshot.database().address()])?;
    // The file may be anybody's: nothing in its schema is run.
    connection.execute_batch(&format!("pragma trusted_schema = off; pragma {name}.cache_size = -2000"))
}

/// That the database failed while `doing`.
pub(super) fn failed(doing: &'static str) -> impl Fn(rusqlite::Error) -> AssemblyError {
    move |source| AssemblyError::Database { doing, source }
}
