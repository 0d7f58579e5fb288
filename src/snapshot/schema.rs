//! The SQLite database inside a `.c1z`, version 1: its tables, its indexes, and in which order a large one is
//! built fastest.
//!
//! Both generations of the `baton` program read it. Names and definitions are theirs, to the letter: they create
//! what is missing by name.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::backup::Backup;
use rusqlite::{Connection, Row};

/// All tables. `stats`, `grants_backfilled` and the `ingest_` columns are younger than SDK v0.7.27, which does not
/// mind them.
const TABLES: &str = "
create table v1_resource_types (id integer primary key, external_id text not null, data blob not null,
    sync_id text not null, discovered_at datetime not null);
create table v1_resources (id integer primary key, resource_type_id text not null, external_id text not null,
    parent_resource_type_id text, parent_resource_id text, data blob not null, sync_id text not null,
    discovered_at datetime not null);
create table v1_entitlements (id integer primary key, resource_type_id text not null, resource_id text not null,
    external_id text not null, data blob not null, sync_id text not null, discovered_at datetime not null);
create table v1_sync_runs (id integer primary key, sync_id text not null, started_at datetime not null,
    ended_at datetime, sync_token text not null, sync_type text not null default 'full',
    parent_sync_id text not null default '', linked_sync_id text not null default '',
    supports_diff integer not null default 0, grants_backfilled integer not null default 0, stats text,
    ingest_invariant_generation text not null default '', ingest_invariant_coverage text not null default '',
    ingest_invariant_mode text not null default '');
create table v1_grants (id integer primary key, resource_type_id text not null, resource_id text not null,
    entitlement_id text not null, principal_resource_type_id text not null, principal_resource_id text not null,
    external_id text not null, expansion blob, needs_expansion integer not null default 0, data blob not null,
    sync_id text not null, discovered_at datetime not null);
create table v1_assets (id integer primary key, external_id text not null, content_type text not null,
    data blob not null, sync_id text not null, discovered_at datetime not null);
create table v1_connector_sessions (id integer primary key, sync_id text not null, key text not null,
    value blob not null);
";

/// The indexes that stay small, or that grow at their end while rows come: made on the empty tables.
///
/// The name of the parents' index belongs to the ids, and the other way round (in [`LATE_INDEXES`]). So it is
/// upstream; a reader that finds the name leaves the definition alone.
const EARLY_INDEXES: &str = "
create unique index idx_resource_types_external_sync_v1 on v1_resource_types (external_id, sync_id);
create index idx_resources_resource_type_id_v1 on v1_resources (resource_type_id);
create index idx_resources_external_sync_v1 on v1_resources (parent_resource_type_id, parent_resource_id);
create index idx_entitlements_resource_id_v1 on v1_entitlements (resource_type_id, resource_id);
create unique index idx_entitlements_external_sync_v1 on v1_entitlements (external_id, sync_id);
create unique index idx_sync_runs_sync_id_v1 on v1_sync_runs (sync_id);
create index idx_grants_resource_type_id_resource_id_v1 on v1_grants (resource_type_id, resource_id);
create index idx_grants_entitlement_sync_grant_v1 on v1_grants (entitlement_id, sync_id, id);
create index idx_grants_sync_expansion_v1 on v1_grants (sync_id) where expansion is not null;
create index idx_grants_sync_needs_expansion_v1 on v1_grants (sync_id) where needs_expansion = 1;
create unique index idx_assets_external_sync_v1 on v1_assets (external_id, sync_id);
create unique index idx_session_store_sync_key_v1 on v1_connector_sessions (sync_id, key);
";

/// The indexes keyed by ids that come in no order: of many rows sorted once, when all are there. Made first they cost
/// three to six times as much.
pub(super) const LATE_INDEXES: [&str; 4] = [
    UNIQUE_RESOURCES,
    "create index idx_grants_principal_id_v1 on v1_grants (principal_resource_type_id, principal_resource_id)",
    "create index idx_grants_entitlement_id_principal_id_v1
        on v1_grants (entitlement_id, principal_resource_type_id, principal_resource_id)",
    UNIQUE_GRANTS,
];

/// The index that fails when two resources of a run share an id.
pub(super) const UNIQUE_RESOURCES: &str =
    "create unique index idx_resources_parent_resource_id_v1 on v1_resources (external_id, sync_id)";

/// The index that fails when two grants of a run share an id.
pub(super) const UNIQUE_GRANTS: &str =
    "create unique index idx_grants_external_sync_v1 on v1_grants (external_id, sync_id)";

/// The bytes of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pages {
    /// For many rows: the largest saving of all.
    Large,
    /// For few rows. Each table and each index has a page at least, so that an empty database of large ones has
    /// three quarters of a megabyte to be written, read and compressed.
    Small,
}

/// Begins the transaction that loads the rows, with the tables, in a database that is empty. Of the indexes, one of large
/// pages has the early ones, and one of small pages has all.
pub(super) fn begin_load(connection: &mut Connection, pages: Pages) -> rusqlite::Result<()> {
    match pages {
        Pages::Large => {
            connection.execute_batch("pragma page_size = 32768; begin")?;
            make_tables(connection)
        }
        Pages::Small => {
            copy_small_tables(connection)?;
            connection.execute_batch("begin")
        }
    }
}

fn make_tables(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(TABLES)?;
    connection.execute_batch(EARLY_INDEXES)
}

/// Copies the tables from a database that is made once in a process: to make them takes longer than to fill them with
/// the rows of a small run.
fn copy_small_tables(connection: &mut Connection) -> rusqlite::Result<()> {
    static MADE: Mutex<Option<Connection>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let empty = match &mut *made {
        Some(empty) => empty,
        None => made.insert(small_tables()?),
    };
    Backup::new(empty, connection)?.run_to_completion(i32::MAX, Duration::ZERO, None)
}

fn small_tables() -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch("pragma page_size = 2048; begin")?;
    make_tables(&connection)?;
    for index in LATE_INDEXES {
        connection.execute_batch(index)?;
    }
    connection.execute_batch("commit")?;
    Ok(connection)
}

/// The number in the first column of `row`, which is a count.
pub(super) fn count(row: &Row<'_>) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(0)?.unsigned_abs())
}

/// A time as the tables hold it: UTC, without a zone, the fraction without trailing zeros.
pub(super) fn time_text(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S%.f").to_string()
}

/// The time that [`time_text`] wrote; `None` for anything else.
pub(super) fn time_from_text(text: &str) -> Option<Timestamp> {
    let time: jiff::civil::DateTime = text.parse().ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_with_the_shortest_fraction() {
        for (time, text) in [
            ("2026-09-04T10:00:00Z", "2026-09-04 10:00:00"),
            ("2026-09-04T10:00:00.25+02:00", "2026-09-04 08:00:00.25"),
            ("2026-09-04T10:00:00.000000001Z", "2026-09-04 10:00:00.000000001"),
        ] {
            let time: Timestamp = time.parse().unwrap();
            assert_eq!(time_text(time), text);
            assert_eq!(time_from_text(text), Some(time));
        }
        assert_eq!(time_from_text("yesterday"), None);
    }

    #[test]
    fn the_indexes_with_swapped_names_stay_swapped() {
        assert!(
            UNIQUE_RESOURCES
                .contains("idx_resources_parent_resource_id_v1 on v1_resources (external_id, sync_id)")
        );
        assert!(EARLY_INDEXES.contains(
            "idx_resources_external_sync_v1 on v1_resources (parent_resource_type_id, parent_resource_id)"
        ));
    }
}
