//! Scalr's wire format (JSON:API, `/api/iacp/v3`), as far as it is used. Fields that identify somebody or say what
//! they may do must be there; the rest may be absent, and what is not named here is skipped.

use serde::{Deserialize, Deserializer};

use super::super::paging::{Page, PageMark};
use super::super::text::Text;

/// A page of a listing of `T`, with the resources of type `I` that its items refer to.
#[derive(Debug, Deserialize)]
pub(super) struct Rows<T, I = Nothing> {
    pub(super) data: Vec<T>,
    #[serde(default = "Vec::new")]
    pub(super) included: Vec<I>,
    meta: Meta,
}

/// A resource that nothing is wanted of.
#[derive(Debug, Deserialize)]
pub(super) struct Nothing {}

#[derive(Debug, Deserialize)]
struct Meta {
    pagination: Pagination,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Pagination {
    current_page: u64,
    #[serde(deserialize_with = "present")]
    next_page: Option<u64>,
    total_count: Option<u64>,
}

/// Null, but there: without this, a page that lacks the field would look like the last one.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<u64>, D::Error> {
    Option::deserialize(value)
}

/// An item that can be told apart from the others of its listing.
pub(super) trait Row {
    /// The id; for a relation, that of the user it is about, since one user has one relation to an account.
    fn key(&self) -> &str;
}

impl<T: Row, I> Page for Rows<T, I> {
    fn mark(&self) -> PageMark {
        let Pagination { current_page, next_page, total_count } = self.meta.pagination;
        PageMark { current: current_page, next: next_page, total: total_count }
    }

    fn ids(&self) -> impl Iterator<Item = &str> {
        self.data.iter().map(Row::key)
    }
}

/// A single resource.
#[derive(Debug, Deserialize)]
pub(super) struct One<T> {
    pub(super) data: T,
}

/// The type and id by which one resource names another.
#[derive(Debug, Deserialize)]
pub(super) struct Reference<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
}

/// A reference to another resource that must be there.
#[derive(Debug, Deserialize)]
pub(super) struct Related<'a> {
    #[serde(borrow)]
    pub(super) data: Reference<'a>,
}

/// An account, `/accounts`.
#[derive(Debug, Deserialize)]
pub(super) struct Account<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) attributes: AccountAttributes<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct AccountAttributes<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    pub(super) quotas: Option<Quotas>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Quotas {
    pub(super) service_accounts_available: Option<bool>,
}

impl Row for Account<'_> {
    fn key(&self) -> &str {
        &self.id
    }
}

/// That a user belongs to an account, `/account-users`.
#[derive(Debug, Deserialize)]
pub(super) struct Relation<'a> {
    #[serde(borrow)]
    pub(super) attributes: RelationAttributes<'a>,
    #[serde(borrow)]
    pub(super) relationships: RelationParties<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct RelationAttributes<'a> {
    #[serde(borrow)]
    pub(super) status: Text<'a>,
    #[serde(borrow)]
    pub(super) last_login_at: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RelationParties<'a> {
    #[serde(borrow)]
    pub(super) account: Related<'a>,
    #[serde(borrow)]
    pub(super) user: Related<'a>,
}

impl Row for Relation<'_> {
    fn key(&self) -> &str {
        &self.relationships.user.data.id
    }
}

/// A person, `/users`, whatever the accounts that they belong to.
#[derive(Debug, Deserialize)]
pub(super) struct User<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) attributes: UserAttributes<'a>,
}

/// Absent fields are found out by whoever needs the user: what is included need not be one.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct UserAttributes<'a> {
    #[serde(borrow)]
    pub(super) email: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) username: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) full_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) status: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) created_at: Option<Text<'a>>,
}

/// A program that signs in, `/service-accounts`.
#[derive(Debug, Deserialize)]
pub(super) struct ServiceAccount<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) attributes: ServiceAccountAttributes<'a>,
    #[serde(borrow)]
    pub(super) relationships: ServiceAccountParties<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ServiceAccountAttributes<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) email: Text<'a>,
    #[serde(borrow)]
    pub(super) description: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) status: Text<'a>,
    #[serde(borrow)]
    pub(super) created_at: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ServiceAccountParties<'a> {
    #[serde(borrow)]
    pub(super) account: Related<'a>,
}

impl Row for ServiceAccount<'_> {
    fn key(&self) -> &str {
        &self.id
    }
}

/// Somebody in an account as a look-up needs them: a relation, or a service account.
#[derive(Debug, Deserialize)]
pub(super) struct Somebody<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    relationships: SomebodysParties<'a>,
}

#[derive(Debug, Deserialize)]
struct SomebodysParties<'a> {
    #[serde(borrow)]
    account: Related<'a>,
    #[serde(borrow)]
    user: Option<Related<'a>>,
}

impl Somebody<'_> {
    /// The id of the user: whom a relation is about, or the service account itself.
    pub(super) fn user(&self) -> &str {
        self.relationships.user.as_ref().map_or(&self.id, |user| &user.data.id)
    }

    /// The id of the account.
    pub(super) fn account(&self) -> &str {
        &self.relationships.account.data.id
    }
}

impl Row for Somebody<'_> {
    fn key(&self) -> &str {
        self.user()
    }
}

/// The vendor's own words in the body of an error: `errors[].title` and `detail`.
pub(super) fn error_text(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Errors<'a> {
        #[serde(borrow)]
        errors: Vec<Problem<'a>>,
    }
    #[derive(Deserialize)]
    struct Problem<'a> {
        #[serde(borrow)]
        title: Option<Text<'a>>,
        #[serde(borrow)]
        detail: Option<Text<'a>>,
    }
    let errors: Errors<'_> = serde_json::from_slice(body).ok()?;
    let texts =
        errors.errors.iter().flat_map(|problem| [problem.title.as_deref(), problem.detail.as_deref()]);
    let texts: Vec<&str> = texts.flatten().filter(|text| !text.is_empty()).collect();
    Some(texts.join(": "))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(r#"{"errors":[{"title":"Not found","detail":null}]}"#, Some("Not found"))]
    #[case(
        r#"{"errors":[{"title":"Invalid Attribute","detail":"is too long"}]}"#,
        Some("Invalid Attribute: is too long")
    )]
    #[case(r#"{"errors":[{"detail":"No."}]}"#, Some("No."))]
    #[case(r#"{"errors":[]}"#, Some(""))]
    #[case("<html>", None)]
    #[case("", None)]
    fn the_vendors_words_are_found(#[case] body: &str, #[case] words: Option<&str>) {
        assert_eq!(error_text(body.as_bytes()).as_deref(), words);
    }

    #[rstest]
    #[case(r#"{"data":[]}"#)]
    #[case(r#"{"data":[],"meta":{}}"#)]
    #[case(r#"{"data":[],"meta":{"pagination":{"current-page":1,"total-count":0}}}"#)]
    #[case(r#"{"meta":{"pagination":{"current-page":1,"next-page":null,"total-count":0}}}"#)]
    #[case(r#"{"data":null,"meta":{"pagination":{"current-page":1,"next-page":null,"total-count":0}}}"#)]
    fn a_page_without_its_envelope_is_not_one(#[case] body: &str) {
        assert!(serde_json::from_str::<Rows<Account<'_>>>(body).is_err());
    }
}
