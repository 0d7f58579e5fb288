//! `GET /snapshots/<namespace>/<kind>/<name>[/<id>]`: the `.c1z` itself, and `.../held`: the removals that wait for
//! somebody's word, for those who may port-forward into the pod. The listener is on loopback, and nowhere else.

use std::future::Future;
use std::io::{self, Read};
use std::path::PathBuf;

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

use crate::snapshot::{DirectoryStore, HoldText, Owner, StoreError, SyncId};

/// Bytes of a text that are sent at once.
const CHUNK: usize = 64 * 1024;

/// Answers on `listener` until `stop`.
///
/// # Errors
/// When the listener fails.
pub async fn serve_snapshots(
    listener: TcpListener,
    store: DirectoryStore,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/snapshots/{namespace}/{kind}/{name}", get(latest))
        .route("/snapshots/{namespace}/{kind}/{name}/{id}", get(by_id))
        .route("/snapshots/{namespace}/{kind}/{name}/held", get(held))
        .with_state(store);
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

type Named = (String, String, String);

async fn latest(State(store): State<DirectoryStore>, Path(named): Path<Named>) -> Response {
    answer(store, named, None).await
}

async fn by_id(
    State(store): State<DirectoryStore>,
    Path((namespace, kind, name, id)): Path<(String, String, String, String)>,
) -> Response {
    match id.parse() {
        Ok(id) => answer(store, (namespace, kind, name), Some(id)).await,
        Err(_) => not_found("there is no snapshot of that id"),
    }
}

async fn held(State(store): State<DirectoryStore>, Path(named): Path<Named>) -> Response {
    match spawn_blocking(move || find_held(&store, &named)).await {
        Ok(Ok(Some(text))) => send_text(text),
        Ok(Ok(None)) => not_found("nothing of it is held by the removal guard"),
        Ok(Err(error)) => failed(&error),
        Err(panic) => failed(&panic),
    }
}

async fn answer(store: DirectoryStore, named: Named, id: Option<SyncId>) -> Response {
    let found = spawn_blocking(move || find(&store, &named, id.as_ref())).await;
    match found {
        Ok(Ok(Some(path))) => send(path).await,
        Ok(Ok(None)) => not_found("there is no such snapshot"),
        Ok(Err(error)) => failed(&error),
        Err(panic) => failed(&panic),
    }
}

/// The file asked for. Of several objects of one name, made one after another, the one that published last.
fn find(store: &DirectoryStore, named: &Named, id: Option<&SyncId>) -> Result<Option<PathBuf>, StoreError> {
    let mut found: Option<(SyncId, PathBuf)> = None;
    for owner in owners(store, named)? {
        for entry in store.list(&owner)? {
            let wanted = id.map_or(entry.latest, |id| *id == entry.id);
            if wanted && found.as_ref().is_none_or(|(best, _)| *best < entry.id) {
                found = Some((entry.id, entry.path));
            }
        }
    }
    Ok(found.map(|(_, path)| path))
}

/// What is held. Of several objects of one name, of one that is not deleted, and of those the one that wrote the newest
/// snapshot.
fn find_held(store: &DirectoryStore, named: &Named) -> Result<Option<HoldText>, StoreError> {
    let mut held = Vec::new();
    for owner in owners(store, named)? {
        if let Some(text) = store.held(&owner)? {
            held.push(((!store.is_retired(&owner), store.newest(&owner)?, owner), text));
        }
    }
    Ok(held.into_iter().max_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, text)| text))
}

fn owners<'n>(
    store: &DirectoryStore,
    (namespace, kind, name): &'n Named,
) -> Result<impl Iterator<Item = Owner> + use<'n>, StoreError> {
    let kind = kind.to_ascii_lowercase();
    let same =
        move |owner: &Owner| owner.namespace() == namespace && owner.kind() == kind && owner.name() == name;
    Ok(store.owners()?.into_iter().filter(same))
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

async fn send(path: PathBuf) -> Response {
    const C1Z: HeaderValue = HeaderValue::from_static("application/octet-stream");
    match tokio::fs::File::open(&path).await {
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
