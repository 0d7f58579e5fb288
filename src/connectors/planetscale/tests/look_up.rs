//! Members and teams looked up, by a server that knows them, does not, or refuses.

use super::*;
use crate::access::{EntitlementId, ResourceId};

const ADA: &str = "/v1/organizations/acme/members/ada";
const BOB: &str = "/v1/organizations/acme/members/bob";

fn resource(resource_type: &'static str, id: &str) -> RecordId {
    RecordId::Resource(ResourceId::new(resource_type, id))
}

fn grant(resource_type: &'static str, id: &str, slug: &str, user: &str) -> RecordId {
    let entitlement = EntitlementId::new(ResourceId::new(resource_type, id), slug);
    RecordId::Grant { entitlement, principal: ResourceId::new("user", user) }
}

fn acme(slug: &str, user: &str) -> RecordId {
    grant("organization", "id-acme", slug, user)
}

fn dbas(user: &str) -> RecordId {
    grant("team", "id-dbas", "member", user)
}

/// Healthy, with members who can be asked for by themselves.
fn pointed(asked: &Asked) -> Reply {
    match asked.path.as_str() {
        ADA | "/v1/organizations/zoo/members/ada" => Reply::json(member("ada", "admin")),
        BOB => Reply::json(member("bob", "member")),
        ACME_MEMBERS if asked.query("per_page") == "1" => {
            Reply::json(page(1, Some(2), Some(3), &[member("ada", "admin")]))
        }
        ZOO_MEMBERS if asked.query("per_page") == "1" => Reply::json(whole(&[member("ada", "admin")])),
        _ => healthy(asked),
    }
}

/// What is found of `missing`, sorted, where `instead` answers, and else all is well.
async fn look_up(
    missing: &[RecordId],
    instead: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
) -> (Result<LookUp, ReadError>, Scripted) {
    let server = Scripted::start(move |asked| instead(asked).unwrap_or_else(|| pointed(asked))).await;
    let settings = PlanetScaleSettings { api_url: server.base.clone() };
    let planetscale = PlanetScale::new(settings, TOKEN.to_owned().into(), options()).unwrap();
    (planetscale.look_up(missing).await, server)
}

fn found(mut ids: Vec<RecordId>) -> LookUp {
    ids.sort();
    LookUp::Found(ids)
}

#[rstest]
#[case::a_member_who_is_there(&[acme("member", "bob")], vec![resource("user", "bob"), acme("member", "bob")])]
#[case::a_member_with_another_role(&[acme("analyst", "bob")], vec![resource("user", "bob"), acme("member", "bob")])]
#[case::a_member_who_is_gone(&[acme("member", "gone"), resource("user", "gone")], vec![])]
#[case::a_user_of_whom_nothing_is_known(&[resource("user", "bob")], vec![resource("user", "bob"), acme("member", "bob")])]
#[case::an_organization_that_is_gone(&[grant("organization", "id-gone", "member", "bob"), resource("organization", "id-gone")], vec![])]
#[case::an_organization_that_is_there(&[resource("organization", "id-zoo")], vec![resource("organization", "id-zoo")])]
#[case::a_member_of_a_team(&[dbas("ada"), dbas("gone")], vec![resource("team", "id-dbas"), dbas("ada")])]
#[case::a_team_that_is_there(&[resource("team", "id-empty")], vec![resource("team", "id-empty")])]
#[case::a_team_that_is_gone(&[resource("team", "id-gone"), grant("team", "id-gone", "member", "ada")], vec![])]
#[tokio::test]
async fn what_is_missing_is_looked_up(#[case] missing: &[RecordId], #[case] expected: Vec<RecordId>) {
    let (answer, _server) = look_up(missing, |_| None).await;
    assert_eq!(answer.unwrap(), found(expected));
}

#[tokio::test]
async fn only_what_is_needed_is_asked_for() {
    let (answer, server) = look_up(&[acme("admin", "ada"), acme("member", "ada")], |_| None).await;
    assert_eq!(answer.unwrap(), found(vec![resource("user", "ada"), acme("admin", "ada")]));
    assert_eq!(server.paths(), [ORGS, ADA]);
    let (_, server) = look_up(&[acme("member", "gone")], |_| None).await;
    assert_eq!(server.paths(), [ORGS, "/v1/organizations/acme/members/gone", ACME_MEMBERS, ADA]);
    let (_, server) = look_up(&[dbas("gone")], |_| None).await;
    assert_eq!(server.paths(), [ORGS, ACME_TEAMS, DBAS, ZOO_TEAMS]);
}

#[rstest]
#[case::nobody_is_shown(ACME_MEMBERS, Reply::json(whole(&[])))]
#[case::the_listing_is_hidden(ACME_MEMBERS, not_found())]
#[case::who_is_listed_is_not_found(ADA, not_found())]
#[tokio::test]
async fn a_404_where_somebody_who_is_there_is_not_found_either_answers_nothing(
    #[case] path: &'static str,
    #[case] reply: Reply,
) {
    let (answer, _server) =
        look_up(&[acme("member", "gone")], move |asked| (asked.path == path).then(|| reply.clone())).await;
    assert_eq!(answer.unwrap(), LookUp::Impossible);
}

#[rstest]
#[case::the_member(BOB, 401)]
#[case::the_member(BOB, 500)]
#[case::the_organizations(ORGS, 401)]
#[case::the_teams(ACME_TEAMS, 404)]
#[case::the_team(DBAS, 403)]
#[tokio::test]
async fn a_refusal_is_an_error_and_nobodys_absence(#[case] path: &'static str, #[case] status: u16) {
    let (answer, _server) = look_up(&[acme("member", "bob"), dbas("ada")], move |asked| {
        (asked.path == path).then(|| Reply::of(status, "application/json", "{}"))
    })
    .await;
    assert!(answer.is_err(), "{answer:?}");
}

#[tokio::test]
async fn a_member_who_may_not_be_asked_for_is_neither_there_nor_gone() {
    for path in [BOB, ADA] {
        let (answer, _server) = look_up(&[acme("member", "bob"), acme("member", "gone")], move |asked| {
            (asked.path == path).then(|| Reply::of(403, "application/json", "{}"))
        })
        .await;
        assert_eq!(answer.unwrap(), LookUp::Impossible);
    }
}

#[tokio::test]
async fn another_user_than_the_one_asked_for_is_no_answer() {
    let (answer, _server) = look_up(&[acme("member", "bob")], |asked| {
        (asked.path == BOB).then(|| Reply::json(member("ada", "admin")))
    })
    .await;
    assert!(matches!(answer, Err(ReadError::UnexpectedResponse { .. })), "{answer:?}");
}

#[tokio::test]
async fn a_team_that_contradicts_itself_once_more_is_no_answer() {
    let (answer, _server) = look_up(&[dbas("gone")], |asked| {
        (asked.path == DBAS).then(|| Reply::json(page(1, None, Some(3), &[team_member("ada")])))
    })
    .await;
    assert!(matches!(answer, Err(ReadError::ListingChanged { .. })), "{answer:?}");
}

#[rstest]
#[case(resource("user", "a/b"))]
#[case(resource("account", "id-acme"))]
#[case(grant("account", "id-acme", "member", "ada"))]
#[tokio::test]
async fn what_no_request_can_name_is_not_asked_for(#[case] missing: RecordId) {
    let (answer, server) = look_up(&[missing], |_| None).await;
    assert_eq!(answer.unwrap(), LookUp::Impossible);
    assert!(server.asked().is_empty());
}
