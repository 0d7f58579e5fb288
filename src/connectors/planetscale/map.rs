//! From PlanetScale's objects to the access model. Pure.

use jiff::Timestamp;
use url::Url;

use super::super::paging::Fault;
use super::super::text::{
    DESCRIPTION_BYTES, NAME_BYTES, Text, clean, clean_some, email, is_id, split_name, time,
};
use super::api::{Organization, Team, User};
use super::{ADMIN, MEMBER, ORGANIZATION, TEAM, USER};
use crate::access::{
    self, AccountType, Entitlement, EntitlementId, Profile, ProfileValue, Purpose, Resource, ResourceId,
    ResourceKind, Status,
};

/// The longest role that is taken, in bytes.
const ROLE_BYTES: usize = 128;

/// An id that C1 can keep something under.
pub(super) fn id<'a>(id: &'a Text<'_>) -> Result<&'a str, Fault> {
    if is_id(id) { Ok(id) } else { Err(Fault::Unexpected(format!("`{}` is no id", clean(id, 40)))) }
}

/// An organization, with the address of its page.
pub(super) fn organization(organization: &Organization<'_>) -> Result<Resource, Fault> {
    let id = id(&organization.id)?;
    let name = clean_some(Some(&organization.name), NAME_BYTES)
        .ok_or_else(|| Fault::Unexpected(format!("the organization {id} comes without a name")))?;
    Ok(Resource {
        id: ResourceId::new(ORGANIZATION.id, id),
        parent: None,
        display_name: name.clone(),
        description: None,
        link: page_of(&organization.name),
        created_at: time(organization.created_at.as_deref()),
        profile: Profile::from([("name", name.into())]),
        kind: ResourceKind::Plain,
    })
}

fn page_of(name: &str) -> Option<String> {
    let mut url = Url::parse("https://app.planetscale.com").ok()?;
    url.path_segments_mut().ok()?.push(name);
    Some(url.into())
}

/// A role in the organization called `name`: `member` is belonging to it, any other is being allowed more.
pub(super) fn role(organization: ResourceId, name: &str, role: &str) -> Result<Entitlement, Fault> {
    if role.is_empty() || clean(role, ROLE_BYTES) != role || role.contains(':') {
        return Err(Fault::Unexpected(format!("`{}` is no role", clean(role, 40))));
    }
    let (purpose, description) = match role {
        MEMBER => (Purpose::Assignment, format!("Is a member of the PlanetScale organization {name}")),
        ADMIN => (Purpose::Permission, format!("Administers the PlanetScale organization {name}")),
        other => {
            (Purpose::Permission, format!("Has the role {other} in the PlanetScale organization {name}"))
        }
    };
    Ok(Entitlement {
        id: EntitlementId::new(organization, role),
        display_name: clean(&format!("{name} Organization {}", titled(role)), NAME_BYTES),
        description: clean(&description, DESCRIPTION_BYTES),
        purpose,
        grantable_to: &[USER],
    })
}

/// `analyst` as `Analyst`, `billing_manager` as `Billing Manager`.
fn titled(role: &str) -> String {
    let words = role.split('_').map(|word| {
        let mut characters = word.chars();
        characters
            .next()
            .map(|first| first.to_uppercase().chain(characters).collect::<String>())
            .unwrap_or_default()
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A team, as part of its organization.
pub(super) fn team(team: &Team<'_>, organization: ResourceId) -> Result<Resource, Fault> {
    let id = id(&team.id)?;
    let slug = clean_some(Some(&team.slug), NAME_BYTES)
        .ok_or_else(|| Fault::Unexpected(format!("the team {id} comes without a slug")))?;
    let name = clean_some(team.display_name.as_deref(), NAME_BYTES)
        .or_else(|| clean_some(team.name.as_deref(), NAME_BYTES))
        .unwrap_or_else(|| slug.clone());
    let mut profile = Profile::from([("name", name.clone().into()), ("slug", slug.into())]);
    profile.extend(team.managed.map(|managed| ("managed", managed.into())));
    Ok(Resource {
        id: ResourceId::new(TEAM.id, id),
        parent: Some(organization),
        display_name: name,
        description: clean_some(team.description.as_deref(), DESCRIPTION_BYTES),
        link: None,
        created_at: time(team.created_at.as_deref()),
        profile,
        kind: ResourceKind::Group,
    })
}

/// Being a member of `team`.
pub(super) fn team_membership(team: &Resource) -> Entitlement {
    Entitlement {
        id: EntitlementId::new(team.id.clone(), MEMBER),
        display_name: clean(&format!("{} Team Member", team.display_name), NAME_BYTES),
        description: clean(
            &format!("Is a member of the PlanetScale team {}", team.display_name),
            DESCRIPTION_BYTES,
        ),
        purpose: Purpose::Assignment,
        grantable_to: &[USER],
    }
}

/// A person. PlanetScale knows no disabled users, and tells no last sign-in.
pub(super) fn user(user: &User<'_>) -> Result<Resource, Fault> {
    let id = id(&user.id)?;
    let email = email(Some(&user.email))
        .ok_or_else(|| Fault::Unexpected(format!("the user {id} comes without an email")))?;
    let name = clean_some(user.name.as_deref(), NAME_BYTES);
    let handle = clean_some(user.display_name.as_deref(), NAME_BYTES);
    let created_at = time(user.created_at.as_deref());
    Ok(Resource {
        id: ResourceId::new(USER.id, id),
        parent: None,
        display_name: name.clone().or_else(|| handle.clone()).unwrap_or_else(|| email.clone()),
        description: None,
        link: None,
        created_at,
        profile: profile(user, id, &email, name, handle, created_at),
        kind: ResourceKind::User(Box::new(access::User {
            email: email.clone(),
            login: email,
            status: Status { enabled: true, details: None },
            account_type: AccountType::Human,
            last_login: None,
            mfa_enabled: user.two_factor_auth_configured,
            sso_enabled: user.sso,
        })),
    })
}

fn profile(
    user: &User<'_>,
    id: &str,
    email: &str,
    name: Option<String>,
    handle: Option<String>,
    created_at: Option<Timestamp>,
) -> Profile {
    let full_name = name.as_deref().and_then(split_name);
    let texts = [
        ("user_id", Some(id.to_owned())),
        ("email", Some(email.to_owned())),
        ("first_name", full_name.map(|(first, _)| first.to_owned())),
        ("last_name", full_name.map(|(_, last)| last.to_owned())),
        ("name", name),
        ("display_name", handle),
        ("created_at", created_at.map(|time| time.to_string())),
    ];
    let facts = [
        ("two_factor_auth_configured", user.two_factor_auth_configured),
        ("sso", user.sso),
        ("managed", user.managed),
        ("directory_managed", user.directory_managed),
        ("email_verified", user.email_verified),
    ];
    let texts = texts.into_iter().filter_map(|(key, text)| Some((key, ProfileValue::from(text?))));
    let facts = facts.into_iter().filter_map(|(key, fact)| Some((key, ProfileValue::from(fact?))));
    texts.chain(facts).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn ada() -> Value {
        json!({"id": "u1u1u1u1u1u1", "type": "User", "display_name": "ada", "name": "Ada Lovelace",
            "email": "ada@example.com", "avatar_url": "https://example.com/a.png",
            "created_at": "2023-05-01T10:00:00.503Z", "updated_at": "2026-01-01T00:00:00.000Z",
            "two_factor_auth_configured": true, "default_organization": null, "sso": false, "managed": null,
            "directory_managed": true, "email_verified": true})
    }

    fn map(body: &Value) -> Result<Resource, Fault> {
        user(&serde_json::from_str(&body.to_string()).unwrap())
    }

    #[test]
    fn a_user_is_mapped_with_what_c1_shows() {
        insta::assert_debug_snapshot!(map(&ada()).unwrap());
    }

    #[test]
    fn an_organization_has_its_page_in_planetscale() {
        let body = json!({"id": "o1o1o1o1o1o1", "name": "acme/eu", "billing_email": "canary",
            "created_at": "2023-05-01T10:00:00.000Z"})
        .to_string();
        insta::assert_debug_snapshot!(organization(&serde_json::from_str(&body).unwrap()).unwrap());
    }

    #[test]
    fn a_team_is_a_group_of_its_organization() {
        let body = json!({"id": "t1t1t1t1t1t1", "display_name": "DB Admins", "name": "DB Admins", "slug": "db-admins",
            "description": null, "managed": false, "members": [], "created_at": "2024-01-01T00:00:00.000Z"})
        .to_string();
        let organization = ResourceId::new("organization", "o1");
        let team = team(&serde_json::from_str(&body).unwrap(), organization).unwrap();
        insta::assert_debug_snapshot!((&team, team_membership(&team)));
    }

    #[rstest]
    #[case("name", json!(null), "ada")]
    #[case("name", json!("  "), "ada")]
    #[case("name", json!("\u{7}Ada\n"), "Ada")]
    fn a_user_without_a_name_goes_by_the_next_best(
        #[case] field: &str,
        #[case] value: Value,
        #[case] display_name: &str,
    ) {
        let mut user = ada();
        user[field] = value;
        assert_eq!(map(&user).unwrap().display_name, display_name);
    }

    #[rstest]
    #[case("email", json!(" "))]
    #[case("id", json!(""))]
    #[case("id", json!("a:b"))]
    fn a_user_without_what_identifies_them_fails_the_run(#[case] field: &str, #[case] value: Value) {
        let mut user = ada();
        user[field] = value;
        assert!(matches!(map(&user), Err(Fault::Unexpected(_))));
    }

    #[rstest]
    #[case("member", "acme Organization Member", Purpose::Assignment)]
    #[case("admin", "acme Organization Admin", Purpose::Permission)]
    #[case("analyst", "acme Organization Analyst", Purpose::Permission)]
    #[case("billing_manager", "acme Organization Billing Manager", Purpose::Permission)]
    fn every_role_is_an_entitlement(
        #[case] slug: &str,
        #[case] display_name: &str,
        #[case] purpose: Purpose,
    ) {
        let entitlement = role(ResourceId::new("organization", "o1"), "acme", slug).unwrap();
        assert_eq!(entitlement.id.to_string(), format!("organization:o1:{slug}"));
        assert_eq!((entitlement.display_name.as_str(), entitlement.purpose), (display_name, purpose));
    }

    #[rstest]
    #[case("")]
    #[case("admin:1")]
    #[case("ad\nmin")]
    fn a_role_that_no_id_can_carry_fails_the_run(#[case] slug: &str) {
        assert!(role(ResourceId::new("organization", "o1"), "acme", slug).is_err());
    }
}
