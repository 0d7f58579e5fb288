//! Kubernetes events: one for each transition, none for what stays the same, and never a reason to fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::api::{ACCEPT_REMOVALS, ConditionType, ConnectorStatus, Phase, Reason};
use crate::leadership::Leadership;
use crate::sync::{Ended, Outcome};

/// The API server takes no longer note.
const LONGEST_NOTE: usize = 1024;

/// Something to tell about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct News {
    pub(super) warning: bool,
    pub(super) reason: String,
    pub(super) note: String,
}

impl News {
    /// What a person should hear of the step from `before` to `after`.
    pub(super) fn of(before: &ConnectorStatus, after: &ConnectorStatus) -> Option<Self> {
        let ready = after.condition(ConditionType::Ready)?;
        let syncing = |status: &ConnectorStatus| {
            status
                .condition(ConditionType::Reconciling)
                .filter(|c| c.reason == Reason::Progressing.as_str())
                .is_some()
        };
        if syncing(after) && !syncing(before) {
            let note = after.condition(ConditionType::Syncing)?.message.clone();
            return Some(Self { warning: false, reason: "Syncing".to_owned(), note });
        }
        let known = before.condition(ConditionType::Ready);
        let same = known.is_some_and(|known| known.status == ready.status && known.reason == ready.reason);
        let held = |status: &ConnectorStatus| status.held.as_ref().map(|hold| hold.id.clone());
        let other_removals = after.phase == Some(Phase::Held) && held(before) != held(after);
        if before.phase == after.phase && same && !other_removals || ready.status == "Unknown" {
            return None;
        }
        if after.phase == Some(Phase::Suspended) {
            let note = after.condition(ConditionType::Syncing)?.message.clone();
            return Some(Self { warning: false, reason: Reason::Suspended.as_str().to_owned(), note });
        }
        let warning = ready.status == "False";
        let reason = if warning { ready.reason.clone() } else { "Connected".to_owned() };
        Some(Self { warning, reason, note: ready.message.clone() })
    }

    /// What a run has changed for people.
    pub(super) fn of_access(outcome: &Outcome) -> Option<Self> {
        let Ok(Ended::Published(published)) = &outcome.result else { return None };
        let news = published.news.as_ref().filter(|news| !news.is_none())?;
        Some(Self { warning: false, reason: "AccessChanged".to_owned(), note: news.in_words() })
    }

    /// An object cannot be read.
    pub(super) fn of_illegible(kind: &str, problem: &str) -> Self {
        let note = format!(
            "This operator cannot make sense of the {kind}: {problem}. Nothing is read for it, and what was published \
             stays. Correct it, or run the version of the operator that knows what it says."
        );
        Self { warning: true, reason: "CannotBeRead".to_owned(), note }
    }

    /// Somebody accepted something else than what `status` holds.
    pub(super) fn of_mistaken_approval(status: &ConnectorStatus, given: &str) -> Self {
        let note = match &status.held {
            Some(hold) => format!(
                "The annotation {ACCEPT_REMOVALS} names {given}, but {} is held. Look at status.held, and set the \
                 annotation to its id to accept it.",
                hold.id
            ),
            None => {
                format!("The annotation {ACCEPT_REMOVALS} names {given}, but nothing is held. Remove it.")
            }
        };
        Self { warning: true, reason: "ApprovalDoesNotMatch".to_owned(), note }
    }
}

/// The most events that wait to be published. Whoever tells one more waits: none is dropped.
const WAITING: usize = 8192;
/// How long one event may take.
const LONGEST: Duration = Duration::from_secs(30);
/// How long those that still wait may take once there will be no more.
const LAST: Duration = Duration::from_secs(3);

/// What there is to tell, in the name of this operator. It is published one event after the other, and nothing else waits
/// for that: where the API server is busy, a status comes first.
#[derive(Clone)]
pub(super) struct Events {
    instance: String,
    /// When the last one was, in microseconds: no two are at the same time, so that they keep their order and have
    /// names of their own.
    last: Arc<AtomicI64>,
    tell: mpsc::Sender<Waiting>,
    told: Arc<Mutex<mpsc::Receiver<Waiting>>>,
}

/// An event that is not published yet.
struct Waiting {
    event: Event,
    /// The term in which it happened. In any other this operator has nothing to say.
    term: u64,
}

impl Events {
    /// Events of the instance of this name.
    pub(super) fn of(instance: String) -> Self {
        let (tell, told) = mpsc::channel(WAITING);
        Self { instance, last: Arc::default(), tell, told: Arc::new(Mutex::new(told)) }
    }

    /// Has `news` about the object published.
    pub(super) async fn tell(&self, about: ObjectReference, news: &News, now: Timestamp, term: u64) {
        let event = self.event(about, news, self.moment(now));
        // The receiver is as old as the sender, so there is one.
        let _ = self.tell.send(Waiting { event, term }).await;
    }

    /// Publishes what is told until `complete`, and then what still waits. Failures are logged: an event is never worth
    /// more.
    pub(super) async fn publish(
        &self,
        client: &Client,
        leadership: &Leadership,
        complete: &CancellationToken,
    ) {
        let mut told = self.told.lock().await;
        let all = async {
            while let Some(Waiting { event, term }) = next(&mut told, complete).await {
                if leadership.holds(term) {
                    create(client, &event).await;
                }
            }
        };
        let late = async {
            complete.cancelled().await;
            sleep(LAST).await;
        };
        tokio::select! {
            () = all => {}
            () = late => tracing::warn!("There was no time to publish the last events"),
        }
    }

    /// `now`, or the next microsecond that is free.
    fn moment(&self, now: Timestamp) -> Timestamp {
        let now = now.as_microsecond();
        let after = |last: i64| Some(now.max(last.saturating_add(1)));
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after).unwrap_or(now);
        Timestamp::from_microsecond(now.max(last.saturating_add(1))).unwrap_or(Timestamp::MAX)
    }

    fn event(&self, about: ObjectReference, news: &News, now: Timestamp) -> Event {
        let name = about.name.as_deref().unwrap_or("connector");
        Event {
            metadata: ObjectMeta {
                name: Some(format!("{name}.{:x}", now.as_nanosecond())),
                namespace: about.namespace.clone(),
                ..ObjectMeta::default()
            },
            action: Some("Sync".to_owned()),
            event_time: Some(MicroTime(now)),
            note: Some(shortened(&news.note).to_owned()),
            reason: Some(news.reason.clone()),
            regarding: Some(about),
            reporting_controller: Some(super::FIELD_MANAGER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            type_: Some(if news.warning { "Warning" } else { "Normal" }.to_owned()),
            ..Event::default()
        }
    }
}

/// The next to publish; `None` when all is `complete`, and nothing waits.
async fn next(told: &mut mpsc::Receiver<Waiting>, complete: &CancellationToken) -> Option<Waiting> {
    match complete.run_until_cancelled(told.recv()).await {
        Some(next) => next,
        None => told.try_recv().ok(),
    }
}

async fn create(client: &Client, event: &Event) {
    let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    let problem = match timeout(LONGEST, api.create(&PostParams::default(), event)).await {
        Ok(Ok(_)) => return,
        Ok(Err(error)) => error.to_string(),
        Err(late) => late.to_string(),
    };
    let (reason, about) = (&event.reason, event.regarding.as_ref().and_then(|about| about.name.as_ref()));
    tracing::warn!(error = problem, reason, connector = about, namespace, "An event could not be published");
}

fn shortened(note: &str) -> &str {
    note.get(..note.floor_char_boundary(LONGEST_NOTE)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use http_body_util::BodyExt;
    use kube::client::Body;
    use serde_json::Value;
    use tower_test::mock::{Handle, pair};

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    struct Teller {
        events: Events,
        client: Client,
        leadership: Leadership,
        complete: CancellationToken,
    }

    impl Teller {
        fn new() -> (Self, Handle<Request<Body>, Response<Body>>) {
            let (service, api) = pair();
            let (events, client) = (Events::of("test".to_owned()), Client::new(service, "default"));
            let complete = CancellationToken::new();
            (Self { events, client, leadership: Leadership::alone_since(NOW), complete }, api)
        }

        async fn tell(&self, note: &str, term: u64) {
            let news = News { warning: false, reason: "Connected".to_owned(), note: note.to_owned() };
            self.events.tell(ObjectReference::default(), &news, NOW, term).await;
        }

        fn term(&self) -> u64 {
            self.leadership.term().unwrap()
        }

        async fn publish(&self) {
            self.events.publish(&self.client, &self.leadership, &self.complete).await;
        }
    }

    /// What the next event says; it is published.
    async fn next_note(api: &mut Handle<Request<Body>, Response<Body>>) -> Option<String> {
        let (request, reply) = api.next_request().await?;
        let event = request.into_body().collect().await.unwrap().to_bytes();
        reply.send_response(Response::new(Body::from(event.to_vec())));
        let event: Value = serde_json::from_slice(&event).unwrap();
        Some(event["note"].as_str().unwrap().to_owned())
    }

    #[test]
    fn two_events_of_one_moment_have_names_of_their_own_and_keep_their_order() {
        let events = Events::of("test".to_owned());
        let moments = [NOW, NOW, NOW, NOW - jiff::SignedDuration::from_secs(5)].map(|now| events.moment(now));
        assert!(moments.is_sorted_by(|a, b| a < b), "{moments:?}");
        assert_eq!(moments[0], NOW);
    }

    #[tokio::test]
    async fn whoever_tells_waits_for_no_api_server_and_what_waits_at_the_end_is_published_in_order() {
        let (teller, mut api) = Teller::new();
        for note in ["one", "two", "three"] {
            teller.tell(note, teller.term()).await;
        }
        teller.complete.cancel();
        let read = async {
            let mut notes = Vec::new();
            for _ in 0..3 {
                notes.extend(next_note(&mut api).await);
            }
            notes
        };
        let ((), notes) = tokio::join!(teller.publish(), read);
        assert_eq!(notes, ["one", "two", "three"]);
    }

    #[tokio::test]
    async fn what_happened_in_another_term_is_not_told() {
        let (teller, mut api) = Teller::new();
        teller.tell("of a term that is over", teller.term() - 1).await;
        teller.tell("of this term", teller.term()).await;
        teller.complete.cancel();
        let ((), first) = tokio::join!(teller.publish(), next_note(&mut api));
        assert_eq!(first.as_deref(), Some("of this term"));
        drop(teller);
        assert!(api.next_request().await.is_none(), "there is no other");
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_does_not_answer_keeps_the_operator_from_ending_for_seconds_at_most() {
        let (teller, mut api) = Teller::new();
        teller.tell("nobody hears this", teller.term()).await;
        let stop = async {
            let asked = api.next_request().await.unwrap();
            teller.complete.cancel();
            asked
        };
        let begun = tokio::time::Instant::now();
        let ((), _unanswered) = tokio::join!(teller.publish(), stop);
        assert_eq!(begun.elapsed(), LAST);
    }
}
