//! The control paths of the simulated PlanetScale.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, post, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::{Body, Done, Person, done};
use crate::error::Error;
use crate::planetscale::{OrganizationSize, PlanetScale, User};

pub(super) fn router(planetscale: PlanetScale) -> Router {
    let organization = Router::new()
        .route("/", delete(remove_organization))
        .route("/grant", put(set_granted))
        .route("/members", post(add_member))
        .route("/members/{user}", delete(remove_member))
        .route("/members/{user}/role", put(set_role))
        .route("/teams", post(add_team))
        .route("/teams/{team}", delete(remove_team))
        .route("/teams/{team}/members", post(add_team_member))
        .route("/teams/{team}/members/{user}", delete(remove_team_member))
        .route("/teams/{team}/members/{user}/team", put(move_team_member));
    Router::new()
        .route("/_simulator/planetscale/organizations", post(add_organization))
        .nest("/_simulator/planetscale/organizations/{organization}", organization)
        .with_state(planetscale)
}

impl From<&User> for Person {
    fn from(user: &User) -> Self {
        Self { id: user.id.to_string(), email: user.email.clone() }
    }
}

async fn add_organization(
    State(planetscale): State<PlanetScale>,
    Body(size): Body<OrganizationSize>,
) -> Result<StatusCode, Error> {
    planetscale.add_organization(&size)?;
    Ok(StatusCode::CREATED)
}

async fn remove_organization(State(planetscale): State<PlanetScale>, Path(name): Path<String>) -> Done {
    done(planetscale.remove_organization(&name))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    granted: bool,
}

async fn set_granted(
    State(planetscale): State<PlanetScale>,
    Path(name): Path<String>,
    Body(body): Body<Grant>,
) -> Done {
    done(planetscale.set_granted(&name, body.granted))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMember {
    user: Option<String>,
    role: Option<String>,
}

async fn add_member(
    State(planetscale): State<PlanetScale>,
    Path(organization): Path<String>,
    Body(body): Body<NewMember>,
) -> Result<(StatusCode, Json<Person>), Error> {
    let role = body.role.as_deref().unwrap_or("member");
    let user = match body.user {
        Some(user) => planetscale.add_existing_member(&organization, &user, role)?,
        None => planetscale.add_member(&organization, role)?,
    };
    Ok((StatusCode::CREATED, Json(user.as_ref().into())))
}

type MemberPath = Path<(String, String)>;

async fn remove_member(
    State(planetscale): State<PlanetScale>,
    Path((organization, user)): MemberPath,
) -> Result<Json<Person>, Error> {
    Ok(Json(planetscale.remove_member(&organization, &user)?.as_ref().into()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRole {
    role: String,
}

async fn set_role(
    State(planetscale): State<PlanetScale>,
    Path((organization, user)): MemberPath,
    Body(body): Body<NewRole>,
) -> Done {
    done(planetscale.set_role(&organization, &user, &body.role))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTeam {
    name: String,
}

#[derive(Serialize)]
struct AddedTeam {
    slug: String,
}

async fn add_team(
    State(planetscale): State<PlanetScale>,
    Path(organization): Path<String>,
    Body(body): Body<NewTeam>,
) -> Result<(StatusCode, Json<AddedTeam>), Error> {
    let slug = planetscale.add_team(&organization, &body.name)?;
    Ok((StatusCode::CREATED, Json(AddedTeam { slug })))
}

async fn remove_team(
    State(planetscale): State<PlanetScale>,
    Path((organization, team)): Path<(String, String)>,
) -> Done {
    done(planetscale.remove_team(&organization, &team))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTeamMember {
    user: String,
}

async fn add_team_member(
    State(planetscale): State<PlanetScale>,
    Path((organization, team)): Path<(String, String)>,
    Body(body): Body<NewTeamMember>,
) -> Done {
    done(planetscale.add_team_member(&organization, &team, &body.user))
}

type TeamMemberPath = Path<(String, String, String)>;

async fn remove_team_member(
    State(planetscale): State<PlanetScale>,
    Path((organization, team, user)): TeamMemberPath,
) -> Done {
    done(planetscale.remove_team_member(&organization, &team, &user))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OtherTeam {
    team: String,
}

async fn move_team_member(
    State(planetscale): State<PlanetScale>,
    Path((organization, team, user)): TeamMemberPath,
    Body(body): Body<OtherTeam>,
) -> Done {
    done(planetscale.move_team_member(&organization, &team, &body.team, &user))
}
