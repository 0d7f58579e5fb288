//! `sync -f`: reads once what connectors in YAML files describe, without a cluster.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::connectors::http::Allowances;
use crate::controller::{Defaults, Timing};
use crate::kinds::{self, Kind, Visitor};
use crate::sync::{OneFile, Outcome, Plan, Source, run};

use super::asking::Asking;
use super::manifests::{Document, FromManifests, ManifestError, Manifests, full_name};
use super::progress::Bars;
use super::results::{self, RunResult, Scope, SyncResult};
use super::{Failed, Output, cancelled_by_signal, runtime};

/// Connectors that are read at once.
const AT_ONCE: usize = 4;

/// Reads once what connectors in YAML files describe, without a cluster
///
/// Connectors, their Secrets and ConfigMaps come from the same files. The hosts that the connectors name may be
/// asked, without TLS only on this machine's own loopback address. Exits with 1 when one of them could not be read;
/// then it leaves an older file as it was.
#[derive(Debug, Args)]
pub(super) struct Sync {
    /// A YAML file, a folder of them, or - for standard input. May be repeated.
    #[arg(short = 'f', long = "filename", required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The folder for the snapshots, one <kind>-<namespace>-<name>.c1z each.
    #[arg(long, default_value = ".", value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    asking: Asking,
    /// How to print what was read.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// One connector that is to be read.
struct Job {
    kind: &'static str,
    namespace: String,
    name: String,
    scope: Scope,
    timeout: Duration,
    source: Box<dyn Source>,
}

impl Sync {
    pub(super) fn execute(self) -> Result<ExitCode, Failed> {
        let manifests = Arc::new(Manifests::read(&self.files)?);
        let allowances = self.asking.allowances();
        let jobs = manifests.connectors.iter().map(|document| job(document, &manifests, &allowances));
        let jobs = jobs.collect::<Result<Vec<Job>, ManifestError>>()?;
        std::fs::create_dir_all(&self.out).map_err(|error| {
            format!("--out {}: {error}; name a folder that can be written to", self.out.display())
        })?;
        let read = async { Ok::<_, Failed>(read_all(jobs, &self.out, cancelled_by_signal()?).await) };
        let results = runtime()?.block_on(read)?;
        let all_read = results.iter().all(SyncResult::is_success);
        match self.output {
            Output::Table => results::print_tables(&results)?,
            Output::Json => super::report::json(&results)?,
        }
        Ok(if all_read { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

async fn read_all(jobs: Vec<Job>, out: &Path, cancel: CancellationToken) -> Vec<SyncResult> {
    let bars = Bars::new();
    let reading = futures::stream::iter(jobs).map(|job| read(job, out, &bars, cancel.clone()));
    reading.buffered(AT_ONCE).collect().await
}

async fn read(job: Job, out: &Path, bars: &Bars, cancel: CancellationToken) -> SyncResult {
    let title = format!("{} {}/{}", job.kind, job.namespace, job.name);
    let bar = bars.add(&title);
    let file = format!("{}-{}-{}.c1z", job.kind.to_lowercase(), job.namespace, job.name);
    // Beside the file, so that a large snapshot needs no room elsewhere.
    let destination = Arc::new(OneFile::new(out.join(file), out.to_owned()));
    let plan = Plan::once(job.timeout, out.to_owned());
    let watch = |progress| bar.follow(progress);
    let outcome: Option<Outcome> = run(plan, job.source.as_ref(), destination, watch, cancel).await;
    bar.finish();
    SyncResult::new(job.kind, job.namespace, job.name, RunResult::new(&job.scope, outcome))
}

fn job(
    document: &Document,
    manifests: &Arc<Manifests>,
    allowances: &Allowances,
) -> Result<Job, ManifestError> {
    struct Prepare<'a> {
        document: &'a Document,
        manifests: &'a Arc<Manifests>,
        allowances: &'a Allowances,
    }
    impl Visitor for Prepare<'_> {
        type Output = Option<Result<Job, ManifestError>>;
        fn visit<K: Kind>(&mut self) -> Self::Output {
            (self.document.kind() == K::KIND)
                .then(|| prepare::<K>(self.document, self.manifests, self.allowances))
        }
    }
    let prepared = kinds::for_each(&mut Prepare { document, manifests, allowances });
    prepared.into_iter().flatten().next().unwrap_or_else(|| Err(document.unknown_kind()))
}

fn prepare<K: Kind>(
    document: &Document,
    manifests: &Arc<Manifests>,
    allowances: &Allowances,
) -> Result<Job, ManifestError> {
    const DEFAULTS: Defaults = Defaults {
        interval: Duration::from_secs(3600),
        min_interval: Duration::from_secs(60),
        timeout: Duration::from_secs(1800),
    };
    let object = document.connector::<K>()?;
    let (namespace, name) = full_name(&object);
    let timing =
        Timing::of(object.common(), "", &DEFAULTS).map_err(|error| document.problem(error.to_string()))?;
    let object = Arc::new(object);
    let source = FromManifests::new(Arc::clone(&object), Arc::clone(manifests), allowances.clone());
    Ok(Job {
        kind: K::KIND,
        namespace,
        name,
        scope: Box::new(move |counts| object.scope_column(counts.get("organizations").copied())),
        timeout: timing.timeout,
        source: Box::new(source),
    })
}
