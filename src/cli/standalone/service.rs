//! With a client id: stays, and does C1's tasks.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::kinds::Kind;
use crate::server::Health;
use crate::snapshot::Selection;

use super::open::Open;
use super::problem::Problem;
use super::settings::C1Settings;

/// What the service needs.
#[expect(dead_code, reason = "the task loop takes it")]
pub(super) struct Service<K> {
    /// The name of the command.
    pub(super) name: &'static str,
    /// What opens the connector, and is the source of every run.
    pub(super) open: Arc<Open<K>>,
    /// As whom to work, and for whom.
    pub(super) c1: C1Settings,
    /// What a task is given that does not ask for less.
    pub(super) selection: Selection,
    /// Tasks to sync are answered without reading.
    pub(super) skip_full_sync: bool,
    /// The folder for scratch files and for what is uploaded.
    pub(super) scratch: PathBuf,
    /// Served already, where it is asked for; not ready before C1 has said Hello.
    pub(super) health: Option<Arc<Health>>,
    /// Cancelled at SIGTERM and Ctrl-C.
    pub(super) stop: CancellationToken,
}

/// Works for C1 until it is stopped.
pub(super) async fn serve<K: Kind>(service: Service<K>) -> Result<ExitCode, Problem> {
    drop(service);
    Err(Problem::unsupported(
        "delivering to C1 is not part of this build: leave out --client-id and --client-secret (BATON_CLIENT_ID, \
         BATON_CLIENT_SECRET) to write a file once",
    ))
}
