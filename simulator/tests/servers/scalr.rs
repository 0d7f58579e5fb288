//! Scalr: authentication, JSON:API documents, paging, filters, order, changes.

use std::collections::BTreeSet;

use connector_simulator::scalr::Status;
use connector_simulator::{ScalrConfig, ScalrSimulator};
use serde_json::{Value, json};

use crate::client::{Answer, send};

async fn start(users: usize) -> ScalrSimulator {
    ScalrSimulator::start(ScalrConfig { users, ..ScalrConfig::default() }).await.unwrap()
}

/// GET below the API's base path, with the token that is accepted.
pub(crate) async fn get(scalr: &ScalrSimulator, path: &str) -> Answer {
    let authorization = format!("Bearer {}", scalr.token());
    send("GET", scalr.base_url(), &format!("/api/iacp/v3{path}"), Some(&authorization), "").await
}

/// The account users that `query` selects of the right account.
async fn account_users(scalr: &ScalrSimulator, query: &str) -> Answer {
    let account = scalr.truth().account_id;
    get(scalr, &format!("/account-users?filter[account]={account}&{query}")).await
}

fn column(answer: &Answer, pointer: &str) -> Vec<Value> {
    let rows = answer.at("/data");
    rows.as_array().unwrap().iter().map(|row| row.pointer(pointer).unwrap().clone()).collect()
}

#[tokio::test]
async fn without_the_right_bearer_token_everything_is_a_401_with_a_json_api_body() {
    let scalr = start(3).await;
    let raw = scalr.token();
    let lower = format!("bearer {raw}");
    for authorization in
        [None, Some("Bearer wrong"), Some(raw.as_str()), Some(lower.as_str()), Some("Bearer ")]
    {
        for path in ["/api/iacp/v3/accounts", "/api/iacp/v3/nothing"] {
            let answer = send("GET", scalr.base_url(), path, authorization, "").await;
            assert_eq!(answer.status, 401, "{authorization:?}");
            assert_eq!(answer.header("content-type"), Some("application/vnd.api+json"));
            assert_eq!(answer.at("/errors/0/status"), "401");
            assert_eq!(answer.at("/errors/0/title"), "Unauthorized");
        }
    }
}

#[tokio::test]
async fn an_account_is_found_by_its_exact_name_only() {
    let scalr = start(3).await;
    let found = get(&scalr, "/accounts?filter[name]=acme").await;
    assert_eq!((found.status, found.header("content-type")), (200, Some("application/vnd.api+json")));
    assert_eq!(found.at("/data/0/id"), scalr.truth().account_id);
    assert_eq!(found.at("/data/0/type"), "accounts");
    assert_eq!(found.at("/data/0/attributes/name"), "acme");
    assert_eq!(found.at("/data/0/attributes/quotas/service-accounts-available"), true);
    assert_eq!(found.at("/data/0/relationships/owner/data/id"), scalr.truth().users[0].id);
    for name in ["acm", "acme2", "ACME", ""] {
        let answer = get(&scalr, &format!("/accounts?filter[name]={name}")).await;
        assert_eq!((answer.status, answer.at("/data")), (200, json!([])), "{name:?}");
        assert_eq!(answer.at("/meta/pagination/total-count"), 0);
    }
}

#[tokio::test]
async fn an_account_can_be_read_by_id_and_another_is_not_found_in_scalrs_words() {
    let scalr = start(3).await;
    let id = scalr.truth().account_id;
    assert_eq!(get(&scalr, &format!("/accounts/{id}")).await.at("/data/id"), id);
    let answer = get(&scalr, "/accounts/acc-other").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.at("/errors/0/title"), "Account with ID 'acc-other' not found or user unauthorized.");
}

#[tokio::test]
async fn a_user_can_be_read_by_id_and_another_is_not_found_in_scalrs_words() {
    let scalr = start(3).await;
    let user = &scalr.truth().users[2];
    let answer = get(&scalr, &format!("/users/{}", user.id)).await;
    assert_eq!(answer.at("/data/type"), "users");
    assert_eq!(answer.at("/data/attributes/email"), "user-000002@example.com");
    assert_eq!(answer.at("/data/attributes/full-name"), "Cleo Example 2");
    assert_eq!(answer.at("/data/links/self"), format!("/api/iacp/v3/users/{}", user.id));
    let answer = get(&scalr, "/users/user-other").await;
    assert_eq!(answer.at("/errors/0/title"), "User with ID 'user-other' not found or user unauthorized.");
}

#[tokio::test]
async fn first_middle_and_last_page_and_one_beyond_say_where_they_are() {
    let scalr = start(45).await;
    let pagination = |current: u64, prev: Value, next: Value| {
        json!({"current-page": current, "page-size": 20, "prev-page": prev, "next-page": next,
               "total-pages": 3, "total-count": 45})
    };
    let cases = [
        (1, 20, pagination(1, Value::Null, 2.into())),
        (2, 20, pagination(2, 1.into(), 3.into())),
        (3, 5, pagination(3, 2.into(), Value::Null)),
        (4, 0, pagination(4, 3.into(), Value::Null)),
    ];
    for (page, rows, expected) in cases {
        let answer = account_users(&scalr, &format!("page[number]={page}")).await;
        assert_eq!(answer.at("/data").as_array().unwrap().len(), rows);
        assert_eq!(answer.at("/meta/pagination"), expected);
    }
}

#[tokio::test]
async fn brackets_may_be_percent_encoded_and_links_lead_to_the_next_page() {
    let scalr = start(45).await;
    let account = scalr.truth().account_id;
    let query = format!("filter%5Baccount%5D={account}&page%5Bnumber%5D=1&page%5Bsize%5D=30");
    let answer = get(&scalr, &format!("/account-users?{query}")).await;
    assert_eq!(answer.at("/data").as_array().unwrap().len(), 30);
    let next = answer.at("/links/next");
    let next = get(&scalr, next.as_str().unwrap().strip_prefix("/api/iacp/v3").unwrap()).await;
    assert_eq!(next.at("/data").as_array().unwrap().len(), 15);
    assert_eq!(next.at("/links/next"), Value::Null);
}

#[tokio::test]
async fn a_page_size_above_a_hundred_is_clamped() {
    let scalr = start(120).await;
    let answer = account_users(&scalr, "page[size]=1000").await;
    assert_eq!(answer.at("/data").as_array().unwrap().len(), 100);
    assert_eq!(answer.at("/meta/pagination/page-size"), 100);
    assert_eq!(answer.at("/meta/pagination/total-pages"), 2);
}

#[tokio::test]
async fn all_pages_together_are_the_truth_with_the_users_included() {
    let scalr = start(250).await;
    let mut seen = Vec::new();
    for page in 1..=3 {
        let answer = account_users(&scalr, &format!("include=user&page[size]=100&page[number]={page}")).await;
        let users = column(&answer, "/relationships/user/data/id");
        let included = answer.at("/included");
        let ids: Vec<_> = included.as_array().unwrap().iter().map(|user| user["id"].clone()).collect();
        assert_eq!(users, ids);
        for (row, user) in answer.at("/data").as_array().unwrap().iter().zip(included.as_array().unwrap()) {
            seen.push((row["id"].clone(), row["attributes"]["status"].clone(), user["attributes"].clone()));
        }
    }
    let truth = scalr.truth();
    assert_eq!(seen.len(), truth.users.len());
    for ((relation, status, attributes), user) in seen.iter().zip(&truth.users) {
        assert_eq!(relation, &user.relation_id);
        assert_eq!(status, user.relation_status.as_str());
        assert_eq!(attributes["email"], user.email);
        assert_eq!(attributes["username"], user.email);
        assert_eq!(attributes["status"], user.status.as_str());
        assert_eq!(attributes["full-name"], json!(user.full_name));
        assert_eq!(attributes["created-at"].is_null(), user.created_at.is_none());
        assert_eq!(attributes["last-login-at"].is_null(), user.last_login_at.is_none());
    }
}

#[tokio::test]
async fn forty_five_users_show_every_status_and_every_null() {
    let users = start(45).await.truth().users;
    let pairs: BTreeSet<_> = users.iter().map(|user| (user.relation_status, user.status)).collect();
    assert!(pairs.contains(&(Status::Active, Status::Active)));
    assert!(pairs.contains(&(Status::Inactive, Status::Active)));
    assert!(pairs.contains(&(Status::Active, Status::Inactive)));
    assert!(pairs.contains(&(Status::Pending, Status::Pending)));
    assert!(users[0].enabled());
    assert!(users.iter().any(|user| user.full_name.is_none()));
    assert!(users.iter().any(|user| user.created_at.is_none()));
    assert!(users.iter().any(|user| user.enabled() && user.last_login_at.is_none()));
}

#[tokio::test]
async fn without_include_there_is_no_included() {
    let scalr = start(3).await;
    assert_eq!(account_users(&scalr, "").await.json().get("included"), None);
}

#[tokio::test]
async fn a_wrong_filter_value_is_an_empty_page_and_not_an_error() {
    let scalr = start(3).await;
    for path in [
        "/account-users?filter[account]=acc-typo&include=user",
        "/account-users?filter[user]=user-typo",
        "/service-accounts?filter[account]=acc-typo",
    ] {
        let answer = get(&scalr, path).await;
        assert_eq!((answer.status, answer.at("/data")), (200, json!([])), "{path}");
        assert_eq!(answer.at("/meta/pagination/total-count"), 0);
    }
}

#[tokio::test]
async fn account_users_can_be_filtered_by_one_user_or_several() {
    let scalr = start(45).await;
    let users = scalr.truth().users;
    let one = account_users(&scalr, &format!("filter[user]={}", users[40].id)).await;
    assert_eq!(column(&one, "/id"), [json!(users[40].relation_id)]);
    let two = account_users(&scalr, &format!("filter[user]=in:{},{}", users[7].id, users[9].id)).await;
    assert_eq!(column(&two, "/id"), [json!(users[7].relation_id), json!(users[9].relation_id)]);
    let pending = account_users(&scalr, "filter[status]=Pending").await;
    assert_eq!(column(&pending, "/attributes/status"), [json!("Pending"), json!("Pending")]);
}

#[tokio::test]
async fn account_users_without_account_or_user_are_refused() {
    let scalr = start(3).await;
    let answer = get(&scalr, "/account-users").await;
    assert_eq!((answer.status, answer.at("/errors/0/source/parameter")), (422, json!("filter[account]")));
}

#[tokio::test]
async fn a_parameter_that_is_not_simulated_is_refused_by_name() {
    let scalr = start(3).await;
    for (query, parameter) in [
        ("filter[acount]=x", "filter[acount]"),
        ("sort=shoe-size", "sort"),
        ("include=usr", "include"),
        ("page[number]=0", "page[number]"),
        ("page[size]=many", "page[size]"),
    ] {
        let answer = account_users(&scalr, query).await;
        assert_eq!((answer.status, answer.at("/errors/0/source/parameter")), (400, json!(parameter)));
    }
}

#[tokio::test]
async fn sort_orders_over_all_pages_in_both_directions_and_follows_changes() {
    let scalr = start(45).await;
    let mut truth = scalr.truth().users;
    truth.sort_by_key(|user| (user.created_at.is_none(), user.created_at));
    let ids: Vec<_> = truth.iter().map(|user| json!(user.relation_id)).collect();
    let first = account_users(&scalr, "sort=created-at").await;
    let last = account_users(&scalr, "sort=created-at&page[number]=3").await;
    assert_eq!(column(&first, "/id"), ids[..20]);
    assert_eq!(column(&last, "/id"), ids[40..]);

    let down = account_users(&scalr, "sort=-email&include=user&page[size]=1").await;
    assert_eq!(down.at("/included/0/attributes/email"), "user-000044@example.com");
    scalr.add_user(Some("zoe@example.com"), None).unwrap();
    let down = account_users(&scalr, "sort=-email&include=user&page[size]=1").await;
    assert_eq!(down.at("/included/0/attributes/email"), "zoe@example.com");
}

#[tokio::test]
async fn service_accounts_are_listed_as_they_are() {
    let scalr = start(3).await;
    let truth = scalr.truth();
    let answer = get(&scalr, &format!("/service-accounts?filter[account]={}", truth.account_id)).await;
    assert_eq!(column(&answer, "/id").len(), 3);
    assert_eq!(answer.at("/data/0/type"), "service-accounts");
    assert_eq!(answer.at("/data/0/attributes/email"), "robot-000@acme.scalr.io");
    assert_eq!(answer.at("/data/0/relationships/account/data/id"), truth.account_id);
    let one =
        get(&scalr, &format!("/service-accounts?filter[service-account]={}", truth.service_accounts[1].id))
            .await;
    assert_eq!(column(&one, "/id"), [json!(truth.service_accounts[1].id)]);
}

#[tokio::test]
async fn without_the_quota_service_accounts_are_forbidden() {
    let scalr = start(3).await;
    scalr.set_service_accounts_available(false);
    let account = get(&scalr, "/accounts").await;
    assert_eq!(account.at("/data/0/attributes/quotas/service-accounts-available"), false);
    let answer = get(&scalr, "/service-accounts").await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.at("/errors/0/detail"), "User unauthorized to perform this action.");
}

#[tokio::test]
async fn changes_are_visible_in_the_next_answer() {
    let scalr = start(3).await;
    let added = scalr.add_user(None, None).unwrap();
    assert!(added.enabled());
    assert_eq!(column(&account_users(&scalr, "").await, "/id").len(), 4);

    scalr.disable_user(&added.email).unwrap();
    let answer = account_users(&scalr, &format!("include=user&filter[user]={}", added.id)).await;
    assert_eq!(answer.at("/data/0/attributes/status"), "Inactive");
    assert_eq!(answer.at("/included/0/attributes/status"), "Active");
    assert!(!scalr.truth().users[3].enabled());

    scalr.remove_user(&added.id).unwrap();
    assert_eq!(column(&account_users(&scalr, "").await, "/id").len(), 3);
    assert_eq!(get(&scalr, &format!("/users/{}", added.id)).await.status, 404);

    let again = scalr.add_user(None, None).unwrap();
    assert_ne!(again.id, added.id, "an id is never used again");
    assert!(scalr.remove_user("nobody").is_err());
    assert!(scalr.add_user(Some(&again.email), None).is_err());
}

#[tokio::test]
async fn an_empty_account_has_an_empty_page_and_no_owner() {
    let scalr = start(0).await;
    assert_eq!(account_users(&scalr, "").await.at("/data"), json!([]));
    assert_eq!(get(&scalr, "/accounts").await.at("/data/0/relationships/owner/data"), Value::Null);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let (one, two) = (start(45).await, start(45).await);
    let other = ScalrSimulator::start(ScalrConfig { seed: 2, ..ScalrConfig::default() }).await.unwrap();
    assert_eq!(
        account_users(&one, "include=user").await.body,
        account_users(&two, "include=user").await.body
    );
    assert_eq!(get(&one, "/service-accounts").await.body, get(&two, "/service-accounts").await.body);
    assert_ne!(one.truth().users[0].id, other.truth().users[0].id);
}

#[tokio::test]
async fn writing_is_not_offered() {
    let scalr = start(3).await;
    let authorization = format!("Bearer {}", scalr.token());
    let answer = send("POST", scalr.base_url(), "/api/iacp/v3/accounts", Some(&authorization), "{}").await;
    assert_eq!(answer.status, 404);
}
