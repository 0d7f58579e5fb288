//! PlanetScale's wire format (`/v1`), as far as it is used. Fields that identify somebody or say what they may do
//! must be there; the rest may be absent, and what is not named here is skipped. On purpose there is no field for
//! `passwords`, `billing_email` or `sso_portal_url`: what is never decoded can be in no snapshot.

use serde::{Deserialize, Deserializer};

use super::super::paging::{Page, PageMark};
use super::super::text::Text;

/// A page of a listing of `T`.
#[derive(Debug, Deserialize)]
pub(super) struct Rows<T> {
    current_page: u64,
    #[serde(deserialize_with = "present")]
    next_page: Option<u64>,
    total_count: Option<u64>,
    pub(super) data: Vec<T>,
}

/// Null, but there: without this, a page that lacks the field would look like the last one.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<u64>, D::Error> {
    Option::deserialize(value)
}

/// An item that can be told apart from the others of its listing.
pub(super) trait Row {
    /// The id; for a membership, that of the user, since one user has one membership.
    fn key(&self) -> &str;
}

impl<T: Row> Page for Rows<T> {
    fn mark(&self) -> PageMark {
        PageMark { current: self.current_page, next: self.next_page, total: self.total_count }
    }

    fn ids(&self) -> impl Iterator<Item = &str> {
        self.data.iter().map(Row::key)
    }
}

/// An organization, `/organizations`.
#[derive(Debug, Deserialize)]
pub(super) struct Organization<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    /// What paths are made with. It may change.
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) created_at: Option<Text<'a>>,
}

impl Row for Organization<'_> {
    fn key(&self) -> &str {
        &self.id
    }
}

/// That a user belongs to an organization, `/organizations/{organization}/members`.
#[derive(Debug, Deserialize)]
pub(super) struct Membership<'a> {
    /// `member` and `admin` are documented, `analyst` exists, and more may come.
    #[serde(borrow)]
    pub(super) role: Text<'a>,
    #[serde(borrow)]
    pub(super) user: User<'a>,
}

impl Row for Membership<'_> {
    fn key(&self) -> &str {
        &self.user.id
    }
}

/// A person.
#[derive(Debug, Deserialize)]
pub(super) struct User<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) email: Text<'a>,
    #[serde(borrow)]
    pub(super) display_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) created_at: Option<Text<'a>>,
    pub(super) two_factor_auth_configured: Option<bool>,
    pub(super) sso: Option<bool>,
    pub(super) managed: Option<bool>,
    pub(super) directory_managed: Option<bool>,
    pub(super) email_verified: Option<bool>,
}

/// A team, `/organizations/{organization}/teams`. The members embedded in it are not read: whether they are all
/// is not documented.
#[derive(Debug, Deserialize)]
pub(super) struct Team<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    /// What paths are made with. It may change.
    #[serde(borrow)]
    pub(super) slug: Text<'a>,
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) display_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) description: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) created_at: Option<Text<'a>>,
    pub(super) managed: Option<bool>,
}

impl Row for Team<'_> {
    fn key(&self) -> &str {
        &self.id
    }
}

/// That a user belongs to a team, `/organizations/{organization}/teams/{team}/members`.
#[derive(Debug, Deserialize)]
pub(super) struct TeamMembership<'a> {
    #[serde(borrow)]
    pub(super) user: TeamUser<'a>,
}

/// As much of a team's member as shows that it is the organization's member of that id.
#[derive(Debug, Deserialize)]
pub(super) struct TeamUser<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) email: Text<'a>,
}

impl Row for TeamMembership<'_> {
    fn key(&self) -> &str {
        &self.user.id
    }
}

/// The vendor's own words in the body of an error: `message`, or else `code`.
pub(super) fn error_text(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Problem<'a> {
        #[serde(borrow)]
        message: Option<Text<'a>>,
        #[serde(borrow)]
        code: Option<Text<'a>>,
    }
    let problem: Problem<'_> = serde_json::from_slice(body).ok()?;
    problem.message.or(problem.code).map(|text| text.to_string())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(r#"{"code":"not_found","message":"Not Found"}"#, Some("Not Found"))]
    #[case(r#"{"code":"unauthorized"}"#, Some("unauthorized"))]
    #[case("{}", None)]
    #[case("<html>", None)]
    fn the_vendors_words_are_found(#[case] body: &str, #[case] words: Option<&str>) {
        assert_eq!(error_text(body.as_bytes()).as_deref(), words);
    }

    #[rstest]
    #[case(r#"{"data":[]}"#)]
    #[case(r#"{"data":[],"current_page":1}"#)]
    #[case(r#"{"data":[],"next_page":null}"#)]
    #[case(r#"{"current_page":1,"next_page":null}"#)]
    #[case(r#"{"data":null,"current_page":1,"next_page":null}"#)]
    fn a_page_without_its_envelope_is_not_one(#[case] body: &str) {
        assert!(serde_json::from_str::<Rows<Team<'_>>>(body).is_err());
    }
}
