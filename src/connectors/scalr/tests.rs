//! The connector against a server that answers as it is told.

mod look_up;

use rstest::rstest;
use serde_json::{Value, json};

use super::super::scripted::{Asked, Reply, Scripted, options, read};
use super::*;
use crate::access::{Resource, ResourceKind};

const ACCOUNTS: &str = "/api/iacp/v3/accounts";
const PEOPLE: &str = "/api/iacp/v3/account-users";
const PROGRAMS: &str = "/api/iacp/v3/service-accounts";
const TOKEN: &str = "canary.5f1d3e9a";

fn scalr(base: Url) -> Scalr {
    let settings = ScalrSettings { account: "acme".to_owned(), base_url: Some(base) };
    Scalr::new(settings, TOKEN.to_owned().into(), options()).unwrap()
}

fn page(number: u64, next: Option<u64>, total: u64, data: &[Value], included: &[Value]) -> Value {
    json!({"data": data, "included": included, "meta": {"pagination": {"current-page": number, "page-size": 100,
        "prev-page": null, "next-page": next, "total-pages": 1, "total-count": total}}})
}

fn whole(data: &[Value], included: &[Value]) -> Value {
    page(1, None, data.len() as u64, data, included)
}

fn account(name: &str, id: &str, programs: Option<bool>) -> Value {
    json!({"type": "accounts", "id": id, "attributes": {"name": name, "quotas": {"service-accounts-available": programs}}})
}

fn relation_to(account: &str, user: &str, status: &str) -> Value {
    json!({"type": "account-users", "id": format!("relation-of-{user}"),
        "attributes": {"status": status, "last-login-at": "2026-07-30T08:11:02Z"},
        "relationships": {"account": {"data": {"type": "accounts", "id": account}},
            "user": {"data": {"type": "users", "id": user}}, "teams": {"data": []}}})
}

fn relation(user: &str) -> Value {
    relation_to("acc-1", user, "Active")
}

fn user(id: &str) -> Value {
    json!({"type": "users", "id": id, "attributes": {"email": format!("{id}@example.com"), "username": id,
        "full-name": null, "status": "Active", "created-at": null, "last-login-at": null}})
}

fn program(id: &str) -> Value {
    json!({"type": "service-accounts", "id": id,
        "attributes": {"name": "ci", "email": "ci@acme.scalr.io", "status": "Active"},
        "relationships": {"account": {"data": {"type": "accounts", "id": "acc-1"}}}})
}

/// What a healthy account of two people and a service account answers.
fn healthy(asked: &Asked) -> Reply {
    json_api(match (asked.path.as_str(), asked.query("page[number]")) {
        (ACCOUNTS, "1") => {
            whole(&[account("acme-2", "acc-2", None), account("acme", "acc-1", Some(true))], &[])
        }
        (PEOPLE, "1") => page(1, Some(2), 2, &[relation("user-a")], &[user("user-a")]),
        (PEOPLE, "2") => page(2, None, 2, &[relation_to("acc-1", "user-b", "Inactive")], &[user("user-b")]),
        (PROGRAMS, "1") => whole(&[program("sa-1")], &[]),
        _ => return Reply::status(404),
    })
}

fn json_api(body: Value) -> Reply {
    Reply::of(200, "application/vnd.api+json; charset=utf-8", body)
}

/// Healthy, but for what `instead` answers.
async fn run(instead: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Run {
    let server = Scripted::start(move |asked| instead(asked).unwrap_or_else(|| healthy(asked))).await;
    let (end, records) = read(&scalr(server.base.clone())).await;
    Run { end, records, server }
}

struct Run {
    end: Result<Upstream, ReadError>,
    records: Vec<Record>,
    server: Scripted,
}

impl Run {
    fn users(&self) -> Vec<&Resource> {
        self.records
            .iter()
            .map(|record| match record {
                Record::Resource(resource) => resource,
                _ => panic!("{record:?}"),
            })
            .collect()
    }

    fn ids(&self) -> Vec<&str> {
        self.users().iter().map(|user| user.id.id.as_str()).collect()
    }

    fn error(&self) -> String {
        let error = self.end.as_ref().unwrap_err();
        assert!(!format!("{error} {error:?}").contains(TOKEN), "{error}");
        error.to_string()
    }
}

#[tokio::test]
async fn everybody_in_the_account_is_read_once() {
    let run = run(|_| None).await;
    assert_eq!(run.end.as_ref().unwrap().account_id, "acc-1");
    assert_eq!(run.ids(), ["user-a", "user-b", "sa-1"]);
    let enabled: Vec<_> = run
        .users()
        .iter()
        .map(|user| match &user.kind {
            ResourceKind::User(user) => user.status.enabled,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(enabled, [true, false, true]);
    let asked = run.server.asked();
    assert_eq!(asked.len(), 4, "a page was asked for twice");
    assert_eq!(asked[0].query("filter[name]"), "acme");
    assert_eq!(asked[0].headers["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(asked[0].headers["accept"], "application/vnd.api+json");
    let people = &asked[1];
    for (name, value) in [("filter[account]", "acc-1"), ("include", "user"), ("page[size]", "100")] {
        assert_eq!(people.query(name), value);
    }
}

#[tokio::test]
async fn service_accounts_are_skipped_only_where_the_quotas_say_that_there_are_none() {
    for (quota, asked) in [(Some(false), false), (Some(true), true), (None, true)] {
        let run = run(move |asked| {
            (asked.path == ACCOUNTS).then(|| json_api(whole(&[account("acme", "acc-1", quota)], &[])))
        })
        .await;
        assert!(run.end.is_ok());
        assert_eq!(run.server.paths().contains(&PROGRAMS.to_owned()), asked, "{quota:?}");
    }
}

#[tokio::test]
async fn a_user_who_went_before_they_could_be_asked_for_is_a_listing_that_changed() {
    let run = run(|asked| {
        let listed = !asked.query.contains_key("filter[user]");
        let relations = [relation("user-a")];
        (asked.path == PEOPLE).then(|| json_api(whole(if listed { &relations } else { &[] }, &[])))
    })
    .await;
    assert!(matches!(run.end, Err(ReadError::ListingChanged { .. })), "{}", run.error());
    assert!(run.error().contains("the user user-a is no longer among them"), "{}", run.error());
}

#[tokio::test]
async fn a_user_who_is_not_included_is_asked_for() {
    let run = run(|asked| match asked.path.as_str() {
        PEOPLE => Some(json_api(whole(&[relation("user-a"), relation("user-b")], &[user("user-b")]))),
        "/api/iacp/v3/users/user-a" => Some(json_api(json!({"data": user("user-a")}))),
        _ => None,
    })
    .await;
    assert!(run.end.is_ok());
    assert_eq!(run.ids(), ["user-b", "user-a", "sa-1"]);
}

#[rstest]
#[case::no_account(ACCOUNTS, whole(&[account("acme-2", "acc-2", None)], &[]), "no account named `acme`")]
#[case::two_accounts(ACCOUNTS, whole(&[account("acme", "acc-1", None), account("acme", "acc-2", None)], &[]), "several accounts named `acme`")]
#[case::nobody(PEOPLE, whole(&[], &[]), "not a single user")]
#[case::of_another_account(PEOPLE, whole(&[relation_to("acc-9", "user-a", "Active")], &[user("user-a")]), "somebody of the account acc-9, not of acc-1")]
#[case::nobody_related(PEOPLE, whole(&[json!({"attributes": {"status": "Active"}, "relationships": {"account": {"data": {"id": "acc-1"}}, "user": {"data": null}}})], &[]), "invalid type: null")]
#[case::no_meta(PEOPLE, json!({"data": []}), "missing field `meta`")]
#[case::twice(PEOPLE, whole(&[relation("user-a"), relation("user-a")], &[user("user-a")]), "changed while it was read")]
#[case::not_included_nor_there(PEOPLE, whole(&[relation("user-a")], &[]), "does not let the credential read a user of the account")]
#[case::fewer_than_said(PEOPLE, page(1, None, 7, &[relation("user-a")], &[user("user-a")]), "says that it has 7 items, and 1 came")]
#[case::a_program_with_a_persons_id(PROGRAMS, whole(&[program("user-a")], &[]), "changed while it was read")]
#[case::two_under_one_id(PEOPLE, whole(&[relation("user-a")], &[user("user-a"), json!({"type": "users", "id": "user-a", "attributes": {"email": "other"}})]), "two different users have the id user-a")]
#[case::an_id_that_is_none(PEOPLE, whole(&[relation("a:b")], &[user("a:b")]), "`a:b` is no id")]
#[tokio::test]
async fn a_listing_that_cannot_be_right_fails_the_run(
    #[case] path: &'static str,
    #[case] body: Value,
    #[case] because: &str,
) {
    let run = run(move |asked| (asked.path == path).then(|| json_api(body.clone()))).await;
    assert!(run.error().contains(because), "{}", run.error());
}

#[rstest]
#[case::the_first_again(page(1, Some(2), 2, &[relation("user-a")], &[user("user-a")]), "page 2 was asked for, page 1 came")]
#[case::the_first_again_with_a_new_number(page(2, None, 2, &[relation("user-a")], &[user("user-a")]), "an item that came before")]
#[case::nothing_though_more_is_to_come(page(2, Some(3), 2, &[], &[]), "page 2 is empty")]
#[case::another_total(page(2, None, 3, &[relation("user-b")], &[user("user-b")]), "it had 2 items, and on page 2 it has 3")]
#[tokio::test]
async fn a_second_page_that_does_not_follow_the_first_fails_the_run(
    #[case] second: Value,
    #[case] because: &str,
) {
    let run = run(move |asked| {
        (asked.path == PEOPLE && asked.query("page[number]") == "2").then(|| json_api(second.clone()))
    })
    .await;
    assert!(run.error().contains(because), "{}", run.error());
}

#[rstest]
#[case(401, "refused the credential")]
#[case(403, "does not let the credential read")]
#[case(404, "does not let the credential read")]
#[case(500, "failed")]
#[tokio::test]
async fn no_listing_that_is_refused_counts_as_empty(
    #[case] status: u16,
    #[case] because: &str,
    #[values(ACCOUNTS, PEOPLE, PROGRAMS)] path: &'static str,
) {
    let body = json!({"errors": [{"title": "Not found or unauthorized."}]});
    let run = run(move |asked| {
        (asked.path == path).then(|| Reply::of(status, "application/vnd.api+json", body.to_string()))
    })
    .await;
    let error = run.error();
    assert!(error.contains(because) && error.contains(path) && error.contains("Not found or"), "{error}");
}

#[rstest]
#[case("", "account name")]
#[case("Acme", "account name")]
#[case("in:a,b", "account name")]
#[case("acme.scalr.io", "account name")]
#[case("-acme", "account name")]
fn an_account_that_is_no_subdomain_is_refused(#[case] account: &str, #[case] because: &str) {
    let settings = ScalrSettings { account: account.to_owned(), base_url: None };
    let error = Scalr::new(settings, TOKEN.to_owned().into(), options()).unwrap_err();
    assert!(error.to_string().contains(because), "{error}");
}

#[rstest]
#[case("canary\n", true)]
#[case("canary\r\n", true)]
#[case("", false)]
#[case("\n", false)]
#[case("can ary", false)]
#[case(" canary", false)]
#[case("can\nary", false)]
#[case("can\u{e4}ry", false)]
fn a_token_has_the_form_of_one(#[case] token: &str, #[case] good: bool) {
    let settings =
        ScalrSettings { account: "acme".to_owned(), base_url: Some("http://localhost".parse().unwrap()) };
    let made = Scalr::new(settings, token.to_owned().into(), options());
    assert_eq!(made.is_ok(), good, "{made:?}");
    assert!(!format!("{made:?}").contains("ary"), "{made:?}");
}

#[test]
fn without_a_base_url_the_accounts_own_host_is_asked() {
    let settings = ScalrSettings { account: "acme".to_owned(), base_url: None };
    let allowed = crate::network::HostPolicy::new(["*.scalr.io"]).unwrap();
    let scalr = Scalr::new(settings, TOKEN.to_owned().into(), ClientOptions::new(allowed)).unwrap();
    assert_eq!(scalr.client.host(), "acme.scalr.io");
}

#[tokio::test]
async fn whether_the_token_works_takes_one_request_and_fails_as_reading_would() {
    let server = Scripted::start(healthy).await;
    scalr(server.base.clone()).validate().await.unwrap();
    assert_eq!(server.paths(), [ACCOUNTS]);

    let refusing = Scripted::start(|_| Reply::status(401)).await;
    let refused = scalr(refusing.base.clone()).validate().await;
    assert!(matches!(refused, Err(ReadError::Unauthorized { .. })), "{refused:?}");
    let strange = Scripted::start(|_| json_api(whole(&[], &[]))).await;
    let unknown = scalr(strange.base.clone()).validate().await;
    assert!(matches!(unknown, Err(ReadError::AccountNotFound(_))), "{unknown:?}");
}
