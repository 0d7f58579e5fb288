//! Work that may block its thread, done on a thread for that. What it logs belongs where it was begun.

use tokio::task::JoinHandle;
use tracing::Span;

/// Does `work` where it may block, in the span that this is called in.
pub(crate) fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let span = Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work))
}
