//! The control paths of the simulated Scalr.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, post, put};
use axum::{Json, Router};
use serde::Deserialize;

use super::{Body, Done, Person, done};
use crate::error::Error;
use crate::scalr::{Scalr, ServiceAccount, Status, User};

pub(super) fn router(scalr: Scalr) -> Router {
    Router::new()
        .route("/_simulator/scalr/quota", put(set_quota))
        .route("/_simulator/scalr/users", post(add_user))
        .route("/_simulator/scalr/users/{user}", delete(remove_user))
        .route("/_simulator/scalr/users/{user}/status", put(set_user_status))
        .route("/_simulator/scalr/service-accounts", post(add_service_account))
        .route("/_simulator/scalr/service-accounts/{name}", delete(remove_service_account))
        .route("/_simulator/scalr/service-accounts/{name}/status", put(set_service_account_status))
        .with_state(scalr)
}

impl From<User> for Person {
    fn from(user: User) -> Self {
        Self { id: user.id, email: user.email }
    }
}

impl From<ServiceAccount> for Person {
    fn from(account: ServiceAccount) -> Self {
        Self { id: account.id, email: account.email }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Quota {
    service_accounts_available: bool,
}

async fn set_quota(State(scalr): State<Scalr>, Body(body): Body<Quota>) -> StatusCode {
    scalr.set_service_accounts_available(body.service_accounts_available);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    email: Option<String>,
    full_name: Option<String>,
}

async fn add_user(
    State(scalr): State<Scalr>,
    Body(body): Body<NewUser>,
) -> Result<(StatusCode, Json<Person>), Error> {
    let user = scalr.add_user(body.email.as_deref(), body.full_name.as_deref())?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

async fn remove_user(State(scalr): State<Scalr>, Path(user): Path<String>) -> Result<Json<Person>, Error> {
    Ok(Json(scalr.remove_user(&user)?.into()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Statuses {
    relation: Option<Status>,
    user: Option<Status>,
}

async fn set_user_status(
    State(scalr): State<Scalr>,
    Path(user): Path<String>,
    Body(body): Body<Statuses>,
) -> Done {
    let or_active = |status: Option<Status>| status.unwrap_or(Status::Active);
    done(scalr.set_user_status(&user, or_active(body.relation), or_active(body.user)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewServiceAccount {
    name: Option<String>,
}

async fn add_service_account(
    State(scalr): State<Scalr>,
    Body(body): Body<NewServiceAccount>,
) -> Result<(StatusCode, Json<Person>), Error> {
    let account = scalr.add_service_account(body.name.as_deref())?;
    Ok((StatusCode::CREATED, Json(account.into())))
}

async fn remove_service_account(
    State(scalr): State<Scalr>,
    Path(name): Path<String>,
) -> Result<Json<Person>, Error> {
    Ok(Json(scalr.remove_service_account(&name)?.into()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Active {
    active: bool,
}

async fn set_service_account_status(
    State(scalr): State<Scalr>,
    Path(name): Path<String>,
    Body(body): Body<Active>,
) -> Done {
    done(scalr.set_service_account_active(&name, body.active))
}
