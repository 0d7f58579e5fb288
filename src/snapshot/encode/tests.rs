use prost::{Message, Name};

use super::*;
use crate::snapshot::testing;

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
    let organization = resource(testing::organization("o1"));
    let id = testing::entitlement_id("organization", "o1", "member");
    let prefix = grant_prefix(&id, &organization.encode_to_vec());
    let mut bytes = Vec::new();
    let principal = access::ResourceId::new("user", "u1");
    grant(&prefix, format!("{id}:{principal}"), principal, &mut bytes);

    let message = v2::Grant::decode(bytes.as_slice()).unwrap();
    assert_eq!(message.id, "organization:o1:member:user:u1");
    let entitlement = message.entitlement.clone().unwrap();
    assert_eq!(entitlement.id, "organization:o1:member");
    assert_eq!(entitlement.resource, Some(organization));
    let principal = message.principal.clone().unwrap();
    assert_eq!(principal.id.unwrap().resource, "u1");
    assert!(principal.annotations.is_empty());
    // Put together from pieces, it is still what an encoder would give.
    assert_eq!(message.encode_to_vec(), bytes);
}

#[test]
fn times_before_1970_count_forward_from_the_second_before() {
    let time = timestamp(testing::time("1969-12-31T23:59:59.75Z"));
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
