//! Trying to lead: taking the Lease, renewing it, giving it back.
//!
//! Every change of the Lease names the version that it was made from, so two who try at once cannot both succeed. Nobody's
//! clock is compared with anybody else's: a follower counts from when it saw the Lease change last, a leader from before
//! it asked to renew it. A leader that has not renewed for [`Timing::renew_within`] no longer leads, which is earlier than
//! anybody else may think so.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::PostParams;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

use super::{Leadership, Term, first_term};

/// How long the API server may take for one answer.
const ANSWER: Duration = Duration::from_secs(3);

/// When what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// A follower takes the Lease when it has not changed for so long.
    pub lasts: Duration,
    /// A leader that has not renewed for so long no longer leads. Shorter than the above.
    pub renew_within: Duration,
    /// How often the Lease is looked at, and renewed.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lasts: Duration::from_secs(15),
            renew_within: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// Where the Lease is. Only one Lease is ever asked for.
#[async_trait]
pub trait Leases: Send + Sync {
    /// The Lease as it is; `None` where there is none.
    async fn get(&self) -> Result<Option<Lease>, kube::Error>;
    /// Makes the Lease, which must not be there.
    async fn create(&self, lease: &Lease) -> Result<Lease, kube::Error>;
    /// Changes the Lease, which must still be of the version that `lease` names.
    async fn replace(&self, lease: &Lease) -> Result<Lease, kube::Error>;
}

/// A Lease of the API server.
pub struct OneLease {
    api: Api<Lease>,
    name: String,
}

impl OneLease {
    /// The Lease `name`.
    pub fn new(api: Api<Lease>, name: String) -> Self {
        Self { api, name }
    }
}

#[async_trait]
impl Leases for OneLease {
    async fn get(&self) -> Result<Option<Lease>, kube::Error> {
        in_time(self.api.get_opt(&self.name)).await
    }

    async fn create(&self, lease: &Lease) -> Result<Lease, kube::Error> {
        let mut lease = lease.clone();
        lease.metadata.name = Some(self.name.clone());
        in_time(self.api.create(&PostParams::default(), &lease)).await
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, kube::Error> {
        in_time(self.api.replace(&self.name, &PostParams::default(), lease)).await
    }
}

/// Tries to lead.
pub struct Candidate {
    leases: Arc<dyn Leases>,
    identity: String,
    timing: Timing,
    term: watch::Sender<Option<Term>>,
    /// The version of the Lease that was seen last, and since when.
    seen: Option<(Option<String>, Instant)>,
    clock: Clock,
}

/// Why a candidate ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to.
    Stopped,
    /// It led, and could not renew the Lease in time, or somebody else has it.
    Lost,
}

impl Candidate {
    /// The candidate of this name, and what tells whether it leads.
    pub fn new(leases: Arc<dyn Leases>, identity: String, timing: Timing) -> (Self, Leadership) {
        let (term, seen) = watch::channel(None);
        let candidate = Self { leases, identity, timing, term, seen: None, clock: Clock::system() };
        (candidate, Leadership::of(seen))
    }

    /// The same, who writes into the Lease what this clock says.
    #[must_use]
    pub fn timed_by(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Tries until it leads, then leads until `stop`, or until it has lost the Lease. After `stop` it leads on until
    /// everything is `written`, and then gives the Lease back.
    pub async fn run(mut self, stop: CancellationToken, written: impl Future<Output = ()>) -> Ended {
        let (mut lease, mut until) = tokio::select! {
            taken = self.acquire() => taken,
            () = stop.cancelled() => return Ended::Stopped,
        };
        let finished = async {
            stop.cancelled().await;
            written.await;
        };
        tokio::pin!(finished);
        loop {
            tokio::select! {
                renewed = self.renew(&lease, until) => match renewed {
                    Some(renewed) => (lease, until) = renewed,
                    None => {
                        self.term.send_replace(None);
                        tracing::error!("This operator no longer leads: the Lease could not be renewed in time");
                        return Ended::Lost;
                    }
                },
                () = &mut finished => {
                    self.release().await;
                    return Ended::Stopped;
                }
            }
        }
    }

    async fn acquire(&mut self) -> (Lease, Instant) {
        loop {
            let asked = Instant::now();
            let within = self.timing.renew_within;
            match timeout(within, self.try_to_acquire()).await.unwrap_or(Ok(None)) {
                Ok(Some(lease)) => {
                    let until = self.leads(&lease, asked);
                    tracing::info!(identity = self.identity, "This operator leads");
                    return (lease, until);
                }
                Ok(None) => {}
                Err(error) if is_conflict(&error) => {}
                Err(error) => tracing::warn!(%error, "The Lease could not be taken; it is tried again"),
            }
            sleep(self.timing.retry).await;
        }
    }

    /// The Lease, where it could be taken.
    async fn try_to_acquire(&mut self) -> Result<Option<Lease>, kube::Error> {
        let lease = self.leases.get().await?;
        // One that somebody has deleted may be in the hand of a leader who does not know yet.
        let is_new = lease.is_none() && self.seen.is_none();
        let lease = lease.unwrap_or_default();
        if !is_new && !self.is_free(&lease) {
            return Ok(None);
        }
        if lease.metadata.resource_version.is_none() {
            return self.leases.create(&self.taken(lease)).await.map(Some);
        }
        self.leases.replace(&self.taken(lease)).await.map(Some)
    }

    fn is_free(&mut self, lease: &Lease) -> bool {
        let version = lease.metadata.resource_version.clone();
        let now = Instant::now();
        if self.seen.as_ref().is_none_or(|(seen, _)| *seen != version) {
            self.seen = Some((version, now));
        }
        let unchanged = self.seen.as_ref().map_or(Duration::ZERO, |(_, since)| now - *since);
        let holder = lease.spec.as_ref().map(|spec| spec.holder_identity.as_deref().unwrap_or_default());
        // Its own name: the answer to an earlier try was lost.
        holder.is_some_and(|holder| holder.is_empty() || holder == self.identity)
            || unchanged >= self.timing.lasts
    }

    /// The same Lease in this candidate's hand, for the next term.
    fn taken(&self, lease: Lease) -> Lease {
        let before = lease.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or(0);
        let now = MicroTime(self.clock.now());
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.timing.lasts.as_secs()).ok(),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            // Also after an operator that was alone, whose term is the minute in which it began.
            lease_transitions: Some(before.saturating_add(1).max(first_term(self.clock.now()))),
            ..lease.spec.unwrap_or_default()
        };
        Lease { metadata: ObjectMeta { managed_fields: None, ..lease.metadata }, spec: Some(spec) }
    }

    /// The Lease renewed, and how long it is good; `None` when it is lost, which is at `until` at the latest.
    async fn renew(&self, lease: &Lease, until: Instant) -> Option<(Lease, Instant)> {
        let mut lease = lease.clone();
        // The term is the same to its end, whoever edits the Lease.
        let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions);
        let renewing = async {
            loop {
                sleep(self.timing.retry).await;
                let asked = Instant::now();
                if let Some(spec) = &mut lease.spec {
                    spec.renew_time = Some(MicroTime(self.clock.now()));
                    spec.lease_transitions = transitions;
                }
                match self.leases.replace(&lease).await {
                    // Whoever slept meanwhile has turned others away already.
                    Ok(_) if Instant::now() >= until => return None,
                    Ok(renewed) => {
                        let until = self.leads(&renewed, asked);
                        return Some((renewed, until));
                    }
                    Err(error) if is_conflict(&error) => lease = self.still_ours().await?,
                    Err(error) => tracing::warn!(%error, "The Lease could not be renewed; it is tried again"),
                }
            }
        };
        timeout_at(until, renewing).await.ok().flatten()
    }

    /// Somebody has changed the Lease: is it this candidate's all the same?
    async fn still_ours(&self) -> Option<Lease> {
        loop {
            match self.leases.get().await {
                Ok(lease) => {
                    let spec = lease.as_ref().and_then(|lease| lease.spec.as_ref());
                    let ours = spec.and_then(|spec| spec.holder_identity.as_ref()) == Some(&self.identity);
                    return lease.filter(|_| ours);
                }
                Err(error) => tracing::warn!(%error, "The Lease could not be looked at; it is tried again"),
            }
            sleep(self.timing.retry).await;
        }
    }

    /// It leads until some time after it `asked` to.
    fn leads(&self, lease: &Lease, asked: Instant) -> Instant {
        let until = asked + self.timing.renew_within;
        let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or(0);
        let number = u64::try_from(transitions).unwrap_or_default();
        self.term.send_replace(Some(Term { number, until: Some(until) }));
        until
    }

    /// Everything is written: the next may lead at once.
    async fn release(&self) {
        self.term.send_replace(None);
        let releasing = async {
            let Some(mut lease) = self.still_ours().await else { return Ok(()) };
            if let Some(spec) = &mut lease.spec {
                spec.holder_identity = None;
                spec.renew_time = Some(MicroTime(self.clock.now()));
            }
            self.leases.replace(&lease).await.map(|_| ())
        };
        match timeout(self.timing.retry, releasing).await {
            Ok(Ok(())) => tracing::info!("The Lease is given back"),
            Ok(Err(error)) => tracing::warn!(%error, "The Lease could not be given back; it runs out"),
            Err(_) => tracing::warn!("The Lease could not be given back in time; it runs out"),
        }
    }
}

/// Somebody else has changed the Lease, or removed it.
fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409 || status.code == 404)
}

/// A request that hangs must leave time for another.
async fn in_time<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    let late = |_| Err(kube::Error::Service("the API server did not answer in time".into()));
    timeout(ANSWER, request).await.unwrap_or_else(late)
}
