//! The records themselves. Limits and meanings are those of C1's `c1.connector.v2` messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::{EntitlementId, ResourceId};

/// What a resource is to C1, beyond being a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trait {
    /// Somebody, or something, that signs in.
    User,
    /// A set of users.
    Group,
}

/// A kind of resource that a connector reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceType {
    /// Stable id, such as `user`.
    pub id: &'static str,
    /// What a person reads, in the singular.
    pub display_name: &'static str,
    /// The word under which resources of this type are counted in status and tables, such as `users`.
    pub plural: &'static str,
    /// What such a resource is to C1.
    pub traits: &'static [Trait],
    /// Nothing is ever granted on such a resource, so nobody need ask.
    pub without_entitlements: bool,
}

/// One thing in the upstream account.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Its type and stable id.
    pub id: ResourceId,
    /// The resource that it belongs to, such as a team's organization.
    pub parent: Option<ResourceId>,
    /// What a person reads; 1,024 bytes at most, without control characters.
    pub display_name: String,
    /// A sentence about it; 2,048 bytes at most.
    pub description: Option<String>,
    /// Its page in the vendor's own interface; https only.
    pub link: Option<String>,
    /// When it came to be, where the vendor says so.
    pub created_at: Option<Timestamp>,
    /// Further attributes, as C1 shows them.
    pub profile: Profile,
    /// What it is beyond that.
    pub kind: ResourceKind,
}

/// Attributes of a resource, in a stable order.
pub type Profile = BTreeMap<&'static str, ProfileValue>;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileValue {
    /// A text.
    Text(String),
    /// Yes or no.
    Bool(bool),
}

impl From<String> for ProfileValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for ProfileValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<bool> for ProfileValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

/// What a resource is, with what only that kind has.
#[derive(Debug, Clone, PartialEq)]
pub enum ResourceKind {
    /// A resource without a trait, such as an organization.
    Plain,
    /// A set of users.
    Group,
    /// Somebody who signs in.
    User(Box<User>),
}

/// What only users have.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// The primary email address.
    pub email: String,
    /// The name to sign in with.
    pub login: String,
    /// May this user sign in?
    pub status: Status,
    /// Is it a person?
    pub account_type: AccountType,
    /// The last sign-in, where the vendor says so.
    pub last_login: Option<Timestamp>,
    /// Is a second factor set up, where the vendor says so?
    pub mfa_enabled: Option<bool>,
    /// Does the user sign in through single sign-on, where the vendor says so?
    pub sso_enabled: Option<bool>,
}

/// May a user sign in?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Yes or no.
    pub enabled: bool,
    /// The vendor's own word where it says more than that, such as `Pending`; 1,024 bytes at most.
    pub details: Option<String>,
}

/// Is a user a person?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountType {
    /// A person.
    Human,
    /// A program.
    Service,
}

/// What may be granted on a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitlement {
    /// The resource and the slug.
    pub id: EntitlementId,
    /// What a person reads, such as `acme Organization Admin`.
    pub display_name: String,
    /// A sentence about it.
    pub description: String,
    /// Is it a membership, or a permission?
    pub purpose: Purpose,
    /// The types of resource that it can be granted to.
    pub grantable_to: &'static [ResourceType],
}

/// What kind of thing an entitlement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Being part of something.
    Assignment,
    /// Being allowed something.
    Permission,
}

/// Somebody has something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// What is held.
    pub entitlement: Arc<EntitlementId>,
    /// Who holds it.
    pub principal: ResourceId,
}

/// One thing that a connector has read. A resource comes before the entitlements on it, and an entitlement
/// before its grants; a grant's principal may come before or after it.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A resource.
    Resource(Resource),
    /// An entitlement on a resource that came before.
    Entitlement(Entitlement),
    /// A grant of an entitlement that came before.
    Grant(Grant),
}

/// How many records of each scope a snapshot holds: the plural of each resource type, `entitlements`, `grants`.
pub type Counts = BTreeMap<String, u64>;
