//! Asks Scalr for users one by one. Whether a missing one was a person or a service account is not known, so both
//! are asked for. Nobody is gone on the word of a filter alone, which answers a refusal with an empty list as well:
//! somebody who is there must be found by the same kind of request.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};

use super::super::http::Get;
use super::super::paging::Page;
use super::super::text::is_id;
use super::super::{LookUp, ReadError};
use super::api::{Rows, Somebody};
use super::{Scalr, USER, path};
use crate::access::{RecordId, ResourceId, channel};

/// A listing in which a user may be, and the filter by which it finds one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    People,
    Programs,
}

impl Place {
    fn listing(self) -> &'static str {
        match self {
            Self::People => "account-users",
            Self::Programs => "service-accounts",
        }
    }

    fn filter(self) -> &'static str {
        match self {
            Self::People => "filter[user]",
            Self::Programs => "filter[service-account]",
        }
    }
}

/// What a filter for one user lets through.
enum Filtered {
    /// That user, and nobody else.
    Them,
    /// Nobody.
    Nobody,
    /// Anything else: the filter is no filter.
    Others,
}

/// What is known of one missing user.
enum Sought {
    Found(RecordId),
    /// In none of the places, by the word of their filters.
    Nowhere,
    /// A filter is no filter.
    Unclear,
}

impl Scalr {
    /// As [`super::Connector::look_up`].
    pub(super) async fn look_up_users(&self, missing: &[RecordId]) -> Result<LookUp, ReadError> {
        let Some(ids) = missing.iter().map(user_id).collect::<Option<Vec<_>>>() else {
            return Ok(LookUp::Impossible);
        };
        let (nowhere, _receiver) = channel();
        let account = self.account(&nowhere).await?;
        let places: &[Place] =
            if account.has_programs { &[Place::People, Place::Programs] } else { &[Place::People] };
        let seeking: Vec<_> = ids.into_iter().map(|id| self.seek(&account.id, places, id)).collect();
        let sought =
            stream::iter(seeking).buffered(self.client.requests_in_flight()).try_collect::<Vec<_>>().await?;
        let (mut found, mut asked_in_vain) = (Vec::new(), BTreeSet::new());
        for sought in sought {
            match sought {
                Sought::Found(id) => found.push(id),
                Sought::Nowhere => asked_in_vain.extend(places),
                Sought::Unclear => return Ok(LookUp::Impossible),
            }
        }
        for place in asked_in_vain {
            if !self.finds(&account.id, place).await? {
                return Ok(LookUp::Impossible);
            }
        }
        Ok(LookUp::Found(found))
    }

    async fn seek(&self, account: &str, places: &[Place], id: &str) -> Result<Sought, ReadError> {
        for place in places {
            match self.filtered(account, *place, id).await? {
                Filtered::Them => {
                    return Ok(Sought::Found(RecordId::Resource(ResourceId::new(USER.id, id))));
                }
                Filtered::Nobody => {}
                Filtered::Others => return Ok(Sought::Unclear),
            }
        }
        Ok(Sought::Nowhere)
    }

    /// What it means that the user `id`, whom the listing has named, was refused.
    pub(super) async fn hidden_or_gone(&self, account: &str, id: &str, refusal: ReadError) -> ReadError {
        match self.filtered(account, Place::People, id).await {
            Ok(Filtered::Nobody) => ReadError::ListingChanged {
                listing: "the account's users".to_owned(),
                problem: format!("the user {id} is no longer among them"),
            },
            Ok(_) => refusal,
            Err(error) => error,
        }
    }

    async fn filtered(&self, account: &str, place: Place, id: &str) -> Result<Filtered, ReadError> {
        // Two, so that a filter that is ignored shows.
        let query = [("filter[account]", account), (place.filter(), id), ("page[size]", "2")];
        let get = Get { what: "a user of the account", path: &path(place.listing()), query: &query };
        let answer = self.client.get(&get).await?;
        let page: Rows<Somebody<'_>> = answer.decode()?;
        let total = page.mark().total;
        let is_them = |somebody: &Somebody<'_>| somebody.user() == id && somebody.account() == account;
        Ok(match page.data.as_slice() {
            [] if total == Some(0) => Filtered::Nobody,
            [only] if total == Some(1) && is_them(only) => Filtered::Them,
            _ => Filtered::Others,
        })
    }

    /// Does the filter of `place` find somebody who is there? An account without service accounts has nobody to find;
    /// then it is a second listing that says so.
    async fn finds(&self, account: &str, place: Place) -> Result<bool, ReadError> {
        let query = [("filter[account]", account), ("page[size]", "1")];
        let get = Get { what: "a user of the account", path: &path(place.listing()), query: &query };
        let answer = self.client.get(&get).await?;
        let page: Rows<Somebody<'_>> = answer.decode()?;
        match page.data.first() {
            Some(somebody) if somebody.account() != account || !is_id(somebody.user()) => Ok(false),
            Some(somebody) => {
                Ok(matches!(self.filtered(account, place, somebody.user()).await?, Filtered::Them))
            }
            None => Ok(place == Place::Programs && page.mark().total == Some(0)),
        }
    }
}

/// The id of a user that a filter can name.
fn user_id(id: &RecordId) -> Option<&str> {
    match id {
        RecordId::Resource(user) if user.resource_type == USER.id && is_id(&user.id) => Some(&user.id),
        _ => None,
    }
}
