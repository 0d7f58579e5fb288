//! Writes a snapshot while its records come, and refuses one that does not hold together.
//!
//! Memory is bounded by what can be granted (resources with entitlements, of which there are few), not by users or
//! grants: those are checked in the database once all are there.

mod error;
mod grantable;

use std::collections::HashSet;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use prost::Message;
use rusqlite::{Connection, ErrorCode};

pub use self::error::WriteError;
use self::grantable::Grantable;
use super::container::{self, Packed};
use super::rows::Rows;
use super::schema::Pages;
use super::scratch::Scratch;
use super::stats::Stats;
use super::{Snapshot, SyncId, encode, integrity, schema};
use crate::access::{
    Counts, Entitlement, Grant, Record, Resource, ResourceId, ResourceKind, ResourceType, Trait,
};

/// The most bytes of an id in C1's messages.
const ID_BYTES: usize = 1024;

/// A snapshot that is being written into a scratch database, which goes when this is dropped.
#[derive(Debug)]
pub struct SnapshotWriter {
    /// The folder for scratch files.
    scratch: PathBuf,
    /// The database, as soon as it shows how many rows there are.
    load: Option<Load>,
    type_rows: Rows,
    types: &'static [ResourceType],
    sync_id: SyncId,
    started_at: Timestamp,
    resources: Rows,
    entitlements: Rows,
    grants: Rows,
    grantable: Grantable,
    stats: Stats<&'static str>,
}

/// A database with all tables, in the transaction that loads the rows.
#[derive(Debug)]
struct Load {
    connection: Connection,
    // After the connection: the file goes last.
    database: Scratch,
}

impl SnapshotWriter {
    /// A snapshot of the run `sync_id`, in memory or in a file in the folder `scratch`. `started_at` is when the run
    /// began; nothing else in the file depends on when it was written.
    ///
    /// # Errors
    /// When a type comes twice.
    pub fn create(
        scratch: &Path,
        types: &'static [ResourceType],
        sync_id: SyncId,
        started_at: Timestamp,
    ) -> Result<Self, WriteError> {
        let time = schema::time_text(started_at);
        let rows = |table, columns: &[&str]| Rows::new(table, columns, sync_id.as_str(), &time);
        let mut type_rows = rows("v1_resource_types", &["external_id", "data"]);
        let mut seen = HashSet::new();
        for it in types {
            if !seen.insert(it.id) {
                return Err(WriteError::Duplicate { what: "resource type", id: it.id.to_owned() });
            }
            type_rows.text(it.id).blob(|out| out.extend(encode::resource_type(it).encode_to_vec()));
        }

        Ok(Self {
            resources: rows(
                "v1_resources",
                &["resource_type_id", "external_id", "parent_resource_type_id", "parent_resource_id", "data"],
            ),
            entitlements: rows(
                "v1_entitlements",
                &["resource_type_id", "resource_id", "external_id", "data"],
            ),
            grants: rows(
                "v1_grants",
                &[
                    "resource_type_id",
                    "resource_id",
                    "entitlement_id",
                    "principal_resource_type_id",
                    "principal_resource_id",
                    "external_id",
                    "data",
                ],
            ),
            scratch: scratch.to_owned(),
            load: None,
            type_rows,
            types,
            sync_id,
            started_at,
            grantable: Grantable::default(),
            stats: Stats { resource_types: types.len() as u64, ..Stats::default() },
        })
    }

    /// Takes the database, which is made if it was not yet, for few rows or many.
    fn take_load(&mut self, pages: Pages) -> Result<Load, WriteError> {
        if let Some(load) = self.load.take() {
            return Ok(load);
        }
        let database = match pages {
            Pages::Small => Scratch::in_memory(),
            Pages::Large => Scratch::in_file(&self.scratch, "snapshot-")
                .map_err(|source| WriteError::Scratch { path: self.scratch.clone(), source })?,
        };
        let mut connection = database.open_empty().map_err(writing("creating the database"))?;
        schema::begin_load(&mut connection, pages).map_err(writing("creating the tables"))?;
        self.type_rows.insert_rest(&connection).map_err(writing("writing the resource types"))?;
        Ok(Load { connection, database })
    }

    /// Inserts the rows of each table that has enough of them for a statement.
    fn insert_full(&mut self) -> Result<(), WriteError> {
        if !self.tables().iter().any(|rows| rows.are_full()) {
            return Ok(());
        }
        let load = self.take_load(Pages::Large)?;
        for rows in self.tables() {
            rows.insert_full(&load.connection).map_err(writing("writing the records"))?;
        }
        self.load = Some(load);
        Ok(())
    }

    fn tables(&mut self) -> [&mut Rows; 3] {
        [&mut self.resources, &mut self.entitlements, &mut self.grants]
    }

    /// Takes the records of one page.
    ///
    /// # Errors
    /// When the scratch file cannot be written, or a record does not fit to those before it. The snapshot is then
    /// of no use any more.
    pub fn write(&mut self, records: Vec<Record>) -> Result<(), WriteError> {
        for record in records {
            match record {
                Record::Resource(resource) => self.write_resource(&resource)?,
                Record::Entitlement(entitlement) => self.write_entitlement(entitlement)?,
                Record::Grant(grant) => self.write_grant(&grant)?,
            }
        }
        Ok(())
    }

    fn write_resource(&mut self, resource: &Resource) -> Result<(), WriteError> {
        let id = &resource.id;
        let resource_type = self.type_of(id)?;
        check_id("resource", &id.id, length(id), id)?;
        if resource_type.traits != traits_of(&resource.kind) {
            return Err(WriteError::WrongTrait { id: id.to_string() });
        }

        self.resources.text(id.resource_type).id(&[id.resource_type, &id.id]);
        match &resource.parent {
            Some(parent) => self.resources.text(parent.resource_type).text(&parent.id),
            None => self.resources.null().null(),
        };
        let encoded = self.resources.blob(|out| encode::resource(resource, out));
        if !resource_type.without_entitlements
            && self.grantable.resources.insert(id.clone(), encoded.into()).is_some()
        {
            return Err(WriteError::Duplicate { what: "resource", id: id.to_string() });
        }
        self.stats.resources += 1;
        *self.stats.resources_by_resource_type.entry(id.resource_type).or_default() += 1;
        self.insert_full()
    }

    fn write_entitlement(&mut self, entitlement: Entitlement) -> Result<(), WriteError> {
        let id = entitlement.id.clone();
        check_id("entitlement", &id.slug, length(&id.resource) + 1 + id.slug.len(), &id)?;
        if self.type_of(&id.resource)?.without_entitlements {
            return Err(WriteError::NotGrantable { entitlement: id.to_string() });
        }
        let Some(resource) = self.grantable.resources.get(&id.resource) else {
            return Err(WriteError::UnknownResource { entitlement: id.to_string() });
        };

        let ResourceId { resource_type, id: resource_id } = &id.resource;
        self.entitlements
            .text(resource_type)
            .text(resource_id)
            .id(&[resource_type, resource_id, &id.slug])
            .blob(|out| encode::entitlement(entitlement, resource, out));
        // The unique index would fail at the second of two, but without saying which.
        *self.stats.entitlements_by_resource_type.entry(resource_type).or_default() += 1;
        self.stats.entitlements += 1;
        if let Some(id) = self.grantable.entitlements.replace(id) {
            return Err(WriteError::Duplicate { what: "entitlement", id: id.to_string() });
        }
        self.insert_full()
    }

    fn write_grant(&mut self, grant: &Grant) -> Result<(), WriteError> {
        let Grant { entitlement, principal } = grant;
        let bytes = length(&entitlement.resource) + 1 + entitlement.slug.len() + 1 + length(principal);
        check_id("grant", &principal.id, bytes, &format_args!("{entitlement}:{principal}"))?;
        self.type_of(principal)?;
        let Some(granted) = self.grantable.granted(entitlement) else {
            return Err(WriteError::UnknownEntitlement { grant: format!("{entitlement}:{principal}") });
        };

        let resource_type = entitlement.resource.resource_type;
        self.grants
            .text(resource_type)
            .text(&entitlement.resource.id)
            .text(&granted.id)
            .text(principal.resource_type)
            .text(&principal.id)
            .id(&[&granted.id, principal.resource_type, &principal.id])
            .blob(|out| encode::grant(&granted.prefix, &granted.id, principal, out));
        self.stats.grants += 1;
        *self.stats.grants_by_resource_type.entry(resource_type).or_default() += 1;
        self.insert_full()
    }

    fn type_of(&self, id: &ResourceId) -> Result<&'static ResourceType, WriteError> {
        self.types
            .iter()
            .find(|it| it.id == id.resource_type)
            .ok_or_else(|| WriteError::UnknownResourceType { id: id.to_string() })
    }

    /// All has been read, by `ended_at`: completes the snapshot.
    ///
    /// # Errors
    /// When the scratch file cannot be written, or the records do not hold together.
    pub fn finish(mut self, ended_at: Timestamp) -> Result<Finished, WriteError> {
        let Load { connection, database } = self.take_load(Pages::Small)?;
        for (what, rows) in ["resource", "entitlement", "grant"].into_iter().zip(self.tables()) {
            rows.insert_rest(&connection).map_err(|source| refused(what, rows, source))?;
        }
        self.write_run(&connection, ended_at).map_err(writing("writing the run"))?;
        let counts = self.counts();
        // One in memory has had its indexes before its rows.
        if database.path().is_some() {
            connection.execute_batch("commit; begin").map_err(writing("committing the records"))?;
            integrity::index(&connection)?;
        }
        integrity::check(&connection)?;
        connection.execute_batch("commit").map_err(writing("committing the snapshot"))?;
        let snapshot = Snapshot::written_by(connection, database).map_err(WriteError::Reopen)?;
        Ok(Finished { snapshot, counts })
    }

    fn write_run(&self, connection: &Connection, ended_at: Timestamp) -> rusqlite::Result<()> {
        let stats = self.stats.to_json()?;
        // The ingest_ columns stay empty: they say that the SDK's own checks were run.
        connection.execute(
            "insert into v1_sync_runs
                (sync_id, started_at, ended_at, sync_token, sync_type, supports_diff, grants_backfilled, stats)
                values (?1, ?2, ?3, '', 'full', 1, 1, ?4)",
            (self.sync_id.as_str(), schema::time_text(self.started_at), schema::time_text(ended_at), stats),
        )?;
        Ok(())
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::new();
        for it in self.types {
            let count = self.stats.resources_by_resource_type.get(it.id).copied().unwrap_or_default();
            counts.insert(it.plural.to_owned(), count);
        }
        counts.insert("entitlements".to_owned(), self.stats.entitlements);
        counts.insert("grants".to_owned(), self.stats.grants);
        counts
    }
}

/// A whole, consistent snapshot in a scratch database, which goes when this is dropped.
#[derive(Debug)]
pub struct Finished {
    snapshot: Snapshot,
    counts: Counts,
}

impl Finished {
    /// How many records it holds.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The snapshot itself, for reading and comparing.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Packs it as the `.c1z` file `path`, mode 0600, replacing what was there. The file appears complete or not
    /// at all; until then it is `<path>.tmp`.
    ///
    /// # Errors
    /// What the system says.
    pub fn pack(&self, path: &Path) -> io::Result<Packed> {
        container::pack(&self.snapshot, path)
    }
}

fn writing(doing: &'static str) -> impl Fn(rusqlite::Error) -> WriteError {
    move |source| WriteError::Database { doing, source }
}

/// Why the last rows of a table were not taken. All rows of a small snapshot are among them.
fn refused(what: &'static str, rows: &Rows, source: rusqlite::Error) -> WriteError {
    match rows.repeated_id() {
        Some(id) if source.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            WriteError::Duplicate { what, id }
        }
        _ => writing("writing the last records")(source),
    }
}

/// The bytes of the id as text.
fn length(id: &ResourceId) -> usize {
    id.resource_type.len() + 1 + id.id.len()
}

fn check_id(what: &'static str, last_part: &str, bytes: usize, id: &dyn Display) -> Result<(), WriteError> {
    if last_part.is_empty() {
        return Err(WriteError::EmptyId { what, id: id.to_string() });
    }
    if bytes > ID_BYTES {
        return Err(WriteError::LongId { what, id: id.to_string() });
    }
    Ok(())
}

fn traits_of(kind: &ResourceKind) -> &'static [Trait] {
    match kind {
        ResourceKind::Plain => &[],
        ResourceKind::Group => &[Trait::Group],
        ResourceKind::User(_) => &[Trait::User],
    }
}

#[cfg(test)]
mod tests;
