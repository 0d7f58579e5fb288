//! The paths of Scalr's API that the simulator has.

use std::cmp::Ordering;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::Scalr;
use super::data::{Data, ServiceAccount, User};
use super::order::Order;
use super::query::{Allowed, ListQuery, SortKey};
use super::refusal::Refusal;
use super::wire::{self, Included, Listing, MEDIA_TYPE, Single};
use crate::gate::json;
use crate::paging::Window;

pub(super) fn router(scalr: Scalr) -> Router {
    Router::new()
        .route("/api/iacp/v3/accounts", get(list_accounts))
        .route("/api/iacp/v3/accounts/{id}", get(read_account))
        .route("/api/iacp/v3/account-users", get(list_account_users))
        .route("/api/iacp/v3/users/{id}", get(read_user))
        .route("/api/iacp/v3/service-accounts", get(list_service_accounts))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_path)
        .with_state(scalr)
}

async fn no_such_path() -> Response {
    Refusal::NoSuchPath.into_response()
}

const ACCOUNTS: Allowed =
    Allowed { filters: &["name"], includes: &["billing-plan", "identity-provider", "owner"], sorts: &[] };

async fn list_accounts(State(scalr): State<Scalr>, uri: Uri) -> Result<Response, Refusal> {
    let query = ListQuery::parse(&uri, &ACCOUNTS)?;
    let data = scalr.read();
    let found = query.passes("name", &data.truth.account_name);
    let window = query.page.over(usize::from(found));
    let shown = !window.range().is_empty();
    let accounts = if shown { vec![wire::account(&data)] } else { Vec::new() };
    let included = query.includes_anything().then(|| {
        let mut included = Vec::new();
        if shown && query.includes("owner") {
            included.extend(data.truth.users.first().map(|owner| Included::User(wire::user(&data, owner))));
        }
        if shown && query.includes("identity-provider") {
            included.push(Included::identity_provider(&data));
        }
        included
    });
    Ok(json(StatusCode::OK, MEDIA_TYPE, &Listing::new(&uri, window, accounts, included)))
}

async fn read_account(State(scalr): State<Scalr>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let data = scalr.read();
    if data.truth.account_id != id {
        return Err(Refusal::NotFound { resource: "Account", id });
    }
    Ok(json(StatusCode::OK, MEDIA_TYPE, &Single { data: wire::account(&data) }))
}

async fn read_user(State(scalr): State<Scalr>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let data = scalr.read();
    let Some(user) = data.user(&id) else {
        return Err(Refusal::NotFound { resource: "User", id });
    };
    Ok(json(StatusCode::OK, MEDIA_TYPE, &Single { data: wire::user(&data, user) }))
}

const ACCOUNT_USERS: Allowed = Allowed {
    filters: &["account", "user", "status"],
    includes: &["account", "teams", "user"],
    sorts: &["created-at", "email", "full-name", "last-login-at", "status"],
};

async fn list_account_users(State(scalr): State<Scalr>, uri: Uri) -> Result<Response, Refusal> {
    let query = ListQuery::parse(&uri, &ACCOUNT_USERS)?;
    if !query.has("account") && !query.has("user") {
        return Err(Refusal::MissingFilter {
            parameter: "filter[account]",
            detail: "One of filter[account] and filter[user] is required.",
        });
    }
    let data = scalr.read();
    let account_id = data.truth.account_id.as_str();
    let users = &data.truth.users;
    let order = scalr.state.orders.of("account-users", query.sort.as_deref(), users, compare_users);
    let (window, page) = if !query.passes("account", account_id) {
        (query.page.over(0), Vec::new())
    } else if query.has("user") || query.has("status") {
        select(&query, &order, users, |user| {
            query.passes("user", &user.id) && query.passes("status", user.relation_status.as_str())
        })
    } else {
        // The whole account: the page is cut without looking at the other hundred thousand users.
        let window = query.page.over(users.len());
        (window, order.cut(users, window.range()))
    };
    Ok(account_users_page(&uri, &query, window, &data, &page))
}

/// Cuts a page out of the things that pass the query's filters.
fn select<'a, T>(
    query: &ListQuery,
    order: &Order,
    things: &'a [T],
    passes: impl Fn(&T) -> bool,
) -> (Window, Vec<&'a T>) {
    let mut selected = order.cut(things, 0..things.len());
    selected.retain(|thing| passes(thing));
    let window = query.page.over(selected.len());
    (window, window.cut(&selected).to_vec())
}

fn account_users_page(uri: &Uri, query: &ListQuery, window: Window, data: &Data, page: &[&User]) -> Response {
    let relations = page.iter().map(|user| wire::relation(&data.truth.account_id, user)).collect();
    let included = query.includes_anything().then(|| {
        let mut included = Vec::with_capacity(page.len() + 1);
        if query.includes("account") && !page.is_empty() {
            included.push(Included::Account(wire::account(data)));
        }
        if query.includes("user") {
            included.extend(page.iter().map(|user| Included::User(wire::user(data, user))));
        }
        included
    });
    json(StatusCode::OK, MEDIA_TYPE, &Listing::new(uri, window, relations, included))
}

const SERVICE_ACCOUNTS: Allowed = Allowed {
    filters: &["account", "service-account", "email"],
    includes: &["account", "created-by"],
    sorts: &["description", "email", "name", "status"],
};

async fn list_service_accounts(State(scalr): State<Scalr>, uri: Uri) -> Result<Response, Refusal> {
    let query = ListQuery::parse(&uri, &SERVICE_ACCOUNTS)?;
    let data = scalr.read();
    let truth = &data.truth;
    if !truth.service_accounts_available {
        return Err(Refusal::Forbidden);
    }
    let accounts = &truth.service_accounts;
    let order = scalr.state.orders.of("service-accounts", query.sort.as_deref(), accounts, compare_accounts);
    let (window, page) = select(&query, &order, accounts, |account| {
        query.passes("account", &truth.account_id)
            && query.passes("service-account", &account.id)
            && query.passes("email", &account.email)
    });
    let page: Vec<_> = page.into_iter().map(|account| wire::service_account(&data, account)).collect();
    let included = query.includes_anything().then(|| {
        let mut included = Vec::new();
        if query.includes("account") && !page.is_empty() {
            included.push(Included::Account(wire::account(&data)));
        }
        if query.includes("created-by") && !page.is_empty() {
            included.extend(truth.users.first().map(|creator| Included::User(wire::user(&data, creator))));
        }
        included
    });
    Ok(json(StatusCode::OK, MEDIA_TYPE, &Listing::new(&uri, window, page, included)))
}

fn compare_users(a: &User, b: &User, key: SortKey<'_>) -> Ordering {
    let ordering = match key.field {
        "created-at" => nulls_last(a.created_at, b.created_at),
        "email" => a.email.cmp(&b.email),
        "full-name" => nulls_last(a.full_name.as_deref(), b.full_name.as_deref()),
        "last-login-at" => nulls_last(a.relation_last_login_at, b.relation_last_login_at),
        _ => a.relation_status.cmp(&b.relation_status),
    };
    directed(ordering, key)
}

fn compare_accounts(a: &ServiceAccount, b: &ServiceAccount, key: SortKey<'_>) -> Ordering {
    let ordering = match key.field {
        "description" => nulls_last(a.description.as_deref(), b.description.as_deref()),
        "email" => a.email.cmp(&b.email),
        "name" => a.name.cmp(&b.name),
        _ => a.status.cmp(&b.status),
    };
    directed(ordering, key)
}

fn directed(ordering: Ordering, key: SortKey<'_>) -> Ordering {
    if key.descending { ordering.reverse() } else { ordering }
}

fn nulls_last<T: Ord>(a: Option<T>, b: Option<T>) -> Ordering {
    a.is_none().cmp(&b.is_none()).then_with(|| a.cmp(&b))
}
