//! The connector against a server that answers as it is told.

mod look_up;

use rstest::rstest;
use serde_json::{Value, json};

use super::super::scripted::{Asked, Reply, Scripted, options, read};
use super::*;
use crate::access::Record;

const ORGS: &str = "/v1/organizations";
const ACME_MEMBERS: &str = "/v1/organizations/acme/members";
const ACME_TEAMS: &str = "/v1/organizations/acme/teams";
const DBAS: &str = "/v1/organizations/acme/teams/dbas/members";
const ZOO_MEMBERS: &str = "/v1/organizations/zoo/members";
const ZOO_TEAMS: &str = "/v1/organizations/zoo/teams";
const TOKEN: &str = "tokenid0:canary_5f1d3e9a";

fn page(number: u64, next: Option<u64>, total: Option<u64>, data: &[Value]) -> Value {
    let mut page =
        json!({"type": "list", "current_page": number, "per_page": 100, "next_page": next, "data": data});
    if let Some(total) = total {
        page["total_count"] = total.into();
    }
    page
}

fn whole(data: &[Value]) -> Value {
    page(1, None, Some(data.len() as u64), data)
}

fn orgs(names: &[&str]) -> Value {
    let data: Vec<_> = names
        .iter()
        .map(|name| json!({"id": format!("id-{name}"), "name": name, "sso_portal_url": "canary"}))
        .collect();
    page(1, None, None, &data)
}

fn user(id: &str) -> Value {
    json!({"id": id, "display_name": id, "name": null, "email": format!("{id}@example.com")})
}

fn member(id: &str, role: &str) -> Value {
    json!({"id": format!("membership-of-{id}"), "role": role, "user": user(id)})
}

fn team(slug: &str) -> Value {
    json!({"id": format!("id-{slug}"), "name": slug, "slug": slug, "members": [user("ignored")]})
}

fn team_member(id: &str) -> Value {
    json!({"id": format!("team-membership-of-{id}"), "user": user(id), "passwords": [{"plain_text": "canary"}]})
}

/// What two healthy organizations answer: ada is in both.
fn healthy(asked: &Asked) -> Reply {
    Reply::json(match (asked.path.as_str(), asked.query("page")) {
        (ORGS, "1") => orgs(&["zoo", "acme"]),
        (ACME_MEMBERS, "1") => page(1, Some(2), Some(3), &[member("ada", "admin"), member("bob", "member")]),
        (ACME_MEMBERS, "2") => page(2, None, Some(3), &[member("cy", "analyst")]),
        (ACME_TEAMS, "1") => whole(&[team("dbas"), team("empty")]),
        (DBAS, "1") => whole(&[team_member("ada"), team_member("cy")]),
        ("/v1/organizations/acme/teams/empty/members" | ZOO_TEAMS, "1") => whole(&[]),
        (ZOO_MEMBERS, "1") => whole(&[member("ada", "admin")]),
        _ => return Reply::of(404, "application/json", r#"{"code":"not_found","message":"Not Found"}"#),
    })
}

struct Run {
    end: Result<Upstream, ReadError>,
    records: Vec<Record>,
    server: Scripted,
}

impl Run {
    /// The records as a person would write them down, without what the mapping's own tests look at.
    fn told(&self) -> Vec<String> {
        self.records
            .iter()
            .map(|record| match record {
                Record::Resource(resource) => resource.id.to_string(),
                Record::Entitlement(entitlement) => entitlement.id.to_string(),
                Record::Grant(grant) => format!("{} to {}", grant.entitlement, grant.principal),
            })
            .collect()
    }

    fn has(&self, told: &str) -> bool {
        self.told().iter().any(|line| line == told)
    }

    fn error(&self) -> String {
        let error = self.end.as_ref().unwrap_err();
        let all = format!("{error} {error:?}");
        assert!(!all.contains("canary") && !all.contains("tokenid0"), "{all}");
        error.to_string()
    }
}

/// Healthy, but for what `instead` answers.
async fn run(instead: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Run {
    let server = Scripted::start(move |asked| instead(asked).unwrap_or_else(|| healthy(asked))).await;
    let settings = PlanetScaleSettings { api_url: server.base.clone() };
    let planetscale = PlanetScale::new(settings, TOKEN.to_owned().into(), options()).unwrap();
    let (end, records) = read(&planetscale).await;
    assert!(!format!("{records:?}").contains("canary"), "{records:?}");
    Run { end, records, server }
}

async fn run_with(path: &'static str, body: Value) -> Run {
    run(move |asked| (asked.path == path).then(|| Reply::json(body.clone()))).await
}

#[tokio::test]
async fn organizations_members_and_teams_are_read_once() {
    let run = run(|_| None).await;
    assert_eq!(run.end.as_ref().unwrap().account_id, "id-acme,id-zoo");
    assert_eq!(
        run.told(),
        [
            "organization:id-zoo",
            "organization:id-zoo:member",
            "organization:id-zoo:admin",
            "organization:id-acme",
            "organization:id-acme:member",
            "organization:id-acme:admin",
            "user:ada",
            "organization:id-acme:admin to user:ada",
            "user:bob",
            "organization:id-acme:member to user:bob",
            "user:cy",
            "organization:id-acme:analyst",
            "organization:id-acme:analyst to user:cy",
            "team:id-dbas",
            "team:id-dbas:member",
            "team:id-empty",
            "team:id-empty:member",
            "team:id-dbas:member to user:ada",
            "team:id-dbas:member to user:cy",
            "organization:id-zoo:admin to user:ada",
        ]
    );
    let asked = run.server.asked();
    assert_eq!(asked.len(), 9, "a page was asked for twice, but for the organizations");
    assert!(
        asked.iter().all(|asked| asked.headers["authorization"] == TOKEN && asked.query("per_page") == "100")
    );
}

#[tokio::test]
async fn a_member_of_a_team_who_came_in_meanwhile_is_looked_up() {
    let run = run(|asked| match asked.path.as_str() {
        DBAS => Some(Reply::json(whole(&[team_member("ada"), team_member("new")]))),
        "/v1/organizations/acme/members/new" => Some(Reply::json(member("new", "member"))),
        _ => None,
    })
    .await;
    assert!(run.end.is_ok());
    for told in ["user:new", "organization:id-acme:member to user:new", "team:id-dbas:member to user:new"] {
        assert!(run.has(told), "{told}");
    }
}

#[tokio::test]
async fn a_user_known_from_another_organization_is_still_looked_up_in_this_one() {
    let run = run(|asked| match asked.path.as_str() {
        ZOO_TEAMS => Some(Reply::json(whole(&[team("keepers")]))),
        "/v1/organizations/zoo/teams/keepers/members" => Some(Reply::json(whole(&[team_member("bob")]))),
        "/v1/organizations/zoo/members/bob" => Some(Reply::json(member("bob", "member"))),
        _ => None,
    })
    .await;
    assert!(run.end.is_ok());
    assert!(run.has("organization:id-zoo:member to user:bob"));
    assert_eq!(run.told().iter().filter(|told| *told == "user:bob").count(), 1);
}

#[rstest]
#[case::no_organization(ORGS, page(1, None, None, &[]), "reaches no organization")]
#[case::nobody(ACME_MEMBERS, whole(&[]), "organization acme shows not a single member")]
#[case::no_envelope(ACME_MEMBERS, json!({"data": []}), "missing field `current_page`")]
#[case::no_total(ACME_MEMBERS, page(1, None, None, &[member("ada", "admin")]), "does not say how many")]
#[case::no_role(ACME_MEMBERS, whole(&[json!({"id": "m", "user": user("ada")})]), "missing field `role`")]
#[case::twice(ACME_MEMBERS, whole(&[member("ada", "admin"), member("ada", "member")]), "members of the organization acme changed")]
#[case::fewer_than_said(DBAS, page(1, None, Some(3), &[team_member("ada")]), "says that it has 3 items, and 1 came")]
#[case::two_emails(ZOO_MEMBERS, whole(&[json!({"role": "admin", "user": {"id": "ada", "email": "eve@example.com"}})]), "ada has two different emails")]
#[case::two_emails_in_a_team(DBAS, whole(&[json!({"user": {"id": "ada", "email": "eve@example.com"}})]), "ada has two different emails")]
#[case::in_a_team_only(DBAS, whole(&[team_member("gone")]), "the user gone is in one of its teams, but not in the organization")]
#[tokio::test]
async fn a_listing_that_cannot_be_right_fails_the_run(
    #[case] path: &'static str,
    #[case] body: Value,
    #[case] because: &str,
) {
    let run = run_with(path, body).await;
    assert!(run.error().contains(because), "{}", run.error());
}

#[rstest]
#[case::the_first_again(page(1, Some(2), Some(3), &[member("ada", "admin"), member("bob", "member")]), "page 2 was asked for, page 1 came")]
#[case::the_first_again_with_a_new_number(page(2, None, Some(3), &[member("ada", "admin")]), "an item that came before")]
#[case::nothing_though_more_is_to_come(page(2, Some(3), Some(3), &[]), "page 2 is empty")]
#[case::back_to_the_first(page(2, Some(1), Some(3), &[member("cy", "member")]), "page 1 as the one after page 2")]
#[case::another_total(page(2, None, Some(4), &[member("cy", "member"), member("di", "member")]), "had 3 items, and on page 2 it has 4")]
#[tokio::test]
async fn a_second_page_that_does_not_follow_the_first_fails_the_run(
    #[case] second: Value,
    #[case] because: &str,
) {
    let run = run(move |asked| {
        (asked.path == ACME_MEMBERS && asked.query("page") == "2").then(|| Reply::json(second.clone()))
    })
    .await;
    assert!(run.error().contains(because), "{}", run.error());
}

fn not_found() -> Reply {
    Reply::of(404, "application/json", r#"{"code":"not_found","message":"Not Found"}"#)
}

#[rstest]
#[tokio::test]
async fn a_missing_grant_is_told_as_one(
    #[values(ACME_MEMBERS, ACME_TEAMS)] path: &'static str,
    #[values(403, 404)] status: u16,
) {
    let run =
        run(move |asked| (asked.path == path).then(|| Reply::of(status, "application/json", "{}"))).await;
    let error = run.error();
    let Err(ReadError::MissingGrant { grant, .. }) = &run.end else { panic!("{error}") };
    assert_eq!(grant, "the access grant read_organization on the organization acme");
    assert!(error.contains(path), "{error}");
    assert_eq!(
        run.server.paths().iter().filter(|path| *path == ORGS).count(),
        if status == 404 { 2 } else { 1 }
    );
}

#[tokio::test]
async fn a_404_for_a_wrong_token_is_told_as_a_wrong_token() {
    let run = run(|asked| match asked.path.as_str() {
        ACME_MEMBERS => Some(not_found()),
        ORGS if asked.before > 0 => Some(Reply::of(401, "application/json", r#"{"code":"unauthorized"}"#)),
        _ => None,
    })
    .await;
    assert!(matches!(run.end, Err(ReadError::Unauthorized { .. })), "{:?}", run.end);
}

#[tokio::test]
async fn a_404_for_an_organization_that_is_gone_says_so() {
    let run = run(|asked| match asked.path.as_str() {
        ACME_MEMBERS => Some(not_found()),
        ORGS if asked.before > 0 => Some(Reply::json(orgs(&["zoo"]))),
        _ => None,
    })
    .await;
    assert!(matches!(run.end, Err(ReadError::OrganizationGone(_))), "{}", run.error());
    assert!(run.error().contains("the organization acme was among those"), "{}", run.error());
}

#[tokio::test]
async fn a_404_for_a_team_is_a_team_that_is_gone_or_hidden() {
    let gone = run(|asked| (asked.path == DBAS).then(not_found)).await;
    assert!(gone.error().contains("the team dbas is gone"), "{}", gone.error());
    let hidden = run(|asked| match asked.path.as_str() {
        DBAS => Some(not_found()),
        "/v1/organizations/acme/teams/dbas" => Some(Reply::json(team("dbas"))),
        _ => None,
    })
    .await;
    assert!(matches!(hidden.end, Err(ReadError::MissingGrant { .. })), "{}", hidden.error());
}

#[rstest]
#[case::one_went(&["zoo"], "the organization acme was among those")]
#[case::one_came(&["zoo", "acme", "new"], "there were 2, and there are 3")]
#[case::one_for_another(&["zoo", "new"], "the organization acme was among those")]
#[tokio::test]
async fn organizations_that_change_during_the_run_fail_it(
    #[case] after: &'static [&'static str],
    #[case] because: &str,
) {
    let run =
        run(move |asked| (asked.path == ORGS && asked.before > 0).then(|| Reply::json(orgs(after)))).await;
    assert!(run.error().contains(because), "{}", run.error());
}

#[rstest]
#[case("tokenid0:canary\n", None)]
#[case("tokenid0:canary\r\n", None)]
#[case("tokenid0canary", Some("no colon"))]
#[case(":canary", Some("lacks its id"))]
#[case("tokenid0:", Some("lacks its id"))]
#[case("", Some("is empty"))]
#[case("Bearer tokenid0:canary", Some("has a space"))]
#[case("tokenid0:can\nary", Some("has a space"))]
#[case("tokenid0:canary ", Some("has a space"))]
fn a_service_token_has_two_halves(#[case] token: &str, #[case] because: Option<&str>) {
    let settings = PlanetScaleSettings { api_url: "http://localhost".parse().unwrap() };
    let made = PlanetScale::new(settings, token.to_owned().into(), options());
    assert!(!format!("{made:?}").contains("ary"), "{made:?}");
    match (made, because) {
        (Ok(_), None) => {}
        (Err(error), Some(because)) => assert!(error.to_string().contains(because), "{error}"),
        (made, _) => panic!("{made:?}"),
    }
}

#[tokio::test]
async fn whether_the_token_works_takes_one_request_and_fails_as_reading_would() {
    let of = |server: &Scripted| {
        let settings = PlanetScaleSettings { api_url: server.base.clone() };
        PlanetScale::new(settings, TOKEN.to_owned().into(), options()).unwrap()
    };
    let server = Scripted::start(healthy).await;
    of(&server).validate().await.unwrap();
    assert_eq!(server.paths(), [ORGS]);

    let refusing = Scripted::start(|_| Reply::status(401)).await;
    let refused = of(&refusing).validate().await;
    assert!(matches!(refused, Err(ReadError::Unauthorized { .. })), "{refused:?}");
    let empty = Scripted::start(|_| Reply::json(orgs(&[]))).await;
    let nowhere = of(&empty).validate().await;
    assert!(matches!(nowhere, Err(ReadError::NoOrganizations(_))), "{nowhere:?}");
}
