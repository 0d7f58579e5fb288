//! What can only be said of a snapshot once all its records are there: no id twice, and nothing refers to what is
//! not there.

use rusqlite::{Connection, ErrorCode, OptionalExtension};

use super::WriteError;
use super::schema::{LATE_INDEXES, UNIQUE_GRANTS, UNIQUE_RESOURCES};

/// Makes the late indexes. Two resources or grants with the same id show here.
pub(super) fn index(connection: &Connection) -> Result<(), WriteError> {
    for index in LATE_INDEXES {
        connection.execute_batch(index).map_err(|source| {
            let duplicate = match (source.sqlite_error_code(), index) {
                (Some(ErrorCode::ConstraintViolation), UNIQUE_RESOURCES) => {
                    duplicate(connection, "resource", "v1_resources")
                }
                (Some(ErrorCode::ConstraintViolation), UNIQUE_GRANTS) => {
                    duplicate(connection, "grant", "v1_grants")
                }
                _ => None,
            };
            duplicate.unwrap_or(WriteError::Database { doing: "making the indexes", source })
        })?;
    }
    Ok(())
}

/// SQLite names the columns of a violated index, not the value.
fn duplicate(connection: &Connection, what: &'static str, table: &str) -> Option<WriteError> {
    let query = format!("select external_id from {table} group by external_id having count(*) > 1 limit 1");
    let id = connection.query_row(&query, [], |row| row.get(0)).optional().ok().flatten()?;
    Some(WriteError::Duplicate { what, id })
}

/// Looks for grants to principals, and for parents, that are not there. Both indexes give them in the order of the
/// resources' own index, so that neighbours are found on the same page.
pub(super) fn check(connection: &Connection) -> Result<(), WriteError> {
    let failed = |source| WriteError::Database { doing: "checking the records", source };
    let first = |query: &str| connection.query_row(query, [], |row| row.get::<_, i64>(0)).optional();

    let orphan = "select id from v1_grants indexed by idx_grants_principal_id_v1 where not exists (
        select 1 from v1_resources
        where external_id = principal_resource_type_id || ':' || principal_resource_id) limit 1";
    if let Some(row) = first(orphan).map_err(failed)? {
        let query = "select external_id from v1_grants where id = ?1";
        let grant = connection.query_row(query, [row], |row| row.get(0)).map_err(failed)?;
        return Err(WriteError::UnknownPrincipal { grant });
    }

    let orphan = "select id from v1_resources as it indexed by idx_resources_external_sync_v1
        where it.parent_resource_type_id > '' and not exists (
            select 1 from v1_resources as parent
            where parent.external_id = it.parent_resource_type_id || ':' || it.parent_resource_id) limit 1";
    if let Some(row) = first(orphan).map_err(failed)? {
        let query = "select external_id, parent_resource_type_id || ':' || parent_resource_id
            from v1_resources where id = ?1";
        let names = connection.query_row(query, [row], |row| Ok((row.get(0)?, row.get(1)?)));
        let (resource, parent) = names.map_err(failed)?;
        return Err(WriteError::UnknownParent { resource, parent });
    }
    Ok(())
}
