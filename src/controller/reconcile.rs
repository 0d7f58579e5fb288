//! One look at one object: observe, decide, act, write the status where it changed.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action as Requeue;
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use crate::access::guard::Limits;
use crate::api::{self, ConditionType, ConnectorStatus, Phase, Reason, Trigger};
use crate::connectors::http::ClientOptions;
use crate::kinds::Kind;
use crate::leadership::Leadership;
use crate::server::Metrics;
use crate::snapshot::{InvalidOwner, Owner, SyncId};
use crate::sync::{
    self, CredentialKey, Failure, NewRun, ObjectKey, Outcome, Plan, Queue, RunView, SecretSeen, Snapshots,
};

use super::approval::Approval;
use super::decide::{Action, Observed, Waits, decide};
use super::delivery::{self, Age, Deliveries, Request, Terms};
use super::events::{Events, News};
use super::inputs::{Inputs, Namespace};
use super::progress::Telling;
use super::schedule::{Defaults, InvalidTiming, Timing};
use super::secrets::{Known, Purpose, SecretIndex, as_version};
use super::status::{self, Begun};
use super::store::Unseen;

/// The name under which this operator owns fields.
pub const FIELD_MANAGER: &str = "connector-operator";
/// A periodic run that takes longer is shown while it runs.
const LONG_RUN: Duration = Duration::from_secs(2);
/// No id is longer, and no longer annotation is kept.
const LONGEST_APPROVAL: usize = 128;

/// What the operator is made of, as its reconciles see it.
pub struct Shared {
    /// The Kubernetes client.
    pub client: Client,
    /// What this instance calls itself in events.
    pub instance: String,
    /// The queue in which runs wait.
    pub queue: Queue,
    /// Where snapshots go.
    pub snapshots: Snapshots,
    /// How long the snapshots of a deleted connector are kept.
    pub retention: Duration,
    /// How upstreams are asked: the hosts that credentials may be sent to, and how much each may ask.
    pub upstream: ClientOptions,
    /// What is filled in where a spec is silent.
    pub defaults: Defaults,
    /// No connector may set a limit of the removal guard higher, whatever it says.
    pub highest_limits: Limits,
    /// What is known of Secrets.
    pub secrets: Arc<SecretIndex>,
    /// Work for C1.
    pub deliveries: Deliveries,
    /// Whether this operator leads; one that does not decides nothing.
    pub leadership: Leadership,
    /// What is counted.
    pub metrics: Metrics,
}

/// What all reconciles share.
pub struct Context {
    shared: Shared,
    events: Events,
    unseen: Unseen,
}

/// Why a reconcile could not be finished; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The status could not be written.
    #[error("writing the status: {0}")]
    Status(#[source] kube::Error),
    /// Another operator leads by now.
    #[error("another operator leads by now")]
    Deposed,
    /// The object has no name, namespace or uid, which the API server never leaves out.
    #[error("the object has no {0}")]
    Anonymous(&'static str),
    /// The object's names can't be a folder's, which the API server does not let in.
    #[error(transparent)]
    Owner(#[from] InvalidOwner),
}

impl Context {
    /// The context of an operator made of these.
    pub fn new(shared: Shared) -> Self {
        let events = Events::new(shared.client.clone(), shared.instance.clone());
        Self { shared, events, unseen: Unseen::default() }
    }

    /// The Kubernetes client.
    pub fn client(&self) -> &Client {
        &self.shared.client
    }

    /// The queue in which runs wait.
    pub fn queue(&self) -> &Queue {
        &self.shared.queue
    }

    /// Whether this operator leads.
    pub(super) fn leadership(&self) -> &Leadership {
        &self.shared.leadership
    }

    /// Work for C1.
    pub(super) fn deliveries(&self) -> &Deliveries {
        &self.shared.deliveries
    }

    /// The snapshots of all connectors.
    pub(super) fn snapshots(&self) -> &Snapshots {
        &self.shared.snapshots
    }

    /// How long the snapshots of a deleted connector are kept.
    pub(super) fn retention(&self) -> SignedDuration {
        SignedDuration::try_from(self.shared.retention).unwrap_or(SignedDuration::MAX)
    }

    /// A reconcile could not be finished.
    pub(super) fn reconcile_failed(&self, kind: &'static str) {
        self.shared.metrics.reconcile_failed(kind);
    }

    /// The watch shows the object.
    pub(super) fn saw<K: Kind>(&self, key: &ObjectKey, object: &K) {
        self.unseen.saw(key, object.status());
        // One that is going has no worker that would say whose client id it has.
        if object.common().c1.is_some() && object.meta().deletion_timestamp.is_none() {
            self.shared.deliveries.expect(&age_of(object, key));
        }
        if let Some(status) = object.status() {
            self.shared.metrics.status_is(key, status);
        }
    }

    /// The object is gone: stop its run, forget it.
    pub(super) fn forget(&self, key: &ObjectKey) {
        self.shared.queue.cancel(key);
        self.shared.deliveries.forget(key);
        self.unseen.forget(key);
        self.shared.secrets.forget(key);
        self.shared.metrics.forget(key);
    }

    /// A complete list knows only what `keep` knows: forget the rest.
    pub(super) fn retain(&self, kind: &'static str, keep: impl Fn(&ObjectKey) -> bool) {
        self.shared.queue.retain(kind, &keep);
        self.shared.deliveries.retain(kind, &keep);
        self.unseen.retain(kind, &keep);
        self.shared.secrets.retain(kind, &keep);
        self.shared.metrics.retain(kind, &keep);
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

fn age_of<K: Kind>(object: &K, key: &ObjectKey) -> Age {
    // The API server always says when it made an object.
    let created = object.meta().creation_timestamp.as_ref().map_or(Timestamp::MAX, |time| time.0);
    Age { created, key: key.clone() }
}

/// Looks at one object, and says when to look again.
///
/// # Errors
/// [`Error`], after which the object is looked at again soon.
pub async fn reconcile<K: Kind>(object: Arc<K>, context: Arc<Context>) -> Result<Requeue, Error> {
    let key = key_of(object.as_ref())?;
    let Some(term) = context.shared.leadership.term() else { return Ok(Requeue::await_change()) };
    let stored = context.unseen.latest(&key, object.status());
    let generation = object.meta().generation.unwrap_or_default();
    let now = Timestamp::now();
    let status = delivery::without(&stored, now);
    let subject = Subject { object: &object, generation, stored, status, now, key, term };
    subject.deliver(&context);
    let run = context.shared.queue.view(&subject.key);
    match subject.decide(&context, run.as_ref()) {
        Action::Forget => {
            context.forget(&subject.key);
            Ok(Requeue::await_change())
        }
        Action::Suspend => subject.suspend(&context).await,
        Action::NoteApproval => subject.note_approval(&context).await,
        Action::Start(trigger) => subject.start(&context, trigger).await,
        Action::Follow => subject.follow(&context, run.as_ref()).await,
        Action::CallOff => subject.call_off(&context).await,
        Action::Record => subject.record(&context).await,
        Action::Wait(until) => subject.wait(&context, until).await,
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
        deliveries.follow(&age, K::about(), terms, as_version(secret.as_ref()));
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

    async fn start(&self, context: &Context, trigger: Trigger) -> Result<Requeue, Error> {
        let timing = match self.timing(context) {
            Ok(timing) => timing,
            Err(error) => return self.refuse(context, trigger, &error).await,
        };
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
        let namespace = Namespace::new(context.shared.client.clone(), &self.key.namespace);
        let upstream = context.shared.upstream.clone();
        let inputs = Inputs::new(namespace, Arc::clone(self.object), upstream);
        let snapshots = context.shared.snapshots.clone();
        let destination = Arc::new(snapshots.of(owner.clone()));
        let span = tracing::info_span!(
            parent: None, "run", kind = K::KIND, namespace = self.key.namespace, name = self.key.name, run = %plan.id
        );
        let (metrics, key) = (context.shared.metrics.clone(), self.key.clone());
        let requests = context.shared.deliveries.requests().clone();
        Box::new(move |cancel| {
            let run = async move {
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
            };
            tracing::Instrument::instrument(run, span).boxed()
        })
    }

    /// The spec can't be run: said once, until it changes.
    async fn refuse(
        &self,
        context: &Context,
        trigger: Trigger,
        error: &InvalidTiming,
    ) -> Result<Requeue, Error> {
        let message = format!("In spec.schedule or spec.timeout, {error}. Correct it.");
        let outcome = Outcome {
            id: SyncId::new(self.now).to_string(),
            generation: self.generation,
            trigger,
            requested_at: self.requested_at().map(str::to_owned),
            approved: self.approved(),
            secret: SecretSeen::Unread,
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
        if self.write(context, after).await? == Written::ObjectGone {
            return Ok(Requeue::await_change());
        }
        context.shared.metrics.run_ended(&self.key, &outcome);
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
        let patch = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::KIND,
            // The uid keeps this from an object of the same name that came after ours.
            "metadata": { "name": self.key.name, "uid": self.key.uid },
            "status": after,
        });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        match api.patch_status(&self.key.name, &params, &Patch::Apply(&patch)).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                context.forget(&self.key);
                return Ok(Written::ObjectGone);
            }
            Err(error) => return Err(Error::Status(error)),
        }
        context.shared.metrics.status_is(&self.key, &after);
        let (news, after_phase) = (News::of(&self.stored, &after), after.phase);
        context.unseen.written(&self.key, after);
        if let Some(news) = news {
            if matches!(after_phase, Some(Phase::Syncing | Phase::Suspended)) {
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
        if !context.shared.leadership.holds(self.term) {
            return;
        }
        context.events.publish(self.object.object_ref(&()), news, self.now).await;
    }
}

/// Gives those who asked for a run what came of it. The run does not wait for that: what C1 wants of a snapshot may
/// take long to prepare, and others want its credential.
fn answer(asked: Vec<Request>, outcome: &Outcome, snapshots: &Snapshots, owner: &Owner) {
    for request in asked.into_iter().filter(Request::is_wanted) {
        let (outcome, snapshots, owner) = (outcome.clone(), snapshots.clone(), owner.clone());
        tokio::task::spawn_blocking(move || {
            // A run has the id that it was given, and that is one.
            let published =
                outcome.id.parse().map(|id| snapshots.store().path(&owner, &id)).unwrap_or_default();
            let delivered = sync::deliver(&outcome, &request.selection, &published, snapshots.scratch());
            request.answer(delivered);
        });
    }
}

fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}
