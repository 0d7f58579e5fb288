//! Users looked up one by one, by a server whose filters work, do not, or lie.

use super::*;
use crate::access::{EntitlementId, ResourceId};

/// Two people and a service account, who are found by the filters as well.
fn filtering(asked: &Asked) -> Reply {
    let id = |filter: &str| asked.query.get(filter).map(String::as_str);
    let found: Vec<Value> = match (asked.path.as_str(), id("filter[user]"), id("filter[service-account]")) {
        (PEOPLE, Some(user @ ("user-a" | "user-b")), _) => vec![relation(user)],
        (PEOPLE, None, _) => return json_api(page(1, Some(2), 2, &[relation("user-a")], &[])),
        (PROGRAMS, _, Some("sa-1")) => vec![program("sa-1")],
        (PROGRAMS, _, None) => vec![program("sa-1")],
        (PEOPLE | PROGRAMS, ..) => Vec::new(),
        _ => return healthy(asked),
    };
    json_api(whole(&found, &[]))
}

fn users(ids: &[&str]) -> Vec<RecordId> {
    ids.iter().map(|id| RecordId::Resource(ResourceId::new("user", *id))).collect()
}

/// What is found of `missing` where `instead` answers, and else all is well.
async fn look_up(
    missing: &[RecordId],
    instead: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
) -> (Result<LookUp, ReadError>, Scripted) {
    let server = Scripted::start(move |asked| instead(asked).unwrap_or_else(|| filtering(asked))).await;
    (scalr(server.base.clone()).look_up(missing).await, server)
}

#[tokio::test]
async fn who_is_there_is_found_be_it_a_person_or_a_program() {
    let missing = users(&["user-b", "user-gone", "sa-1"]);
    let (found, server) = look_up(&missing, |_| None).await;
    assert_eq!(found.unwrap(), LookUp::Found(users(&["user-b", "sa-1"])));
    let asked = server.asked();
    assert!(asked[1..].iter().all(|asked| asked.query("filter[account]") == "acc-1"));
}

#[tokio::test]
async fn who_is_found_needs_no_control() {
    let (found, server) = look_up(&users(&["user-a"]), |_| None).await;
    assert_eq!(found.unwrap(), LookUp::Found(users(&["user-a"])));
    assert_eq!(server.paths(), [ACCOUNTS, PEOPLE]);
}

/// The account, whose quotas say whether it has service accounts, and a listing that shows none of them.
fn without_programs(asked: &Asked, quota: Option<bool>) -> Option<Reply> {
    match asked.path.as_str() {
        ACCOUNTS => Some(json_api(whole(&[account("acme", "acc-1", quota)], &[]))),
        PROGRAMS => Some(json_api(whole(&[], &[]))),
        _ => None,
    }
}

#[rstest]
#[case::by_its_listing_alone(Some(true))]
#[case::by_its_quotas_as_well(Some(false))]
#[case::without_quotas(None)]
#[tokio::test]
async fn of_an_account_that_shows_no_service_account_nothing_is_known_about_one(
    #[case] quota: Option<bool>,
    #[values("sa-1", "user-gone")] missing: &'static str,
) {
    let (found, server) = look_up(&users(&[missing]), move |asked| without_programs(asked, quota)).await;
    assert_eq!(found.unwrap(), LookUp::Impossible);
    assert!(server.paths().iter().any(|path| path == PROGRAMS), "service accounts were not asked for");
}

#[tokio::test]
async fn a_service_account_is_found_whatever_the_quotas_say() {
    let (found, _server) = look_up(&users(&["sa-1"]), |asked| {
        without_programs(asked, Some(false)).filter(|_| asked.path == ACCOUNTS)
    })
    .await;
    assert_eq!(found.unwrap(), LookUp::Found(users(&["sa-1"])));
}

#[rstest]
#[case(403)]
#[case(404)]
#[tokio::test]
async fn service_accounts_that_may_not_be_asked_for_are_no_evidence(#[case] status: u16) {
    let (found, _server) = look_up(&users(&["user-gone"]), move |asked| {
        (asked.path == PROGRAMS).then(|| Reply::of(status, "application/json", "{}"))
    })
    .await;
    assert_eq!(found.unwrap(), LookUp::Impossible);
}

fn is_filtered(asked: &Asked) -> bool {
    asked.path == PEOPLE && asked.query.contains_key("filter[user]")
}

#[rstest]
#[case::a_filter_that_lets_everybody_through(&["user-gone"], whole(&[relation("user-a"), relation("user-b")], &[]))]
#[case::a_filter_that_lets_everybody_through_where_they_are(&["user-a"], page(1, Some(2), 2, &[relation("user-a")], &[]))]
#[case::a_filter_that_lets_nobody_through(&["user-gone"], whole(&[], &[]))]
#[case::another_account(&["user-b"], whole(&[relation_to("acc-2", "user-b", "Active")], &[]))]
#[case::another_user(&["user-b"], whole(&[relation("user-a")], &[]))]
#[case::nobody_of_one(&["user-gone"], page(1, None, 1, &[], &[]))]
#[tokio::test]
async fn a_filter_that_does_not_work_answers_nothing(
    #[case] missing: &'static [&'static str],
    #[case] body: Value,
) {
    let (found, _server) =
        look_up(&users(missing), move |asked| is_filtered(asked).then(|| json_api(body.clone()))).await;
    assert_eq!(found.unwrap(), LookUp::Impossible);
}

#[tokio::test]
async fn a_filter_for_service_accounts_that_lets_nobody_through_answers_nothing() {
    let (found, _server) = look_up(&users(&["sa-1"]), |asked| {
        let filtered = asked.query.contains_key("filter[service-account]");
        filtered.then(|| json_api(whole(&[], &[])))
    })
    .await;
    assert_eq!(found.unwrap(), LookUp::Impossible);
}

#[rstest]
#[case(RecordId::Resource(ResourceId::new("user", "in:user-a,user-b")))]
#[case(RecordId::Resource(ResourceId::new("team", "team-1")))]
#[case(RecordId::Grant {
    entitlement: EntitlementId::new(ResourceId::new("team", "team-1"), "member"),
    principal: ResourceId::new("user", "user-a"),
})]
#[tokio::test]
async fn what_no_filter_can_name_is_not_asked_for(#[case] missing: RecordId) {
    let (found, server) = look_up(&[missing], |_| None).await;
    assert_eq!(found.unwrap(), LookUp::Impossible);
    assert!(server.asked().is_empty());
}

#[rstest]
#[case(401)]
#[case(403)]
#[case(404)]
#[case(500)]
#[tokio::test]
async fn a_refusal_is_an_error_and_nobodys_absence(#[case] status: u16) {
    let (found, _server) = look_up(&users(&["user-gone"]), move |asked| {
        is_filtered(asked).then(|| Reply::of(status, "application/json", "{}"))
    })
    .await;
    assert!(found.is_err(), "{found:?}");
}
