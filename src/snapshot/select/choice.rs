//! Which rows remain, as expressions over a row (`it`). What they look at is a table of the types selected, and one of
//! the resources that cannot be reached; SQLite keeps both in memory only as long as they are small.

use rusqlite::Connection;

use super::Selection;
use crate::snapshot::SyncId;

/// Those expressions.
pub(super) struct Choice {
    every_type: bool,
}

const TABLES: &str = "
create temp table selected (id text primary key) without rowid;
create temp table unreached (resource_type_id text, resource_id text, primary key (resource_type_id, resource_id))
    without rowid;
";

/// The resources of selected types below a parent whose type is not, and all that is below those in turn.
const FIND_UNREACHED: &str = "
insert into temp.unreached
with recursive below(resource_type_id, resource_id) as (
    select resource_type_id, substr(external_id, length(resource_type_id) + 2)
    from source.v1_resources
    where sync_id = ?1 and resource_type_id in (select id from temp.selected)
        and parent_resource_type_id > '' and parent_resource_type_id not in (select id from temp.selected)
    union
    select child.resource_type_id, substr(child.external_id, length(child.resource_type_id) + 2)
    from below join source.v1_resources as child
        on child.parent_resource_type_id = below.resource_type_id and child.parent_resource_id = below.resource_id
    where child.sync_id = ?1 and child.resource_type_id in (select id from temp.selected)
)
select resource_type_id, resource_id from below";

impl Choice {
    /// Finds what remains of the run `id` in `source`.
    pub(super) fn of(connection: &Connection, id: &SyncId, selection: &Selection) -> rusqlite::Result<Self> {
        let Some(types) = &selection.resource_types else {
            return Ok(Self { every_type: true });
        };
        connection.execute_batch(TABLES)?;
        let mut insert = connection.prepare("insert into temp.selected values (?1)")?;
        for id in types {
            insert.execute([id])?;
        }
        connection.execute(FIND_UNREACHED, [id.as_str()])?;
        Ok(Self { every_type: false })
    }

    pub(super) fn resource_types(&self) -> &'static str {
        self.unless_every_type("it.external_id in (select id from temp.selected)")
    }

    pub(super) fn resources(&self) -> &'static str {
        self.unless_every_type(
            "it.resource_type_id in (select id from temp.selected)
            and (it.resource_type_id, substr(it.external_id, length(it.resource_type_id) + 2))
                not in (select resource_type_id, resource_id from temp.unreached)",
        )
    }

    pub(super) fn entitlements(&self) -> &'static str {
        self.unless_every_type(
            "it.resource_type_id in (select id from temp.selected)
            and (it.resource_type_id, it.resource_id)
                not in (select resource_type_id, resource_id from temp.unreached)",
        )
    }

    pub(super) fn grants(&self) -> &'static str {
        self.unless_every_type(
            "it.resource_type_id in (select id from temp.selected)
            and it.principal_resource_type_id in (select id from temp.selected)
            and (it.resource_type_id, it.resource_id)
                not in (select resource_type_id, resource_id from temp.unreached)",
        )
    }

    fn unless_every_type(&self, which: &'static str) -> &'static str {
        if self.every_type { "true" } else { which }
    }
}
