//! The paths of PlanetScale's API that the simulator has.

use std::sync::RwLockReadGuard;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::Serialize;

use super::PlanetScale;
use super::data::{Data, Membership, Organization, Team};
use super::refusal::Refusal;
use super::wire::{self, MEDIA_TYPE, Page};
use crate::gate::json;
use crate::paging::PageRequest;

/// PlanetScale's page size when none is asked for.
const DEFAULT_SIZE: usize = 25;

pub(super) fn router(planetscale: PlanetScale) -> Router {
    Router::new()
        .route("/v1/organizations", get(list_organizations))
        .route("/v1/organizations/{organization}", get(read_organization))
        .route("/v1/organizations/{organization}/members", get(list_members))
        .route("/v1/organizations/{organization}/members/{id}", get(read_member))
        .route("/v1/organizations/{organization}/teams", get(list_teams))
        .route("/v1/organizations/{organization}/teams/{team}", get(read_team))
        .route("/v1/organizations/{organization}/teams/{team}/members", get(list_team_members))
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
        .with_state(planetscale)
}

async fn not_found() -> Response {
    Refusal::NotFound.into_response()
}

async fn list_organizations(State(planetscale): State<PlanetScale>, uri: Uri) -> Result<Response, Refusal> {
    let query = ListQuery::parse(&uri)?;
    let data = planetscale.read();
    let window = query.page.over(data.organizations.len());
    let page = window.cut(&data.organizations).iter().map(wire::organization).collect();
    let url_of = |number| query.url_of(&planetscale, &uri, number);
    Ok(answer(&Page::without_totals(window, url_of, page)))
}

async fn read_organization(
    State(planetscale): State<PlanetScale>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    let data = planetscale.read();
    Ok(answer(&wire::organization(granted(&data, &name)?)))
}

async fn list_members(
    State(planetscale): State<PlanetScale>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let query = ListQuery::parse(&uri)?;
    let data = planetscale.read();
    let organization = granted(&data, &name)?;
    let view = |member| wire::membership(organization, member);
    Ok(query.answer(&planetscale, &uri, &organization.members, member_matches, view))
}

async fn read_member(
    State(planetscale): State<PlanetScale>,
    Path((name, user_id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let data = planetscale.read();
    let organization = granted(&data, &name)?;
    let member = organization.member(&user_id).ok_or(Refusal::NotFound)?;
    Ok(answer(&wire::membership(organization, member)))
}

async fn list_teams(
    State(planetscale): State<PlanetScale>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let query = ListQuery::parse(&uri)?;
    let data = planetscale.read();
    let organization = granted(&data, &name)?;
    let view = |team| wire::team(organization, team);
    Ok(query.answer(&planetscale, &uri, &organization.teams, team_matches, view))
}

async fn read_team(
    State(planetscale): State<PlanetScale>,
    Path((name, slug)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let data = planetscale.read();
    let organization = granted(&data, &name)?;
    let team = organization.team(&slug).ok_or(Refusal::NotFound)?;
    Ok(answer(&wire::team(organization, team)))
}

async fn list_team_members(
    State(planetscale): State<PlanetScale>,
    Path((name, slug)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Refusal> {
    // This listing has no search.
    let query = ListQuery { search: None, ..ListQuery::parse(&uri)? };
    let data = planetscale.read();
    let organization = granted(&data, &name)?;
    let team = organization.team(&slug).ok_or(Refusal::NotFound)?;
    let view = |member| wire::team_membership(organization, team, member);
    Ok(query.answer(&planetscale, &uri, &team.members, |_, _| true, view))
}

/// The organization, unless it does not exist or the token may not read it, which look the same.
fn granted<'a>(data: &'a RwLockReadGuard<'_, Data>, name: &str) -> Result<&'a Organization, Refusal> {
    data.organization(name).filter(|organization| organization.granted).ok_or(Refusal::NotFound)
}

fn answer(body: &impl Serialize) -> Response {
    json(StatusCode::OK, MEDIA_TYPE, body)
}

fn member_matches(member: &Membership, search: &str) -> bool {
    let user = &member.user;
    let texts = [Some(user.email.as_str()), user.name.as_deref(), Some(user.display_name.as_str())];
    texts.into_iter().flatten().any(|text| text.to_lowercase().starts_with(search))
}

fn team_matches(team: &Team, search: &str) -> bool {
    team.slug.starts_with(search) || team.name.to_lowercase().starts_with(search)
}

/// What a client asks a listing for. Parameters that are not known are ignored, as Rails does.
struct ListQuery {
    page: PageRequest,
    search: Option<String>,
}

impl ListQuery {
    fn parse(uri: &Uri) -> Result<Self, Refusal> {
        let Query(pairs) =
            Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|_| Refusal::InvalidPage)?;
        let mut query = Self { page: PageRequest::first(DEFAULT_SIZE), search: None };
        for (name, value) in pairs {
            match name.as_str() {
                "page" => query.page = query.page.with_number(&value).ok_or(Refusal::InvalidPage)?,
                "per_page" => query.page = query.page.with_size(&value).ok_or(Refusal::InvalidPage)?,
                "q" if !value.is_empty() => query.search = Some(value.to_lowercase()),
                _ => {}
            }
        }
        Ok(query)
    }

    /// Answers with a page of the things that match the search.
    fn answer<'a, T, V: Serialize>(
        &self,
        planetscale: &PlanetScale,
        uri: &Uri,
        things: &'a [T],
        matches: fn(&T, &str) -> bool,
        view: impl Fn(&'a T) -> V,
    ) -> Response {
        let url_of = |number| self.url_of(planetscale, uri, number);
        let (window, page) = match &self.search {
            None => {
                let window = self.page.over(things.len());
                (window, window.cut(things).iter().map(view).collect())
            }
            Some(search) => {
                let found: Vec<_> = things.iter().filter(|thing| matches(thing, search)).collect();
                let window = self.page.over(found.len());
                (window, window.cut(&found).iter().map(|thing| view(thing)).collect())
            }
        };
        answer(&Page::with_totals(window, url_of, page))
    }

    /// The address of another page of the same listing: the query as it came, with another page.
    fn url_of(&self, planetscale: &PlanetScale, uri: &Uri, number: usize) -> String {
        let is_page = |pair: &str| pair.starts_with("page=") || pair.starts_with("per_page=");
        let mut query = format!("page={number}&per_page={}", self.page.size);
        for pair in uri.query().unwrap_or_default().split('&') {
            if !pair.is_empty() && !is_page(pair) {
                query.push('&');
                query.push_str(pair);
            }
        }
        format!("{}{}?{query}", planetscale.base_url(), uri.path())
    }
}
