//! From the records of [`crate::access`] to C1's messages, as C1's own SDK builds them: `RawId` and `ExternalLink`
//! before the trait, and what a trait and a resource both have a place for in both places, because older readers
//! look at the trait and newer ones at the resource.
//!
//! Only annotations that every `baton` since SDK v0.7.27 knows: an older one cannot print JSON of others.

use jiff::Timestamp;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost::{Message, Name};
use prost_types::{Any, Struct, Value, value::Kind};

use crate::access;
use crate::proto::c1::connector::v2;

/// The most bytes of a name, or of the word for a status.
const NAME_BYTES: usize = 1024;
/// The most bytes of a description.
const DESCRIPTION_BYTES: usize = 2048;
/// The most bytes of the address in an `ExternalLink`.
const LINK_BYTES: usize = 1024;

/// A kind of resource.
pub(super) fn resource_type(resource_type: &access::ResourceType) -> v2::ResourceType {
    v2::ResourceType {
        id: resource_type.id.to_owned(),
        display_name: resource_type.display_name.to_owned(),
        traits: resource_type.traits.iter().map(|it| i32::from(trait_of_type(*it))).collect(),
        annotations: if resource_type.without_entitlements {
            vec![any(&v2::SkipEntitlementsAndGrants {})]
        } else {
            Vec::new()
        },
        ..Default::default()
    }
}

fn trait_of_type(it: access::Trait) -> v2::resource_type::Trait {
    match it {
        access::Trait::User => v2::resource_type::Trait::User,
        access::Trait::Group => v2::resource_type::Trait::Group,
    }
}

/// A resource. Names and descriptions that C1 would refuse for their length are cut; a link that it would refuse
/// is left out.
pub(super) fn resource(resource: access::Resource) -> v2::Resource {
    let mut annotations = vec![any(&v2::RawId { id: resource.id.id.clone() })];
    if let Some(url) = resource.link.filter(|url| url.starts_with("https://") && url.len() <= LINK_BYTES) {
        annotations.push(any(&v2::ExternalLink { url }));
    }
    let profile = profile(resource.profile);
    let created_at = resource.created_at.map(timestamp);
    let mut status = None;
    match resource.kind {
        access::ResourceKind::Plain => {}
        access::ResourceKind::Group => {
            annotations.push(any(&v2::GroupTrait { profile: profile.clone(), ..Default::default() }));
        }
        access::ResourceKind::User(user) => {
            let user = user_trait(*user, profile.clone(), created_at);
            status = user.status.as_ref().map(resource_status);
            annotations.push(any(&user));
        }
    }
    v2::Resource {
        id: Some(resource_id(resource.id)),
        parent_resource_id: resource.parent.map(resource_id),
        display_name: cut(resource.display_name, NAME_BYTES),
        annotations,
        description: cut(resource.description.unwrap_or_default(), DESCRIPTION_BYTES),
        profile,
        status,
        created_at,
        ..Default::default()
    }
}

fn user_trait(
    user: access::User,
    profile: Option<Struct>,
    created_at: Option<prost_types::Timestamp>,
) -> v2::UserTrait {
    use v2::user_trait::{self as message, AccountType};
    let emails = if user.email.is_empty() {
        Vec::new()
    } else {
        vec![message::Email { address: user.email, is_primary: true }]
    };
    let status = if user.status.enabled {
        message::status::Status::Enabled
    } else {
        message::status::Status::Disabled
    };
    let account_type = match user.account_type {
        access::AccountType::Human => AccountType::Human,
        access::AccountType::Service => AccountType::Service,
    };
    v2::UserTrait {
        emails,
        status: Some(message::Status {
            status: status.into(),
            details: cut(user.status.details.unwrap_or_default(), NAME_BYTES),
        }),
        profile,
        account_type: account_type.into(),
        login: user.login,
        created_at,
        last_login: user.last_login.map(timestamp),
        mfa_status: user.mfa_enabled.map(|mfa_enabled| message::MfaStatus { mfa_enabled }),
        sso_status: user.sso_enabled.map(|sso_enabled| message::SsoStatus { sso_enabled }),
        ..Default::default()
    }
}

/// The same words under another name: the numbers of both enumerations are the same.
fn resource_status(status: &v2::user_trait::Status) -> v2::Status {
    v2::Status { status: status.status, details: status.details.clone() }
}

fn resource_id(id: access::ResourceId) -> v2::ResourceId {
    v2::ResourceId { resource_type: id.resource_type.to_owned(), resource: id.id, ..Default::default() }
}

/// Appends an entitlement, with `resource` as [`resource`] gave it, encoded.
pub(super) fn entitlement(entitlement: access::Entitlement, resource: &[u8], out: &mut Vec<u8>) {
    let id = entitlement.id.to_string();
    let purpose = match entitlement.purpose {
        access::Purpose::Assignment => v2::entitlement::PurposeValue::Assignment,
        access::Purpose::Permission => v2::entitlement::PurposeValue::Permission,
    };
    append_message(1, resource, out);
    let rest = v2::Entitlement {
        id,
        display_name: cut(entitlement.display_name, NAME_BYTES),
        description: cut(entitlement.description, DESCRIPTION_BYTES),
        grantable_to: entitlement.grantable_to.iter().map(resource_type).collect(),
        purpose: purpose.into(),
        slug: entitlement.id.slug,
        ..Default::default()
    };
    append(&rest, out);
}

/// What all grants of an entitlement begin with: the entitlement's id and its whole resource, encoded once.
pub(super) fn grant_prefix(id: &access::EntitlementId, resource: &[u8]) -> Vec<u8> {
    let mut entitlement = Vec::new();
    append_message(1, resource, &mut entitlement);
    append(&v2::Entitlement { id: id.to_string(), ..Default::default() }, &mut entitlement);
    let mut prefix = Vec::new();
    append_message(1, &entitlement, &mut prefix);
    prefix
}

/// Appends a grant to `principal`, of whom only the id is kept.
pub(super) fn grant(prefix: &[u8], id: String, principal: access::ResourceId, out: &mut Vec<u8>) {
    out.extend_from_slice(prefix);
    let principal = v2::Resource { id: Some(resource_id(principal)), ..Default::default() };
    let rest = v2::Grant { principal: Some(principal), id, ..Default::default() };
    append(&rest, out);
}

/// Appends a message as it is, without a length before it.
pub(super) fn append(message: &impl Message, out: &mut Vec<u8>) {
    // Fails only where the room is limited, which that of a vector is not.
    message.encode(out).unwrap_or_default();
}

fn append_message(field: u32, message: &[u8], out: &mut Vec<u8>) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(message.len() as u64, out);
    out.extend_from_slice(message);
}

fn any<M: Message + Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}

fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    const SECOND: i128 = 1_000_000_000;
    let nanoseconds = time.as_nanosecond();
    // Nanoseconds count forward from the second before, before 1970 too. Neither number can overflow: jiff's range
    // is the years -9999 to 9999.
    prost_types::Timestamp {
        seconds: i64::try_from(nanoseconds.div_euclid(SECOND)).unwrap_or_default(),
        nanos: i32::try_from(nanoseconds.rem_euclid(SECOND)).unwrap_or_default(),
    }
}

fn profile(profile: access::Profile) -> Option<Struct> {
    if profile.is_empty() {
        return None;
    }
    let fields = profile.into_iter().map(|(name, value)| {
        let kind = match value {
            access::ProfileValue::Text(text) => Kind::StringValue(text),
            access::ProfileValue::Bool(value) => Kind::BoolValue(value),
        };
        (name.to_owned(), Value { kind: Some(kind) })
    });
    Some(Struct { fields: fields.collect() })
}

/// At most `bytes` of `text`, whole characters only.
fn cut(mut text: String, bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes));
    text
}

#[cfg(test)]
mod tests;
