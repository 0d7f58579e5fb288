//! With a client id: stays, and does C1's tasks.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use url::Url;

use crate::c1::{
    self, About, Asset, C1Error, Channels, Credentials, Ended, Pace, Reader, Refused, SyncTask, View, Work,
};
use crate::kinds::Kind;
use crate::network::HostPolicy;
use crate::server::Health;
use crate::snapshot::{LocalFile, Selection};
use crate::sync::{OneFile, Plan, ProgressLog, Settings, called_off, deliver, run};

use super::connectors::variable;
use super::folder::Folder;
use super::one_shot::AT_MOST;
use super::open::Open;
use super::problem::Problem;
use super::settings::C1Settings;

/// The last snapshot, in the folder of the process.
const LAST: &str = "last.c1z";

/// What the service needs.
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
    let Service { name, open, c1, selection, skip_full_sync, scratch, health, stop } = service;
    let at_once = usize::from(c1.task_concurrency);
    let client = client(c1)?;
    let folder = Folder::new(name, &scratch);
    let folder = folder.map_err(|error| {
        let folder = scratch.display();
        Problem::usage(format!(
            "--c1z-temp-dir {folder}: {error}; name a folder that exists and can be written to"
        ))
    })?;
    let (view, seen) = watch::channel(View::default());
    if let Some(health) = health {
        health.set_ready(false);
        tokio::spawn(tell_when_ready(health, seen));
    }
    let work = Work {
        service: client,
        reader: Arc::new(Reading { open, selection, skip_full_sync, folder, turn: Mutex::default() }),
        view,
        pace: Pace::default(),
        at_once,
        ends_when_refused: true,
    };
    match c1::work(work, stop).await {
        Ended::Stopped => {
            tracing::info!("Stopped");
            Ok(ExitCode::SUCCESS)
        }
        Ended::Refused(error) => Err(refused(&error)),
    }
}

/// C1's service, at the host that the person names, or that the client id does, and no other.
fn client(settings: C1Settings) -> Result<c1::Service, Problem> {
    let credentials = Credentials::new(&settings.client_id, &settings.client_secret).map_err(|error| {
        let variable = variable(&error.what.replace(' ', "-"));
        malformed(&variable, &format!("{error}; set it to what C1 showed where the connector was set up"))
    })?;
    let authority = settings.api_host.as_deref().unwrap_or_else(|| credentials.id().authority());
    let origin = origin(authority).ok_or_else(|| {
        malformed("BATON_C1_API_HOST", "it is no host; set it to <host> or <host>:<port>, without https://")
    })?;
    let hosts = HostPolicy::of_origin(&origin).map_err(|error| refused(&error.into()))?;
    let (api_host, ca_bundle) = (settings.api_host.as_deref(), settings.ca_bundle.as_deref());
    c1::Service::new(&Channels::new(hosts), credentials, api_host, ca_bundle, &settings.host_id)
        .map_err(|error| refused(&error))
}

/// The origin of `<host>[:<port>]`, where it is nothing else.
fn origin(authority: &str) -> Option<Url> {
    let origin = Url::parse(&format!("https://{authority}")).ok()?;
    let is_all = !authority.contains(['/', '@', '?', '#', '\\']) && origin.host_str().is_some();
    is_all.then_some(origin)
}

fn malformed(variable: &str, problem: &str) -> Problem {
    Problem::of(Code::InvalidArgument, format!("{variable}: {problem}"))
}

fn refused(error: &C1Error) -> Problem {
    let remedy = match error {
        C1Error::Address(_) => "Correct the host in BATON_CLIENT_ID or BATON_C1_API_HOST.",
        C1Error::CaBundle(_) => Settings::Flags.correct_ca_bundle(),
        C1Error::Client(_) => Settings::Flags.correct_proxy(),
        _ => "Check BATON_CLIENT_ID and BATON_CLIENT_SECRET, and the connector in C1.",
    };
    Problem::of(error.code(), format!("{}. {remedy}", error.to_string().trim_end_matches('.')))
}

async fn tell_when_ready(health: Arc<Health>, mut view: watch::Receiver<View>) {
    // Ends when the work does.
    while view.wait_for(|view| view.connected).await.is_ok() {
        health.set_ready(true);
        if view.changed().await.is_err() {
            break;
        }
    }
}

/// Reads once for each task, one after the other. The snapshot before is kept while the process lives, so that what
/// disappears from one to the next is confirmed.
struct Reading<K> {
    open: Arc<Open<K>>,
    selection: Selection,
    skip_full_sync: bool,
    folder: Folder,
    turn: Mutex<()>,
}

impl<K: Kind> Reading<K> {
    /// C1 says which types; the rest is what neither side leaves out.
    fn wanted(&self, task: &SyncTask) -> Selection {
        let (ours, theirs) = (&self.selection, &task.selection);
        Selection {
            resource_types: theirs.resource_types.clone().or_else(|| ours.resource_types.clone()),
            entitlements: ours.entitlements && theirs.entitlements,
            grants: ours.grants && theirs.grants,
        }
    }
}

#[async_trait]
impl<K: Kind> Reader for Reading<K> {
    fn about(&self) -> About {
        K::about()
    }

    async fn read(&self, task: &SyncTask) -> Result<Asset, Refused> {
        if self.skip_full_sync {
            return Err(Refused {
                code: Code::FailedPrecondition,
                message: "Nothing is read, since --skip-full-sync (BATON_SKIP_FULL_SYNC) is set.".to_owned(),
                non_retryable: true,
            });
        }
        let _turn = self.turn.lock().await;
        let folder = self.folder.path().to_owned();
        let last = folder.join(LAST);
        let cancel = CancellationToken::new();
        let _cancelled_when_dropped = cancel.clone().drop_guard();
        let destination = Arc::new(OneFile::new(last.clone(), folder.clone()));
        let plan = Plan::once(AT_MOST, folder.clone());
        let log = ProgressLog::default();
        let told = |progress| log.follow(progress);
        let outcome = run(plan, self.open.as_ref(), destination, told, cancel).await;
        drop(log);
        let Some(outcome) = outcome else { return Err(called_off()) };
        let wanted = self.wanted(task);
        let last = || Ok(Some(LocalFile::Kept(last)));
        let delivering = move || deliver(&outcome, &wanted, last, Path::new(&folder));
        tokio::task::spawn_blocking(delivering).await.unwrap_or_else(|_| Err(called_off()))
    }
}
