//! One look at one object: observe, decide, act, write the status where it changed.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action as Requeue;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, ResourceExt};
use serde_json::json;
use tracing::Instrument;

use crate::api::{self, ConditionType, ConnectorStatus, Phase, Reason, Trigger};
use crate::connectors::http::ClientOptions;
use crate::kinds::Kind;
use crate::snapshot::{InvalidOwner, Owner, SyncId};
use crate::sync::{
    self, CredentialKey, Failure, NewRun, ObjectKey, Outcome, Plan, RunView, SecretSeen, Snapshots,
};
use crate::telemetry::TRACED;

use super::approval::Approval;
use super::context::{Context, age_of};
use super::decide::{Action, Observed, Waits, decide};
use super::delivery::{self, Request, Terms};
use super::events::News;
use super::inputs::{Inputs, Namespace};
use super::progress::Telling;
use super::schedule::{InvalidTiming, Timing};
use super::secrets::{Known, Purpose, as_version};
use super::status::{self, Begun};
use super::store::{compare, counts};

/// The name under which this operator owns fields.
pub const FIELD_MANAGER: &str = "connector-operator";
/// A periodic run that takes longer is shown while it runs.
const LONG_RUN: Duration = Duration::from_secs(2);
/// No id is longer, and no longer annotation is kept.
const LONGEST_APPROVAL: usize = 128;

/// Why a reconcile could not be finished; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The status could not be written.
    #[error("writing the status: {0}")]
    Status(#[source] kube::Error),
    /// Whether the object is still as the watch shows it could not be asked.
    #[error("looking at the object: {0}")]
    Unread(#[source] kube::Error),
    /// Another operator leads by now.
    #[error("another operator leads by now")]
    Deposed,
    /// The object is no longer as the watch shows it, or has shown it when this was decided.
    #[error("the object has changed meanwhile")]
    Outdated,
    /// The object has no name, namespace or uid, which the API server never leaves out.
    #[error("the object has no {0}")]
    Anonymous(&'static str),
    /// The object's names can't be a folder's, which the API server does not let in.
    #[error(transparent)]
    Owner(#[from] InvalidOwner),
}

impl Error {
    /// The word that it is counted by.
    fn as_str(&self) -> &'static str {
        match self {
            Self::Status(_) => "StatusNotWritten",
            Self::Unread(_) => "ObjectNotRead",
            Self::Deposed => "Deposed",
            Self::Outdated => "Outdated",
            Self::Anonymous(_) | Self::Owner(_) => "InvalidObject",
        }
    }
}

/// What came of writing a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    /// It is stored, or was already.
    Stored,
    /// There is no such object any more.
    ObjectGone,
}

/// The object of a reconcile, with what every step needs of it.
struct Subject<'a, K> {
    object: &'a Arc<K>,
    key: ObjectKey,
    generation: i64,
    /// The status as it is stored.
    stored: ConnectorStatus,
    /// The version of the object that has it.
    version: Option<String>,
    /// The same as the runs alone would have it.
    status: ConnectorStatus,
    now: Timestamp,
    /// The term in which this operator leads.
    term: u64,
}

/// The key of an object.
///
/// # Errors
/// [`Error::Anonymous`] for what the API server never sends.
pub(super) fn key_of<K: Kind>(object: &K) -> Result<ObjectKey, Error> {
    Ok(ObjectKey {
        kind: K::KIND,
        namespace: object.namespace().ok_or(Error::Anonymous("namespace"))?,
        name: object.meta().name.clone().ok_or(Error::Anonymous("name"))?,
        uid: object.uid().ok_or(Error::Anonymous("uid"))?,
    })
}

/// Looks at one object, and says when to look again. `shown` has what the watch shows, which may be newer than `object`.
///
/// # Errors
/// [`Error`], after which the object is looked at again soon.
pub async fn reconcile<K: Kind>(
    object: Arc<K>,
    shown: Store<K>,
    context: Arc<Context>,
) -> Result<Requeue, Error> {
    let begun = Instant::now();
    // At the level of errors: whatever is logged at all says which object it is about. In JSON `name` is the span's own.
    let span = tracing::error_span!(
        "reconcile",
        kind = K::KIND,
        namespace = object.namespace(),
        connector = object.meta().name
    );
    let done = look_at(object, &shown, &context).instrument(span).await;
    // An object that has changed meanwhile is no problem.
    let problem = done.as_ref().err().filter(|error| !matches!(error, Error::Outdated)).map(Error::as_str);
    context.shared.metrics.reconciled(K::KIND, begun.elapsed(), problem);
    done
}

/// The object as the watch shows it now: a reconcile begins some time after the controller has taken its object. To be
/// asked after what was written and not yet seen, since that is forgotten once it is shown. `None` where it is another
/// one of the same name. An API server that is behind may show an older one than before: then this one counts.
fn latest<K: Kind>(object: Arc<K>, shown: &Store<K>) -> Option<Arc<K>> {
    let Some(now) = shown.get(&ObjectRef::from_obj(object.as_ref())) else { return Some(object) };
    if now.meta().uid != object.meta().uid {
        return None;
    }
    let order = version_of(&now).zip(version_of(&object)).and_then(|(now, taken)| compare(now, taken));
    Some(if order == Some(Ordering::Less) { object } else { now })
}

fn version_of<K: Kind>(object: &Arc<K>) -> Option<&str> {
    object.meta().resource_version.as_deref()
}

async fn look_at<K: Kind>(object: Arc<K>, shown: &Store<K>, context: &Context) -> Result<Requeue, Error> {
    let key = key_of(object.as_ref())?;
    let Some(term) = context.shared.leadership.term() else { return Ok(Requeue::await_change()) };
    let unseen = context.unseen.latest(&key);
    // Another of the same name has an event of its own.
    let Some(object) = latest(object, shown) else { return Ok(Requeue::await_change()) };
    let as_shown = || (object.status().cloned().unwrap_or_default(), object.resource_version());
    let unseen = unseen.filter(|(_, version)| counts(version.as_deref(), version_of(&object)));
    let (stored, version) = unseen.unwrap_or_else(as_shown);
    let generation = object.meta().generation.unwrap_or_default();
    let now = context.shared.clock.now();
    let status = delivery::without(&stored, now);
    let subject = Subject { object: &object, generation, stored, version, status, now, key, term };
    subject.deliver(context);
    let run = context.shared.queue.view(&subject.key);
    match subject.decide(context, run.as_ref()) {
        Action::Forget => {
            context.forget(&subject.key);
            Ok(Requeue::await_change())
        }
        Action::Suspend => subject.suspend(context).await,
        Action::NoteApproval => subject.note_approval(context).await,
        Action::Start(trigger) => {
            if run.is_some() {
                // Whatever keeps the next from beginning, this one must not publish any more.
                context.shared.queue.cancel(&subject.key);
            }
            match trigger {
                Trigger::SecretChanged => subject.look_into_secret(context).await,
                trigger => subject.start(context, trigger).await,
            }
        }
        Action::Follow => subject.follow(context, run.as_ref()).await,
        Action::CallOff => subject.call_off(context).await,
        Action::Record => subject.record(context).await,
        Action::Wait(until) => subject.wait(context, until).await,
    }
}

impl<K: Kind> Subject<'_, K> {
    /// Has the work for C1 follow what the spec says.
    fn deliver(&self, context: &Context) {
        let (deliveries, secrets) = (&context.shared.deliveries, &context.shared.secrets);
        let common = self.object.common();
        let Some(c1) = common.c1.as_ref().filter(|_| self.object.meta().deletion_timestamp.is_none()) else {
            secrets.unused(&self.key, Purpose::C1);
            return deliveries.forget(&self.key);
        };
        let secret = secrets.version_for(&self.key, Purpose::C1, &c1.credentials_secret_ref.name);
        let terms = Terms {
            credentials: c1.credentials_secret_ref.clone(),
            host_id: c1.host_id.clone().unwrap_or_else(|| K::DEFAULT_HOST_ID.to_owned()),
            ca_bundle: common.ca_bundle_ref.clone(),
            silent: common.suspend.unwrap_or(false),
        };
        let age = age_of(self.object.as_ref(), &self.key);
        deliveries.follow(&age, K::about(), terms, secret);
    }

    fn decide(&self, context: &Context, run: Option<&RunView>) -> Action {
        let secrets = &context.shared.secrets;
        let secret = secrets.version_for(&self.key, Purpose::Upstream, &self.object.credential_ref().name);
        let requests = context.shared.deliveries.requests();
        let c1 = match (requests.are_waiting(&self.key), requests.are_wanted(&self.key)) {
            (true, _) => Waits::ForAnother,
            (false, true) => Waits::ForThisRun,
            (false, false) => Waits::No,
        };
        decide(&Observed {
            generation: self.generation,
            deleting: self.object.meta().deletion_timestamp.is_some(),
            suspended: self.object.common().suspend.unwrap_or(false),
            status: &self.status,
            requested_at: self.requested_at(),
            accepted: self.accepted(),
            secret: as_version(secret.as_ref()),
            c1,
            run,
            now: self.now,
        })
    }

    async fn suspend(&self, context: &Context) -> Result<Requeue, Error> {
        context.shared.queue.cancel(&self.key);
        self.write(context, status::suspended(&self.status, self.generation, self.now)).await?;
        Ok(Requeue::await_change())
    }

    async fn note_approval(&self, context: &Context) -> Result<Requeue, Error> {
        let annotation = self.accepted();
        if self.write(context, status::noted(&self.status, annotation, self.now)).await?
            == Written::ObjectGone
        {
            return Ok(Requeue::await_change());
        }
        if let Approval::Mistaken(given) = Approval::of(&self.status, annotation) {
            self.tell(context, &News::of_mistaken_approval(&self.status, given)).await;
        }
        Ok(Requeue::requeue(Duration::ZERO))
    }

    /// A Secret of another version may say the same.
    async fn look_into_secret(&self, context: &Context) -> Result<Requeue, Error> {
        // A run that was cut off begins again, whatever the Secret says.
        let cut_off = self.status.last_sync.as_ref().is_some_and(|sync| sync.completion_time.is_none());
        let observed = self.status.observed_secret_version.as_deref().filter(|_| !cut_off);
        let Some(version) = self.inputs(context).unchanged(observed).await else {
            return self.start(context, Trigger::SecretChanged).await;
        };
        self.write(context, status::same_secret(&self.status, version)).await?;
        Ok(Requeue::requeue(Duration::ZERO))
    }

    fn inputs(&self, context: &Context) -> Inputs<K> {
        let observer = Some(context.shared.metrics.upstream(K::KIND));
        Inputs::new(
            Namespace::new(context.shared.client.clone(), &self.key.namespace),
            Arc::clone(self.object),
            ClientOptions { observer, ..context.shared.upstream.clone() },
            Arc::clone(&context.fingerprints),
            self.key.clone(),
        )
    }

    async fn start(&self, context: &Context, trigger: Trigger) -> Result<Requeue, Error> {
        let timing = match self.timing(context) {
            Ok(timing) => timing,
            Err(error) => return self.refuse(context, trigger, &error).await,
        };
        if !trigger.announced() && !self.is_up_to_date(context).await? {
            return Err(Error::Outdated);
        }
        let owner = self.owner()?;
        let id = SyncId::new(self.now);
        if trigger.announced() {
            let begun = self.begun(id.as_str(), trigger, self.now);
            if self.write(context, status::begun(&self.status, &begun)).await? == Written::ObjectGone {
                return Ok(Requeue::await_change());
            }
        }
        let plan = Plan {
            id,
            generation: self.generation,
            trigger,
            requested_at: self.requested_at().map(str::to_owned),
            timeout: timing.timeout,
            scratch: context.shared.snapshots.scratch().to_owned(),
            limits: self.object.common().removal_limits(context.shared.highest_limits),
            before: status::published_before(&self.status),
            approved: self.approved(),
            names: context.shared.names_in_events,
            clock: context.shared.clock.clone(),
        };
        let run = NewRun {
            id: plan.id.to_string(),
            generation: self.generation,
            trigger,
            approved: plan.approved.clone(),
            credential: self.credential(),
        };
        context.shared.queue.submit(self.key.clone(), run, self.job(context, plan, owner));
        Ok(Requeue::await_change())
    }

    /// Is the object in the version that was decided on? Another operator may have read it since, and its word be on the way still.
    /// Runs that are announced find out when they write that they begin.
    async fn is_up_to_date(&self, context: &Context) -> Result<bool, Error> {
        if !context.unseen.may_be_behind(&self.key) {
            return Ok(true);
        }
        let api: Api<K> = Api::namespaced(context.shared.client.clone(), &self.key.namespace);
        let found = api.get_metadata_opt(&self.key.name).await.map_err(Error::Unread)?;
        let is = found.is_some_and(|found| found.resource_version() == self.version);
        if is {
            context.unseen.is_up_to_date(&self.key);
        }
        Ok(is)
    }

    fn owner(&self) -> Result<Owner, Error> {
        Ok(Owner::new(&self.key.namespace, K::KIND, &self.key.name, &self.key.uid)?)
    }

    fn credential(&self) -> CredentialKey {
        CredentialKey {
            namespace: self.key.namespace.clone(),
            secret: self.object.credential_ref().name.clone(),
            key: self.object.credential_key().to_owned(),
        }
    }

    fn job(&self, context: &Context, plan: Plan, owner: Owner) -> sync::Job {
        let inputs = self.inputs(context);
        let snapshots = context.shared.snapshots.clone();
        let destination = Arc::new(snapshots.of(owner.clone()));
        let (metrics, key) = (context.shared.metrics.clone(), self.key.clone());
        let requests = context.shared.deliveries.requests().clone();
        Box::new(move |cancel| {
            async move {
                let telling = Telling::new(metrics, key.clone());
                // Only now: whoever asks later wants what is read later.
                let asked = requests.take(&key);
                let follow = |progress| telling.follow(progress);
                let outcome = sync::run(plan, &inputs, destination, follow, cancel).await;
                match &outcome {
                    Some(outcome) => {
                        requests.settle(&key);
                        answer(asked, outcome, &snapshots, &owner);
                    }
                    None => requests.give_back(&key, asked),
                }
                outcome
            }
            .boxed()
        })
    }

    /// The spec can't be run: said once, until it changes.
    async fn refuse(
        &self,
        context: &Context,
        trigger: Trigger,
        error: &InvalidTiming,
    ) -> Result<Requeue, Error> {
        let message = format!("{error}. Correct it in the spec.");
        let outcome = Outcome {
            id: SyncId::new(self.now).to_string(),
            generation: self.generation,
            trigger,
            requested_at: self.requested_at().map(str::to_owned),
            approved: self.approved(),
            // What is there now is no reason to say it once more.
            secret: self.settled(context, SecretSeen::Unread),
            started: self.now,
            completed: self.now,
            result: Err(Failure::new(Reason::InvalidSpec, message)),
        };
        let timing = Timing::fallback(&context.shared.defaults);
        self.write(context, status::ended(&self.status, &outcome, &timing)).await?;
        let asked = context.shared.deliveries.requests().take(&self.key);
        answer(asked, &outcome, &context.shared.snapshots, &self.owner()?);
        Ok(Requeue::await_change())
    }

    async fn follow(&self, context: &Context, run: Option<&RunView>) -> Result<Requeue, Error> {
        let Some((run, started)) = run.and_then(|run| Some((run, run.started?))) else {
            self.write(context, self.status.clone()).await?;
            return Ok(Requeue::await_change());
        };
        let shown = self.status.last_sync.as_ref().is_some_and(|sync| sync.id == run.id);
        if run.trigger.announced() || shown {
            self.write(context, self.status.clone()).await?;
            return Ok(Requeue::await_change());
        }
        let left = LONG_RUN.saturating_sub(elapsed(started, self.now));
        if !left.is_zero() {
            return Ok(Requeue::requeue(left));
        }
        let begun = self.begun(&run.id, run.trigger, started);
        self.write(context, status::taking_long(&self.status, &begun)).await?;
        Ok(Requeue::await_change())
    }

    async fn call_off(&self, context: &Context) -> Result<Requeue, Error> {
        context.shared.queue.cancel(&self.key);
        self.write(context, status::called_off(&self.status, self.now)).await?;
        Ok(Requeue::requeue(Duration::ZERO))
    }

    async fn record(&self, context: &Context) -> Result<Requeue, Error> {
        let Some(mut outcome) = context.shared.queue.outcome(&self.key) else {
            return Ok(Requeue::await_change());
        };
        outcome.secret = self.settled(context, outcome.secret);
        let fallback = |_| Timing::fallback(&context.shared.defaults);
        let timing = self.timing(context).unwrap_or_else(fallback);
        let after = status::ended(&self.status, &outcome, &timing);
        let run = context.shared.queue.span(&self.key);
        let writing = tracing::debug_span!(target: TRACED, parent: &run, "status");
        if self.write(context, after).instrument(writing).instrument(run).await? == Written::ObjectGone {
            return Ok(Requeue::await_change());
        }
        context.shared.metrics.run_ended(&self.key, &outcome);
        if let Some(news) = News::of_access(&outcome) {
            self.tell(context, &news).await;
        }
        context.shared.queue.forget(&self.key, &outcome.id);
        context.shared.deliveries.requests().recorded(&self.key);
        // What changed while it ran was not acted on yet.
        Ok(Requeue::requeue(Duration::ZERO))
    }

    /// Where the run got no Secret although the watch shows one, that one counts as tried: only a newer one starts
    /// a run at once, and until then the backoff holds.
    fn settled(&self, context: &Context, seen: SecretSeen) -> SecretSeen {
        let secrets = &context.shared.secrets;
        let known = secrets.version_for(&self.key, Purpose::Upstream, &self.object.credential_ref().name);
        match (seen, known) {
            (SecretSeen::Unread | SecretSeen::Missing, Some(Known::Present(version))) => {
                SecretSeen::Version(version)
            }
            (seen, _) => seen,
        }
    }

    async fn wait(&self, context: &Context, until: Timestamp) -> Result<Requeue, Error> {
        self.write(context, self.status.clone()).await?;
        // A status holds whole seconds, so what is due is due once the second has begun.
        Ok(Requeue::requeue(elapsed(self.now, until)))
    }

    fn begun<'s>(&'s self, id: &'s str, trigger: Trigger, started: Timestamp) -> Begun<'s> {
        Begun { id, generation: self.generation, trigger, what: self.object.what(), now: started }
    }

    fn timing(&self, context: &Context) -> Result<Timing, InvalidTiming> {
        Timing::of(self.object.common(), &self.key.uid, &context.shared.defaults)
    }

    fn requested_at(&self) -> Option<&str> {
        self.object.annotations().get(api::REQUESTED_AT).map(String::as_str)
    }

    /// The `acceptRemovals` annotation.
    fn accepted(&self) -> Option<&str> {
        let annotation = self.object.annotations().get(api::ACCEPT_REMOVALS)?;
        annotation.get(..annotation.floor_char_boundary(LONGEST_APPROVAL))
    }

    /// The id of the removals that a run which begins now may publish.
    fn approved(&self) -> Option<String> {
        Approval::of(&self.status, self.accepted()).carried().map(str::to_owned)
    }

    /// Writes the status where it differs from the one stored, and tells of the transition.
    async fn write(&self, context: &Context, after: ConnectorStatus) -> Result<Written, Error> {
        let after = self.with_c1(context, after);
        if after == self.stored {
            return Ok(Written::Stored);
        }
        if !context.shared.leadership.holds(self.term) {
            return Err(Error::Deposed);
        }
        let api: Api<K> = Api::namespaced(context.shared.client.clone(), &self.key.namespace);
        let mut patch = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::KIND,
            "metadata": { "name": self.key.name, "uid": self.key.uid },
            "status": after,
        });
        // The version keeps it from what was decided on an older view, since a watch may lag behind whoever led before,
        // and from an object of the same name that came after ours: of a status the uid is not looked at.
        let metadata = patch.get_mut("metadata").and_then(serde_json::Value::as_object_mut);
        if let (Some(version), Some(metadata)) = (&self.version, metadata) {
            metadata.insert("resourceVersion".to_owned(), json!(version));
        }
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let version = match api.patch_status(&self.key.name, &params, &Patch::Apply(&patch)).await {
            Ok(stored) => stored.resource_version(),
            Err(kube::Error::Api(status)) if status.is_conflict() => return Err(Error::Outdated),
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                context.forget(&self.key);
                return Ok(Written::ObjectGone);
            }
            Err(error) => return Err(Error::Status(error)),
        };
        let (news, after_phase) = (News::of(&self.stored, &after), after.phase);
        context.unseen.written(&self.key, after, version);
        if let Some(news) = news {
            // How a run begins and ends is told by the run itself.
            if after_phase == Some(Phase::Suspended) {
                tracing::info!(reason = news.reason, "{}", news.note);
            }
            self.tell(context, &news).await;
        }
        Ok(Written::Stored)
    }

    /// What the runs say, and what there is to say of C1.
    fn with_c1(&self, context: &Context, mut runs: ConnectorStatus) -> ConnectorStatus {
        let after = match context.shared.deliveries.told(&self.key) {
            Some(told) => told.over(&self.key, &runs, self.now),
            None => {
                runs.remove_condition(ConditionType::C1Connected);
                runs.c1 = None;
                runs
            }
        };
        status::with_times_of(&self.stored, after)
    }

    async fn tell(&self, context: &Context, news: &News) {
        context.events.tell(self.object.object_ref(&()), news, self.now, self.term).await;
    }
}

/// Gives those who asked for a run what came of it. The run does not wait for that: what C1 wants of a snapshot may
/// take long to prepare, and others want its credential.
fn answer(asked: Vec<Request>, outcome: &Outcome, snapshots: &Snapshots, owner: &Owner) {
    for request in asked.into_iter().filter(Request::is_wanted) {
        let (outcome, snapshots, owner) = (outcome.clone(), snapshots.clone(), owner.clone());
        sync::in_background(move || {
            let published = || match outcome.id.parse() {
                Ok(id) => snapshots.store().fetch(&owner, &id, snapshots.scratch()),
                // A run has the id that it was given, and that is one.
                Err(_) => Ok(None),
            };
            let delivered = sync::deliver(&outcome, &request.selection, published, snapshots.scratch());
            request.answer(delivered);
        });
    }
}

fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}
