//! The control paths of the simulated C1.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::{Body, Done, done};
use crate::c1::{C1, C1Fault, C1SwitchedOn, GivenTask, Progress, TaskId, TaskSpec, listed_transcript};
use crate::error::Error;

pub(super) fn router(c1: C1) -> Router {
    let paths = Router::new()
        .route("/tasks", post(give))
        .route("/tasks/{id}", get(task))
        .route("/tasks/{id}/cancel", post(cancel))
        .route("/transcript", get(transcript))
        .route("/files", get(files))
        .route("/files/{task}", get(file))
        .route("/tokens", delete(end_tokens))
        .route("/faults", get(faults).delete(switch_all_off))
        .route("/faults/{name}", put(switch_on).delete(switch_off))
        .with_state(c1);
    Router::new().nest("/_simulator/c1", paths)
}

#[derive(Deserialize)]
struct NewTask {
    #[serde(default)]
    client: usize,
    #[serde(flatten)]
    task: TaskSpec,
}

#[derive(Serialize)]
struct Given {
    id: TaskId,
}

async fn give(State(c1): State<C1>, Body(body): Body<NewTask>) -> Result<(StatusCode, Json<Given>), Error> {
    let id = c1.give(body.client, body.task)?;
    Ok((StatusCode::CREATED, Json(Given { id })))
}

/// A task as people read about it.
#[derive(Serialize)]
struct Told {
    id: TaskId,
    client: usize,
    #[serde(rename = "type")]
    kind: String,
    /// `waiting`, `in hand of …`, `success` or `error …`.
    state: String,
    cancelled: bool,
    heartbeats: u32,
    handed_out: u32,
    files: usize,
}

impl Told {
    fn new(c1: &C1, task: GivenTask) -> Self {
        let state = match task.progress {
            Progress::Waiting => "waiting".to_owned(),
            Progress::InHand { host_id, .. } => format!("in hand of {host_id}"),
            Progress::Finished(finished) => finished.to_string(),
        };
        Self {
            files: c1.files(&task.id).len(),
            id: task.id,
            client: task.client,
            kind: task.spec.to_string(),
            state,
            cancelled: task.cancelled,
            heartbeats: task.heartbeats,
            handed_out: task.handed_out,
        }
    }
}

async fn task(State(c1): State<C1>, Path(id): Path<String>) -> Result<Json<Told>, Error> {
    let task = c1.task(&id.as_str().into()).ok_or_else(|| Error::unknown("task", &id))?;
    Ok(Json(Told::new(&c1, task)))
}

async fn cancel(State(c1): State<C1>, Path(id): Path<String>) -> Done {
    done(c1.cancel(&id.as_str().into()))
}

async fn transcript(State(c1): State<C1>) -> String {
    listed_transcript(&c1.transcript())
}

/// A file as people read about it.
#[derive(Serialize)]
struct Kept {
    task: TaskId,
    client: String,
    host_id: String,
    seconds_since_start: f64,
    bytes: usize,
    sha256: String,
}

async fn files(State(c1): State<C1>) -> Json<Vec<Kept>> {
    let files = c1.all_files().into_iter().map(|file| Kept {
        task: file.task,
        client: file.client,
        host_id: file.host_id,
        seconds_since_start: file.at.as_secs_f64(),
        bytes: file.bytes.len(),
        sha256: file.sha256,
    });
    Json(files.collect())
}

/// The last file of a task.
async fn file(State(c1): State<C1>, Path(task): Path<String>) -> Result<impl IntoResponse, Error> {
    let file =
        c1.files(&task.as_str().into()).pop().ok_or_else(|| Error::unknown("file of a task", &task))?;
    Ok::<(_, Bytes), _>(([(header::CONTENT_TYPE, "application/octet-stream")], file.bytes))
}

async fn end_tokens(State(c1): State<C1>) -> StatusCode {
    c1.end_tokens();
    StatusCode::NO_CONTENT
}

async fn faults(State(c1): State<C1>) -> Json<Vec<C1SwitchedOn>> {
    Json(c1.faults())
}

/// How often a fault strikes, in the query or in the body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Times {
    times: Option<u32>,
}

async fn switch_on(
    State(c1): State<C1>,
    Path(name): Path<String>,
    Query(query): Query<Times>,
    Body(body): Body<Times>,
) -> Done {
    c1.switch_on(name.parse::<C1Fault>()?, query.times.or(body.times));
    Ok(StatusCode::NO_CONTENT)
}

async fn switch_off(State(c1): State<C1>, Path(name): Path<String>) -> Done {
    c1.switch_off(name.parse::<C1Fault>()?);
    Ok(StatusCode::NO_CONTENT)
}

async fn switch_all_off(State(c1): State<C1>) -> StatusCode {
    c1.switch_all_off();
    StatusCode::NO_CONTENT
}
