mod structs;

use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use prost::{Message, Name};

use super::*;
use crate::snapshot::testing;

/// A resource as this module encodes it.
fn encoded(resource: &access::Resource) -> Vec<u8> {
    let mut out = Vec::new();
    super::resource(resource, &mut out);
    out
}

fn resource(resource: access::Resource) -> v2::Resource {
    v2::Resource::decode(encoded(&resource).as_slice()).unwrap()
}

fn urls(annotations: &[Any]) -> Vec<&str> {
    annotations
        .iter()
        .map(|it| it.type_url.strip_prefix("type.googleapis.com/c1.connector.v2.").unwrap())
        .collect()
}

#[test]
fn a_user_carries_raw_id_link_and_trait_in_this_order() {
    let user = access::Resource { link: Some("https://example.com/u1".to_owned()), ..testing::user("u1") };
    assert_eq!(urls(&resource(user).annotations), ["RawId", "ExternalLink", "UserTrait"]);
}

#[test]
fn a_link_that_is_not_https_is_left_out() {
    let user = access::Resource { link: Some("http://example.com/u1".to_owned()), ..testing::user("u1") };
    assert_eq!(urls(&resource(user).annotations), ["RawId", "UserTrait"]);
}

#[test]
fn profile_status_and_creation_stand_in_the_trait_and_in_the_resource() {
    let mut user = testing::user("u1");
    user.profile.insert("first_name", "Ada".into());
    user.created_at = Some(testing::started_at());
    if let access::ResourceKind::User(user) = &mut user.kind {
        user.status = access::Status { enabled: false, details: Some("Pending".to_owned()) };
    }
    let message = resource(user);
    let in_trait = v2::UserTrait::decode(message.annotations[1].value.as_slice()).unwrap();
    assert!(message.profile.is_some() && message.created_at.is_some());
    assert_eq!(in_trait.profile, message.profile);
    assert_eq!(in_trait.created_at, message.created_at);
    let status = message.status.unwrap();
    assert_eq!(status.status(), v2::status::ResourceStatus::Disabled);
    assert_eq!(in_trait.status.unwrap().status(), v2::user_trait::status::Status::Disabled);
    assert_eq!(status.details, "Pending");
}

#[test]
fn types_without_entitlements_say_so() {
    let messages: Vec<_> = testing::TYPES.iter().map(resource_type).collect();
    let marked = |it: &&v2::ResourceType| !it.annotations.is_empty();
    assert_eq!(messages.iter().filter(marked).map(|it| it.id.as_str()).collect::<Vec<_>>(), ["user"]);
    assert_eq!(urls(&messages[2].annotations), ["SkipEntitlementsAndGrants"]);
}

#[test]
fn a_grant_embeds_the_entitlement_with_its_whole_resource_and_the_principal_by_id() {
    let organization = testing::organization("o1");
    let id = testing::entitlement_id("organization", "o1", "member");
    let prefix = grant_prefix(&id, &encoded(&organization));
    let mut bytes = Vec::new();
    let principal = access::ResourceId::new("user", "u1");
    grant(&prefix, &id.to_string(), &principal, &mut bytes);

    let message = v2::Grant::decode(bytes.as_slice()).unwrap();
    assert_eq!(message.id, "organization:o1:member:user:u1");
    let entitlement = message.entitlement.clone().unwrap();
    assert_eq!(entitlement.id, "organization:o1:member");
    assert_eq!(entitlement.resource, Some(resource(organization)));
    let principal = message.principal.clone().unwrap();
    assert_eq!(principal.id.unwrap().resource, "u1");
    assert!(principal.annotations.is_empty());
    // Put together from pieces, it is still what an encoder would give.
    assert_eq!(message.encode_to_vec(), bytes);
}

#[test]
fn times_before_1970_count_forward_from_the_second_before() {
    let mut bytes = Vec::new();
    timestamp(testing::time("1969-12-31T23:59:59.75Z"), &mut bytes);
    let time = prost_types::Timestamp::decode(bytes.as_slice()).unwrap();
    assert_eq!((time.seconds, time.nanos), (-1, 750_000_000));
}

#[test]
fn names_too_long_for_c1_are_cut_between_characters() {
    let name = "ä".repeat(NAME_BYTES);
    let message =
        resource(testing::plain(access::ResourceId::new("organization", "o1"), &format!("a{name}")));
    assert_eq!(message.display_name.len(), NAME_BYTES - 1);
}

#[test]
fn annotations_are_named_as_c1_names_them() {
    assert_eq!(v2::UserTrait::type_url(), "type.googleapis.com/c1.connector.v2.UserTrait");
}

/// Texts as long as where a length takes another byte, or where C1's limits are, and a little more or less.
fn texts() -> impl Strategy<Value = String> {
    let lengths = prop_oneof![
        4 => 0_usize..20,
        2 => 110_usize..140,
        1 => 1015_usize..1035,
        1 => 2040_usize..2056,
        1 => 16_370_usize..16_400,
    ];
    (lengths, proptest::sample::select(vec!["x", "ä", "🔑"]))
        .prop_map(|(length, character)| character.repeat(length))
}

fn times() -> impl Strategy<Value = Timestamp> {
    let nanoseconds = prop_oneof![Just(0), 0..1_000_000_000];
    (-62_000_000_000_i64..250_000_000_000, nanoseconds)
        .prop_map(|(second, nanosecond)| Timestamp::new(second, nanosecond).unwrap())
}

fn profiles() -> impl Strategy<Value = access::Profile> {
    let names = proptest::sample::select(vec!["", "email", "first_name", "sso", "user_id"]);
    let values = prop_oneof![
        texts().prop_map(access::ProfileValue::Text),
        any::<bool>().prop_map(access::ProfileValue::Bool)
    ];
    proptest::collection::btree_map(names, values, 0..5)
}

fn kinds() -> impl Strategy<Value = access::ResourceKind> {
    let account_types = prop_oneof![Just(access::AccountType::Human), Just(access::AccountType::Service)];
    let status = (any::<bool>(), option::of(texts()))
        .prop_map(|(enabled, details)| access::Status { enabled, details });
    let user = (
        (texts(), texts(), status, account_types),
        (option::of(times()), any::<Option<bool>>(), any::<Option<bool>>()),
    );
    prop_oneof![
        Just(access::ResourceKind::Plain),
        Just(access::ResourceKind::Group),
        user.prop_map(|((email, login, status, account_type), (last_login, mfa_enabled, sso_enabled))| {
            let user =
                access::User { email, login, status, account_type, last_login, mfa_enabled, sso_enabled };
            access::ResourceKind::User(Box::new(user))
        }),
    ]
}

fn resources() -> impl Strategy<Value = access::Resource> {
    let links = prop_oneof![
        texts().prop_map(|path| format!("https://example.com/{path}")),
        texts().prop_map(|path| format!("http://example.com/{path}")),
    ];
    let id = (texts(), option::of(texts()));
    let about = (texts(), option::of(texts()), option::of(links));
    (id, about, option::of(times()), profiles(), kinds()).prop_map(
        |((id, parent), (display_name, description, link), created_at, profile, kind)| access::Resource {
            id: access::ResourceId::new("user", id),
            parent: parent.map(|id| access::ResourceId::new("organization", id)),
            display_name,
            description,
            link,
            created_at,
            profile,
            kind,
        },
    )
}

proptest! {
    #[test]
    fn any_resource_is_encoded_as_prost_encodes_it(resource in resources()) {
        prop_assert_eq!(encoded(&resource), structs::resource(resource).encode_to_vec());
    }

    #[test]
    fn any_grant_is_encoded_as_prost_encodes_it(
        organization in resources(),
        (slug, principal) in (texts(), texts()),
    ) {
        let entitlement = access::EntitlementId::new(organization.id.clone(), slug);
        let principal = access::ResourceId::new("user", principal);
        let mut bytes = Vec::new();
        let prefix = grant_prefix(&entitlement, &encoded(&organization));
        grant(&prefix, &entitlement.to_string(), &principal, &mut bytes);

        let resource = Some(structs::resource(organization));
        let message = v2::Entitlement { resource, id: entitlement.to_string(), ..Default::default() };
        let grant = structs::grant(message, format!("{entitlement}:{principal}"), principal);
        prop_assert_eq!(bytes, grant.encode_to_vec());
    }
}
