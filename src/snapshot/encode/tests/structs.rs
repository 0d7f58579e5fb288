//! The same messages as structs, encoded by prost: what hand-written encoding must equal, byte for byte.

use jiff::Timestamp;
use prost_types::{Struct, Value, value::Kind};

use super::super::{DESCRIPTION_BYTES, LINK_BYTES, NAME_BYTES, any, cut};
use crate::access;
use crate::proto::c1::connector::v2;

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
        display_name: cut(&resource.display_name, NAME_BYTES).to_owned(),
        annotations,
        description: cut(&resource.description.unwrap_or_default(), DESCRIPTION_BYTES).to_owned(),
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
            details: cut(&user.status.details.unwrap_or_default(), NAME_BYTES).to_owned(),
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

pub(super) fn grant(entitlement: v2::Entitlement, id: String, principal: access::ResourceId) -> v2::Grant {
    let principal = v2::Resource { id: Some(resource_id(principal)), ..Default::default() };
    v2::Grant { entitlement: Some(entitlement), principal: Some(principal), id, ..Default::default() }
}

pub(super) fn timestamp(time: Timestamp) -> prost_types::Timestamp {
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
