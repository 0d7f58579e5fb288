//! Changes and statistics over HTTP, on a listener of their own: a vendor's port has only the vendor's paths.
//!
//! There is no authentication here; listen on the loopback interface.

mod c1;
mod planetscale;
mod scalr;
mod switches;

use std::net::SocketAddr;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::c1::C1;
use crate::error::Error;
use crate::planetscale::PlanetScale;
use crate::scalr::Scalr;
use crate::server::{Bound, Running};
use crate::stats::Stats;

/// The endpoints, as people read about them.
pub const ENDPOINTS: &str = include_str!("endpoints.txt");

/// A running control listener. It stops when this is dropped.
#[derive(Debug)]
pub struct ControlServer {
    base_url: String,
    server: Running,
}

impl ControlServer {
    /// Serves `/_simulator/…` for the simulators that are given; the paths of one that is not are 404.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(
        listen: SocketAddr,
        scalr: Option<Scalr>,
        planetscale: Option<PlanetScale>,
        c1: Option<C1>,
    ) -> Result<Self, Error> {
        let bound = Bound::to(listen).await?;
        let base_url = bound.origin();
        Ok(Self { base_url, server: bound.serve(router(scalr, planetscale, c1), None) })
    }

    /// The origin, such as `http://127.0.0.1:8180`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Stops, and returns when the requests in flight are answered.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

#[derive(Clone)]
struct Simulators {
    scalr: Option<Scalr>,
    planetscale: Option<PlanetScale>,
}

/// What there is to say of each simulator that runs.
#[derive(Serialize)]
struct Both<S, P> {
    #[serde(skip_serializing_if = "Option::is_none")]
    scalr: Option<S>,
    #[serde(skip_serializing_if = "Option::is_none")]
    planetscale: Option<P>,
}

fn router(scalr: Option<Scalr>, planetscale: Option<PlanetScale>, c1: Option<C1>) -> Router {
    let mut router = Router::new()
        .route("/_simulator", get(async || ENDPOINTS))
        .route("/_simulator/stats", get(stats).delete(reset_stats))
        .route("/_simulator/counts", get(counts))
        .route("/_simulator/faults", get(switches::list))
        .with_state(Simulators { scalr: scalr.clone(), planetscale: planetscale.clone() });
    if let Some(scalr) = scalr {
        router = router.nest("/_simulator/scalr", switches::router(scalr.clone()));
        router = router.merge(scalr::router(scalr));
    }
    if let Some(planetscale) = planetscale {
        router = router.nest("/_simulator/planetscale", switches::router(planetscale.clone()));
        router = router.merge(planetscale::router(planetscale));
    }
    if let Some(c1) = c1 {
        router = router.merge(c1::router(c1));
    }
    router
        .fallback(async || refusal(StatusCode::NOT_FOUND, "no such path; GET /_simulator lists them"))
        .method_not_allowed_fallback(async || {
            refusal(StatusCode::METHOD_NOT_ALLOWED, "no such method on this path; GET /_simulator lists them")
        })
}

async fn stats(State(simulators): State<Simulators>) -> Json<Both<Stats, Stats>> {
    Json(Both {
        scalr: simulators.scalr.map(|scalr| scalr.stats()),
        planetscale: simulators.planetscale.map(|planetscale| planetscale.stats()),
    })
}

async fn reset_stats(State(simulators): State<Simulators>) -> StatusCode {
    if let Some(scalr) = simulators.scalr {
        scalr.reset_stats();
    }
    if let Some(planetscale) = simulators.planetscale {
        planetscale.reset_stats();
    }
    StatusCode::NO_CONTENT
}

async fn counts(
    State(simulators): State<Simulators>,
) -> Json<Both<crate::scalr::Counts, crate::planetscale::Counts>> {
    Json(Both {
        scalr: simulators.scalr.map(|scalr| scalr.counts()),
        planetscale: simulators.planetscale.map(|planetscale| planetscale.counts()),
    })
}

/// A JSON body whatever its media type says, because `curl -d` says it is a form; an empty one is `{}`.
struct Body<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let bytes = Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        let text = if bytes.is_empty() { b"{}" } else { bytes.as_ref() };
        let value = serde_json::from_slice(text);
        value
            .map(Self)
            .map_err(|error| refusal(StatusCode::BAD_REQUEST, &format!("the body is not right: {error}")))
    }
}

/// Who was added or removed.
#[derive(Serialize)]
struct Person {
    id: String,
    email: String,
}

/// The answer to a change that has nothing to say.
type Done = Result<StatusCode, Error>;

fn done(change: Result<(), Error>) -> Done {
    change.map(|()| StatusCode::NO_CONTENT)
}

fn refusal(status: StatusCode, error: &str) -> Response {
    #[derive(Serialize)]
    struct Refusal<'a> {
        error: &'a str,
    }
    (status, Json(Refusal { error })).into_response()
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Unknown { .. } => StatusCode::NOT_FOUND,
            Self::Exists { .. } | Self::Senseless { .. } => StatusCode::CONFLICT,
            Self::PlanetScaleTokenForm | Self::ScalrTokenForm | Self::Empty(_) | Self::C1ClientName(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::Listen { .. } | Self::Tls(_) | Self::Key(_) | Self::TimedOut { .. } => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        refusal(status, &self.to_string())
    }
}
