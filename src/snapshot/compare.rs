//! What came, went or became something else between two snapshots. SQLite joins the two files by id, so neither
//! is ever in memory.

use prost::{Message, Name};
use prost_types::Any;
use rusqlite::{Connection, OpenFlags};

use super::reader::immutable;
use super::{Snapshot, schema};
use crate::access::{Change, Changes, ResourceType};
use crate::proto::c1::connector::v2;

/// Why two snapshots cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
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

/// Counts the changes from `previous` to `current`: of each of `types` under its plural, of resources whose type is
/// not among them under the type's id, and of `grants`.
///
/// A later sign-in alone changes nothing. A grant has no attributes, so it comes or goes and never changes: what
/// its file says of the entitlement's resource is counted at that resource.
///
/// # Errors
/// When a database cannot be read.
pub fn compare(
    previous: &Snapshot,
    current: &Snapshot,
    types: &[ResourceType],
) -> Result<Changes, CompareError> {
    let comparison = Comparison::open(previous, current).map_err(failed("opening the databases"))?;
    let mut changes: Changes = types
        .iter()
        .map(|it| Ok((it.plural.to_owned(), comparison.resources(it.id)?)))
        .collect::<Result<_, _>>()?;
    for id in comparison.types_besides(types).map_err(failed("reading the resource types"))? {
        let change = comparison.resources(&id)?;
        changes.insert(id, change);
    }
    changes.insert("grants".to_owned(), comparison.grants().map_err(failed("counting the grants"))?);
    Ok(changes)
}

/// The resources of type `?3`, as a range of ids: `;` follows `:`.
const OF_TYPE: &str = "it.external_id >= ?3 || ':' and it.external_id < ?3 || ';'";

struct Comparison {
    connection: Connection,
    previous: String,
    current: String,
}

impl Comparison {
    fn open(previous: &Snapshot, current: &Snapshot) -> rusqlite::Result<Self> {
        let flags = OpenFlags::default() | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_in_memory_with_flags(flags)?;
        connection.execute("attach ?1 as previous", [immutable(previous.database())])?;
        connection.execute("attach ?1 as current", [immutable(current.database())])?;
        connection.execute_batch(
            "pragma trusted_schema = off;
            pragma previous.cache_size = -2000;
            pragma current.cache_size = -2000;",
        )?;
        Ok(Self {
            connection,
            previous: previous.run().id.to_string(),
            current: current.run().id.to_string(),
        })
    }

    fn resources(&self, resource_type: &str) -> Result<Change, CompareError> {
        // By the ids of the type alone, which both indexes have in the same order: the rows are not touched.
        let count = |from, other, ids: [&str; 2]| {
            let query = format!(
                "select count(*) from {from}.v1_resources as it where it.sync_id = ?1 and {OF_TYPE} and not exists (
                    select 1 from {other}.v1_resources as o where o.external_id = it.external_id and o.sync_id = ?2
                )"
            );
            let [mine, other] = ids;
            self.connection
                .query_row(&query, [mine, other, resource_type], schema::count)
                .map_err(failed("counting the resources"))
        };
        Ok(Change {
            added: count("current", "previous", [&self.current, &self.previous])?,
            removed: count("previous", "current", [&self.previous, &self.current])?,
            changed: self.changed(resource_type)?,
        })
    }

    fn changed(&self, resource_type: &str) -> Result<u64, CompareError> {
        let failed = failed("comparing the resources");
        // First the rows that belong together, by the indexes; then their content, in the order in which it lies in
        // the files. Looking for the other row from each row jumps about in both.
        let query = format!(
            "with pairs as materialized (
                select it.id as previous, c.id as current from previous.v1_resources as it
                cross join current.v1_resources as c on c.external_id = it.external_id and c.sync_id = ?2
                where it.sync_id = ?1 and {OF_TYPE} order by it.id
            )
            select p.data, c.data from pairs
            cross join previous.v1_resources as p on p.id = pairs.previous
            cross join current.v1_resources as c on c.id = pairs.current
            where p.data <> c.data"
        );
        let mut statement = self.connection.prepare(&query).map_err(&failed)?;
        let ids: [&str; 3] = [&self.previous, &self.current, resource_type];
        let mut rows = statement.query(ids).map_err(&failed)?;
        let mut changed = 0;
        while let Some(row) = rows.next().map_err(&failed)? {
            let blob = |index| row.get_ref(index)?.as_blob().map_err(rusqlite::Error::from);
            let (previous, current) = (blob(0).map_err(&failed)?, blob(1).map_err(&failed)?);
            let without = |data| without_last_login(data).map_err(CompareError::Message);
            if without(previous)? != without(current)? {
                changed += 1;
            }
        }
        Ok(changed)
    }

    fn grants(&self) -> rusqlite::Result<Change> {
        let count = |from, other, ids: [&str; 2]| {
            let query = format!(
                "select count(*) from {from}.v1_grants as it where it.sync_id = ?1 and not exists (
                    select 1 from {other}.v1_grants as o where o.external_id = it.external_id and o.sync_id = ?2
                )"
            );
            self.connection.query_row(&query, ids, schema::count)
        };
        Ok(Change {
            added: count("current", "previous", [&self.current, &self.previous])?,
            removed: count("previous", "current", [&self.previous, &self.current])?,
            changed: 0,
        })
    }

    fn types_besides(&self, types: &[ResourceType]) -> rusqlite::Result<Vec<String>> {
        let mut statement = self.connection.prepare(
            "select external_id from previous.v1_resource_types where sync_id = ?1
            union select external_id from current.v1_resource_types where sync_id = ?2",
        )?;
        let ids = statement.query_map([&self.previous, &self.current], |row| row.get(0))?;
        let mut ids = ids.collect::<Result<Vec<String>, _>>()?;
        ids.retain(|id| types.iter().all(|it| it.id != id));
        Ok(ids)
    }
}

fn without_last_login(data: &[u8]) -> Result<v2::Resource, prost::DecodeError> {
    let mut resource = v2::Resource::decode(data)?;
    for annotation in &mut resource.annotations {
        if annotation.type_url == v2::UserTrait::type_url() {
            let mut user = v2::UserTrait::decode(annotation.value.as_slice())?;
            user.last_login = None;
            *annotation = Any { type_url: v2::UserTrait::type_url(), value: user.encode_to_vec() };
        }
    }
    Ok(resource)
}

fn failed(doing: &'static str) -> impl Fn(rusqlite::Error) -> CompareError {
    move |source| CompareError::Database { doing, source }
}

#[cfg(test)]
mod tests;
