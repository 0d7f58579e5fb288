//! From Scalr's objects to the access model. Pure.

use jiff::Timestamp;

use super::super::paging::Fault;
use super::super::text::{
    DESCRIPTION_BYTES, NAME_BYTES, Text, clean, clean_some, email, is_id, split_name, time,
};
use super::USER;
use super::api::{RelationAttributes, ServiceAccount, User};
use crate::access::{self, AccountType, Profile, Resource, ResourceId, ResourceKind, Status};

/// The only word with which somebody may sign in.
const ACTIVE: &str = "Active";

/// May somebody with these statuses sign in? Only where each is `Active`; otherwise every other word is kept, so
/// that `Inactive` here and `Pending` there can be told from `Pending` here.
pub(super) fn status<'a>(words: impl IntoIterator<Item = &'a str>) -> Status {
    let mut others: Vec<String> = Vec::new();
    for word in words.into_iter().filter(|word| *word != ACTIVE) {
        let word = Some(clean(word, NAME_BYTES / 4)).filter(|word| !word.is_empty());
        let word = word.unwrap_or_else(|| "unknown".to_owned());
        if !others.contains(&word) {
            others.push(word);
        }
    }
    if others.is_empty() {
        Status { enabled: true, details: None }
    } else {
        Status { enabled: false, details: Some(others.join(", ")) }
    }
}

/// A relation to the account, without the user that it is about.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Membership {
    /// The status of the relation, as upstream says it.
    pub(super) status: String,
    /// The last sign-in to this account.
    pub(super) last_login: Option<Timestamp>,
}

impl From<&RelationAttributes<'_>> for Membership {
    fn from(attributes: &RelationAttributes<'_>) -> Self {
        Self { status: attributes.status.to_string(), last_login: time(attributes.last_login_at.as_deref()) }
    }
}

/// A person in the account.
pub(super) fn person(user: &User<'_>, membership: &Membership) -> Result<Resource, Fault> {
    let attributes = &user.attributes;
    let id = id(&user.id)?;
    let email = an_email(attributes.email.as_ref(), id)?;
    let user_status = required(attributes.status.as_ref(), "a status", id)?;
    let username = clean_some(attributes.username.as_deref(), NAME_BYTES);
    let full_name = clean_some(attributes.full_name.as_deref(), NAME_BYTES);
    let status = status([membership.status.as_str(), user_status.as_str()]);
    let created_at = time(attributes.created_at.as_deref());

    let mut profile = profile(id, &email, "human", &status, created_at);
    profile.extend(username.clone().map(|name| ("username", name.into())));
    if let Some((first, last)) = full_name.as_deref().and_then(split_name) {
        profile.insert("first_name", first.into());
        profile.insert("last_name", last.into());
    }
    profile.extend(full_name.clone().map(|name| ("full_name", name.into())));

    let login = username.unwrap_or_else(|| email.clone());
    Ok(Resource {
        id: ResourceId::new(USER.id, id),
        parent: None,
        display_name: full_name.unwrap_or_else(|| login.clone()),
        description: None,
        link: None,
        created_at,
        profile,
        kind: ResourceKind::User(Box::new(access::User {
            email,
            login,
            status,
            account_type: AccountType::Human,
            last_login: membership.last_login,
            mfa_enabled: None,
            sso_enabled: None,
        })),
    })
}

/// A service account.
pub(super) fn program(account: &ServiceAccount<'_>) -> Result<Resource, Fault> {
    let attributes = &account.attributes;
    let id = id(&account.id)?;
    let name = required(Some(&attributes.name), "a name", id)?;
    let email = an_email(Some(&attributes.email), id)?;
    let status = status([&*attributes.status]);
    let created_at = time(attributes.created_at.as_deref());
    Ok(Resource {
        id: ResourceId::new(USER.id, id),
        parent: None,
        display_name: name.clone(),
        description: clean_some(attributes.description.as_deref(), DESCRIPTION_BYTES),
        link: None,
        created_at,
        profile: profile(id, &email, "service", &status, created_at),
        kind: ResourceKind::User(Box::new(access::User {
            email,
            login: name,
            status,
            account_type: AccountType::Service,
            last_login: None,
            mfa_enabled: None,
            sso_enabled: None,
        })),
    })
}

/// What the profiles of people and programs have in common.
fn profile(
    id: &str,
    email: &str,
    account_type: &str,
    status: &Status,
    created_at: Option<Timestamp>,
) -> Profile {
    let mut profile = Profile::from([
        ("user_id", id.into()),
        ("email", email.into()),
        ("account_type", account_type.into()),
        ("status", status.details.as_deref().unwrap_or(ACTIVE).into()),
    ]);
    profile.extend(created_at.map(|time| ("created_at", time.to_string().into())));
    profile
}

/// An id that C1 can keep something under.
pub(super) fn id<'a>(id: &'a Text<'_>) -> Result<&'a str, Fault> {
    if is_id(id) { Ok(id) } else { Err(Fault::Unexpected(format!("`{}` is no id", clean(id, 40)))) }
}

fn an_email(text: Option<&Text<'_>>, id: &str) -> Result<String, Fault> {
    email(text.map(|text| &**text)).ok_or_else(|| Fault::Unexpected(format!("{id} comes without an email")))
}

fn required(text: Option<&Text<'_>>, what: &str, id: &str) -> Result<String, Fault> {
    clean_some(text.map(|text| &**text), NAME_BYTES)
        .ok_or_else(|| Fault::Unexpected(format!("{id} comes without {what}")))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    #[rstest]
    #[case(&["Active", "Active"], true, None)]
    #[case(&["Active"], true, None)]
    #[case(&["Inactive", "Active"], false, Some("Inactive"))]
    #[case(&["Active", "Inactive"], false, Some("Inactive"))]
    #[case(&["Inactive", "Inactive"], false, Some("Inactive"))]
    #[case(&["Pending", "Pending"], false, Some("Pending"))]
    #[case(&["Inactive", "Pending"], false, Some("Inactive, Pending"))]
    #[case(&["Active", "Locked"], false, Some("Locked"))]
    #[case(&["active", "Active"], false, Some("active"))]
    #[case(&["", "Active"], false, Some("unknown"))]
    #[case(&["Lo\nck\u{202e}ed"], false, Some("Lo ck ed"))]
    fn only_who_is_active_everywhere_is_enabled(
        #[case] words: &[&str],
        #[case] enabled: bool,
        #[case] details: Option<&str>,
    ) {
        assert_eq!(status(words.iter().copied()), Status { enabled, details: details.map(str::to_owned) });
    }

    fn ada() -> Value {
        json!({"type": "users", "id": "user-ada", "attributes": {
            "email": "Ada@example.com", "username": "ada", "full-name": "Ada Lovelace", "status": "Active",
            "created-at": "2024-02-01T10:00:00Z", "last-login-at": "2026-08-01T00:00:00Z"}})
    }

    fn map(user: &Value) -> Result<Resource, Fault> {
        let text = user.to_string();
        let membership = Membership {
            status: "Active".to_owned(),
            last_login: Some("2026-07-30T08:11:02Z".parse().unwrap()),
        };
        person(&serde_json::from_str(&text).unwrap(), &membership)
    }

    #[test]
    fn a_person_is_mapped_with_what_c1_shows() {
        insta::assert_debug_snapshot!(map(&ada()).unwrap());
    }

    #[rstest]
    #[case("full-name", json!(null), "ada")]
    #[case("full-name", json!("  "), "ada")]
    #[case("username", json!(null), "Ada Lovelace")]
    fn a_person_without_a_name_goes_by_the_next_best(
        #[case] field: &str,
        #[case] value: Value,
        #[case] display_name: &str,
    ) {
        let mut user = ada();
        user["attributes"][field] = value;
        assert_eq!(map(&user).unwrap().display_name, display_name);
    }

    #[rstest]
    #[case("email", json!(null))]
    #[case("email", json!(" "))]
    #[case("status", json!(null))]
    fn a_person_without_what_identifies_them_fails_the_run(#[case] field: &str, #[case] value: Value) {
        let mut user = ada();
        user["attributes"][field] = value;
        assert!(matches!(map(&user), Err(Fault::Unexpected(_))));
    }

    #[test]
    fn a_program_is_mapped_as_a_service_user() {
        let text = json!({"type": "service-accounts", "id": "sa-1", "attributes": {
            "name": "ci-bot", "email": "ci-bot@acme.scalr.io", "description": "Runs CI.\n", "status": "Inactive",
            "created-at": "2025-03-03T12:00:00.5+00:00"},
            "relationships": {"account": {"data": {"type": "accounts", "id": "acc-1"}}}})
        .to_string();
        insta::assert_debug_snapshot!(program(&serde_json::from_str(&text).unwrap()).unwrap());
    }
}
