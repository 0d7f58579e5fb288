//! From the records of [`crate::access`] to C1's messages, as C1's own SDK builds them: `RawId` and `ExternalLink`
//! before the trait, and what a trait and a resource both have a place for in both places, because older readers
//! look at the trait and newer ones at the resource.
//!
//! Resources and grants, of which there are very many, are encoded by hand ([`wire`]); the tests compare them with what
//! prost makes of the same messages as structs.
//!
//! Only annotations that every `baton` since SDK v0.7.27 knows: an older one cannot print JSON of others.

mod wire;

use jiff::Timestamp;
use prost::{Message, Name};
use prost_types::Any;

use crate::access;
use crate::proto::c1::connector::v2;

/// The most bytes of a name, or of the word for a status.
const NAME_BYTES: usize = 1024;
/// The most bytes of a description.
const DESCRIPTION_BYTES: usize = 2048;
/// The most bytes of the address in an `ExternalLink`.
const LINK_BYTES: usize = 1024;

/// Room for the profile of most users.
const PROFILE_BYTES: usize = 768;

/// A kind of resource.
pub(crate) fn resource_type(resource_type: &access::ResourceType) -> v2::ResourceType {
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

/// Appends a resource. Names and descriptions that C1 would refuse for their length are cut; a link that it would
/// refuse is left out.
pub(super) fn resource(resource: &access::Resource, out: &mut Vec<u8>) {
    let profile = profile(&resource.profile);
    let profile = profile.as_deref();
    wire::delimited(1, out, |out| resource_id(&resource.id, out));
    if let Some(parent) = &resource.parent {
        wire::delimited(2, out, |out| resource_id(parent, out));
    }
    wire::text(3, cut(&resource.display_name, NAME_BYTES), out);
    annotations(resource, profile, out);
    wire::text(5, cut(resource.description.as_deref().unwrap_or_default(), DESCRIPTION_BYTES), out);
    if let Some(profile) = profile {
        wire::bytes(9, profile, out);
    }
    if let access::ResourceKind::User(user) = &resource.kind {
        wire::delimited(11, out, |out| status(&user.status, out));
    }
    if let Some(time) = resource.created_at {
        wire::delimited(12, out, |out| timestamp(time, out));
    }
}

fn annotations(resource: &access::Resource, profile: Option<&[u8]>, out: &mut Vec<u8>) {
    const FIELD: u32 = 4;
    wire::any::<v2::RawId>(FIELD, out, |out| wire::text(1, &resource.id.id, out));
    if let Some(url) = resource.link.as_deref().filter(|url| is_link(url)) {
        wire::any::<v2::ExternalLink>(FIELD, out, |out| wire::text(1, url, out));
    }
    match &resource.kind {
        access::ResourceKind::Plain => {}
        access::ResourceKind::Group => wire::any::<v2::GroupTrait>(FIELD, out, |out| {
            if let Some(profile) = profile {
                wire::bytes(2, profile, out);
            }
        }),
        access::ResourceKind::User(user) => wire::any::<v2::UserTrait>(FIELD, out, |out| {
            user_trait(user, profile, resource.created_at, out);
        }),
    }
}

fn user_trait(user: &access::User, profile: Option<&[u8]>, created_at: Option<Timestamp>, out: &mut Vec<u8>) {
    if !user.email.is_empty() {
        wire::delimited(1, out, |out| {
            wire::text(1, &user.email, out);
            wire::truth(2, true, out);
        });
    }
    wire::delimited(2, out, |out| status(&user.status, out));
    if let Some(profile) = profile {
        wire::bytes(3, profile, out);
    }
    wire::number(5, i32::from(account_type(user.account_type)).into(), out);
    wire::text(6, &user.login, out);
    for (field, time) in [(8, created_at), (9, user.last_login)] {
        if let Some(time) = time {
            wire::delimited(field, out, |out| timestamp(time, out));
        }
    }
    for (field, fact) in [(10, user.mfa_enabled), (11, user.sso_enabled)] {
        if let Some(fact) = fact {
            wire::delimited(field, out, |out| wire::truth(1, fact, out));
        }
    }
}

fn account_type(account_type: access::AccountType) -> v2::user_trait::AccountType {
    match account_type {
        access::AccountType::Human => v2::user_trait::AccountType::Human,
        access::AccountType::Service => v2::user_trait::AccountType::Service,
    }
}

/// The status of a user or of a resource: two messages with the same fields and the same numbers.
fn status(status: &access::Status, out: &mut Vec<u8>) {
    use v2::status::ResourceStatus::{Disabled, Enabled};
    let number = if status.enabled { Enabled } else { Disabled };
    wire::number(1, i32::from(number).into(), out);
    wire::text(2, cut(status.details.as_deref().unwrap_or_default(), NAME_BYTES), out);
}

fn resource_id(id: &access::ResourceId, out: &mut Vec<u8>) {
    wire::text(1, id.resource_type, out);
    wire::text(2, &id.id, out);
}

/// Appends an entitlement, with `resource` as [`resource`] gave it, encoded.
pub(super) fn entitlement(entitlement: access::Entitlement, resource: &[u8], out: &mut Vec<u8>) {
    let id = entitlement.id.to_string();
    let purpose = match entitlement.purpose {
        access::Purpose::Assignment => v2::entitlement::PurposeValue::Assignment,
        access::Purpose::Permission => v2::entitlement::PurposeValue::Permission,
    };
    wire::bytes(1, resource, out);
    let rest = v2::Entitlement {
        id,
        display_name: cut(&entitlement.display_name, NAME_BYTES).to_owned(),
        description: cut(&entitlement.description, DESCRIPTION_BYTES).to_owned(),
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
    wire::bytes(1, resource, &mut entitlement);
    append(&v2::Entitlement { id: id.to_string(), ..Default::default() }, &mut entitlement);
    let mut prefix = Vec::new();
    wire::bytes(1, &entitlement, &mut prefix);
    prefix
}

/// Appends a grant of `entitlement` to `principal`, of whom only the id is kept.
pub(super) fn grant(prefix: &[u8], entitlement: &str, principal: &access::ResourceId, out: &mut Vec<u8>) {
    out.extend_from_slice(prefix);
    wire::delimited(2, out, |out| wire::delimited(1, out, |out| resource_id(principal, out)));
    wire::delimited(3, out, |out| {
        joined(&[entitlement, principal.resource_type, &principal.id], out);
    });
}

/// Appends an id of these parts.
pub(super) fn joined(parts: &[&str], out: &mut Vec<u8>) {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            out.push(b':');
        }
        out.extend_from_slice(part.as_bytes());
    }
}

/// Appends a message as it is, without a length before it.
fn append(message: &impl Message, out: &mut Vec<u8>) {
    // Fails only where the room is limited, which that of a vector is not.
    message.encode(out).unwrap_or_default();
}

fn any<M: Message + Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}

fn is_link(url: &str) -> bool {
    url.starts_with("https://") && url.len() <= LINK_BYTES
}

/// Nanoseconds count forward from the second before, before 1970 too.
fn timestamp(time: Timestamp, out: &mut Vec<u8>) {
    let (mut second, mut nanosecond) = (time.as_second(), time.subsec_nanosecond());
    if nanosecond < 0 {
        second -= 1;
        nanosecond += 1_000_000_000;
    }
    wire::number(1, second, out);
    wire::number(2, nanosecond.into(), out);
}

/// A profile as a `Struct`, encoded; `None` when it is empty.
fn profile(profile: &access::Profile) -> Option<Vec<u8>> {
    if profile.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(PROFILE_BYTES);
    for (name, value) in profile {
        // A map is a list of messages of a key and a value. A value is one of several fields, so it is written even
        // where it is a default.
        wire::delimited(1, &mut out, |out| {
            wire::text(1, name, out);
            wire::delimited(2, out, |out| match value {
                access::ProfileValue::Text(text) => wire::bytes(3, text.as_bytes(), out),
                access::ProfileValue::Bool(value) => wire::varint(4, (*value).into(), out),
            });
        });
    }
    Some(out)
}

/// At most `bytes` of `text`, whole characters only.
fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
