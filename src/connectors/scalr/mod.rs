//! Scalr: who can sign in to an account. Users (people and service accounts) and nothing else, as C1's own
//! connector for Scalr reads it.
//!
//! Scalr answers a filter that matches nothing, a mistyped account's id included, with an empty list. So the
//! account is found by its exact name first, every relation must name that account, and nobody at all is an error.

mod api;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod look_up;
mod map;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::http::{Ahead, Answer, ClientOptions, Credential, Get, UpstreamClient, Vendor};
use super::paging::{Fault, IdSet, Listing, PAGE_SIZE, Totals, Visitor, walk};
use super::text::clean;
use super::{ConfigError, Connector, LookUp, ReadError, Upstream};
use crate::access::guard::Scoping;
use crate::access::{Record, RecordId, RecordSender, ResourceType, Trait, channel};
use crate::network::AddressError;
use api::{Account, One, Relation, Rows, ServiceAccount, User};
use map::Membership;

/// Scalr's users, people and service accounts alike.
pub const USER: ResourceType = ResourceType {
    id: "user",
    display_name: "User",
    plural: "users",
    traits: &[Trait::User],
    without_entitlements: true,
};

/// All that is read of Scalr.
pub const RESOURCE_TYPES: &[ResourceType] = &[USER];

/// Users that a listing may leave out of its `included` and that are asked for one by one. Beyond that the server
/// does not know `include`, and one request per user would take the vendor's allowance for hours.
const MOST_LEFT_OUT: usize = 1_000;

/// What listings are counted by.
const LIST_USERS: &str = "list_account_users";
const LIST_PROGRAMS: &str = "list_service_accounts";

const VENDOR: Vendor = Vendor {
    name: "Scalr",
    accept: "application/vnd.api+json",
    error_text: api::error_text,
    requests_per_minute: NonZeroU32::new(250).unwrap(),
};

/// Which account to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalrSettings {
    /// The account's name, which is the subdomain of its address: `acme` for `https://acme.scalr.io`.
    pub account: String,
    /// The origin of a self-hosted Scalr, instead of `https://<account>.scalr.io`.
    pub base_url: Option<Url>,
}

/// Reads one Scalr account.
#[derive(Debug)]
pub struct Scalr {
    account: String,
    client: Arc<UpstreamClient>,
}

impl Scalr {
    /// A reader of the account in `settings`, which shows `token` to prove who asks. A line end at the end of the
    /// token, which files and Secrets often have, is not part of it. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ConfigError`] where the account's name is no DNS label, the token has no token's form, or its host is not
    /// allowed.
    pub fn new(
        settings: ScalrSettings,
        token: SecretString,
        options: ClientOptions,
    ) -> Result<Self, ConfigError> {
        let ScalrSettings { account, base_url } = settings;
        if !is_dns_label(&account) {
            let problem = "is not the subdomain of a Scalr address (lower-case letters, digits and hyphens)";
            return Err(ConfigError::Setting { what: "account name", problem });
        }
        let base = match base_url {
            Some(base) => base,
            None => default_base(&account)?,
        };
        let client = UpstreamClient::new(VENDOR, base, credential(&token)?, options)?;
        Ok(Self { account, client: Arc::new(client) })
    }

    /// The account of exactly the wanted name. Whether upstream's filter compares exactly is not documented.
    async fn account(&self, records: &RecordSender) -> Result<Found, ReadError> {
        let mut named = Named { name: &self.account, ids: IdSet::default(), found: Vec::new() };
        let query = [("filter[name]", self.account.as_str()), ("page[size]", PAGE_SIZE)];
        walk(
            &self.client,
            &listing("the accounts", "list_accounts", &path("accounts"), &query),
            &mut named,
            records,
        )
        .await?;
        let (account, host) = (&self.account, self.client.host());
        let mut found = named.found.into_iter();
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(ReadError::AccountNotFound(format!(
                "{host} shows this token no account named `{account}`: the name is wrong, or the token is of another account"
            ))),
            (Some(_), Some(_)) => Err(ReadError::AccountAmbiguous(format!(
                "{host} shows this token several accounts named `{account}`"
            ))),
        }
    }

    /// Reads the people in `account`. Their ids are left in `ids`.
    async fn people(&self, account: &str, ids: &mut IdSet, records: &RecordSender) -> Result<(), ReadError> {
        let mut people = People { account, ids, left_out: Vec::new() };
        // Of the fields that Scalr sorts by, only the email tells any two users apart, so only it keeps them in
        // one order from page to page.
        let query =
            [("filter[account]", account), ("include", "user"), ("sort", "email"), ("page[size]", PAGE_SIZE)];
        let path = path("account-users");
        let count = walk(
            &self.client,
            &listing("the account's users", LIST_USERS, &path, &query),
            &mut people,
            records,
        )
        .await?;
        if count == 0 {
            return Err(ReadError::EmptyAccount(format!(
                "the Scalr account {} shows not a single user, though it must have an owner",
                self.account
            )));
        }
        self.left_out(account, people.left_out, records).await
    }

    /// Reads, one by one, the people whom the listing named but did not include.
    async fn left_out(
        &self,
        account: &str,
        people: Vec<(String, Membership)>,
        records: &RecordSender,
    ) -> Result<(), ReadError> {
        let requests = people.into_iter().map(|(id, membership)| {
            let path = ["api", "iacp", "v3", "users", &id];
            let get = Get { what: "a user of the account", operation: "get_user", path: &path, query: &[] };
            let request = self.client.request(&get);
            ((id, membership), request)
        });
        let mut answers = Ahead::new(&self.client, requests);
        while let Some(((id, membership), answer)) = answers.next().await {
            let person = self.person(account, &id, &membership, answer).await?;
            records.send(vec![person]).await?;
        }
        Ok(())
    }

    /// The person `id`, who was asked for by themselves.
    async fn person(
        &self,
        account: &str,
        id: &str,
        membership: &Membership,
        answer: Result<Answer, ReadError>,
    ) -> Result<Record, ReadError> {
        let answer = match answer {
            Err(refusal @ ReadError::Forbidden { status: 404, .. }) => {
                return Err(self.hidden_or_gone(account, id, refusal).await);
            }
            answer => answer?,
        };
        let user = answer.decode::<One<User<'_>>>()?.data;
        if *user.id != *id {
            return Err(answer.unexpected("it is another user than the one asked for"));
        }
        map::person(&user, membership)
            .map(Record::Resource)
            .map_err(|fault| fault.into_error(&answer, "users"))
    }

    async fn programs(
        &self,
        account: &str,
        ids: &mut IdSet,
        records: &RecordSender,
    ) -> Result<(), ReadError> {
        let mut programs = Programs { account, ids };
        let query = [("filter[account]", account), ("sort", "email"), ("page[size]", PAGE_SIZE)];
        let path = path("service-accounts");
        let listing = listing("the service accounts", LIST_PROGRAMS, &path, &query);
        walk(&self.client, &listing, &mut programs, records).await?;
        Ok(())
    }
}

#[async_trait]
impl Connector for Scalr {
    fn resource_types(&self) -> &'static [ResourceType] {
        RESOURCE_TYPES
    }

    fn scoping(&self) -> Scoping {
        Scoping::Users
    }

    async fn validate(&self) -> Result<(), ReadError> {
        // An account makes no record, so nobody has to take any.
        let (nowhere, _receiver) = channel();
        self.account(&nowhere).await.map(drop)
    }

    async fn look_up(&self, missing: &[RecordId]) -> Result<LookUp, ReadError> {
        self.look_up_users(missing).await
    }

    async fn read(&self, records: &RecordSender) -> Result<Upstream, ReadError> {
        let account = self.account(records).await?;
        let mut ids = IdSet::default();
        self.people(&account.id, &mut ids, records).await?;
        if account.has_programs {
            self.programs(&account.id, &mut ids, records).await?;
        }
        Ok(Upstream { account_id: account.id })
    }
}

fn path(listing: &str) -> [&str; 4] {
    ["api", "iacp", "v3", listing]
}

fn listing<'a>(
    what: &'a str,
    operation: &'static str,
    path: &'a [&'a str],
    query: &'a [(&'a str, &'a str)],
) -> Listing<'a> {
    Listing { what, operation, path, query, number: "page[number]", totals: Totals::Promised }
}

/// A label of a DNS name (RFC 1123), which also keeps the operators of Scalr's filters (`in:a,b`) out.
fn is_dns_label(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

fn default_base(account: &str) -> Result<Url, ConfigError> {
    let url = format!("https://{account}.scalr.io");
    Url::parse(&url).map_err(|_| AddressError::Invalid { url, problem: "is no address" }.into())
}

pub(super) fn credential(token: &SecretString) -> Result<Credential, ConfigError> {
    let refuse = |problem| Err(ConfigError::Credential { what: "API token", problem });
    let token = token.expose_secret().trim_end_matches(['\r', '\n']);
    if token.is_empty() {
        return refuse("is empty");
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return refuse("has a space, a line break or another character that no token has");
    }
    Ok(Credential { authorization: format!("Bearer {token}").into(), secrets: vec![token.to_owned().into()] })
}

/// The account that is read.
#[derive(Debug)]
struct Found {
    id: String,
    /// Does it have service accounts? Unless its quotas say otherwise.
    has_programs: bool,
}

/// Looks for the accounts of one name.
struct Named<'n> {
    name: &'n str,
    ids: IdSet,
    found: Vec<Found>,
}

impl Visitor for Named<'_> {
    type Page<'a> = Rows<Account<'a>>;

    fn is_new(&mut self, id: &str) -> bool {
        self.ids.insert(id)
    }

    fn visit(&mut self, page: Self::Page<'_>) -> Result<Vec<Record>, Fault> {
        for account in page.data.iter().filter(|account| *account.attributes.name == *self.name) {
            let quotas = account.attributes.quotas.as_ref();
            let has_programs = quotas.and_then(|quotas| quotas.service_accounts_available) != Some(false);
            self.found.push(Found { id: map::id(&account.id)?.to_owned(), has_programs });
        }
        Ok(Vec::new())
    }
}

/// Joins the relations to an account with the users that they are about.
struct People<'r> {
    account: &'r str,
    ids: &'r mut IdSet,
    /// Users whom the listing named but did not include.
    left_out: Vec<(String, Membership)>,
}

impl Visitor for People<'_> {
    type Page<'a> = Rows<Relation<'a>, User<'a>>;

    fn is_new(&mut self, id: &str) -> bool {
        self.ids.insert(id)
    }

    fn visit(&mut self, page: Self::Page<'_>) -> Result<Vec<Record>, Fault> {
        let users = included(&page.included)?;
        let mut records = Vec::with_capacity(page.data.len());
        for relation in &page.data {
            check_account(self.account, &relation.relationships.account.data.id)?;
            let membership = Membership::from(&relation.attributes);
            let id = map::id(&relation.relationships.user.data.id)?;
            match users.get(id) {
                Some(user) => records.push(Record::Resource(map::person(user, &membership)?)),
                None => self.leave_for_later(id, membership)?,
            }
        }
        Ok(records)
    }
}

impl People<'_> {
    fn leave_for_later(&mut self, id: &str, membership: Membership) -> Result<(), Fault> {
        if self.left_out.len() == MOST_LEFT_OUT {
            return Err(Fault::Unexpected(format!(
                "more than {MOST_LEFT_OUT} users are named but not included"
            )));
        }
        self.left_out.push((id.to_owned(), membership));
        Ok(())
    }
}

/// The included users by their ids. Two that differ in who they are cannot both be right.
fn included<'p, 'a>(included: &'p [User<'a>]) -> Result<HashMap<&'p str, &'p User<'a>>, Fault> {
    let mut users = HashMap::with_capacity(included.len());
    for user in included.iter().filter(|user| &*user.kind == "users") {
        if let Some(other) = users.insert(&*user.id, user)
            && other.attributes.email != user.attributes.email
        {
            return Err(Fault::Unexpected(format!(
                "two different users have the id {}",
                clean(&user.id, 40)
            )));
        }
    }
    Ok(users)
}

/// A filter that upstream ignores must not bring in another account's users.
fn check_account(wanted: &str, named: &str) -> Result<(), Fault> {
    if named == wanted {
        return Ok(());
    }
    Err(Fault::Unexpected(format!("it has somebody of the account {}, not of {wanted}", clean(named, 40))))
}

/// Maps service accounts.
struct Programs<'r> {
    account: &'r str,
    ids: &'r mut IdSet,
}

impl Visitor for Programs<'_> {
    type Page<'a> = Rows<ServiceAccount<'a>>;

    fn is_new(&mut self, id: &str) -> bool {
        self.ids.insert(id)
    }

    fn visit(&mut self, page: Self::Page<'_>) -> Result<Vec<Record>, Fault> {
        page.data
            .iter()
            .map(|program| {
                check_account(self.account, &program.relationships.account.data.id)?;
                map::program(program).map(Record::Resource)
            })
            .collect()
    }
}
