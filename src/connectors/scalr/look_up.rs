//! Asks Scalr for users one by one. Whether a missing one was a person or a service account is not known, so both
//! are asked for, whatever the account's quotas say. Nobody is gone on the word of a filter alone, which answers a
//! refusal with an empty list as well: somebody who is there must be found by the same kind of request. So of an
//! account that shows no service account, nothing can be known about one that is missing.

use futures::{StreamExt, TryStreamExt, stream};

use super::super::http::Get;
use super::super::paging::Page;
use super::super::text::is_id;
use super::super::{LookUp, ReadError};
use super::api::{Rows, Somebody};
use super::{Scalr, USER, path};
use crate::access::{RecordId, ResourceId, channel};

/// A listing in which a user may be, and the filter by which it finds one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    People,
    Programs,
}

impl Place {
    const ALL: [Self; 2] = [Self::People, Self::Programs];

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

    fn get<'a>(self, path: &'a [&'a str], query: &'a [(&'a str, &'a str)]) -> Get<'a> {
        let operation = match self {
            Self::People => "find_account_user",
            Self::Programs => "find_service_account",
        };
        Get { what: "a user of the account", operation, path, query }
    }
}

/// What a filter for one user lets through.
enum Filtered {
    /// That user, and nobody else.
    Them,
    /// Nobody.
    Nobody,
    /// Anything else: the filter is no filter, or it may not be asked.
    Others,
}

/// What is known of one missing user.
enum Sought {
    Found(RecordId),
    /// In none of the places, by the word of their filters.
    Nowhere,
    /// A filter is no filter, or it may not be asked.
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
        let seeking: Vec<_> = ids.into_iter().map(|id| self.seek(&account.id, id)).collect();
        let sought =
            stream::iter(seeking).buffered(self.client.requests_in_flight()).try_collect::<Vec<_>>().await?;
        let (mut found, mut some_nowhere) = (Vec::new(), false);
        for sought in sought {
            match sought {
                Sought::Found(id) => found.push(id),
                Sought::Nowhere => some_nowhere = true,
                Sought::Unclear => return Ok(LookUp::Impossible),
            }
        }
        if some_nowhere && !self.finds_somebody_everywhere(&account.id).await? {
            return Ok(LookUp::Impossible);
        }
        Ok(LookUp::Found(found))
    }

    async fn seek(&self, account: &str, id: &str) -> Result<Sought, ReadError> {
        for place in Place::ALL {
            let filtered = match self.filtered(account, place, id).await {
                // Where the quotas say that there are none, a reading does without this right.
                Err(ReadError::Forbidden { .. }) if place == Place::Programs => Filtered::Others,
                filtered => filtered?,
            };
            match filtered {
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
        let path = path(place.listing());
        let get = place.get(&path, &query);
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

    async fn finds_somebody_everywhere(&self, account: &str) -> Result<bool, ReadError> {
        for place in Place::ALL {
            if !self.finds_somebody(account, place).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Does the filter of `place` find somebody who is there?
    async fn finds_somebody(&self, account: &str, place: Place) -> Result<bool, ReadError> {
        let query = [("filter[account]", account), ("page[size]", "1")];
        let path = path(place.listing());
        let get = place.get(&path, &query);
        let answer = self.client.get(&get).await?;
        let page: Rows<Somebody<'_>> = answer.decode()?;
        let is_there = |somebody: &&Somebody<'_>| somebody.account() == account && is_id(somebody.user());
        let Some(somebody) = page.data.first().filter(is_there) else { return Ok(false) };
        Ok(matches!(self.filtered(account, place, somebody.user()).await?, Filtered::Them))
    }
}

/// The id of a user that a filter can name.
fn user_id(id: &RecordId) -> Option<&str> {
    match id {
        RecordId::Resource(user) if user.resource_type == USER.id && is_id(&user.id) => Some(&user.id),
        _ => None,
    }
}
