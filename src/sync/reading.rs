//! Reading everything: records stream from the connector to a scratch snapshot, which is completed and compared with
//! what was published last. A listing that drifts, and one that lacks what is there, is read again, a few times.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::task::JoinHandle;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::access::guard::{ScopeChange, Scoping};
use crate::access::{self, AccessNews, Progress, RecordReceiver, ResourceType};
use crate::connectors::{Connector, ReadError, Upstream};
use crate::snapshot::{
    CompareError, Difference, Finished, Missing, Snapshot, SnapshotWriter, StoreError, WriteError,
};
use crate::telemetry::TRACED;

use super::background::in_background;
use super::baseline::{Baseline, Known, Told};
use super::confirm::{Confirmation, Doubt, LOOKED_UP};
use super::{Credential, Destination, Failure, Plan, PublishError};

/// The most readings of everything in one run.
pub(super) const READINGS: usize = 3;

/// Everything that was read, whole, beside what was published last.
pub(super) struct Reading {
    pub(super) finished: Finished,
    pub(super) upstream: Upstream,
    pub(super) baseline: Baseline,
    /// What differs from the baseline, where that is a snapshot.
    pub(super) difference: Option<Difference>,
    /// What became of each scope of it.
    pub(super) scopes: Vec<ScopeChange>,
    /// What that means for people who know what was told of last, where that is known.
    pub(super) news: Option<AccessNews>,
}

/// Who reads what, and whither.
pub(super) struct Reader<'r> {
    pub(super) plan: &'r Plan,
    pub(super) connector: &'r dyn Connector,
    pub(super) credential: &'r Credential,
    pub(super) started: Timestamp,
    pub(super) destination: Arc<dyn Destination>,
    /// Told of each reading as it begins.
    pub(super) progress: &'r (dyn Fn(Arc<Progress>) + Sync),
    /// The progress of each reading so far.
    pub(super) readings: Mutex<Vec<Arc<Progress>>>,
}

/// What a reading is, compared with the baseline.
struct Compared {
    difference: Difference,
    missing: Missing,
    scopes: Vec<ScopeChange>,
    news: AccessNews,
}

impl Compared {
    /// All that is ever asked of the baseline, so that one which cannot be understood shows here.
    fn of(
        previous: &Snapshot,
        current: &Snapshot,
        types: &[ResourceType],
        scoping: Scoping,
        names: bool,
    ) -> Result<Self, CompareError> {
        let difference = Difference::between(previous, current, types)?;
        let missing = difference.missing(LOOKED_UP, types)?;
        let scopes = difference.scopes(scoping, types)?;
        let news = difference.news(scoping, names)?;
        Ok(Self { difference, missing, scopes, news })
    }
}

/// Why a reading is not the last word.
enum Stopped {
    /// It contradicts itself, and may not the next time.
    Drifted(ReadError),
    Failed(Failure),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Reader<'_> {
    /// Reads until what is read can be believed.
    ///
    /// # Errors
    /// When it cannot be read, or not be believed after [`READINGS`] readings.
    pub(super) async fn read(&self) -> Result<Reading, Failure> {
        let mut baseline = None;
        let mut unconfirmed: Option<Doubt> = None;
        let mut attempt = 1;
        loop {
            let problem = match self.read_once(baseline.take()).await {
                Err(Stopped::Failed(failure)) => return Err(failure),
                Err(Stopped::Drifted(error)) => error,
                Ok((reading, doubt)) => {
                    let confirming = match doubt {
                        Doubt::Nothing => Span::none(),
                        _ => tracing::debug_span!(target: TRACED, "confirming"),
                    };
                    let confirm = self.confirm(reading, doubt, unconfirmed.take());
                    let (reading, confirmation) = confirm.instrument(confirming).await?;
                    match confirmation {
                        Confirmation::Given => return Ok(reading),
                        Confirmation::Refused(problem) => {
                            baseline = Some(reading.baseline);
                            problem
                        }
                        Confirmation::Open(doubt) => {
                            baseline = Some(reading.baseline);
                            let problem = doubt.unconfirmed();
                            unconfirmed = Some(doubt);
                            problem
                        }
                    }
                }
            };
            if attempt == READINGS {
                return Err(Failure::read(&problem, self.credential));
            }
            attempt += 1;
            tracing::info!(attempt, "Everything is read once more: {problem}");
        }
    }

    /// Has the upstream given any answer to the credential?
    pub(super) fn was_answered(&self) -> bool {
        self.readings().iter().any(|progress| progress.pages() > 0)
    }

    async fn read_once(&self, baseline: Option<Baseline>) -> Result<(Reading, Doubt), Stopped> {
        let (writer, upstream) = self.read_records().await?;
        let destination = Arc::clone(&self.destination);
        let before = self.plan.before.clone();
        let (types, scoping) = (self.connector.resource_types(), self.connector.scoping());
        let names = self.plan.names;
        let clock = self.plan.clock.clone();
        let compare = move || {
            let finished = writer.finish(clock.now())?;
            let mut baseline = match baseline {
                Some(baseline) => baseline,
                None => destination.baseline(before.as_ref())?,
            };
            let mut compared = None;
            if let Known::Snapshot { snapshot, .. } = &baseline.known {
                match Compared::of(snapshot, finished.snapshot(), types, scoping, names) {
                    Err(error) if error.is_of_the_content() => {
                        tracing::warn!(%error, "The snapshot published last cannot be compared: it is lost");
                        baseline = destination.lost(before.as_ref())?;
                    }
                    done => compared = Some(done?),
                }
            }
            let doubt = match (&baseline.known, &compared) {
                (Known::Lost { .. }, _) => {
                    Doubt::All { digest: finished.snapshot().digest_of_ids().map_err(StoreError::from)? }
                }
                (_, Some(compared)) if compared.missing.count > 0 => Doubt::Missing(compared.missing.clone()),
                _ => Doubt::Nothing,
            };
            let news = match (&baseline.known, &compared) {
                (Known::Snapshot { snapshot, .. }, Some(compared)) => {
                    match destination.told(&snapshot.run().id, before.as_ref())? {
                        Told::Baseline => Some(compared.news.clone()),
                        Told::Earlier(earlier) => {
                            since(&earlier, finished.snapshot(), types, scoping, names)?
                        }
                        Told::Nothing => None,
                    }
                }
                _ => None,
            };
            let (difference, scopes) =
                compared.map(|it| (Some(it.difference), it.scopes)).unwrap_or_default();
            Ok((Reading { finished, upstream, baseline, difference, scopes, news }, doubt))
        };
        let completing = tracing::debug_span!(target: TRACED, "completing");
        Ok(blocking(compare).instrument(completing).await?)
    }

    async fn read_records(&self) -> Result<(SnapshotWriter, Upstream), Stopped> {
        let (sender, receiver) = access::channel();
        self.readings().push(Arc::clone(sender.progress()));
        (self.progress)(Arc::clone(sender.progress()));
        let writing = self.write_in_background(receiver);
        let progress = Arc::clone(sender.progress());
        let reading = tracing::debug_span!(
            target: TRACED, "reading", attempt = self.readings().len(), pages = Empty, records = Empty
        );
        let upstream = self.connector.read(&sender).instrument(reading.clone()).await;
        reading.record("pages", progress.pages()).record("records", progress.records());
        drop((sender, reading));
        let written = writing.await.map_err(|panic| Failure::snapshot("writing the snapshot", &panic))?;
        // The writer's error is the cause where both have one: a reader whose records nobody takes fails too.
        let writer = written.map_err(|error| Failure::publish(&error.into()))?;
        match upstream {
            Ok(upstream) => Ok((writer, upstream)),
            Err(error @ ReadError::ListingChanged { .. }) => Err(Stopped::Drifted(error)),
            Err(error) => Err(Failure::read(&error, self.credential).into()),
        }
    }

    fn write_in_background(
        &self,
        mut records: RecordReceiver,
    ) -> JoinHandle<Result<SnapshotWriter, WriteError>> {
        let (scratch, id, started) = (self.plan.scratch.clone(), self.plan.id.clone(), self.started);
        let types: &'static [ResourceType] = self.connector.resource_types();
        in_background(move || {
            let mut writer = SnapshotWriter::create(&scratch, types, id, started)?;
            while let Some(page) = records.blocking_next() {
                writer.write(page)?;
            }
            Ok(writer)
        })
    }

    fn readings(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Progress>>> {
        // A list to which one thing is added at a time: a panic elsewhere does not spoil it.
        self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is news to people who were told of the snapshot before, and of nothing that came after.
fn since(
    told: &Snapshot,
    current: &Snapshot,
    types: &[ResourceType],
    scoping: Scoping,
    names: bool,
) -> Result<Option<AccessNews>, CompareError> {
    let news = Difference::between(told, current, types).and_then(|it| it.news(scoping, names));
    match news {
        // It is no use any more, and nobody can tell what was.
        Err(error) if error.is_of_the_content() => Ok(None),
        news => news.map(Some),
    }
}

/// Does `work` where it may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PublishError> + Send + 'static,
) -> Result<T, Failure> {
    match in_background(work).await {
        Ok(done) => done.map_err(|error| Failure::publish(&error)),
        Err(panic) => Err(Failure::snapshot("publishing the snapshot", &panic)),
    }
}
