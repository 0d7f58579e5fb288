//! PlanetScale: authentication, envelopes, the ambiguous 404, shapes, changes.

use std::collections::{BTreeMap, BTreeSet};

use connector_simulator::planetscale::{NEVER_KEEP, OptionalFields};
use connector_simulator::{OrganizationSize, PlanetScaleConfig, PlanetScaleSimulator};
use serde_json::{Value, json};

use crate::client::{Answer, send};

async fn start(organizations: Vec<OrganizationSize>) -> PlanetScaleSimulator {
    let config = PlanetScaleConfig { organizations, ..PlanetScaleConfig::default() };
    PlanetScaleSimulator::start(config).await.unwrap()
}

async fn start_default() -> PlanetScaleSimulator {
    start(PlanetScaleConfig::default().organizations).await
}

/// GET below `/v1`, with the token that is accepted.
async fn get(planetscale: &PlanetScaleSimulator, path: &str) -> Answer {
    let token = planetscale.token();
    send("GET", planetscale.base_url(), &format!("/v1{path}"), Some(&token), "").await
}

fn rows(answer: &Answer) -> Vec<Value> {
    answer.at("/data").as_array().unwrap().clone()
}

fn ids(answer: &Answer, pointer: &str) -> Vec<String> {
    let id = |row: &Value| row.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    rows(answer).iter().map(id).collect()
}

/// Everything but the data.
fn envelope(answer: &Answer) -> Value {
    let mut json = answer.json();
    json.as_object_mut().unwrap().remove("data");
    json
}

#[tokio::test]
async fn without_the_bare_token_everything_is_a_401() {
    let planetscale = start_default().await;
    let bearer = format!("Bearer {}", planetscale.token());
    let id_only = "simulated";
    for authorization in [None, Some("simulated:wrong"), Some(bearer.as_str()), Some(id_only)] {
        for path in ["/v1/organizations", "/v1/organizations/org-1/members", "/v1/nothing"] {
            let answer = send("GET", planetscale.base_url(), path, authorization, "").await;
            assert_eq!(
                (answer.status, answer.at("/code")),
                (401, json!("unauthorized")),
                "{authorization:?}"
            );
        }
    }
}

#[tokio::test]
async fn organizations_come_without_totals() {
    let planetscale = start_default().await;
    let answer = get(&planetscale, "/organizations").await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/json; charset=utf-8"))
    );
    assert_eq!(
        envelope(&answer),
        json!({"type": "list", "current_page": 1, "per_page": 25, "next_page": null, "next_page_url": null,
               "prev_page": null, "prev_page_url": null})
    );
    assert_eq!(ids(&answer, "/name"), ["org-1", "org-2"]);
    assert_eq!(answer.at("/data/0/invoice_budget_amount"), "100.0");
    assert_eq!(answer.at("/data/0/features"), json!({"insights": true, "query_recommendations": false}));
    let one = get(&planetscale, "/organizations/org-2").await;
    assert_eq!(one.json(), answer.at("/data/1"));
}

#[tokio::test]
async fn first_middle_and_last_page_and_one_beyond_say_where_they_are() {
    let planetscale = start(OrganizationSize::several(1, 60, 0, 0)).await;
    let base = format!("{}/v1/organizations/org-1/members", planetscale.base_url());
    let url = |page: u64| json!(format!("{base}?page={page}&per_page=25"));
    let cases = [
        (1, 25, (json!(2), url(2)), (Value::Null, Value::Null)),
        (2, 25, (json!(3), url(3)), (json!(1), url(1))),
        (3, 10, (Value::Null, Value::Null), (json!(2), url(2))),
        (4, 0, (Value::Null, Value::Null), (json!(3), url(3))),
    ];
    for (page, count, next, prev) in cases {
        let answer = get(&planetscale, &format!("/organizations/org-1/members?page={page}")).await;
        assert_eq!(rows(&answer).len(), count);
        assert_eq!(
            envelope(&answer),
            json!({"type": "list", "current_page": page, "per_page": 25,
                   "next_page": next.0, "next_page_url": next.1, "prev_page": prev.0, "prev_page_url": prev.1,
                   "total_count": 60, "total_pages": 3})
        );
    }
}

#[tokio::test]
async fn more_than_a_hundred_per_page_is_clamped() {
    let planetscale = start(OrganizationSize::several(1, 150, 1, 150)).await;
    for path in ["/organizations/org-1/members", "/organizations/org-1/teams/team-001/members"] {
        let answer = get(&planetscale, &format!("{path}?per_page=1000")).await;
        assert_eq!((rows(&answer).len(), answer.at("/per_page")), (100, json!(100)), "{path}");
        assert_eq!((answer.at("/next_page"), answer.at("/total_pages")), (json!(2), json!(2)));
    }
}

#[tokio::test]
async fn a_page_that_is_no_number_is_refused() {
    let planetscale = start_default().await;
    for query in ["page=0", "page=x", "per_page=0"] {
        let answer = get(&planetscale, &format!("/organizations?{query}")).await;
        assert_eq!((answer.status, answer.at("/code")), (400, json!("invalid_params")));
    }
}

#[tokio::test]
async fn wrong_paths_and_missing_grants_are_the_same_404() {
    let planetscale = start_default().await;
    planetscale.set_granted("org-2", false).unwrap();
    let not_found = r#"{"code":"not_found","message":"Not Found"}"#;
    for path in [
        "/organizations/org-9",
        "/organizations/org-9/members",
        "/organizations/org-1/members/nobodyatall1",
        "/organizations/org-1/teams/team-999",
        "/organizations/org-1/teams/team-999/members",
        "/organizations/org-2",
        "/organizations/org-2/members",
        "/organizations/org-2/teams",
        "/user",
    ] {
        let answer = get(&planetscale, path).await;
        assert_eq!((answer.status, answer.body.as_str()), (404, not_found), "{path}");
    }
    assert_eq!(ids(&get(&planetscale, "/organizations").await, "/name"), ["org-1", "org-2"]);
}

#[tokio::test]
async fn all_pages_together_are_the_truth() {
    let planetscale = start(OrganizationSize::several(2, 130, 3, 110)).await;
    for organization in planetscale.truth().organizations {
        let mut members = Vec::new();
        for page in 1..=2 {
            let path = format!("/organizations/{}/members?per_page=100&page={page}", organization.name);
            members.extend(rows(&get(&planetscale, &path).await));
        }
        assert_eq!(members.len(), organization.members.len());
        for (row, member) in members.iter().zip(&organization.members) {
            assert_eq!(row["id"], member.membership_id.as_str());
            assert_eq!(row["role"], *member.role);
            assert_eq!(row["user"]["id"], member.user.id.as_str());
            assert_eq!(row["user"]["email"], member.user.email);
            assert_eq!(row["user"]["name"], json!(member.user.name));
            assert_eq!(row["user"]["two_factor_auth_configured"], member.user.two_factor);
        }
        for team in &organization.teams {
            let mut found = Vec::new();
            for page in 1..=2 {
                let path = format!("/organizations/{}/teams/{}/members", organization.name, team.slug);
                found.extend(ids(
                    &get(&planetscale, &format!("{path}?per_page=100&page={page}")).await,
                    "/user/id",
                ));
            }
            let expected: Vec<_> = team.members.iter().map(|user| user.id.to_string()).collect();
            assert_eq!(found, expected);
            assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 110, "nobody is in a team twice");
        }
    }
}

#[tokio::test]
async fn a_member_is_read_by_user_id_and_not_by_membership_id() {
    let planetscale = start_default().await;
    let member = &planetscale.truth().organizations[0].members[3];
    let listed = get(&planetscale, "/organizations/org-1/members").await.at("/data/3");
    let answer = get(&planetscale, &format!("/organizations/org-1/members/{}", member.user.id)).await;
    assert_eq!(answer.json(), listed);
    let wrong = get(&planetscale, &format!("/organizations/org-1/members/{}", member.membership_id)).await;
    assert_eq!(wrong.status, 404);
}

#[tokio::test]
async fn members_can_be_searched_by_the_beginning_of_name_or_email() {
    let planetscale = start_default().await;
    let answer = get(&planetscale, "/organizations/org-1/members?q=USER-00001&per_page=4").await;
    assert_eq!((answer.at("/total_count"), answer.at("/next_page")), (json!(10), json!(2)));
    assert!(answer.at("/next_page_url").as_str().unwrap().ends_with("?page=2&per_page=4&q=USER-00001"));
}

#[tokio::test]
async fn a_user_of_several_organizations_has_one_id() {
    let planetscale = start(OrganizationSize::several(3, 40, 0, 0)).await;
    let mut organizations_of = BTreeMap::<_, usize>::new();
    for organization in planetscale.truth().organizations {
        for member in organization.members {
            *organizations_of.entry(member.user.id).or_default() += 1;
        }
    }
    assert_eq!(organizations_of.values().filter(|count| **count == 3).count(), 4);
    assert_eq!(planetscale.counts().users, 4 + 3 * 36);
    assert_eq!(planetscale.counts().memberships, 120);
}

#[tokio::test]
async fn names_may_be_null_and_the_sso_fields_null_or_absent() {
    let planetscale = start_default().await;
    let members = rows(&get(&planetscale, "/organizations/org-1/members?per_page=100").await);
    assert!(members.iter().any(|row| row["user"]["name"].is_null()));
    for (row, member) in members.iter().zip(&planetscale.truth().organizations[0].members) {
        let user = row["user"].as_object().unwrap();
        for field in ["default_organization", "sso", "managed", "directory_managed", "email_verified"] {
            let expected = match member.user.optional {
                OptionalFields::Present => user.get(field).is_some_and(|value| !value.is_null()),
                OptionalFields::Null => user.get(field).is_some_and(Value::is_null),
                OptionalFields::Absent => user.get(field).is_none(),
            };
            assert!(expected, "{field} of {user:?}");
        }
    }
}

#[tokio::test]
async fn analysts_exist_only_when_asked_for() {
    let roles = async |analysts| {
        let config = PlanetScaleConfig { analysts, ..PlanetScaleConfig::default() };
        let planetscale = PlanetScaleSimulator::start(config).await.unwrap();
        ids(&get(&planetscale, "/organizations/org-1/members?per_page=100").await, "/role")
            .into_iter()
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(Vec::from_iter(roles(false).await), ["admin", "member"]);
    assert_eq!(Vec::from_iter(roles(true).await), ["admin", "analyst", "member"]);
}

#[tokio::test]
async fn teams_embed_only_the_first_of_their_members() {
    let planetscale = start(OrganizationSize::several(1, 60, 2, 40)).await;
    let answer = get(&planetscale, "/organizations/org-1/teams").await;
    assert_eq!(
        (answer.at("/total_count"), ids(&answer, "/slug")),
        (json!(2), vec!["team-001".into(), "team-002".into()])
    );
    assert_eq!(answer.at("/data/0/members").as_array().unwrap().len(), 25);
    assert_eq!(answer.at("/data/0/databases").as_array().unwrap().len(), 1);
    let one = get(&planetscale, "/organizations/org-1/teams/team-002").await;
    assert_eq!(one.json(), answer.at("/data/1"));
}

#[tokio::test]
async fn what_must_not_be_kept_is_there_and_marked() {
    let planetscale = start_default().await;
    let organization = get(&planetscale, "/organizations/org-1").await;
    assert!(organization.at("/billing_email").as_str().unwrap().contains(NEVER_KEEP));
    assert!(organization.at("/sso_portal_url").as_str().unwrap().contains(NEVER_KEEP));
    let member = get(&planetscale, "/organizations/org-1/teams/team-001/members").await;
    assert!(member.at("/data/0/passwords/0/username").as_str().unwrap().contains(NEVER_KEEP));
    assert_eq!(member.at("/data/0/passwords/0/plain_text"), Value::Null);
}

#[tokio::test]
async fn members_change_on_request() {
    let planetscale = start_default().await;
    let added = planetscale.add_member("org-1", "member").unwrap();
    let path = format!("/organizations/org-1/members/{}", added.id);
    assert_eq!(get(&planetscale, &path).await.at("/role"), "member");

    planetscale.set_role("org-1", &added.email, "admin").unwrap();
    assert_eq!(get(&planetscale, &path).await.at("/role"), "admin");

    planetscale.add_existing_member("org-2", added.id.as_str(), "analyst").unwrap();
    planetscale.add_team_member("org-1", "team-001", added.id.as_str()).unwrap();
    planetscale.remove_member("org-1", added.id.as_str()).unwrap();
    assert_eq!(get(&planetscale, &path).await.status, 404);
    let truth = planetscale.truth();
    assert!(!truth.organizations[0].teams[0].members.iter().any(|user| user.id == added.id));
    assert_eq!(truth.organization("org-2").unwrap().member(added.id).unwrap().role, "analyst");
}

#[tokio::test]
async fn teams_change_on_request() {
    let planetscale = start_default().await;
    let slug = planetscale.add_team("org-1", "DB Admins").unwrap();
    assert_eq!(slug, "db-admins");
    let team = |planetscale: &PlanetScaleSimulator, slug: &str| {
        let truth = planetscale.truth();
        truth.organizations[0].team(slug).unwrap().members.iter().map(|user| user.id).collect::<Vec<_>>()
    };
    let user = team(&planetscale, "team-001")[0];

    planetscale.move_team_member("org-1", "team-001", &slug, user.as_str()).unwrap();
    assert_eq!(team(&planetscale, &slug), [user]);
    assert!(!team(&planetscale, "team-001").contains(&user));
    let listed = get(&planetscale, "/organizations/org-1/teams/db-admins/members").await;
    assert_eq!(ids(&listed, "/user/id"), [user.to_string()]);

    let before = planetscale.truth();
    planetscale.move_team_member("org-1", &slug, "no-team", user.as_str()).unwrap_err();
    assert_eq!(planetscale.truth(), before, "a refused move changes nothing");

    planetscale.remove_team_member("org-1", &slug, user.as_str()).unwrap();
    assert_eq!(team(&planetscale, &slug), []);
    planetscale.remove_team("org-1", &slug).unwrap();
    assert_eq!(get(&planetscale, "/organizations/org-1/teams/db-admins").await.status, 404);
}

#[tokio::test]
async fn organizations_change_on_request() {
    let planetscale = start_default().await;
    let size = OrganizationSize { name: "new one".into(), members: 5, teams: 0, team_members: 0 };
    planetscale.add_organization(&size).unwrap();
    planetscale.remove_organization("org-1").unwrap();
    assert_eq!(ids(&get(&planetscale, "/organizations").await, "/name"), ["org-2", "new one"]);
    assert_eq!(get(&planetscale, "/organizations/new%20one/members").await.at("/total_count"), 5);
    assert!(planetscale.add_organization(&size).is_err());
}

#[tokio::test]
async fn the_same_seed_gives_the_same_bytes() {
    let (one, two) = (start_default().await, start_default().await);
    for path in [
        "/organizations",
        "/organizations/org-2/members",
        "/organizations/org-2/teams",
        "/organizations/org-2/teams/team-001/members",
    ] {
        let (one_body, two_body) = (get(&one, path).await.body, get(&two, path).await.body);
        assert_eq!(one_body.replace(one.base_url(), ""), two_body.replace(two.base_url(), ""));
    }
}
