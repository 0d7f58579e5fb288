//! How many there are in each scope of a snapshot. Owners are counted by the indexes, without touching a row; users are
//! looked at one by one. Nothing is in memory but one number for each scope.

use prost::Message;
use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::compare::counted_as;
use super::container::hex;
use super::{ReadError, Snapshot, schema};
use crate::access::guard::{Census, Headcount, Part, Scoping};
use crate::access::{ResourceType, Trait};
use crate::proto::c1::connector::v2;

impl Snapshot {
    /// How many there are in each scope.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn census(&self, scoping: Scoping, types: &[ResourceType]) -> Result<Census, ReadError> {
        let population =
            Population { connection: self.connection(), schema: "main", run: self.run().id.as_str() };
        population
            .census(scoping, types)
            .map_err(|source| ReadError::Database { doing: "counting the scopes", source })
    }

    /// The SHA-256 of the ids of all resources and grants, in order: the same for snapshots of the same.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn digest_of_ids(&self) -> Result<String, ReadError> {
        let digest = || {
            let mut digest = Sha256::new();
            for table in ["v1_resources", "v1_grants"] {
                let query =
                    format!("select external_id from {table} where sync_id = ?1 order by external_id");
                let mut statement = self.connection().prepare(&query)?;
                let mut rows = statement.query([self.run().id.as_str()])?;
                while let Some(row) = rows.next()? {
                    digest.update(row.get_ref(0)?.as_str()?);
                    digest.update(b"\n");
                }
            }
            Ok(hex(&digest.finalize()))
        };
        digest().map_err(|source| ReadError::Database { doing: "reading the ids", source })
    }
}

/// One run of a database, which may be attached under the name `schema`.
#[derive(Clone, Copy)]
pub(super) struct Population<'c> {
    pub(super) connection: &'c Connection,
    pub(super) schema: &'c str,
    pub(super) run: &'c str,
}

/// A resource that others belong to.
pub(super) struct Owner {
    /// Its id as text, such as `organization:a1b2c3d4e5f6`.
    pub(super) id: String,
    pub(super) name: String,
}

impl Population<'_> {
    fn census(&self, scoping: Scoping, types: &[ResourceType]) -> rusqlite::Result<Census> {
        match scoping {
            Scoping::Users => {
                let [people, service_accounts] = self.headcounts(types)?;
                Ok(Census::of_users(people, service_accounts))
            }
            Scoping::Roles { owner, administrator } => {
                let mut census = Census::default();
                for owner in self.owners(owner)? {
                    let count = |part| self.count(part, &owner.id, administrator);
                    let [members, administrators, memberships] = Part::OF_OWNER.map(count);
                    census.add_owner(
                        &owner.id,
                        owner.name.clone(),
                        [members?, administrators?, memberships?],
                    );
                }
                Ok(census)
            }
        }
    }

    /// How many there are in one scope of the resource `owner`.
    pub(super) fn count(&self, part: Part, owner: &str, administrator: &str) -> rusqlite::Result<u64> {
        match part {
            Part::Administrators => self.holders(&format!("{owner}:{administrator}")),
            Part::Memberships => self.memberships(owner),
            _ => self.members(owner),
        }
    }

    /// The people and the service accounts among the users.
    pub(super) fn headcounts(&self, types: &[ResourceType]) -> rusqlite::Result<[Headcount; 2]> {
        let query = format!(
            "select data from {}.v1_resources where sync_id = ?1 and resource_type_id = ?2",
            self.schema
        );
        let mut statement = self.connection.prepare(&query)?;
        let mut counts = [Headcount::default(); 2];
        for resource_type in user_types(types) {
            let mut rows = statement.query([self.run, resource_type])?;
            while let Some(row) = rows.next()? {
                let (part, enabled) = counted_as(row, 0)?;
                let [people, service_accounts] = &mut counts;
                let count = if part == Part::Users { people } else { service_accounts };
                count.all += 1;
                count.enabled += u64::from(enabled);
            }
        }
        Ok(counts)
    }

    /// All resources of the owning type.
    pub(super) fn owners(&self, resource_type: &str) -> rusqlite::Result<Vec<Owner>> {
        let query = format!(
            "select external_id, data from {}.v1_resources
            where sync_id = ?1 and external_id >= ?2 || ':' and external_id < ?2 || ';' order by external_id",
            self.schema
        );
        let mut statement = self.connection.prepare(&query)?;
        let owners = statement.query_map([self.run, resource_type], |row| {
            let id: String = row.get(0)?;
            let resource = v2::Resource::decode(row.get_ref(1)?.as_blob()?).unwrap_or_default();
            let name = if resource.display_name.is_empty() { id.clone() } else { resource.display_name };
            Ok(Owner { id, name })
        })?;
        owners.collect()
    }

    /// How many have an entitlement.
    fn holders(&self, entitlement: &str) -> rusqlite::Result<u64> {
        let query = format!(
            "select count(*) from {}.v1_grants where entitlement_id = ?1 and sync_id = ?2",
            self.schema
        );
        self.connection.prepare_cached(&query)?.query_row([entitlement, self.run], schema::count)
    }

    /// How many have any entitlement on the resource `owner`. Those of the largest are counted; of the others, who are
    /// few, each is looked for in those before.
    fn members(&self, owner: &str) -> rusqlite::Result<u64> {
        let query = format!(
            "select external_id from {}.v1_entitlements
            where sync_id = ?1 and external_id >= ?2 || ':' and external_id < ?2 || ';'",
            self.schema
        );
        let mut statement = self.connection.prepare_cached(&query)?;
        let found = statement.query_map([self.run, owner], |row| row.get::<_, String>(0))?;
        let mut entitlements = Vec::new();
        for entitlement in found {
            let entitlement = entitlement?;
            entitlements.push((self.holders(&entitlement)?, entitlement));
        }
        entitlements.sort_by(|a, b| b.cmp(a));
        let mut members = 0;
        let mut before: Vec<&str> = Vec::new();
        for (holders, entitlement) in &entitlements {
            members += if before.is_empty() { *holders } else { self.holders_besides(entitlement, &before)? };
            before.push(entitlement);
        }
        Ok(members)
    }

    fn holders_besides(&self, entitlement: &str, others: &[&str]) -> rusqlite::Result<u64> {
        let holders = format!(
            "select principal_resource_type_id, principal_resource_id from {}.v1_grants
            where entitlement_id = ?1 and sync_id = ?2",
            self.schema
        );
        let has = format!(
            "select exists (select 1 from {}.v1_grants where entitlement_id = ?1
            and principal_resource_type_id = ?2 and principal_resource_id = ?3 and sync_id = ?4)",
            self.schema
        );
        let mut has = self.connection.prepare_cached(&has)?;
        let mut holders = self.connection.prepare_cached(&holders)?;
        let mut rows = holders.query([entitlement, self.run])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            let (principal_type, principal) = (row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
            let mut counted = false;
            for other in others {
                let params = (other, principal_type, principal, self.run);
                counted = counted || has.query_row(params, |row| row.get(0))?;
            }
            count += u64::from(!counted);
        }
        Ok(count)
    }

    /// How many grants there are on what belongs to the resource `owner`.
    fn memberships(&self, owner: &str) -> rusqlite::Result<u64> {
        let Some((owner_type, id)) = owner.split_once(':') else { return Ok(0) };
        let query = format!(
            "select count(*) from {0}.v1_resources as part
            cross join {0}.v1_entitlements as it on it.sync_id = part.sync_id
                and it.resource_type_id = part.resource_type_id
                and it.resource_id = substr(part.external_id, length(part.resource_type_id) + 2)
            cross join {0}.v1_grants as g on g.entitlement_id = it.external_id and g.sync_id = part.sync_id
            where part.parent_resource_type_id = ?1 and part.parent_resource_id = ?2 and part.sync_id = ?3",
            self.schema
        );
        self.connection.prepare_cached(&query)?.query_row([owner_type, id, self.run], schema::count)
    }
}

/// Those of `types` that sign in.
pub(super) fn user_types(types: &[ResourceType]) -> impl Iterator<Item = &'static str> {
    types.iter().filter(|it| it.traits.contains(&Trait::User)).map(|it| it.id)
}
