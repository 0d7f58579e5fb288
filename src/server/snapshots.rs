//! `GET /snapshots/<namespace>/<kind>/<name>[/<id>]`: the `.c1z` itself; `.../ids`: which there are; and `.../held`: the
//! removals that wait for somebody's word. For those who may port-forward into the pod. The listener is on loopback, and nowhere else.

use std::future::Future;
use std::io::{self, Read};
use std::path::{Path as FilePath, PathBuf};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::io::ReaderStream;

use crate::snapshot::{HoldText, LocalFile, Owner, Store, StoreError, SyncId};

/// Bytes of a text that are sent at once.
const CHUNK: usize = 64 * 1024;

/// Answers on `listener` until `stop`. What is not in a folder of this machine is fetched to `scratch` first.
///
/// # Errors
/// When the listener fails.
pub async fn serve_snapshots(
    listener: TcpListener,
    store: impl Into<Store>,
    scratch: PathBuf,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/snapshots/{namespace}/{kind}/{name}", get(latest))
        .route("/snapshots/{namespace}/{kind}/{name}/{id}", get(by_id))
        .route("/snapshots/{namespace}/{kind}/{name}/ids", get(ids))
        .route("/snapshots/{namespace}/{kind}/{name}/held", get(held))
        .with_state(Served { store: store.into(), scratch });
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

/// What is served.
#[derive(Clone)]
struct Served {
    store: Store,
    scratch: PathBuf,
}

type Named = (String, String, String);

async fn latest(State(served): State<Served>, Path(named): Path<Named>) -> Response {
    answer(served, named, None).await
}

async fn by_id(
    State(served): State<Served>,
    Path((namespace, kind, name, id)): Path<(String, String, String, String)>,
) -> Response {
    match id.parse() {
        Ok(id) => answer(served, (namespace, kind, name), Some(id)).await,
        Err(_) => not_found("there is no snapshot of that id"),
    }
}

async fn ids(State(served): State<Served>, Path(named): Path<Named>) -> Response {
    match spawn_blocking(move || published(&served.store, &named)).await {
        Ok(Ok(ids)) if ids.is_empty() => not_found("there is no such snapshot"),
        Ok(Ok(ids)) => ids.iter().map(|id| format!("{id}\n")).collect::<String>().into_response(),
        Ok(Err(error)) => failed(&error),
        Err(panic) => failed(&panic),
    }
}

async fn held(State(served): State<Served>, Path(named): Path<Named>) -> Response {
    match spawn_blocking(move || find_held(&served.store, &named)).await {
        Ok(Ok(Some(text))) => send_text(text),
        Ok(Ok(None)) => not_found("nothing of it is held by the removal guard"),
        Ok(Err(error)) => failed(&error),
        Err(panic) => failed(&panic),
    }
}

async fn answer(served: Served, named: Named, id: Option<SyncId>) -> Response {
    let found = spawn_blocking(move || find(&served.store, &served.scratch, &named, id.as_ref())).await;
    match found {
        Ok(Ok(Some(file))) => send(file).await,
        Ok(Ok(None)) => not_found("there is no such snapshot"),
        Ok(Err(error)) => failed(&error),
        Err(panic) => failed(&panic),
    }
}

/// The file asked for. Of several objects of one name, made one after another, the one that published last.
fn find(
    store: &Store,
    scratch: &FilePath,
    named: &Named,
    id: Option<&SyncId>,
) -> Result<Option<LocalFile>, StoreError> {
    let mut found: Option<(SyncId, Owner)> = None;
    for owner in owners(store, named)? {
        for entry in store.list(&owner)? {
            let wanted = id.map_or(entry.latest, |id| *id == entry.id);
            if wanted && found.as_ref().is_none_or(|(best, _)| *best < entry.id) {
                found = Some((entry.id, owner.clone()));
            }
        }
    }
    match found {
        Some((id, owner)) => store.fetch(&owner, &id, scratch),
        None => Ok(None),
    }
}

/// What was published, the earliest first. Of several objects of one name, by the one that published last.
fn published(store: &Store, named: &Named) -> Result<Vec<SyncId>, StoreError> {
    let mut published = Vec::new();
    for owner in owners(store, named)? {
        let entries = store.list(&owner)?;
        // What comes after the latest was written and never published.
        let latest = entries.iter().rposition(|entry| entry.latest).map_or(0, |latest| latest + 1);
        let ids: Vec<SyncId> = entries.into_iter().take(latest).map(|entry| entry.id).collect();
        if published.last() < ids.last() {
            published = ids;
        }
    }
    Ok(published)
}

/// What is held. Of several objects of one name, of one that is not deleted, and of those the one that wrote the newest
/// snapshot.
fn find_held(store: &Store, named: &Named) -> Result<Option<HoldText>, StoreError> {
    let mut held = Vec::new();
    for owner in owners(store, named)? {
        if let Some(text) = store.held(&owner)? {
            held.push(((!store.is_retired(&owner)?, store.newest(&owner)?, owner), text));
        }
    }
    Ok(held.into_iter().max_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, text)| text))
}

fn owners(store: &Store, (namespace, kind, name): &Named) -> Result<Vec<Owner>, StoreError> {
    store.owners_named(namespace, &kind.to_ascii_lowercase(), name)
}

/// Unpacks while it sends: the text may be long.
fn send_text(mut text: HoldText) -> Response {
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(2);
    spawn_blocking(move || {
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            let read = text.by_ref().take(CHUNK as u64).read_to_end(&mut chunk);
            let last = !matches!(read, Ok(CHUNK));
            // Whoever asked may have gone.
            if sender.blocking_send(read.map(|_| chunk.into())).is_err() || last {
                return;
            }
        }
    });
    const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
    ([(header::CONTENT_TYPE, TEXT)], Body::from_stream(ReceiverStream::new(receiver))).into_response()
}

/// Once it is open, a file that was fetched may go.
async fn send(found: LocalFile) -> Response {
    const C1Z: HeaderValue = HeaderValue::from_static("application/octet-stream");
    match tokio::fs::File::open(&found).await {
        Ok(file) => {
            ([(header::CONTENT_TYPE, C1Z)], Body::from_stream(ReaderStream::new(file))).into_response()
        }
        Err(error) => failed(&error),
    }
}

fn not_found(why: &str) -> Response {
    (StatusCode::NOT_FOUND, format!("{why}\n")).into_response()
}

fn failed(error: &dyn std::error::Error) -> Response {
    tracing::warn!(%error, "A snapshot could not be served");
    (StatusCode::INTERNAL_SERVER_ERROR, "the snapshot could not be read\n").into_response()
}
