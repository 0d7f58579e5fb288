//! What became of each scope of the removal guard.

use std::collections::BTreeMap;

use super::changed::{counted_as, text};
use super::{CompareError, Difference, failed};
use crate::access::ResourceType;
use crate::access::guard::{Part, ScopeChange, Scoping};
use crate::snapshot::census::{Population, user_types};

/// Which grants are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grants {
    /// Those that are gone.
    Gone,
    /// Those that came.
    New,
}

/// How many of each owner, by its id.
type ByOwner = BTreeMap<String, u64>;

/// The kinds of users, each of which is a scope.
const KINDS: [Part; 2] = [Part::Users, Part::ServiceAccounts];

/// The users that are gone, among all other resources.
const GONE_USERS: &str = "
select it.resource_type_id, it.data from main.gone_resources as gone
cross join previous.v1_resources as it on it.id = gone.id where it.sync_id = ?1";

/// The users who are disabled since, as they were.
const DISABLED_USERS: &str = "
select it.resource_type_id, it.data from main.disabled as gone
cross join previous.v1_resources as it on it.external_id = gone.external_id and it.sync_id = ?1";

/// Whoever has no role any more on a resource of type `?1`, or had none before. `?2` is the other run.
const MEMBERS: &str = "
select it.resource_type_id || ':' || it.resource_id,
    count(distinct it.principal_resource_type_id || ':' || it.principal_resource_id)
from main.{found} as found cross join {here}.v1_grants as it on it.id = found.id
where it.resource_type_id = ?1 and ?3 <> '' and not exists (
    select 1 from {there}.v1_grants as o
    where o.principal_resource_type_id = it.principal_resource_type_id
        and o.principal_resource_id = it.principal_resource_id
        and o.resource_type_id = it.resource_type_id and o.resource_id = it.resource_id and o.sync_id = ?2)
group by 1";

/// Whoever lost or got the role `?3` on a resource of type `?1`.
const ADMINISTRATORS: &str = "
select it.resource_type_id || ':' || it.resource_id, count(*)
from main.{found} as found cross join {here}.v1_grants as it on it.id = found.id
where it.resource_type_id = ?1 and ?2 <> ''
    and it.entitlement_id = it.resource_type_id || ':' || it.resource_id || ':' || ?3
group by 1";

/// Grants lost or given on what belongs to a resource of type `?1`.
const MEMBERSHIPS: &str = "
select part.parent_resource_type_id || ':' || part.parent_resource_id, count(*)
from main.{found} as found cross join {here}.v1_grants as it on it.id = found.id
cross join {here}.v1_resources as part
    on part.external_id = it.resource_type_id || ':' || it.resource_id and part.sync_id = it.sync_id
where part.parent_resource_type_id = ?1 and ?2 <> '' and ?3 <> ''
group by 1";

/// Whoever is disabled since, had something on a resource of type `?1`, and has it still: of the entitlements that
/// end in `?3`, or of all where that is empty.
const DISABLED: &str = "
select it.resource_type_id || ':' || it.resource_id, count(distinct gone.external_id)
from main.disabled as gone
cross join previous.v1_resources as who on who.external_id = gone.external_id
cross join previous.v1_grants as it
    on it.principal_resource_type_id = who.resource_type_id
    and it.principal_resource_id = substr(who.external_id, length(who.resource_type_id) + 2)
    and it.sync_id = who.sync_id
where it.resource_type_id = ?1
    and (?3 = '' or it.entitlement_id = it.resource_type_id || ':' || it.resource_id || ':' || ?3)
    and exists (
        select 1 from current.v1_grants as o
        where o.principal_resource_type_id = it.principal_resource_type_id
            and o.principal_resource_id = it.principal_resource_id
            and o.resource_type_id = it.resource_type_id and o.resource_id = it.resource_id and o.sync_id = ?2
            and (?3 = '' or o.entitlement_id = it.entitlement_id))
group by 1";

impl Difference {
    /// What became of each scope that lost somebody, and of the users as a whole where they are the scope.
    ///
    /// # Errors
    /// When a database cannot be read.
    pub fn scopes(&self, scoping: Scoping, types: &[ResourceType]) -> Result<Vec<ScopeChange>, CompareError> {
        match scoping {
            Scoping::Users => self.users(types).map_err(failed("counting what is gone of the users")),
            Scoping::Roles { .. } if self.missing == 0 && self.disabled == 0 => Ok(Vec::new()),
            Scoping::Roles { owner, administrator } => {
                self.of_owners(owner, administrator).map_err(failed("counting what is gone of each scope"))
            }
        }
    }

    fn users(&self, types: &[ResourceType]) -> rusqlite::Result<Vec<ScopeChange>> {
        let previous = Population { connection: &self.connection, schema: "previous", run: &self.previous };
        let current = Population { schema: "current", run: &self.current, ..previous };
        let before = previous.headcounts(types)?;
        let removed = self.by_kind(GONE_USERS, types)?;
        let disabled = self.by_kind(DISABLED_USERS, types)?;
        let now = if self.missing + self.disabled == 0 { before } else { current.headcounts(types)? };
        let mut changes = Vec::new();
        let numbers = removed.into_iter().zip(disabled).zip(before.into_iter().zip(now));
        for (part, ((removed, disabled), (before, now))) in KINDS.into_iter().zip(numbers) {
            if part != Part::Users && before.all == 0 {
                continue;
            }
            let somebody_was = before.enabled > 0 || now.all == 0;
            let nobody_left = removed + disabled > 0 && now.enabled == 0 && somebody_was;
            changes.push(ScopeChange {
                part,
                title: part.title(""),
                before: before.all,
                removed,
                disabled,
                somebody_left: !nobody_left,
            });
        }
        Ok(changes)
    }

    /// How many users a query finds of each of [`KINDS`].
    fn by_kind(&self, query: &str, types: &[ResourceType]) -> rusqlite::Result<[u64; 2]> {
        let users: Vec<_> = user_types(types).collect();
        let mut counts = [0; 2];
        let mut statement = self.connection.prepare(query)?;
        let mut rows = statement.query([&self.previous])?;
        while let Some(row) = rows.next()? {
            if users.contains(&text(row, 0)?) {
                let (kind, _) = counted_as(row, 1)?;
                for (part, count) in KINDS.into_iter().zip(&mut counts) {
                    *count += u64::from(part == kind);
                }
            }
        }
        Ok(counts)
    }

    fn of_owners(&self, owner: &str, administrator: &str) -> rusqlite::Result<Vec<ScopeChange>> {
        let removed = self.of_parts(Grants::Gone, owner, administrator)?;
        let disabled = if self.disabled == 0 {
            [const { ByOwner::new() }; 3]
        } else {
            self.disabled_of(owner, administrator)?
        };
        let previous = Population { connection: &self.connection, schema: "previous", run: &self.previous };
        let current = Population { schema: "current", run: &self.current, ..previous };
        let mut changes = Vec::new();
        for it in previous.owners(owner)? {
            if self.is_gone(&it.id)? {
                let before = previous.count(Part::Members, &it.id, administrator)?;
                changes.push(ScopeChange {
                    part: Part::Owner,
                    title: Part::Owner.title(&format!("the {owner} {}", it.name)),
                    before,
                    removed: before,
                    disabled: 0,
                    somebody_left: false,
                });
                continue;
            }
            for ((part, removed), disabled) in Part::OF_OWNER.into_iter().zip(&removed).zip(&disabled) {
                let removed = removed.get(&it.id).copied().unwrap_or_default();
                let disabled = disabled.get(&it.id).copied().unwrap_or_default();
                if removed + disabled == 0 {
                    continue;
                }
                let left = current.count(part, &it.id, administrator)?.saturating_sub(disabled);
                changes.push(ScopeChange {
                    part,
                    title: part.title(&it.name),
                    before: previous.count(part, &it.id, administrator)?,
                    removed,
                    disabled,
                    somebody_left: left > 0,
                });
            }
        }
        Ok(changes)
    }

    /// How many came to, or went from, each of [`Part::OF_OWNER`].
    pub(super) fn of_parts(
        &self,
        grants: Grants,
        owner: &str,
        administrator: &str,
    ) -> rusqlite::Result<[ByOwner; 3]> {
        let (found, here, there, other) = match grants {
            Grants::Gone => ("gone_grants", "previous", "current", &self.current),
            Grants::New => ("new_grants", "current", "previous", &self.previous),
        };
        let count = |query: &str| {
            let query = query.replace("{found}", found).replace("{here}", here).replace("{there}", there);
            self.by_owner(&query, owner, administrator, other)
        };
        Ok([count(MEMBERS)?, count(ADMINISTRATORS)?, count(MEMBERSHIPS)?])
    }

    /// Memberships in what belongs to an owner are not counted: whoever is disabled is so among its members.
    fn disabled_of(&self, owner: &str, administrator: &str) -> rusqlite::Result<[ByOwner; 3]> {
        Ok([
            self.by_owner(DISABLED, owner, "", &self.current)?,
            self.by_owner(DISABLED, owner, administrator, &self.current)?,
            ByOwner::new(),
        ])
    }

    fn by_owner(&self, query: &str, owner: &str, slug: &str, run: &str) -> rusqlite::Result<ByOwner> {
        let mut statement = self.connection.prepare(query)?;
        let counts = statement
            .query_map([owner, run, slug], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
        counts.collect()
    }

    fn is_gone(&self, id: &str) -> rusqlite::Result<bool> {
        let query = "select exists (select 1 from gone_resources where external_id = ?1)";
        self.connection.prepare_cached(query)?.query_row([id], |row| row.get(0))
    }
}
