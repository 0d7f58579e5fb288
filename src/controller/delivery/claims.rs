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
    /// Those who have not said yet which client id they have, if any.
    undecided: BTreeSet<Age>,
    /// Those who have.
    decided: BTreeSet<Age>,
    claims: HashMap<ClientId, BTreeSet<Age>>,
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
        self.state().unlisted.remove(kind);
        self.changed();
    }

    /// A connector is to deliver to C1, and will say with which client id.
    pub(super) fn expect(&self, age: &Age) {
        let mut state = self.state();
        if !state.decided.contains(age) {
            state.undecided.insert(age.clone());
        }
    }

    /// A connector has this client id, or none that is good for anything.
    pub(super) fn claim(&self, age: &Age, client: Option<&ClientId>) {
        {
            let mut state = self.state();
            state.undecided.remove(age);
            state.decided.insert(age.clone());
            let same = |claimed: &ClientId| client == Some(claimed);
            state.claims.retain(|claimed, claimants| {
                if !same(claimed) {
                    claimants.remove(age);
                }
                !claimants.is_empty()
            });
            if let Some(client) = client {
                state.claims.entry(client.clone()).or_default().insert(age.clone());
            }
        }
        self.changed();
    }

    /// A connector no longer delivers to C1.
    pub(super) fn release(&self, key: &ObjectKey) {
        {
            let mut state = self.state();
            state.undecided.retain(|age| age.key != *key);
            state.decided.retain(|age| age.key != *key);
            state.claims.retain(|_, claimants| {
                claimants.retain(|age| age.key != *key);
                !claimants.is_empty()
            });
        }
        self.changed();
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

    fn changed(&self) {
        self.changes.send_replace(());
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
