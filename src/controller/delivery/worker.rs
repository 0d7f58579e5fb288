//! Works for C1 on behalf of one object: reads its credentials, sees that nobody older has the same, and does C1's tasks
//! until it is stopped.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kube::Client;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::api::{C1CredentialsRef, CaBundleRef, Class, Reason};
use crate::c1::{
    self, About, Asset, C1Error, Channels, Credentials, Pace, Permit, Reader, Refused, Service, SyncTask,
    View, Work,
};
use crate::leadership::Leadership;
use crate::sync::{self, Failure, ObjectKey, SecretSeen};

use super::super::inputs::{self, Namespace};
use super::super::secrets::Known;
use super::claims::{Age, Claim, Claims};
use super::requests::Requests;

/// The first wait before credentials that are missing or wrong are read again; each further one doubles it.
const FIRST_RETRY: Duration = Duration::from_secs(30);
/// The same where they could not be asked for.
const FIRST_RETRY_OF_ASKING: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_secs(15 * 60);
/// So many failed tries in a row are no accident.
pub(super) const TRIES: u32 = 3;
/// Tasks of one object at once: one that reads, and what is answered without reading.
const AT_ONCE: usize = 3;

/// What an object's spec says of C1. A worker works by one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::controller) struct Terms {
    pub(in crate::controller) credentials: C1CredentialsRef,
    pub(in crate::controller) host_id: String,
    pub(in crate::controller) ca_bundle: Option<CaBundleRef>,
    /// It keeps its client id from others, and says nothing.
    pub(in crate::controller) silent: bool,
}

/// How far a worker has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::controller) enum Standing {
    /// Not far.
    Starting,
    /// It is suspended.
    Silent,
    /// Its credentials cannot be used.
    Failed(Failure),
    /// An older connector has its client id.
    Shared(ObjectKey),
    /// It works; its [`View`] says how it goes.
    Working,
}

/// What all workers share.
pub(super) struct Office {
    pub(super) client: Client,
    pub(super) channels: Channels,
    /// Instead of the host that a client id names.
    pub(super) api_host: Option<String>,
    pub(super) claims: Claims,
    /// Only who leads speaks to C1.
    pub(super) leadership: Leadership,
    pub(super) requests: Requests,
}

/// What a worker has read from Kubernetes.
struct Opened {
    credentials: Credentials,
    ca_bundle: Option<Vec<u8>>,
}

/// One worker.
pub(super) struct Worker {
    pub(super) office: Arc<Office>,
    pub(super) age: Age,
    pub(super) about: About,
    pub(super) terms: Terms,
    /// The Secret as the watch shows it.
    pub(super) shown: watch::Receiver<Option<Known>>,
    /// The version that it has used, or tried to.
    pub(super) used: watch::Sender<Option<String>>,
    pub(super) standing: watch::Sender<Standing>,
    pub(super) view: watch::Sender<View>,
    /// Has the object looked at.
    pub(super) wake: mpsc::UnboundedSender<ObjectKey>,
}

impl Worker {
    /// Knows what its predecessor did last, to the very end.
    pub(super) fn follows(&self, former: Option<View>) {
        if let Some(View { last_task, last_upload, .. }) = former {
            self.view.send_modify(|view| {
                view.last_task = last_task;
                view.last_upload = last_upload;
            });
        }
    }

    /// Works until `stop`.
    pub(super) async fn work(mut self, stop: CancellationToken) {
        let mut failures = 0_u32;
        while !stop.is_cancelled() {
            let opened = tokio::select! {
                opened = self.open() => opened,
                () = stop.cancelled() => return,
            };
            let done = match opened {
                Ok(opened) => self.serve(opened, &stop).await,
                Err(failure) => Err(failure),
            };
            let Err(failure) = done else {
                failures = 0;
                continue;
            };
            failures = failures.saturating_add(1);
            let wait = self.wait_after(failure, failures);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = next_shown(&mut self.shown) => failures = 0,
                () = stop.cancelled() => return,
            }
        }
    }

    /// Tells of a failure that is no accident, and says how long to wait.
    fn wait_after(&self, failure: Failure, failures: u32) -> Duration {
        let may_pass = class_of(&failure) == Class::Retry;
        if !may_pass || failures >= TRIES {
            // Whatever keeps this one from its Secret must not keep everybody younger from C1.
            self.office.claims.waive(&self.age);
            self.stands(Standing::Failed(failure));
        }
        let first = if may_pass { FIRST_RETRY_OF_ASKING } else { FIRST_RETRY };
        first.saturating_mul(1 << failures.saturating_sub(1).min(9)).min(LONGEST_RETRY)
    }

    /// The credentials that the spec names, claimed, and the CA bundle.
    async fn open(&mut self) -> Result<Opened, Failure> {
        let shown = self.shown.borrow_and_update().clone();
        let (seen, credentials) = inputs::c1_credentials(&self.namespace(), &self.terms.credentials).await;
        self.used.send_replace(match (seen, shown) {
            (SecretSeen::Version(version), _) => Some(version),
            // Where the watch still shows one, it is behind: only what it shows later is news.
            (SecretSeen::Missing | SecretSeen::Unread, Some(Known::Present(version))) => Some(version),
            (SecretSeen::Missing | SecretSeen::Unread, _) => None,
        });
        let credentials = credentials?;
        self.office.claims.claim(&self.age, Some(credentials.id()));
        let ca_bundle = self.namespace().ca_bundle(self.terms.ca_bundle.as_ref()).await?;
        Ok(Opened { credentials, ca_bundle })
    }

    /// Works until `stop`, or until Kubernetes no longer says what was `opened`. What is in hand is then given back.
    async fn serve(&self, opened: Opened, stop: &CancellationToken) -> Result<(), Failure> {
        let outdated = stop.child_token();
        let credentials = Arc::new(opened.credentials);
        let ca_bundle = opened.ca_bundle.as_deref();
        let mut working = Box::pin(self.serve_with(&credentials, ca_bundle, &outdated));
        tokio::select! {
            done = &mut working => return done,
            () = self.until_outdated(&credentials, ca_bundle) => outdated.cancel(),
        }
        let done = working.await;
        // What C1 said to the former credentials says nothing about these.
        self.view.send_modify(|view| (view.connected, view.trouble) = (false, None));
        self.stands(Standing::Starting);
        done
    }

    /// Waits until Kubernetes says something else. It is asked when the watch shows another version of the Secret, and
    /// now and then while C1 cannot be asked: not everything is watched.
    async fn until_outdated(&self, credentials: &Credentials, ca_bundle: Option<&[u8]>) {
        let mut shown = self.shown.clone();
        let mut unanswered = false;
        loop {
            if unanswered {
                tokio::time::sleep(FIRST_RETRY).await;
            } else {
                self.until_doubtful(&mut shown).await;
            }
            match self.still_says(credentials, ca_bundle).await {
                Some(false) => return,
                answer => unanswered = answer.is_none(),
            }
        }
    }

    async fn until_doubtful(&self, shown: &mut watch::Receiver<Option<Known>>) {
        loop {
            tokio::select! {
                () = next_shown(shown) => return,
                () = tokio::time::sleep(LONGEST_RETRY) => {}
            }
            if self.view.borrow().trouble.is_some() {
                return;
            }
        }
    }

    /// Does Kubernetes still say this? `None` where it says nothing.
    async fn still_says(&self, credentials: &Credentials, ca_bundle: Option<&[u8]>) -> Option<bool> {
        let (seen, now) = inputs::c1_credentials(&self.namespace(), &self.terms.credentials).await;
        let bundle = self.namespace().ca_bundle(self.terms.ca_bundle.as_ref()).await;
        match (seen, now, bundle) {
            (SecretSeen::Unread, ..) => None,
            (_, _, Err(failure)) if failure.reason == Reason::KubernetesError => None,
            (SecretSeen::Version(version), Ok(now), Ok(bundle))
                if now.are(credentials) && bundle.as_deref() == ca_bundle =>
            {
                self.used.send_replace(Some(version));
                Some(true)
            }
            _ => Some(false),
        }
    }

    fn namespace(&self) -> Namespace {
        Namespace::new(self.office.client.clone(), &self.age.key.namespace)
    }

    /// Works until `stop`, whenever the client id is this object's.
    async fn serve_with(
        &self,
        credentials: &Arc<Credentials>,
        ca_bundle: Option<&[u8]>,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        if self.terms.silent {
            self.stands(Standing::Silent);
            stop.cancelled().await;
            return Ok(());
        }
        let id = credentials.id().clone();
        let service = Service::new(
            &self.office.channels,
            Arc::clone(credentials),
            self.office.api_host.as_deref(),
            ca_bundle,
            &self.terms.host_id,
        )
        .map_err(|error| unusable(&error))?
        .only_while(self.while_leading());
        while !stop.is_cancelled() {
            if !self.until_granted(&id, stop).await {
                break;
            }
            self.stands(Standing::Working);
            let called_off = stop.child_token();
            let work = c1::work(
                Work {
                    service: service.clone(),
                    reader: Arc::new(self.reader()),
                    view: self.view.clone(),
                    pace: Pace::default(),
                    at_once: AT_ONCE,
                    ends_when_refused: false,
                },
                called_off.clone(),
            );
            let watching = async {
                self.until_taken(&id, stop).await;
                called_off.cancel();
            };
            tokio::join!(work, watching);
        }
        Ok(())
    }

    fn while_leading(&self) -> Permit {
        let leadership = self.office.leadership.clone();
        let term = leadership.term();
        Arc::new(move || term.is_some_and(|term| leadership.holds(term)))
    }

    /// Waits until the client id is this object's. False when it is stopped before.
    async fn until_granted(&self, id: &c1::ClientId, stop: &CancellationToken) -> bool {
        let mut changes = self.office.claims.changes();
        loop {
            match self.office.claims.of(&self.age, id) {
                Claim::Granted => return true,
                Claim::TakenBy(by) => self.stands(Standing::Shared(by)),
                Claim::Open => self.stands(Standing::Starting),
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = stop.cancelled() => return false,
            }
        }
    }

    /// Waits until the client id is somebody else's, or until it is stopped. What an older one has not said yet is no
    /// reason to give back what is in hand.
    async fn until_taken(&self, id: &c1::ClientId, stop: &CancellationToken) {
        let mut changes = self.office.claims.changes();
        while !matches!(self.office.claims.of(&self.age, id), Claim::TakenBy(_)) {
            tokio::select! {
                _ = changes.changed() => {}
                () = stop.cancelled() => return,
            }
        }
    }

    fn stands(&self, standing: Standing) {
        // Whatever is wrong with what it does not use.
        let standing = if self.terms.silent { Standing::Silent } else { standing };
        let changed = self.standing.send_if_modified(|present| {
            let changed = *present != standing;
            *present = standing;
            changed
        });
        if changed {
            // Nobody listens any more only while the program ends.
            let _ = self.wake.send(self.age.key.clone());
        }
    }

    fn reader(&self) -> QueuedReader {
        QueuedReader {
            key: self.age.key.clone(),
            about: self.about,
            requests: self.office.requests.clone(),
            wake: self.wake.clone(),
        }
    }
}

/// Waits for the next change of what the watch shows.
async fn next_shown(shown: &mut watch::Receiver<Option<Known>>) {
    if shown.changed().await.is_err() {
        // Nobody tells any more: the worker is about to be stopped.
        std::future::pending::<()>().await;
    }
}

/// Nothing could ever be sent with these settings.
fn unusable(error: &C1Error) -> Failure {
    let (reason, remedy) = match error {
        C1Error::Address(crate::network::AddressError::HostNotAllowed { host }) => (
            Reason::HostNotAllowed,
            format!(
                "Correct the client id, or have the cluster's administrator allow it with --allow-c1-host={host}."
            ),
        ),
        C1Error::CaBundle(_) => {
            (Reason::CaBundleInvalid, "Put PEM certificates into what spec.caBundleRef names.".to_owned())
        }
        _ => (Reason::InvalidSpec, "Correct what spec.c1 names.".to_owned()),
    };
    Failure::sentence(reason, &format!("C1 cannot be asked: {error}"), &remedy)
}

/// Has the operator read, by a run like any other.
struct QueuedReader {
    key: ObjectKey,
    about: About,
    requests: Requests,
    wake: mpsc::UnboundedSender<ObjectKey>,
}

#[async_trait]
impl Reader for QueuedReader {
    fn about(&self) -> About {
        self.about
    }

    async fn read(&self, task: &SyncTask) -> Result<Asset, Refused> {
        // Also when this is dropped: a run that nobody waits for any more is called off.
        let _looks_again = LooksAgain(self);
        let waiting = self.requests.ask(&self.key, task.selection.clone());
        let _ = self.wake.send(self.key.clone());
        waiting.answer.await.unwrap_or_else(|_| Err(sync::called_off()))
    }
}

struct LooksAgain<'r>(&'r QueuedReader);

impl Drop for LooksAgain<'_> {
    fn drop(&mut self) {
        let _ = self.0.wake.send(self.0.key.clone());
    }
}

/// The class of what keeps a worker from working.
pub(super) fn class_of(failure: &Failure) -> Class {
    failure.reason.class().unwrap_or(Class::Retry)
}
