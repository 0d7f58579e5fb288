//! Scalr's JSON:API documents, written from borrowed data.

use axum::http::Uri;
use serde::Serialize;
use serde::Serializer;

use super::data::{Data, ServiceAccount, Status, User};
use crate::generate::InSeconds;
use crate::paging::Window;

/// The media type of every answer, errors included.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.api+json";

/// The path below which the API lives.
pub(super) const BASE: &str = "/api/iacp/v3";

/// An answer about one thing.
#[derive(Serialize)]
pub(super) struct Single<T> {
    pub(super) data: T,
}

/// A page of a listing.
#[derive(Serialize)]
pub(super) struct Listing<T, I> {
    pub(super) data: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) included: Option<Vec<I>>,
    pub(super) links: PageLinks,
    pub(super) meta: Meta,
}

impl<T, I> Listing<T, I> {
    pub(super) fn new(uri: &Uri, window: Window, data: Vec<T>, included: Option<Vec<I>>) -> Self {
        Self { data, included, links: PageLinks::new(uri, window), meta: Meta { pagination: window.into() } }
    }
}

#[derive(Serialize)]
pub(super) struct Meta {
    pagination: Pagination,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Pagination {
    current_page: usize,
    page_size: usize,
    prev_page: Option<usize>,
    next_page: Option<usize>,
    total_pages: usize,
    total_count: usize,
}

impl From<Window> for Pagination {
    fn from(window: Window) -> Self {
        Self {
            current_page: window.number,
            page_size: window.size,
            prev_page: window.previous(),
            next_page: window.next(),
            total_pages: window.pages,
            total_count: window.total,
        }
    }
}

#[derive(Serialize)]
pub(super) struct PageLinks {
    #[serde(rename = "self")]
    this: String,
    first: String,
    last: String,
    next: Option<String>,
    prev: Option<String>,
}

impl PageLinks {
    fn new(uri: &Uri, window: Window) -> Self {
        let is_page = |pair: &&str| {
            let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
            name.starts_with("page[") || name.starts_with("page%5b")
        };
        let asked = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let kept: Vec<_> = asked.filter(|pair| !is_page(pair)).collect();
        let to = |number: usize| {
            let page = format!("page%5Bnumber%5D={number}&page%5Bsize%5D={}", window.size);
            let query = [kept.as_slice(), &[page.as_str()]].concat().join("&");
            format!("{}?{query}", uri.path())
        };
        Self {
            this: to(window.number),
            first: to(1),
            last: to(window.pages.max(1)),
            next: window.next().map(to),
            prev: window.previous().map(to),
        }
    }
}

/// The `type` and `id` of something.
#[derive(Serialize)]
pub(super) struct Reference<'a> {
    r#type: &'static str,
    id: &'a str,
}

#[derive(Serialize)]
struct ToOne<'a> {
    data: Option<Reference<'a>>,
}

impl<'a> ToOne<'a> {
    fn new(r#type: &'static str, id: &'a str) -> Self {
        Self { data: Some(Reference { r#type, id }) }
    }

    fn none() -> Self {
        Self { data: None }
    }
}

#[derive(Serialize)]
struct ToMany<'a> {
    data: Option<Vec<Reference<'a>>>,
}

#[derive(Serialize)]
pub(super) struct NoLinks {}

/// A link to the thing itself, written without an allocation.
pub(super) struct SelfLink<'a> {
    collection: &'static str,
    id: &'a str,
}

impl Serialize for SelfLink<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Links<T> {
            #[serde(rename = "self")]
            this: T,
        }
        struct Path<'a>(&'a SelfLink<'a>);
        impl Serialize for Path<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&format_args!("{BASE}/{}/{}", self.0.collection, self.0.id))
            }
        }
        Links { this: Path(self) }.serialize(serializer)
    }
}

/// A resource object.
#[derive(Serialize)]
pub(super) struct Object<'a, A, R, L> {
    r#type: &'static str,
    id: &'a str,
    attributes: A,
    relationships: R,
    links: L,
}

/// `accounts`.
pub(super) type AccountObject<'a> = Object<'a, AccountAttributes<'a>, AccountRelationships<'a>, SelfLink<'a>>;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct AccountAttributes<'a> {
    name: &'a str,
    created_at: InSeconds,
    allowed_ips: [&'a str; 0],
    support_access_enabled: bool,
    quotas: Quotas,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Quotas {
    users: usize,
    service_accounts_available: bool,
    sso_available: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct AccountRelationships<'a> {
    owner: ToOne<'a>,
    identity_provider: ToOne<'a>,
    billing_plan: ToOne<'a>,
}

pub(super) fn account(data: &Data) -> AccountObject<'_> {
    let truth = &data.truth;
    Object {
        r#type: "accounts",
        id: &truth.account_id,
        attributes: AccountAttributes {
            name: &truth.account_name,
            created_at: InSeconds(data.created_at),
            allowed_ips: [],
            support_access_enabled: false,
            quotas: Quotas {
                users: truth.users.len().max(50),
                service_accounts_available: truth.service_accounts_available,
                sso_available: true,
            },
        },
        relationships: AccountRelationships {
            owner: truth.users.first().map_or_else(ToOne::none, |owner| ToOne::new("users", &owner.id)),
            identity_provider: ToOne::new("identity-providers", &data.identity_provider_id),
            billing_plan: ToOne::none(),
        },
        links: SelfLink { collection: "accounts", id: &truth.account_id },
    }
}

/// `account-users`.
pub(super) type RelationObject<'a> = Object<'a, RelationAttributes, RelationRelationships<'a>, NoLinks>;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct RelationAttributes {
    status: Status,
    last_login_at: Option<InSeconds>,
}

#[derive(Serialize)]
pub(super) struct RelationRelationships<'a> {
    account: ToOne<'a>,
    user: ToOne<'a>,
    teams: ToMany<'a>,
}

pub(super) fn relation<'a>(account_id: &'a str, user: &'a User) -> RelationObject<'a> {
    Object {
        r#type: "account-users",
        id: &user.relation_id,
        attributes: RelationAttributes {
            status: user.relation_status,
            last_login_at: user.relation_last_login_at.map(InSeconds),
        },
        relationships: RelationRelationships {
            account: ToOne::new("accounts", account_id),
            user: ToOne::new("users", &user.id),
            teams: no_teams(user),
        },
        links: NoLinks {},
    }
}

/// `users`.
pub(super) type UserObject<'a> = Object<'a, UserAttributes<'a>, UserRelationships<'a>, SelfLink<'a>>;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct UserAttributes<'a> {
    email: &'a str,
    username: &'a str,
    full_name: Option<&'a str>,
    status: Status,
    created_at: Option<InSeconds>,
    last_login_at: Option<InSeconds>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct UserRelationships<'a> {
    identity_providers: ToMany<'a>,
    teams: ToMany<'a>,
}

pub(super) fn user<'a>(data: &'a Data, user: &'a User) -> UserObject<'a> {
    Object {
        r#type: "users",
        id: &user.id,
        attributes: UserAttributes {
            email: &user.email,
            username: &user.email,
            full_name: user.full_name.as_deref(),
            status: user.status,
            created_at: user.created_at.map(InSeconds),
            last_login_at: user.last_login_at.map(InSeconds),
        },
        relationships: UserRelationships {
            identity_providers: ToMany {
                data: (user.number % 3 != 2).then(|| {
                    vec![Reference { r#type: "identity-providers", id: &data.identity_provider_id }]
                }),
            },
            teams: no_teams(user),
        },
        links: SelfLink { collection: "users", id: &user.id },
    }
}

/// Scalr writes "no teams" as an empty list or as null.
fn no_teams(user: &User) -> ToMany<'static> {
    ToMany { data: (user.number % 4 != 2).then(Vec::new) }
}

/// `service-accounts`.
pub(super) type ServiceAccountObject<'a> =
    Object<'a, ServiceAccountAttributes<'a>, ServiceAccountRelationships<'a>, SelfLink<'a>>;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ServiceAccountAttributes<'a> {
    name: &'a str,
    email: &'a str,
    description: Option<&'a str>,
    status: Status,
    created_at: InSeconds,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ServiceAccountRelationships<'a> {
    account: ToOne<'a>,
    created_by: ToOne<'a>,
    owners: ToMany<'a>,
}

pub(super) fn service_account<'a>(data: &'a Data, account: &'a ServiceAccount) -> ServiceAccountObject<'a> {
    let creator = data.truth.users.first();
    Object {
        r#type: "service-accounts",
        id: &account.id,
        attributes: ServiceAccountAttributes {
            name: &account.name,
            email: &account.email,
            description: account.description.as_deref(),
            status: account.status,
            created_at: InSeconds(account.created_at),
        },
        relationships: ServiceAccountRelationships {
            account: ToOne::new("accounts", &data.truth.account_id),
            created_by: creator.map_or_else(ToOne::none, |creator| ToOne::new("users", &creator.id)),
            owners: ToMany { data: Some(Vec::new()) },
        },
        links: SelfLink { collection: "service-accounts", id: &account.id },
    }
}

/// `identity-providers`, which only ever appear as `included`.
pub(super) type IdentityProviderObject<'a> = Object<'a, IdentityProviderAttributes, NoRelationships, NoLinks>;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct IdentityProviderAttributes {
    name: &'static str,
    idp_type: &'static str,
    verification_status: &'static str,
}

#[derive(Serialize)]
pub(super) struct NoRelationships {}

fn identity_provider(data: &Data) -> IdentityProviderObject<'_> {
    Object {
        r#type: "identity-providers",
        id: &data.identity_provider_id,
        attributes: IdentityProviderAttributes {
            name: "Example directory",
            idp_type: "saml",
            verification_status: "success",
        },
        relationships: NoRelationships {},
        links: NoLinks {},
    }
}

/// A resource that came along because the client asked for it with `include`.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Included<'a> {
    Account(AccountObject<'a>),
    User(UserObject<'a>),
    IdentityProvider(IdentityProviderObject<'a>),
}

impl<'a> Included<'a> {
    pub(super) fn identity_provider(data: &'a Data) -> Self {
        Self::IdentityProvider(identity_provider(data))
    }
}
