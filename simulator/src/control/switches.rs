//! The control paths that both simulated servers have: token, latency, faults.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::{Body, Done, Simulators, done};
use crate::fault::{Extent, Fault, SwitchedOn, Vendor};
use crate::handle::Handle;

/// The paths below `/_simulator/<vendor>`.
pub(super) fn router<S: Send + Sync + 'static>(server: Handle<S>) -> Router {
    Router::new()
        .route("/token", put(set_token))
        .route("/latency", put(set_latency))
        .route("/faults", delete(switch_all_off))
        .route("/faults/{name}", put(switch_on).delete(switch_off))
        .with_state(server)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    token: String,
}

async fn set_token<S>(State(server): State<Handle<S>>, Body(body): Body<Token>) -> Done {
    done(server.set_token(&body.token))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Latency {
    milliseconds: u64,
}

async fn set_latency<S>(State(server): State<Handle<S>>, Body(body): Body<Latency>) -> StatusCode {
    server.set_latency(Duration::from_millis(body.milliseconds));
    StatusCode::NO_CONTENT
}

async fn switch_on<S>(
    State(server): State<Handle<S>>,
    Path(name): Path<String>,
    Body(extent): Body<Extent>,
) -> Done {
    done(server.switch_on(name.parse()?, &extent))
}

async fn switch_off<S>(State(server): State<Handle<S>>, Path(name): Path<String>) -> Done {
    server.switch_off(name.parse()?);
    Ok(StatusCode::NO_CONTENT)
}

async fn switch_all_off<S>(State(server): State<Handle<S>>) -> StatusCode {
    server.switch_all_off();
    StatusCode::NO_CONTENT
}

/// A fault, whether it is on or not.
#[derive(Serialize)]
pub(super) struct Listed {
    fault: Fault,
    does: &'static str,
    servers: Vec<Vendor>,
    on: Vec<On>,
}

/// Where it is on.
#[derive(Serialize)]
struct On {
    server: Vendor,
    #[serde(flatten)]
    extent: SwitchedOn,
}

pub(super) async fn list(State(simulators): State<Simulators>) -> Json<Vec<Listed>> {
    let scalr = simulators.scalr.map(|server| (server.vendor(), server.faults()));
    let planetscale = simulators.planetscale.map(|server| (server.vendor(), server.faults()));
    let switched: Vec<_> = [scalr, planetscale].into_iter().flatten().collect();
    let servers = |fault: Fault| {
        let vendors = switched.iter().map(|(vendor, _)| *vendor);
        vendors.filter(|vendor| fault.senseless_for(*vendor).is_none()).collect()
    };
    let on = |fault: Fault| {
        let all = switched.iter().flat_map(|(vendor, on)| on.iter().map(|extent| (*vendor, extent)));
        let its_own = all.filter(|(_, extent)| extent.fault == fault);
        its_own.map(|(server, extent)| On { server, extent: extent.clone() }).collect()
    };
    let listed = |fault: &Fault| Listed {
        fault: *fault,
        does: fault.does(),
        servers: servers(*fault),
        on: on(*fault),
    };
    Json(Fault::ALL.iter().map(listed).collect())
}
