//! What came, went or became something else between two snapshots, and who of the users is disabled since. Both are
//! read once, side by side; what went is kept in a scratch database, so that neither is ever in memory unless it is small.

mod changed;
mod gone;
mod news;
mod scopes;

use std::io;
use std::path::PathBuf;

use rusqlite::Connection;

pub(super) use self::changed::counted_as;
pub use self::gone::Missing;
use super::reader::is_of_the_content;
use super::scratch::Scratch;
use super::{Snapshot, schema};
use crate::access::{Change, Changes, ResourceType};

/// Why two snapshots cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// No place for what is found.
    #[error("creating a scratch file in {} while comparing two snapshots: {source}", path.display())]
    Scratch {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A database could not be read.
    #[error("{doing} while comparing two snapshots: {source}")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// A resource could not be understood.
    #[error("decoding a resource while comparing two snapshots: {0}")]
    Message(#[source] prost::DecodeError),
}

impl CompareError {
    /// Is it a snapshot that is at fault, and will be however often it is read?
    pub fn is_of_the_content(&self) -> bool {
        match self {
            Self::Scratch { .. } => false,
            Self::Database { source, .. } => is_of_the_content(source),
            Self::Message(_) => true,
        }
    }
}

/// What went, by id and by the number of its row in the snapshot before, which grants came, and who is disabled or
/// enabled since.
const FOUND: &str = "
begin;
create table gone_resources (external_id text primary key, id integer not null) without rowid;
create table gone_grants (external_id text primary key, id integer not null) without rowid;
create table new_grants (external_id text primary key, id integer not null) without rowid;
create table disabled (external_id text primary key) without rowid;
create table enabled (external_id text primary key) without rowid;
";

/// The differences of two snapshots, in a scratch database which goes when this is dropped.
#[derive(Debug)]
pub struct Difference {
    connection: Connection,
    previous: String,
    current: String,
    changes: Changes,
    missing: u64,
    disabled: u64,
    enabled: u64,
    // After the connection: the file goes last.
    _database: Scratch,
}

impl Difference {
    /// Compares `current` with `previous`. Of the changes, resources of one of `types` are counted under its plural,
    /// others under the type's id, and grants under `grants`.
    ///
    /// A later sign-in alone changes nothing. A grant has no attributes, so it comes or goes and never changes: what
    /// its file says of the entitlement's resource is counted at that resource.
    ///
    /// # Errors
    /// When a database cannot be read, or the scratch database, beside one of them, cannot be written.
    pub fn between(
        previous: &Snapshot,
        current: &Snapshot,
        types: &[ResourceType],
    ) -> Result<Self, CompareError> {
        let database = scratch(previous, current)?;
        let mut difference = Self {
            connection: open(&database, previous, current).map_err(failed("opening the databases"))?,
            previous: previous.run().id.to_string(),
            current: current.run().id.to_string(),
            changes: Changes::new(),
            missing: 0,
            disabled: 0,
            enabled: 0,
            _database: database,
        };
        difference.find_resources(types)?;
        let grants = difference.find_grants().map_err(failed("comparing the grants"))?;
        difference.missing += grants.removed;
        difference.changes.insert("grants".to_owned(), grants);
        Ok(difference)
    }

    /// What came, went and changed.
    #[cfg(test)]
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    fn find_resources(&mut self, types: &[ResourceType]) -> Result<(), CompareError> {
        let found = self.compare_resources()?;
        (self.disabled, self.enabled) = (found.disabled, found.enabled);
        let mut ids = self.types().map_err(failed("reading the resource types"))?;
        ids.extend(types.iter().map(|it| it.id.to_owned()));
        ids.sort();
        ids.dedup();
        for id in ids {
            let before = found.before.get(&id).copied().unwrap_or_default();
            let removed = found.gone.get(&id).copied().unwrap_or_default();
            let changed = found.changed.get(&id).copied().unwrap_or_default();
            let now = self.now(&id).map_err(failed("counting the resources"))?;
            let added = now.saturating_sub(before.saturating_sub(removed));
            self.missing += removed;
            let plural = types.iter().find(|it| it.id == id).map(|it| it.plural.to_owned());
            self.changes.insert(plural.unwrap_or(id), Change { added, removed, changed });
        }
        Ok(())
    }

    /// How many resources of a type there are now, by the ids alone: `;` follows `:`.
    fn now(&self, resource_type: &str) -> rusqlite::Result<u64> {
        let query = "select count(*) from current.v1_resources
            where sync_id = ?1 and external_id >= ?2 || ':' and external_id < ?2 || ';'";
        self.connection.query_row(query, [&self.current, resource_type], schema::count)
    }

    fn types(&self) -> rusqlite::Result<Vec<String>> {
        let mut statement = self.connection.prepare(
            "select external_id from previous.v1_resource_types where sync_id = ?1
            union select external_id from current.v1_resource_types where sync_id = ?2",
        )?;
        let ids = statement.query_map([&self.previous, &self.current], |row| row.get(0))?;
        ids.collect()
    }
}

/// Where the differences go: what is found of small databases is small, and else there is a file of one of them.
fn scratch(previous: &Snapshot, current: &Snapshot) -> Result<Scratch, CompareError> {
    let databases = [current.database(), previous.database()];
    let folder = databases.iter().find_map(|it| it.path()?.parent());
    match folder.filter(|_| !databases.iter().all(|it| it.is_small())) {
        None => Ok(Scratch::in_memory()),
        Some(folder) => Scratch::in_file(folder, "difference-")
            .map_err(|source| CompareError::Scratch { path: folder.to_owned(), source }),
    }
}

fn open(database: &Scratch, previous: &Snapshot, current: &Snapshot) -> rusqlite::Result<Connection> {
    let connection = database.open_empty()?;
    connection.execute("attach ?1 as previous", [previous.database().address()])?;
    connection.execute("attach ?1 as current", [current.database().address()])?;
    connection.execute_batch(
        "pragma trusted_schema = off;
        pragma previous.cache_size = -2000;
        pragma current.cache_size = -2000;",
    )?;
    connection.execute_batch(FOUND)?;
    Ok(connection)
}

fn failed(doing: &'static str) -> impl Fn(rusqlite::Error) -> CompareError {
    move |source| CompareError::Database { doing, source }
}

#[cfg(test)]
mod tests;
