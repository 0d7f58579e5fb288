//! How a command is stopped: SIGTERM, which is what Kubernetes and service managers send, or Ctrl-C.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Failed;

/// Resolves at SIGTERM or Ctrl-C.
pub(super) fn signals() -> Result<impl Future<Output = ()>, Failed> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// What is cancelled at SIGTERM or Ctrl-C.
pub(super) fn cancelled_by_signal() -> Result<CancellationToken, Failed> {
    let (cancel, signals) = (CancellationToken::new(), signals()?);
    let cancelled = cancel.clone();
    tokio::spawn(async move {
        signals.await;
        cancelled.cancel();
    });
    Ok(cancel)
}
