//! What a difference means for people: counted by role, and the first of it by its ids.

use std::collections::BTreeMap;

use prost::Message;
use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row};

use super::scopes::Grants;
use super::{CompareError, Difference, failed};
use crate::access::guard::{Part, Scoping};
use crate::access::{AccessNews, Change};
use crate::proto::c1::connector::v2;

/// Resources that were not there before, by their ids.
const NEW_RESOURCES: &str = "
select it.external_id from current.v1_resources as it where it.sync_id = ?1 and not exists (
    select 1 from previous.v1_resources as was where was.external_id = it.external_id and was.sync_id = ?2)
order by it.external_id limit ?3";

/// The first of what is in a table of findings.
const FIRST: &str = "select external_id from main.{table} order by external_id limit ?1";

const NAMED: &str = "select data from {schema}.v1_resources where external_id = ?1 and sync_id = ?2";

const GRANTED: &str = "
select it.principal_resource_type_id || ':' || it.principal_resource_id,
    substr(it.entitlement_id, length(it.resource_type_id || it.resource_id) + 3),
    it.resource_type_id || ':' || it.resource_id
from main.{found} as found cross join {schema}.v1_grants as it on it.id = found.id where found.external_id = ?1";

/// One of the two snapshots.
#[derive(Clone, Copy)]
struct Side<'d> {
    schema: &'static str,
    run: &'d str,
}

impl Difference {
    /// What it means for people. Lines name people only where `names` says so, and ids otherwise.
    ///
    /// # Errors
    /// When a database cannot be read.
    pub fn news(&self, scoping: Scoping, names: bool) -> Result<AccessNews, CompareError> {
        let mut news = AccessNews {
            changes: self.changes.clone(),
            enabled: self.enabled,
            disabled: self.disabled,
            ..AccessNews::default()
        };
        if let Scoping::Roles { owner, administrator } = scoping {
            let roles = self.roles(owner, administrator).map_err(failed("counting roles that changed"))?;
            news.changes.extend(roles);
        }
        if !news.is_none() {
            self.name_some(&mut news, names).map_err(failed("reading what changed"))?;
        }
        Ok(news)
    }

    fn roles(&self, owner: &str, administrator: &str) -> rusqlite::Result<BTreeMap<String, Change>> {
        let count = |grants| -> rusqlite::Result<[u64; 3]> {
            let parts = self.of_parts(grants, owner, administrator)?;
            Ok(parts.map(|by_owner| by_owner.into_values().sum()))
        };
        let (added, removed) = (count(Grants::New)?, count(Grants::Gone)?);
        let counts = added.into_iter().zip(removed);
        let change = |(part, (added, removed)): (Part, (u64, u64))| {
            (part.word().to_owned(), Change { added, removed, changed: 0 })
        };
        Ok(Part::OF_OWNER.into_iter().zip(counts).map(change).collect())
    }

    /// Names the first of what changed: who is gone or disabled before what came, and people before their roles.
    fn name_some(&self, news: &mut AccessNews, names: bool) -> rusqlite::Result<()> {
        let (previous, current) = (
            Side { schema: "previous", run: &self.previous },
            Side { schema: "current", run: &self.current },
        );
        let resources = |count: fn(&Change) -> u64| -> u64 {
            let of_resources = news.changes.iter().filter(|(scope, _)| !is_of_grants(scope));
            of_resources.map(|(_, change)| count(change)).sum()
        };
        let grants = news.changes.get("grants").copied().unwrap_or_default();
        let found = [
            ("-", "gone_resources", previous, resources(|change| change.removed)),
            ("disabled", "disabled", current, news.disabled),
            ("-", "gone_grants", previous, grants.removed),
            ("+", "", current, resources(|change| change.added)),
            ("enabled", "enabled", current, news.enabled),
            ("+", "new_grants", current, grants.added),
        ];
        for (sign, table, side, count) in found {
            let room = AccessNews::LINES.saturating_sub(news.lines.len());
            let most = usize::try_from(count).unwrap_or(usize::MAX).min(room);
            let ids = if most == 0 { Vec::new() } else { self.first(table, most)? };
            news.more += count.saturating_sub(ids.len() as u64);
            for id in ids {
                let line = if names { self.named(&id, table, side)? } else { id };
                news.lines.push(format!("{sign} {line}"));
            }
        }
        Ok(())
    }

    fn first(&self, table: &str, most: usize) -> rusqlite::Result<Vec<String>> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        if table.is_empty() {
            let mut statement = self.connection.prepare(NEW_RESOURCES)?;
            let ids = statement.query_map((&self.current, &self.previous, most), |row| row.get(0))?;
            return ids.collect();
        }
        let mut statement = self.connection.prepare(&FIRST.replace("{table}", table))?;
        let ids = statement.query_map([most], |row| row.get(0))?;
        ids.collect()
    }

    /// `Ada Lovelace (user:a1)`, or of a grant `Ada Lovelace (user:a1) as admin of Acme (organization:o1)`.
    fn named(&self, id: &str, table: &str, side: Side<'_>) -> rusqlite::Result<String> {
        if !matches!(table, "gone_grants" | "new_grants") {
            return self.name_of(id, side);
        }
        let query = GRANTED.replace("{found}", table).replace("{schema}", side.schema);
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let (who, role, what): (String, String, String) = self.connection.query_row(&query, [id], read)?;
        Ok(format!("{} as {role} of {}", self.name_of(&who, side)?, self.name_of(&what, side)?))
    }

    fn name_of(&self, id: &str, side: Side<'_>) -> rusqlite::Result<String> {
        let query = NAMED.replace("{schema}", side.schema);
        let mut statement = self.connection.prepare_cached(&query)?;
        let name = statement.query_row((id, side.run), display_name).optional()?;
        Ok(match name {
            Some(name) if !name.is_empty() => format!("{name} ({id})"),
            _ => id.to_owned(),
        })
    }
}

fn display_name(row: &Row<'_>) -> rusqlite::Result<String> {
    let strange = |error| rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, Box::new(error));
    let resource = v2::Resource::decode(row.get_ref(0)?.as_blob()?).map_err(strange)?;
    Ok(resource.display_name)
}

fn is_of_grants(scope: &str) -> bool {
    scope == "grants" || Part::OF_OWNER.iter().any(|part| part.word() == scope)
}

#[cfg(test)]
mod tests;
