//! Readings that C1 waits for. A run takes those of its object when it begins, and only then, so that nobody gets what
//! was read before they asked; it answers them when it has ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::c1::{Asset, Refused};
use crate::snapshot::Selection;
use crate::sync::ObjectKey;

/// What came of a request.
pub(super) type Answer = Result<Asset, Refused>;

/// The requests of all objects.
#[derive(Clone, Default)]
pub(in crate::controller) struct Requests {
    objects: Arc<Mutex<HashMap<ObjectKey, OfObject>>>,
}

#[derive(Default)]
struct OfObject {
    /// Those that no run has taken.
    waiting: Vec<Request>,
    /// Those that a run has taken: asked whether anybody still waits.
    taken: Vec<Arc<oneshot::Sender<()>>>,
    /// The run that has taken them has published, or found that it must not: it is no longer to be called off,
    /// whether anybody still waits or not.
    settled: bool,
}

/// Somebody waits for a fresh reading.
pub(in crate::controller) struct Request {
    /// What of it is wanted.
    pub(in crate::controller) selection: Selection,
    answer: oneshot::Sender<Answer>,
    /// Closed when nobody waits any more.
    interest: Arc<oneshot::Sender<()>>,
}

/// Whoever holds this waits for a reading, and no longer once it is dropped.
pub(super) struct Waiting {
    pub(super) answer: oneshot::Receiver<Answer>,
    _interest: oneshot::Receiver<()>,
}

impl Request {
    /// Gives the answer, if anybody still waits.
    pub(in crate::controller) fn answer(self, answer: Answer) {
        // Who no longer waits needs none.
        let _ = self.answer.send(answer);
    }

    pub(in crate::controller) fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }
}

impl Requests {
    /// Asks for a reading of the object that begins only from now on.
    pub(super) fn ask(&self, key: &ObjectKey, selection: Selection) -> Waiting {
        let (answer, answered) = oneshot::channel();
        let (interest, interested) = oneshot::channel();
        let request = Request { selection, answer, interest: Arc::new(interest) };
        let mut objects = self.objects();
        let waiting = &mut objects.entry(key.clone()).or_default().waiting;
        waiting.retain(Request::is_wanted);
        waiting.push(request);
        Waiting { answer: answered, _interest: interested }
    }

    /// Does anybody wait for a reading that has not begun?
    pub(in crate::controller) fn are_waiting(&self, key: &ObjectKey) -> bool {
        self.objects().get(key).is_some_and(|it| it.waiting.iter().any(Request::is_wanted))
    }

    /// Does anybody wait for the run under way, or for the next?
    pub(in crate::controller) fn are_wanted(&self, key: &ObjectKey) -> bool {
        let objects = self.objects();
        let Some(it) = objects.get(key) else { return false };
        it.settled
            || it.waiting.iter().any(Request::is_wanted)
            || it.taken.iter().any(|interest| !interest.is_closed())
    }

    /// A run of the object begins: it is to answer these.
    pub(in crate::controller) fn take(&self, key: &ObjectKey) -> Vec<Request> {
        let mut objects = self.objects();
        let Some(it) = objects.get_mut(key) else { return Vec::new() };
        let taken: Vec<Request> = it.waiting.drain(..).filter(Request::is_wanted).collect();
        it.settled = false;
        it.taken.retain(|interest| !interest.is_closed());
        it.taken.extend(taken.iter().map(|request| Arc::clone(&request.interest)));
        taken
    }

    /// The run that has taken some has come to an end, which is still to be recorded; what they are given of it is on its
    /// way, and needs no run any more.
    pub(in crate::controller) fn settle(&self, key: &ObjectKey) {
        self.objects().entry(key.clone()).and_modify(|it| {
            it.settled = true;
            it.taken.clear();
        });
    }

    /// The end of the run is recorded.
    pub(in crate::controller) fn recorded(&self, key: &ObjectKey) {
        self.objects().entry(key.clone()).and_modify(|it| it.settled = false);
    }

    /// The run that had taken these was called off: the next one is to answer them.
    pub(in crate::controller) fn give_back(&self, key: &ObjectKey, requests: Vec<Request>) {
        let mut objects = self.objects();
        let Some(it) = objects.get_mut(key) else { return };
        for request in requests {
            it.taken.retain(|interest| !Arc::ptr_eq(interest, &request.interest));
            it.waiting.push(request);
        }
    }

    /// Forgets the object. Who still waits hears nothing, and knows from that.
    pub(super) fn forget(&self, key: &ObjectKey) {
        self.objects().remove(key);
    }

    fn objects(&self) -> MutexGuard<'_, HashMap<ObjectKey, OfObject>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ObjectKey {
        ObjectKey { kind: "ScalrConnector", namespace: "a".into(), name: "b".into(), uid: "c".into() }
    }

    fn refused() -> Answer {
        Err(crate::sync::called_off())
    }

    #[test]
    fn a_run_answers_those_who_asked_before_it_began_and_no_others() {
        let requests = Requests::default();
        let mut before = requests.ask(&key(), Selection::everything());
        let taken = requests.take(&key());
        let mut after = requests.ask(&key(), Selection::everything());
        assert!(requests.are_waiting(&key()));
        assert_eq!(taken.len(), 1);
        taken.into_iter().for_each(|request| request.answer(refused()));
        assert!(before.answer.try_recv().unwrap().is_err());
        assert!(after.answer.try_recv().is_err(), "its run has not begun");
        assert_eq!(requests.take(&key()).len(), 1);
        assert!(!requests.are_waiting(&key()));
    }

    #[test]
    fn a_run_is_wanted_for_as_long_as_somebody_waits() {
        let requests = Requests::default();
        let waiting = requests.ask(&key(), Selection::everything());
        let taken = requests.take(&key());
        assert!(requests.are_wanted(&key()) && !requests.are_waiting(&key()));
        drop(waiting);
        assert!(!requests.are_wanted(&key()));
        requests.give_back(&key(), taken);
        assert!(!requests.are_waiting(&key()) && requests.take(&key()).is_empty());
    }

    #[test]
    fn a_run_that_has_published_is_wanted_until_that_is_recorded() {
        let requests = Requests::default();
        let waiting = requests.ask(&key(), Selection::everything());
        let taken = requests.take(&key());
        requests.settle(&key());
        taken.into_iter().for_each(|request| request.answer(refused()));
        drop(waiting);
        assert!(requests.are_wanted(&key()) && !requests.are_waiting(&key()));
        requests.recorded(&key());
        assert!(!requests.are_wanted(&key()));
    }

    #[test]
    fn those_who_no_longer_wait_do_not_pile_up() {
        let requests = Requests::default();
        for _ in 0..3 {
            drop(requests.ask(&key(), Selection::everything()));
        }
        let _waiting = requests.ask(&key(), Selection::everything());
        assert_eq!(requests.objects()[&key()].waiting.len(), 1);
    }

    #[test]
    fn what_a_run_gives_back_is_for_the_next_one() {
        let requests = Requests::default();
        let _waiting = requests.ask(&key(), Selection::everything());
        let taken = requests.take(&key());
        requests.give_back(&key(), taken);
        assert!(requests.are_waiting(&key()));
        assert_eq!(requests.take(&key()).len(), 1);
    }

    #[test]
    fn who_waits_hears_of_a_connector_that_is_gone() {
        let requests = Requests::default();
        let mut waiting = requests.ask(&key(), Selection::everything());
        requests.forget(&key());
        assert_eq!(waiting.answer.try_recv().unwrap_err(), oneshot::error::TryRecvError::Closed);
    }
}
