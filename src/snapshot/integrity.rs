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

/// Looks for grants to principals, and for parents, that are not there. Each principal is looked up once, in the
/// order of its index, so that neighbours are found on the same page.
pub(super) fn check(connection: &Connection) -> Result<(), WriteError> {
    let principal = "
        select g.external_id from v1_grants g, (
            select distinct principal_resource_type_id as type, principal_resource_id as id from v1_grants
        ) as p
        where not exists (select 1 from v1_resources where external_id = p.type || ':' || p.id)
            and g.principal_resource_type_id = p.type and g.principal_resource_id = p.id
        limit 1";
    let parent = "
        select r.external_id, p.type || ':' || p.id from v1_resources r, (
            select distinct parent_resource_type_id as type, parent_resource_id as id from v1_resources
            where parent_resource_type_id is not null
        ) as p
        where not exists (select 1 from v1_resources where external_id = p.type || ':' || p.id)
            and r.parent_resource_type_id = p.type and r.parent_resource_id = p.id
        limit 1";
    let failed = |source| WriteError::Database { doing: "checking the records", source };
    if let Some(grant) = connection.query_row(principal, [], |row| row.get(0)).optional().map_err(failed)? {
        return Err(WriteError::UnknownPrincipal { grant });
    }
    let parent = connection.query_row(parent, [], |row| Ok((row.get(0)?, row.get(1)?)));
    match parent.optional().map_err(failed)? {
        Some((resource, parent)) => Err(WriteError::UnknownParent { resource, parent }),
        None => Ok(()),
    }
}
