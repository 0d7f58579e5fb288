//! What went: found, told as sorted lines, and asked about.

use std::cmp::Ordering;

use rusqlite::Row;
use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator;
use sha2::{Digest, Sha256};

use super::changed::text;
use super::{CompareError, Difference, failed};
use crate::access::{Change, EntitlementId, RecordId, ResourceId, ResourceType};
use crate::snapshot::container::hex;

/// What a snapshot has and the next one lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missing {
    /// How many resources and grants.
    pub count: u64,
    /// The SHA-256 of their ids, in order.
    pub digest: String,
    /// Each of them; `None` where they are more than were asked for, or of a type that is not read any more.
    pub records: Option<Vec<RecordId>>,
}

impl Difference {
    /// The grants by their ids alone, which the indexes of both have in order: no row is touched.
    pub(super) fn find_grants(&self) -> rusqlite::Result<Change> {
        let of = |schema: &str| {
            let query = format!(
                "select external_id, id from {schema}.v1_grants where sync_id = ?1 order by external_id"
            );
            self.connection.prepare(&query)
        };
        let (mut previous, mut current) = (of("previous")?, of("current")?);
        let mut previous = previous.query([&self.previous])?;
        let mut current = current.query([&self.current])?;
        let mut gone =
            self.connection.prepare("insert into gone_grants (external_id, id) values (?1, ?2)")?;
        let mut new = self.connection.prepare("insert into new_grants (external_id, id) values (?1, ?2)")?;
        let mut grants = Change::default();
        previous.advance()?;
        current.advance()?;
        loop {
            let order = match (previous.get(), current.get()) {
                (None, None) => return Ok(grants),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(was), Some(is)) => text(was, 0)?.cmp(text(is, 0)?),
            };
            if order == Ordering::Less
                && let Some(was) = previous.get()
            {
                grants.removed += 1;
                gone.execute((text(was, 0)?, was.get::<_, i64>(1)?))?;
            }
            if order == Ordering::Greater
                && let Some(is) = current.get()
            {
                grants.added += 1;
                new.execute((text(is, 0)?, is.get::<_, i64>(1)?))?;
            }
            if order != Ordering::Greater {
                previous.advance()?;
            }
            if order != Ordering::Less {
                current.advance()?;
            }
        }
    }

    /// What is not there any more, by its ids where there are no more than `most`, all of `types`.
    ///
    /// # Errors
    /// When a database cannot be read.
    pub fn missing(&self, most: u64, types: &[ResourceType]) -> Result<Missing, CompareError> {
        let mut digest = Sha256::new();
        self.each_gone(|id| {
            digest.update(id);
            digest.update(b"\n");
            Ok::<_, CompareError>(())
        })?;
        let records = if self.missing > most { None } else { self.records(types)? };
        Ok(Missing { count: self.missing, digest: hex(&digest.finalize()), records })
    }

    /// Does the later snapshot lack this?
    ///
    /// # Errors
    /// When a database cannot be read.
    pub fn lacks(&self, record: &RecordId) -> Result<bool, CompareError> {
        let table = match record {
            RecordId::Resource(_) => "v1_resources",
            RecordId::Grant { .. } => "v1_grants",
        };
        let query = format!(
            "select not exists (select 1 from current.{table} where external_id = ?1 and sync_id = ?2)"
        );
        self.connection
            .query_row(&query, [&record.to_string(), &self.current], |row| row.get(0))
            .map_err(failed("looking for a record"))
    }

    /// Each removal as a line, sorted: `- <id>` for what is gone, `disabled <id>` for who is disabled.
    ///
    /// # Errors
    /// When a database cannot be read, and whatever `visit` returns.
    pub fn lines<E: From<CompareError>>(
        &self,
        mut visit: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut line = String::new();
        let mut told = |word: &str, id: &str| {
            line.clear();
            line.extend([word, " ", id]);
            visit(&line)
        };
        self.each_gone(|id| told("-", id))?;
        self.each("select external_id from disabled order by 1", |id| told("disabled", id))
    }

    fn each_gone<E: From<CompareError>>(&self, visit: impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
        const GONE: &str = "select external_id from gone_resources
            union all select external_id from gone_grants order by 1";
        if self.missing == 0 { Ok(()) } else { self.each(GONE, visit) }
    }

    fn each<E: From<CompareError>>(
        &self,
        query: &str,
        mut visit: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = failed("reading what is gone");
        let mut statement = self.connection.prepare(query).map_err(&failed)?;
        let mut rows = statement.query([]).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            visit(text(row, 0).map_err(&failed)?)?;
        }
        Ok(())
    }

    fn records(&self, types: &[ResourceType]) -> Result<Option<Vec<RecordId>>, CompareError> {
        const RESOURCES: &str = "select it.resource_type_id, it.external_id from gone_resources
            join previous.v1_resources as it on it.id = gone_resources.id order by it.external_id";
        const GRANTS: &str = "select it.resource_type_id, it.resource_id, it.entitlement_id,
                it.principal_resource_type_id, it.principal_resource_id from gone_grants
            join previous.v1_grants as it on it.id = gone_grants.id order by it.external_id";
        let mut records = Vec::new();
        for (query, read) in [(RESOURCES, resource as Read), (GRANTS, grant)] {
            let failed = failed("reading what is gone");
            let mut statement = self.connection.prepare(query).map_err(&failed)?;
            let found = statement.query_map([], |row| read(row, types)).map_err(&failed)?;
            records.extend(found.collect::<Result<Vec<_>, _>>().map_err(&failed)?);
        }
        Ok(records.into_iter().collect())
    }
}

type Read = fn(&Row<'_>, &[ResourceType]) -> rusqlite::Result<Option<RecordId>>;

fn resource(row: &Row<'_>, types: &[ResourceType]) -> rusqlite::Result<Option<RecordId>> {
    let (resource_type, id) = (text(row, 0)?, text(row, 1)?);
    let id = id.strip_prefix(resource_type).and_then(|rest| rest.strip_prefix(':'));
    Ok(id.and_then(|id| resource_id(resource_type, id, types)).map(RecordId::Resource))
}

fn grant(row: &Row<'_>, types: &[ResourceType]) -> rusqlite::Result<Option<RecordId>> {
    let resource = resource_id(text(row, 0)?, text(row, 1)?, types);
    let principal = resource_id(text(row, 3)?, text(row, 4)?, types);
    let (Some(resource), Some(principal)) = (resource, principal) else { return Ok(None) };
    let slug = text(row, 2)?.strip_prefix(&resource.to_string()).and_then(|rest| rest.strip_prefix(':'));
    let entitlement = slug.map(|slug| EntitlementId::new(resource.clone(), slug));
    Ok(entitlement.map(|entitlement| RecordId::Grant { entitlement, principal }))
}

fn resource_id(resource_type: &str, id: &str, types: &[ResourceType]) -> Option<ResourceId> {
    types.iter().find(|it| it.id == resource_type).map(|it| ResourceId::new(it.id, id))
}
