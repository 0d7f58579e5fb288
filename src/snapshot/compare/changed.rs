//! Resources side by side. Listings keep their order from run to run, so the rows of both snapshots mostly meet in the
//! order in which they lie in the files; where they do not, the other row is looked for by its id.

use std::collections::BTreeMap;

use prost::{DecodeError, Message, Name};
use prost_types::Any;
use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator;
use rusqlite::types::Type;
use rusqlite::{CachedStatement, OptionalExtension, Row};

use super::{CompareError, Difference, failed};
use crate::access::guard::Part;
use crate::proto::c1::connector::v2;
use crate::proto::c1::connector::v2::user_trait::AccountType;

/// What was found, by the ids of the resource types.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) before: BTreeMap<String, u64>,
    pub(super) gone: BTreeMap<String, u64>,
    pub(super) changed: BTreeMap<String, u64>,
    pub(super) disabled: u64,
    pub(super) enabled: u64,
}

const ID: usize = 0;
const EXTERNAL_ID: usize = 1;
const DATA: usize = 2;
const RESOURCE_TYPE: usize = 3;

impl Difference {
    pub(super) fn compare_resources(&self) -> Result<Found, CompareError> {
        const PREVIOUS: &str = "select id, external_id, data, resource_type_id from previous.v1_resources
            where sync_id = ?1 order by id";
        const CURRENT: &str = "select id, external_id, data from current.v1_resources
            where sync_id = ?1 and id >= ?2 order by id";
        let failed = failed("comparing the resources");
        let mut found = Found::default();
        let mut previous = self.connection.prepare(PREVIOUS).map_err(&failed)?;
        let mut previous = previous.query([&self.previous]).map_err(&failed)?;
        let mut current = self.connection.prepare(CURRENT).map_err(&failed)?;
        let mut elsewhere = Elsewhere::prepare(self).map_err(&failed)?;

        let mut from = 0_i64;
        previous.advance().map_err(&failed)?;
        while previous.get().is_some() {
            let mut current = current.query((&self.current, from)).map_err(&failed)?;
            current.advance().map_err(&failed)?;
            // In step for as long as both name the same resource.
            while let (Some(was), Some(is)) = (previous.get(), current.get())
                && text(was, EXTERNAL_ID).map_err(&failed)? == text(is, EXTERNAL_ID).map_err(&failed)?
            {
                self.note_pair(was, blob(is).map_err(&failed)?, &mut found)?;
                previous.advance().map_err(&failed)?;
                current.advance().map_err(&failed)?;
            }
            let Some(was) = previous.get() else { break };
            let here = current.get().map(|row| row.get(ID)).transpose().map_err(&failed)?;
            match elsewhere.row_of(was, &self.current).map_err(&failed)? {
                Some((id, data)) => {
                    self.note_pair(was, &data, &mut found)?;
                    from = id + 1;
                }
                None => {
                    elsewhere.note_gone(was).map_err(&failed)?;
                    count(&mut found.gone, was).map_err(&failed)?;
                    count(&mut found.before, was).map_err(&failed)?;
                    from = here.unwrap_or(i64::MAX);
                }
            }
            previous.advance().map_err(&failed)?;
        }
        Ok(found)
    }

    /// The same resource, then and now.
    fn note_pair(&self, was: &Row<'_>, is: &[u8], found: &mut Found) -> Result<(), CompareError> {
        let failed = failed("comparing the resources");
        count(&mut found.before, was).map_err(&failed)?;
        let data = blob(was).map_err(&failed)?;
        if data == is {
            return Ok(());
        }
        let (then, now) = (Compared::of(data)?, Compared::of(is)?);
        if then.resource != now.resource {
            count(&mut found.changed, was).map_err(&failed)?;
        }
        const DISABLED: &str = "insert into disabled (external_id) values (?1)";
        const ENABLED: &str = "insert into enabled (external_id) values (?1)";
        let insert = match (then.enabled, now.enabled) {
            (true, false) => {
                found.disabled += 1;
                DISABLED
            }
            (false, true) => {
                found.enabled += 1;
                ENABLED
            }
            _ => return Ok(()),
        };
        let mut insert = self.connection.prepare_cached(insert).map_err(&failed)?;
        insert.execute([text(was, EXTERNAL_ID).map_err(&failed)?]).map_err(&failed)?;
        Ok(())
    }
}

/// Finds rows that are not where they were looked for, and notes those that are not there at all.
struct Elsewhere<'c> {
    find: CachedStatement<'c>,
    gone: CachedStatement<'c>,
}

impl<'c> Elsewhere<'c> {
    fn prepare(difference: &'c Difference) -> rusqlite::Result<Self> {
        const FIND: &str =
            "select id, data from current.v1_resources where external_id = ?1 and sync_id = ?2";
        const GONE: &str = "insert into gone_resources (external_id, id) values (?1, ?2)";
        let connection = &difference.connection;
        Ok(Self { find: connection.prepare_cached(FIND)?, gone: connection.prepare_cached(GONE)? })
    }

    fn row_of(&mut self, was: &Row<'_>, run: &str) -> rusqlite::Result<Option<(i64, Vec<u8>)>> {
        let id = text(was, EXTERNAL_ID)?;
        self.find.query_row((id, run), |row| Ok((row.get(0)?, row.get(1)?))).optional()
    }

    fn note_gone(&mut self, was: &Row<'_>) -> rusqlite::Result<()> {
        self.gone.execute((text(was, EXTERNAL_ID)?, was.get::<_, i64>(ID)?)).map(|_| ())
    }
}

/// What of a resource is compared.
struct Compared {
    /// Without the last sign-in.
    resource: v2::Resource,
    /// A user who may sign in.
    enabled: bool,
}

impl Compared {
    fn of(data: &[u8]) -> Result<Self, CompareError> {
        let mut resource = v2::Resource::decode(data).map_err(CompareError::Message)?;
        let mut enabled = false;
        for annotation in &mut resource.annotations {
            if let Some(mut user) = user_trait(annotation).map_err(CompareError::Message)? {
                enabled = is_enabled(&user);
                user.last_login = None;
                *annotation = Any { type_url: v2::UserTrait::type_url(), value: user.encode_to_vec() };
            }
        }
        Ok(Self { resource, enabled })
    }
}

/// As what the user in this column is counted, and whether that one may sign in.
pub(in crate::snapshot) fn counted_as(row: &Row<'_>, column: usize) -> rusqlite::Result<(Part, bool)> {
    let strange = |error| rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error));
    let resource = v2::Resource::decode(row.get_ref(column)?.as_blob()?).map_err(strange)?;
    for annotation in &resource.annotations {
        if let Some(user) = user_trait(annotation).map_err(strange)? {
            let part = match user.account_type() {
                AccountType::Service | AccountType::System => Part::ServiceAccounts,
                AccountType::Human | AccountType::Unspecified => Part::Users,
            };
            return Ok((part, is_enabled(&user)));
        }
    }
    Ok((Part::Users, false))
}

fn user_trait(annotation: &Any) -> Result<Option<v2::UserTrait>, DecodeError> {
    if annotation.type_url != v2::UserTrait::type_url() {
        return Ok(None);
    }
    v2::UserTrait::decode(annotation.value.as_slice()).map(Some)
}

fn is_enabled(user: &v2::UserTrait) -> bool {
    user.status.as_ref().is_some_and(|status| status.status() == v2::user_trait::status::Status::Enabled)
}

fn count(counts: &mut BTreeMap<String, u64>, row: &Row<'_>) -> rusqlite::Result<()> {
    let resource_type = text(row, RESOURCE_TYPE)?;
    match counts.get_mut(resource_type) {
        Some(count) => *count += 1,
        None => {
            counts.insert(resource_type.to_owned(), 1);
        }
    }
    Ok(())
}

pub(super) fn text<'r>(row: &'r Row<'_>, column: usize) -> rusqlite::Result<&'r str> {
    row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)
}

fn blob<'r>(row: &'r Row<'_>) -> rusqlite::Result<&'r [u8]> {
    row.get_ref(DATA)?.as_blob().map_err(rusqlite::Error::from)
}
