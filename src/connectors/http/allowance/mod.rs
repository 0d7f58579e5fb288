//! How much one credential may ask of one host: requests a minute, and requests under way at once. All clients that
//! show the same credential share it, since the vendor counts them together. So do they the room for answers that are
//! kept before they are wanted, which bounds the memory that a host can fill.
//!
//! A request waits in two lines, both first come, first served: for one of the few places under way, then for its
//! turn in the pace. Whoever stops waiting leaves the line and has used up nothing.

mod headers;
mod pace;

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::Instant;

pub(super) use headers::nothing_left_for;
use pace::{Pace, Rate};

/// Requests under way at once for each credential, unless it is said otherwise.
const IN_FLIGHT: usize = 4;

/// The allowances of all credentials in use. Clones share them; there is one in a process.
#[derive(Clone)]
pub struct Allowances(Arc<Registry>);

struct Registry {
    requests_per_minute: Option<u32>,
    in_flight: usize,
    /// Keyed anew in each process, so that what is kept of a credential is of no use to anybody.
    key: RandomState,
    known: StdMutex<HashMap<u64, Arc<Allowance>>>,
}

impl Allowances {
    /// Each credential may ask `requests_per_minute`: 0 for no limit, `None` for half of what its vendor allows.
    pub fn new(requests_per_minute: Option<u32>) -> Self {
        Self::with_in_flight(requests_per_minute, IN_FLIGHT)
    }

    /// The same, with at most `in_flight` requests under way at once.
    pub fn with_in_flight(requests_per_minute: Option<u32>, in_flight: usize) -> Self {
        let known = StdMutex::default();
        let key = RandomState::new();
        Self(Arc::new(Registry { requests_per_minute, in_flight: in_flight.max(1), key, known }))
    }

    /// The allowance of `credential` at `host`, whose vendor would be asked `usual` times a minute.
    pub(super) fn of(&self, host: &str, credential: &SecretString, usual: NonZeroU32) -> Arc<Allowance> {
        let Self(registry) = self;
        let id = registry.key.hash_one((host, credential.expose_secret()));
        let now = Instant::now();
        let mut known = registry.known.lock().unwrap_or_else(PoisonError::into_inner);
        // What nobody uses is kept until it is as a new one would be: the next run must not start with a burst.
        known.retain(|_, allowance| Arc::strong_count(allowance) > 1 || !allowance.pace().is_fresh(now));
        let allowance = known.entry(id).or_insert_with(|| Arc::new(registry.allowance(usual, now)));
        Arc::clone(allowance)
    }
}

impl Registry {
    fn allowance(&self, usual: NonZeroU32, now: Instant) -> Allowance {
        let wanted = self.requests_per_minute.map_or(Some(usual), NonZeroU32::new);
        let pace = Pace::new(Rate::per_minute(wanted.unwrap_or(usual)), wanted.is_none(), now);
        Allowance {
            places: self.in_flight,
            in_flight: Semaphore::new(self.in_flight),
            ahead: Arc::new(Semaphore::new(self.in_flight)),
            turn: Mutex::default(),
            pace: StdMutex::new(pace),
        }
    }
}

impl Default for Allowances {
    fn default() -> Self {
        Self::new(None)
    }
}

impl fmt::Debug for Allowances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Allowances")
            .field("requests_per_minute", &self.0.requests_per_minute)
            .field("in_flight", &self.0.in_flight)
            .finish_non_exhaustive()
    }
}

/// What one credential may ask of one host.
#[derive(Debug)]
pub(super) struct Allowance {
    places: usize,
    in_flight: Semaphore,
    ahead: Arc<Semaphore>,
    turn: Mutex<()>,
    pace: StdMutex<Pace>,
}

impl Allowance {
    /// Requests that may be under way at once.
    pub(super) fn places(&self) -> usize {
        self.places
    }

    /// Room for one answer before it is wanted, until what is returned is dropped. Nobody waits for it: whoever keeps
    /// an answer may need another one first.
    pub(super) fn room_ahead(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.ahead).try_acquire_owned().ok()
    }

    /// Waits until one more request may go. It is under way until what is returned is dropped.
    ///
    /// # Errors
    /// What is left of a pause that the vendor has asked for, where that is longer than `patience`.
    pub(super) async fn take(&self, patience: Duration) -> Result<Option<SemaphorePermit<'_>>, Duration> {
        // The semaphore is never closed, so there is always a permit in the end.
        let permit = self.in_flight.acquire().await.ok();
        let _turn = self.turn.lock().await;
        loop {
            let now = Instant::now();
            let taken = self.pace().take(now);
            let Err(wait) = taken else { return Ok(permit) };
            let paused = self.pace().paused(now);
            if paused > patience {
                return Err(paused);
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// The vendor says that nothing is left for `wait`.
    pub(super) fn pause(&self, wait: Duration) {
        self.pace().pause(wait, Instant::now());
    }

    /// The vendor has refused a request as one too many, and wants none for `wait`.
    pub(super) fn refuse(&self, wait: Duration) {
        self.pace().refuse(wait, Instant::now());
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::future::join_all;
    use rstest::rstest;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(180);
    const USUAL: NonZeroU32 = NonZeroU32::new(300).unwrap();

    fn of(allowances: &Allowances, host: &str, credential: &str) -> Arc<Allowance> {
        allowances.of(host, &credential.to_owned().into(), USUAL)
    }

    #[tokio::test(start_paused = true)]
    async fn clients_with_one_credential_share_its_allowance_and_others_have_their_own() {
        let allowances = Allowances::new(None);
        let one = of(&allowances, "api.example.com", "token");
        assert!(Arc::ptr_eq(&one, &of(&allowances.clone(), "api.example.com", "token")));
        assert!(!Arc::ptr_eq(&one, &of(&allowances, "api.example.com", "other")));
        assert!(!Arc::ptr_eq(&one, &of(&allowances, "api.example.org", "token")));
        assert!(!Arc::ptr_eq(&one, &of(&Allowances::new(None), "api.example.com", "token")));
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_run_does_not_start_anew_and_what_has_recovered_is_forgotten() {
        let allowances = Allowances::new(Some(60));
        let begun = Instant::now();
        for _ in 0..12 {
            of(&allowances, "api.example.com", "token").take(PATIENCE).await.unwrap();
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
        of(&allowances, "api.example.com", "token").take(PATIENCE).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(999));
        tokio::time::advance(Duration::from_secs(60)).await;
        of(&allowances, "api.example.com", "other");
        assert_eq!(allowances.0.known.lock().unwrap().len(), 1);
    }

    #[rstest]
    #[case::the_vendors(None, 100, 8)]
    #[case::asked_for(Some(60), 100, 88)]
    #[case::none(Some(0), 10_000, 0)]
    #[tokio::test(start_paused = true)]
    async fn so_many_requests_take_so_long(
        #[case] requests_per_minute: Option<u32>,
        #[case] requests: usize,
        #[case] seconds: u64,
    ) {
        let allowance = of(&Allowances::new(requests_per_minute), "api.example.com", "token");
        let begun = Instant::now();
        join_all((0..requests).map(|_| async { drop(allowance.take(PATIENCE).await) })).await;
        // A timer ends up to a millisecond late.
        assert!(begun.elapsed().abs_diff(Duration::from_secs(seconds)) < Duration::from_millis(200));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_under_way_than_there_are_places() {
        let allowance = of(&Allowances::new(Some(0)), "api.example.com", "token");
        let under_way: Vec<_> = join_all((0..4).map(|_| allowance.take(PATIENCE))).await;
        assert!(allowance.take(PATIENCE).now_or_never().is_none());
        drop(under_way);
        assert!(allowance.take(PATIENCE).now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_of_one_request_stops_those_of_everybody() {
        let allowances = Allowances::new(Some(0));
        of(&allowances, "api.example.com", "token").refuse(Duration::from_secs(30));
        let begun = Instant::now();
        of(&allowances, "api.example.com", "token").take(PATIENCE).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_longer_than_anybody_waits_is_told_at_once() {
        let allowance = of(&Allowances::new(Some(0)), "api.example.com", "token");
        allowance.pause(Duration::from_secs(181));
        assert_eq!(allowance.take(PATIENCE).await.err(), Some(Duration::from_secs(181)));
        allowance.take(Duration::from_secs(181)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_stops_waiting_leaves_the_line_and_has_used_up_nothing() {
        let allowance = of(&Allowances::new(Some(60)), "api.example.com", "token");
        for _ in 0..12 {
            allowance.take(PATIENCE).await.unwrap();
        }
        let begun = Instant::now();
        for _ in 0..4 {
            let given_up = tokio::time::timeout(Duration::from_millis(100), allowance.take(PATIENCE)).await;
            assert!(given_up.is_err());
        }
        allowance.take(PATIENCE).await.unwrap();
        assert!(begun.elapsed() < Duration::from_millis(1_100), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn the_line_is_served_in_order() {
        let allowance = of(&Allowances::new(Some(60)), "api.example.com", "token");
        let served = StdMutex::new(Vec::new());
        join_all((0..40).map(|number| {
            let (allowance, served) = (&allowance, &served);
            async move {
                let _permit = allowance.take(PATIENCE).await.unwrap();
                served.lock().unwrap().push(number);
            }
        }))
        .await;
        assert_eq!(served.into_inner().unwrap(), (0..40).collect::<Vec<_>>());
    }

    #[test]
    fn the_credential_is_in_no_text_about_it() {
        let allowances = Allowances::new(None);
        of(&allowances, "api.example.com", "canary");
        assert!(!format!("{allowances:?}").contains("canary"));
    }
}
