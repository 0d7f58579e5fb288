//! Reads snapshots: what they hold as C1's messages, one after the other, never all at once.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use prost::Message;
use rusqlite::{Connection, OptionalExtension};

use super::container::Content;
use super::scratch::Scratch;
use super::{SyncId, container, schema};
use crate::access::{Counts, ResourceType};
use crate::proto::c1::connector::v2;

/// Why a snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be opened or read.
    #[error("reading the snapshot {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file does not begin like a `.c1z`.
    #[error("{} is not a .c1z file", path.display())]
    NotASnapshot {
        /// The file.
        path: PathBuf,
    },
    /// The file is a `.c1z` of version 3, which holds a Pebble database.
    #[error("{} is a .c1z of version 3 (Pebble); only version 1 (SQLite) is read here", path.display())]
    Pebble {
        /// The file.
        path: PathBuf,
    },
    /// The file ends before its content does.
    #[error("{} is truncated", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
    },
    /// The content of the file is damaged, or asks for more memory than a snapshot may.
    #[error("{} is damaged: {source}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        source: io::Error,
    },
    /// The content of the file is larger than a snapshot may be.
    #[error("{} unpacks to more than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// No place to unpack the file.
    #[error("unpacking a snapshot into {}: {source}", path.display())]
    Scratch {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The database inside could not be read.
    #[error("{doing} of a snapshot: {source}")]
    Database {
        /// What was being read.
        doing: &'static str,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// A message inside is not what it should be.
    #[error("decoding {what} {id} of a snapshot: {source}")]
    Message {
        /// What kind of message.
        what: &'static str,
        /// Which one.
        id: String,
        /// What is wrong with it.
        source: prost::DecodeError,
    },
    /// The snapshot has no full run that has ended.
    #[error("the snapshot holds no finished run")]
    NoFinishedRun,
    /// The id or a time of the run cannot be understood.
    #[error("run {id} of a snapshot has an id or a time that cannot be understood")]
    StrangeRun {
        /// The id, as it stands there.
        id: String,
    },
}

impl ReadError {
    /// Will it be the same however often the file is read?
    pub fn is_of_the_content(&self) -> bool {
        match self {
            Self::Read { .. } | Self::Scratch { .. } => false,
            Self::Database { source, .. } => is_of_the_content(source),
            Self::NotASnapshot { .. }
            | Self::Pebble { .. }
            | Self::Truncated { .. }
            | Self::Corrupt { .. }
            | Self::TooLarge { .. }
            | Self::Message { .. }
            | Self::NoFinishedRun
            | Self::StrangeRun { .. } => true,
        }
    }
}

/// Is it what a database holds that is at fault, and not what keeps it?
pub(super) fn is_of_the_content(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase, Unknown};
    match error {
        // A table or a column that is not there is none of the known ones.
        rusqlite::Error::SqliteFailure(error, _) => {
            matches!(error.code, DatabaseCorrupt | NotADatabase | Unknown)
        }
        rusqlite::Error::SqlInputError { .. }
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..)
        | rusqlite::Error::InvalidColumnType(..) => true,
        _ => false,
    }
}

const OPENING: &str = "opening the database";

/// A run that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncRun {
    /// Its id.
    pub id: SyncId,
    /// When it began.
    pub started_at: Timestamp,
    /// When all was read.
    pub ended_at: Timestamp,
}

/// A snapshot, unpacked into a scratch database that goes when this is dropped. All reading is of its latest finished
/// full run, with memory for one record at a time.
pub struct Snapshot {
    connection: Connection,
    run: SyncRun,
    /// The bytes of a database that is in memory.
    bytes: Vec<u8>,
    // After the connection: the file goes last.
    database: Scratch,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("run", &self.run).field("database", &self.database).finish()
    }
}

impl Content for Snapshot {
    fn content(&self) -> io::Result<(u64, Box<dyn Read + '_>)> {
        match self.database.path() {
            Some(path) => path.content(),
            None => Ok((self.bytes.len() as u64, Box::new(self.bytes.as_slice()))),
        }
    }
}

impl Snapshot {
    /// Opens the `.c1z` at `path`, unpacking it in `scratch`.
    ///
    /// # Errors
    /// When the file is no `.c1z`, is damaged, is too large, or holds no finished run.
    pub fn open(path: &Path, scratch: &Path) -> Result<Self, ReadError> {
        Self::of_database(Scratch::File(container::unpack(path, scratch)?))
    }

    /// The snapshot in a database that is not packed.
    fn of_database(database: Scratch) -> Result<Self, ReadError> {
        let connection = database.open().map_err(database_error(OPENING))?;
        Self::read_by(connection, database, Vec::new())
    }

    /// The snapshot in a database that `connection` has written.
    pub(super) fn written_by(mut connection: Connection, database: Scratch) -> Result<Self, ReadError> {
        match database {
            // It goes with the last connection to it.
            Scratch::Memory(_) => {
                let bytes = connection.serialize("main").map(|bytes| bytes.to_vec());
                Self::read_by(connection, database, bytes.map_err(database_error("copying the database"))?)
            }
            Scratch::File(_) => {
                connection.close().map_err(|(_, source)| database_error("closing the database")(source))?;
                Self::of_database(database)
            }
        }
    }

    fn read_by(connection: Connection, database: Scratch, bytes: Vec<u8>) -> Result<Self, ReadError> {
        // The file may be anybody's: nothing in its schema is run.
        let only_reading = "pragma query_only = on; pragma trusted_schema = off; pragma cache_size = -2000";
        connection.execute_batch(only_reading).map_err(database_error(OPENING))?;
        let run = latest_run(&connection)?;
        Ok(Self { connection, run, bytes, database })
    }

    /// The run that is read.
    pub fn run(&self) -> &SyncRun {
        &self.run
    }

    /// The database, for what this module does not ask of it.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Where the database lies, unpacked.
    pub(super) fn database(&self) -> &Scratch {
        &self.database
    }

    /// All finished full runs in the file, the earliest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn runs(&self) -> Result<Vec<SyncRun>, ReadError> {
        let mut rows = Vec::new();
        self.each_row(
            "reading the runs",
            "select sync_id, started_at, ended_at from v1_sync_runs
                where ended_at is not null and sync_type = 'full' and ?1 <> '' order by ended_at, sync_id",
            |row| {
                rows.push((row.get(0)?, row.get(1)?, row.get(2)?));
                Ok(Ok(()))
            },
        )?;
        rows.into_iter().map(|(id, started, ended)| sync_run(id, started, ended)).collect()
    }

    /// How many records there are: by the plural of each of `types`, `entitlements` and `grants`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn counts(&self, types: &[ResourceType]) -> Result<Counts, ReadError> {
        const RESOURCES: &str =
            "select count(*) from v1_resources where sync_id = ?1 and resource_type_id = ?2";
        let count = |query: &str, id: Option<&str>| {
            let params = [Some(self.run.id.as_str()), id];
            let params = rusqlite::params_from_iter(params.into_iter().flatten());
            self.connection
                .query_row(query, params, schema::count)
                .map_err(database_error("counting the records"))
        };
        let mut counts = Counts::new();
        for it in types {
            counts.insert(it.plural.to_owned(), count(RESOURCES, Some(it.id))?);
        }
        let entitlements = count("select count(*) from v1_entitlements where sync_id = ?1", None)?;
        counts.insert("entitlements".to_owned(), entitlements);
        counts.insert("grants".to_owned(), count("select count(*) from v1_grants where sync_id = ?1", None)?);
        Ok(counts)
    }

    /// Visits the resource types in the order in which they were written, until `visit` fails.
    ///
    /// # Errors
    /// When the database cannot be read, and whatever `visit` returns.
    pub fn resource_types<E: From<ReadError>>(
        &self,
        visit: impl FnMut(v2::ResourceType) -> Result<(), E>,
    ) -> Result<(), E> {
        self.visit("resource type", "v1_resource_types", visit)
    }

    /// Visits the resources in the order in which they were written, until `visit` fails.
    ///
    /// # Errors
    /// When the database cannot be read, and whatever `visit` returns.
    pub fn resources<E: From<ReadError>>(
        &self,
        visit: impl FnMut(v2::Resource) -> Result<(), E>,
    ) -> Result<(), E> {
        self.visit("resource", "v1_resources", visit)
    }

    /// Visits the entitlements in the order in which they were written, until `visit` fails.
    ///
    /// # Errors
    /// When the database cannot be read, and whatever `visit` returns.
    pub fn entitlements<E: From<ReadError>>(
        &self,
        visit: impl FnMut(v2::Entitlement) -> Result<(), E>,
    ) -> Result<(), E> {
        self.visit("entitlement", "v1_entitlements", visit)
    }

    /// Visits the grants in the order in which they were written, until `visit` fails.
    ///
    /// # Errors
    /// When the database cannot be read, and whatever `visit` returns.
    pub fn grants<E: From<ReadError>>(&self, visit: impl FnMut(v2::Grant) -> Result<(), E>) -> Result<(), E> {
        self.visit("grant", "v1_grants", visit)
    }

    fn visit<M: Message + Default, E: From<ReadError>>(
        &self,
        what: &'static str,
        table: &str,
        mut visit: impl FnMut(M) -> Result<(), E>,
    ) -> Result<(), E> {
        let query = format!("select external_id, data from {table} where sync_id = ?1 order by id");
        self.each_row("reading the records", &query, |row| {
            let data = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            let message = match M::decode(data) {
                Ok(message) => message,
                Err(source) => return Ok(Err(ReadError::Message { what, id: row.get(0)?, source }.into())),
            };
            Ok(visit(message))
        })
    }

    /// Runs `query` with the id of the run; `visit` gives an error of SQLite, or one of the caller's own.
    fn each_row<E: From<ReadError>>(
        &self,
        doing: &'static str,
        query: &str,
        mut visit: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<Result<(), E>>,
    ) -> Result<(), E> {
        let mut statement = self.connection.prepare(query).map_err(database_error(doing))?;
        let mut rows = statement.query([self.run.id.as_str()]).map_err(database_error(doing))?;
        while let Some(row) = rows.next().map_err(database_error(doing))? {
            visit(row).map_err(database_error(doing))??;
        }
        Ok(())
    }
}

fn latest_run(connection: &Connection) -> Result<SyncRun, ReadError> {
    let query = "select sync_id, started_at, ended_at from v1_sync_runs
        where ended_at is not null and sync_type = 'full' order by ended_at desc, sync_id desc limit 1";
    let (id, started, ended) = connection
        .query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()
        .map_err(database_error("reading the runs"))?
        .ok_or(ReadError::NoFinishedRun)?;
    sync_run(id, started, ended)
}

fn sync_run(id: String, started: String, ended: String) -> Result<SyncRun, ReadError> {
    let time = schema::time_from_text;
    match (id.parse(), time(&started), time(&ended)) {
        (Ok(id), Some(started_at), Some(ended_at)) => Ok(SyncRun { id, started_at, ended_at }),
        _ => Err(ReadError::StrangeRun { id }),
    }
}

fn database_error(doing: &'static str) -> impl Fn(rusqlite::Error) -> ReadError {
    move |source| ReadError::Database { doing, source }
}

#[cfg(test)]
mod tests;
