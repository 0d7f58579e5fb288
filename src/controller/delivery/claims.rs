//! Whose a client id is. C1 hands tasks to all who come with one client id in turn, so two connectors with the same one
//! would get each other's tasks, and C1 would take the people of one for those of the other. The oldest connector that
//! names a client id keeps it, whether it is suspended or not, and nobody else comes with it.
//!
//! Nobody is the oldest before all are known: who might be older has to say first whose client id it has.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::c1::ClientId;
use crate::sync::ObjectKey;

/// The age of a connector, the oldest first. The uid decides between those of the same second.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::controller) struct Age {
    /// `metadata.creationTimestamp`.
    pub(in crate::controller) created: Timestamp,
    /// The object.
    pub(in crate::controller) key: ObjectKey,
}

/// Whether a connector may come with a client id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claim {
    /// It is the oldest.
    Granted,
    /// An older one has it.
    TakenBy(ObjectKey),
    /// Somebody older has not said yet whose it has.
    Open,
}

/// Who has claimed what.
#[derive(Clone)]
pub(super) struct Claims {
    state: Arc<Mutex<State>>,
    /// Told of every change.
    changes: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    /// Kinds whose objects are not all known yet.
    unlisted: HashSet<&'static str>,
    /// Everybody who is to deliver, and what they have said.
    known: HashMap<ObjectKey, (Age, Said)>,
    /// Those of them who have not said it.
    undecided: BTreeSet<Age>,
    claims: HashMap<ClientId, BTreeSet<Age>>,
}

/// What a connector has said of its client id.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    NotYet,
    Nothing,
    Has(ClientId),
}

impl State {
    /// What was said before no longer counts. Returns whether that changes anything.
    fn says(&mut self, age: &Age, said: Said) -> bool {
        let before = self.known.insert(age.key.clone(), (age.clone(), said.clone()));
        if before.as_ref().is_some_and(|(_, before)| *before == said) {
            return false;
        }
        if let Some((age, said)) = before {
            self.takes_back(&age, &said);
        }
        match said {
            Said::NotYet => drop(self.undecided.insert(age.clone())),
            Said::Nothing => {}
            Said::Has(client) => drop(self.claims.entry(client).or_default().insert(age.clone())),
        }
        true
    }

    fn forgets(&mut self, key: &ObjectKey) -> bool {
        let Some((age, said)) = self.known.remove(key) else { return false };
        self.takes_back(&age, &said);
        true
    }

    fn takes_back(&mut self, age: &Age, said: &Said) {
        match said {
            Said::NotYet => drop(self.undecided.remove(age)),
            Said::Nothing => {}
            Said::Has(client) => {
                if let Some(claimants) = self.claims.get_mut(client) {
                    claimants.remove(age);
                    if claimants.is_empty() {
                        self.claims.remove(client);
                    }
                }
            }
        }
    }

    fn has_said_nothing(&self, key: &ObjectKey) -> bool {
        self.known.get(key).is_none_or(|(_, said)| *said == Said::NotYet)
    }
}

impl Default for Claims {
    fn default() -> Self {
        Self { state: Arc::default(), changes: watch::channel(()).0 }
    }
}

impl Claims {
    /// Objects of this kind are listed yet.
    pub(super) fn awaits(&self, kind: &'static str) {
        self.state().unlisted.insert(kind);
    }

    /// All objects of this kind are known.
    pub(super) fn listed(&self, kind: &'static str) {
        self.told_if(|state| state.unlisted.remove(kind));
    }

    /// A connector is to deliver to C1, and will say with which client id.
    pub(super) fn expect(&self, age: &Age) {
        self.told_if(|state| !state.known.contains_key(&age.key) && state.says(age, Said::NotYet));
    }

    /// A connector has this client id, or none that is good for anything.
    pub(super) fn claim(&self, age: &Age, client: Option<&ClientId>) {
        let said = client.map_or(Said::Nothing, |client| Said::Has(client.clone()));
        self.told_if(|state| state.says(age, said));
    }

    /// It cannot be found out which client id a connector has. One that it had it keeps; but if it has said nothing
    /// yet, nobody waits for it any longer.
    pub(super) fn waive(&self, age: &Age) {
        self.told_if(|state| state.has_said_nothing(&age.key) && state.says(age, Said::Nothing));
    }

    /// A connector no longer delivers to C1.
    pub(super) fn release(&self, key: &ObjectKey) {
        self.told_if(|state| state.forgets(key));
    }

    /// Those who are to deliver, of this kind.
    pub(super) fn all_of(&self, kind: &str) -> Vec<ObjectKey> {
        self.state().known.keys().filter(|key| key.kind == kind).cloned().collect()
    }

    /// May it come with this client id, which it has claimed?
    pub(super) fn of(&self, age: &Age, client: &ClientId) -> Claim {
        let state = self.state();
        let oldest = state.claims.get(client).and_then(BTreeSet::first);
        match oldest {
            Some(oldest) if oldest < age => Claim::TakenBy(oldest.key.clone()),
            _ if !state.unlisted.is_empty() => Claim::Open,
            _ if state.undecided.first().is_some_and(|undecided| undecided < age) => Claim::Open,
            _ => Claim::Granted,
        }
    }

    /// Resolves each time that anything changes.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Everybody looks again if this changes anything.
    fn told_if(&self, changes: impl FnOnce(&mut State) -> bool) {
        let changed = changes(&mut self.state());
        if changed {
            self.changes.send_replace(());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn age(second: i64) -> Age {
        let key = ObjectKey {
            kind: "ScalrConnector",
            namespace: "identity".into(),
            name: format!("connector-{second}"),
            uid: second.to_string(),
        };
        Age { created: Timestamp::from_second(second).unwrap(), key }
    }

    fn client(name: &str) -> ClientId {
        format!("{name}@acme.conductor.one/pcc").parse().unwrap()
    }

    #[test]
    fn the_oldest_keeps_a_client_id_whoever_comes_first() {
        let (claims, shared) = (Claims::default(), client("shared"));
        claims.claim(&age(2), Some(&shared));
        assert_eq!(claims.of(&age(2), &shared), Claim::Granted);
        claims.claim(&age(1), Some(&shared));
        assert_eq!(claims.of(&age(2), &shared), Claim::TakenBy(age(1).key));
        assert_eq!(claims.of(&age(1), &shared), Claim::Granted);
        claims.release(&age(1).key);
        assert_eq!(claims.of(&age(2), &shared), Claim::Granted);
    }

    #[test]
    fn nobody_comes_before_all_who_might_be_older_have_said_whose_they_have() {
        let (claims, shared) = (Claims::default(), client("shared"));
        claims.awaits("ScalrConnector");
        claims.claim(&age(2), Some(&shared));
        assert_eq!(claims.of(&age(2), &shared), Claim::Open);
        claims.expect(&age(1));
        claims.expect(&age(3));
        claims.listed("ScalrConnector");
        assert_eq!(claims.of(&age(2), &shared), Claim::Open);
        claims.claim(&age(1), None);
        assert_eq!(claims.of(&age(2), &shared), Claim::Granted, "a younger one does not matter");
    }

    #[test]
    fn whose_credentials_cannot_be_read_keeps_what_it_has_and_does_not_keep_others_waiting() {
        let (claims, shared) = (Claims::default(), client("shared"));
        claims.claim(&age(2), Some(&shared));
        claims.expect(&age(1));
        assert_eq!(claims.of(&age(2), &shared), Claim::Open);
        claims.waive(&age(1));
        assert_eq!(claims.of(&age(2), &shared), Claim::Granted);
        claims.claim(&age(1), Some(&shared));
        claims.waive(&age(1));
        assert_eq!(claims.of(&age(2), &shared), Claim::TakenBy(age(1).key));
    }

    #[test]
    fn only_what_changes_something_is_told() {
        let (claims, shared) = (Claims::default(), client("shared"));
        claims.claim(&age(1), Some(&shared));
        let mut changes = claims.changes();
        changes.mark_unchanged();
        claims.expect(&age(1));
        claims.claim(&age(1), Some(&shared));
        claims.release(&age(2).key);
        assert!(!changes.has_changed().unwrap());
        claims.release(&age(1).key);
        assert!(changes.has_changed().unwrap());
        let state = claims.state();
        assert!(state.known.is_empty() && state.undecided.is_empty() && state.claims.is_empty());
    }

    #[test]
    fn whoever_changes_to_another_client_id_lets_the_former_go() {
        let claims = Claims::default();
        claims.claim(&age(1), Some(&client("one")));
        claims.claim(&age(2), Some(&client("one")));
        claims.claim(&age(1), Some(&client("two")));
        assert_eq!(claims.of(&age(2), &client("one")), Claim::Granted);
        assert_eq!(claims.of(&age(1), &client("two")), Claim::Granted);
    }

    proptest! {
        #[test]
        fn one_client_id_never_serves_two(steps in proptest::collection::vec((0_i64..5, 0_usize..3, any::<bool>()), 0..40)) {
            let claims = Claims::default();
            let clients = [client("a"), client("b"), client("c")];
            for (who, what, releases) in steps {
                if releases {
                    claims.release(&age(who).key);
                } else {
                    claims.claim(&age(who), Some(&clients[what]));
                }
                for client in &clients {
                    let state = claims.state.lock().unwrap();
                    let claimants: Vec<Age> = state.claims.get(client).into_iter().flatten().cloned().collect();
                    drop(state);
                    let granted = claimants.iter().filter(|it| claims.of(it, client) == Claim::Granted).count();
                    prop_assert_eq!(granted, usize::from(!claimants.is_empty()));
                }
            }
        }
    }
}
