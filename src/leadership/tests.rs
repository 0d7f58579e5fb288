//! Candidates on an API server that is slow, fails, and forgets to answer, with a clock of the test's own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::coordination::v1::Lease;
use kube::core::Status;
use proptest::prelude::*;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::*;

/// An API server with one Lease.
#[derive(Default)]
struct Server {
    lease: Mutex<Option<Lease>>,
    version: Mutex<u64>,
    /// What becomes of the next requests; well, where there is none.
    fates: Mutex<Vec<Fate>>,
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    /// It is done after so many milliseconds.
    Late(u64),
    /// It is not done, which is said after so many milliseconds.
    Fails(u64),
    /// It is done, and nobody hears of it.
    Unheard,
}

fn error(code: u16) -> kube::Error {
    kube::Error::Api(Status::failure("scripted", "Scripted").with_code(code).boxed())
}

impl Server {
    async fn answer<T>(&self, done: impl FnOnce(&Self) -> Result<T, kube::Error>) -> Result<T, kube::Error> {
        let fate = self.fates.lock().unwrap().pop().unwrap_or(Fate::Late(5));
        match fate {
            Fate::Late(millis) => {
                sleep(Duration::from_millis(millis)).await;
                done(self)
            }
            Fate::Fails(millis) => {
                sleep(Duration::from_millis(millis)).await;
                Err(error(500))
            }
            Fate::Unheard => {
                let _ = done(self);
                sleep(Duration::from_secs(60)).await;
                Err(error(504))
            }
        }
    }

    fn store(&self, lease: &Lease) -> Lease {
        let mut version = self.version.lock().unwrap();
        *version += 1;
        let mut lease = lease.clone();
        lease.metadata.resource_version = Some(version.to_string());
        *self.lease.lock().unwrap() = Some(lease.clone());
        lease
    }

    fn holder(&self) -> Option<String> {
        self.lease.lock().unwrap().as_ref()?.spec.as_ref()?.holder_identity.clone()
    }
}

#[async_trait]
impl Leases for Server {
    async fn get(&self) -> Result<Option<Lease>, kube::Error> {
        self.answer(|it| Ok(it.lease.lock().unwrap().clone())).await
    }

    async fn create(&self, lease: &Lease) -> Result<Lease, kube::Error> {
        self.answer(|it| {
            let there = it.lease.lock().unwrap().is_some();
            if there { Err(error(409)) } else { Ok(it.store(lease)) }
        })
        .await
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, kube::Error> {
        self.answer(|it| {
            let stored = it.lease.lock().unwrap().clone();
            let same = |stored: &Lease| stored.metadata.resource_version == lease.metadata.resource_version;
            if stored.as_ref().is_some_and(same) { Ok(it.store(lease)) } else { Err(error(409)) }
        })
        .await
    }
}

fn candidate(server: &Arc<Server>, name: &str) -> (Candidate, Leadership) {
    let leases: Arc<dyn Leases> = Arc::clone(server) as Arc<dyn Leases>;
    Candidate::new(leases, name.to_owned(), Timing::default())
}

#[tokio::test(start_paused = true)]
async fn the_first_leads_and_the_second_when_the_first_has_said_its_last() {
    let server = Arc::new(Server::default());
    let (first, mut first_leads) = candidate(&server, "a");
    let (second, mut second_leads) = candidate(&server, "b");
    let stop = CancellationToken::new();
    let written = async { sleep(Duration::from_secs(3)).await };
    let leading = tokio::spawn(first.run(stop.clone(), written));
    first_leads.begins().await;
    let term = first_leads.term().unwrap();
    tokio::spawn(second.run(CancellationToken::new(), std::future::pending()));
    sleep(Duration::from_secs(60)).await;
    assert_eq!((first_leads.term(), second_leads.term()), (Some(term), None));

    let asked = Instant::now();
    stop.cancel();
    second_leads.begins().await;
    assert_eq!(leading.await.unwrap(), Ended::Stopped);
    let took = asked.elapsed();
    assert!(took >= Duration::from_secs(3), "not before everything is written: {took:?}");
    assert!(took <= Duration::from_secs(6), "{took:?}");
    assert_eq!((first_leads.term(), second_leads.term()), (None, Some(term + 1)));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_gone_is_followed_when_its_lease_has_run_out() {
    let server = Arc::new(Server::default());
    let (first, mut first_leads) = candidate(&server, "a");
    let gone = tokio::spawn(first.run(CancellationToken::new(), std::future::pending()));
    first_leads.begins().await;
    let (second, mut second_leads) = candidate(&server, "b");
    tokio::spawn(second.run(CancellationToken::new(), std::future::pending()));
    sleep(Duration::from_secs(4)).await;
    gone.abort();
    let since = Instant::now();
    second_leads.begins().await;
    let took = since.elapsed();
    assert!((Duration::from_secs(11)..=Duration::from_secs(18)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_stops_before_anybody_follows() {
    let server = Arc::new(Server::default());
    let (first, mut leads) = candidate(&server, "a");
    let leading = tokio::spawn(first.run(CancellationToken::new(), std::future::pending()));
    leads.begins().await;
    *server.fates.lock().unwrap() = vec![Fate::Fails(1); 100];
    assert_eq!(leading.await.unwrap(), Ended::Lost);
    assert_eq!(leads.term(), None);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_paused_knows_that_it_no_longer_leads_before_it_does_anything() {
    let server = Arc::new(Server::default());
    let (first, mut leads) = candidate(&server, "a");
    // Not polled any more, as if the process were stopped.
    let mut paused = Box::pin(first.run(CancellationToken::new(), std::future::pending()));
    tokio::select! {
        _ = &mut paused => unreachable!(),
        () = leads.begins() => {}
    }
    let term = leads.term().unwrap();
    assert!(leads.holds(term));
    tokio::time::advance(Duration::from_secs(10)).await;
    assert!(!leads.holds(term));
}

#[tokio::test(start_paused = true)]
async fn an_edited_lease_is_still_its_holders() {
    let server = Arc::new(Server::default());
    let (first, mut leads) = candidate(&server, "a");
    tokio::spawn(first.run(CancellationToken::new(), std::future::pending()));
    leads.begins().await;
    let term = leads.term();
    let lease = server.lease.lock().unwrap().clone().unwrap();
    server.store(&lease);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(leads.term(), term);
    assert_eq!(server.holder().as_deref(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn a_lease_in_its_own_name_is_taken_again_in_another_term() {
    let server = Arc::new(Server::default());
    let (first, mut leads) = candidate(&server, "a");
    let gone = tokio::spawn(first.run(CancellationToken::new(), std::future::pending()));
    leads.begins().await;
    let term = leads.term().unwrap();
    gone.abort();
    let (again, mut leads_again) = candidate(&server, "a");
    tokio::spawn(again.run(CancellationToken::new(), std::future::pending()));
    leads_again.begins().await;
    assert_eq!(leads_again.term(), Some(term + 1));
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        4 => (0_u64..3000).prop_map(Fate::Late),
        2 => (0_u64..12_000).prop_map(Fate::Late),
        2 => (0_u64..4000).prop_map(Fate::Fails),
        1 => Just(Fate::Unheard),
    ];
    proptest::collection::vec(fate, 0..60)
}

/// A pod, whose container starts again when it has lost the Lease.
fn enter(
    server: &Arc<Server>,
    leaderships: &Arc<Mutex<Vec<Leadership>>>,
    number: usize,
) -> CancellationToken {
    let stop = CancellationToken::new();
    let (server, leaderships, stopping) = (Arc::clone(server), Arc::clone(leaderships), stop.clone());
    tokio::spawn(async move {
        while !stopping.is_cancelled() {
            let (candidate, leadership) = candidate(&server, &format!("candidate-{number}"));
            leaderships.lock().unwrap().push(leadership);
            candidate.run(stopping.clone(), async { sleep(Duration::from_secs(1)).await }).await;
        }
    });
    stop
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn two_never_lead_at_once_whatever_the_server_does(fates in fates(), stops in proptest::collection::vec(1_u64..40, 0..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let server = Arc::new(Server { fates: Mutex::new(fates), ..Server::default() });
            let leaderships: Arc<Mutex<Vec<Leadership>>> = Arc::default();
            let mut stoppable = Vec::new();
            for number in 0..3 {
                stoppable.push(enter(&server, &leaderships, number));
            }
            let look = |seen: &mut usize| {
                let leading = leaderships.lock().unwrap().iter().filter(|it| it.term().is_some()).count();
                *seen += leading;
                assert!(leading <= 1, "{leading} lead at once");
            };
            let mut seen = 0;
            for wait in stops.into_iter().chain([600]) {
                for _ in 0..wait * 4 {
                    sleep(Duration::from_millis(250)).await;
                    look(&mut seen);
                }
                stoppable.push(enter(&server, &leaderships, stoppable.len()));
                stoppable[stoppable.len() / 2].cancel();
            }
            assert!(seen > 0, "somebody leads in the end");
        });
    }
}
