//! Which version every Secret has, and which connectors use it. Only names and versions: a Secret's content is read
//! by the run that needs it, and kept nowhere.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::sync::ObjectKey;

use super::decide::SecretVersion;

/// Namespace and name of a Secret.
type SecretName = (String, String);

/// What is known of Secrets.
#[derive(Debug, Default)]
pub struct SecretIndex {
    state: Mutex<State>,
}

/// What is known of one Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// It is there, with this version.
    Present(String),
    /// It was there and is gone since this version at the latest. Kept while a connector uses it.
    Gone(String),
}

/// What a connector uses a Secret for. It uses one for each purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Reading from the upstream.
    Upstream,
    /// Delivering to C1.
    C1,
}

type User = (ObjectKey, Purpose);

#[derive(Debug, Default)]
struct State {
    versions: HashMap<SecretName, Known>,
    relisted: HashMap<SecretName, String>,
    users: HashMap<SecretName, BTreeSet<User>>,
    uses: HashMap<User, SecretName>,
}

impl SecretIndex {
    /// What is known of a Secret, for a connector that uses it. Nothing may only mean that the watch is behind.
    pub fn version_for(&self, user: &ObjectKey, purpose: Purpose, secret: &str) -> Option<Known> {
        let mut state = self.state();
        let name = (user.namespace.clone(), secret.to_owned());
        state.used(&(user.clone(), purpose), &name);
        state.versions.get(&name).cloned()
    }

    /// A connector no longer uses any Secret for this.
    pub fn unused(&self, user: &ObjectKey, purpose: Purpose) {
        self.state().unused(&(user.clone(), purpose));
    }

    /// A list of all Secrets begins.
    pub fn list_begins(&self) {
        self.state().relisted.clear();
    }

    /// A Secret that a list found.
    pub fn listed(&self, namespace: &str, name: &str, version: &str) {
        self.state().relisted.insert((namespace.to_owned(), name.to_owned()), version.to_owned());
    }

    /// The list is complete: what it did not find is gone. Returns the connectors that this concerns.
    pub fn list_ends(&self) -> Vec<ObjectKey> {
        let mut state = self.state();
        let mut found: HashMap<_, _> =
            state.relisted.drain().map(|(name, version)| (name, Known::Present(version))).collect();
        for (name, known) in state.versions.iter().filter(|(name, _)| state.users.contains_key(*name)) {
            let (Known::Present(version) | Known::Gone(version)) = known;
            found.entry(name.clone()).or_insert_with(|| Known::Gone(version.clone()));
        }
        let before = std::mem::replace(&mut state.versions, found);
        let changed = |name: &&SecretName| before.get(*name) != state.versions.get(*name);
        state.users.keys().filter(changed).flat_map(|name| state.users_of(name)).collect()
    }

    /// A Secret was made or changed. Returns the connectors that use it.
    pub fn changed(&self, namespace: &str, name: &str, version: &str) -> Vec<ObjectKey> {
        let mut state = self.state();
        let name = (namespace.to_owned(), name.to_owned());
        state.versions.insert(name.clone(), Known::Present(version.to_owned()));
        state.users_of(&name)
    }

    /// A Secret is gone. Returns the connectors that use it.
    pub fn deleted(&self, namespace: &str, name: &str, version: &str) -> Vec<ObjectKey> {
        let mut state = self.state();
        let name = (namespace.to_owned(), name.to_owned());
        let users = state.users_of(&name);
        if users.is_empty() {
            state.versions.remove(&name);
        } else {
            state.versions.insert(name, Known::Gone(version.to_owned()));
        }
        users
    }

    /// A connector is gone.
    pub fn forget(&self, user: &ObjectKey) {
        self.unused(user, Purpose::Upstream);
        self.unused(user, Purpose::C1);
    }

    /// Forgets every connector of `kind` that `keep` does not know.
    pub fn retain(&self, kind: &str, keep: impl Fn(&ObjectKey) -> bool) {
        let mut state = self.state();
        let gone: Vec<User> =
            state.uses.keys().filter(|(user, _)| user.kind == kind && !keep(user)).cloned().collect();
        gone.iter().for_each(|user| state.unused(user));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every method leaves the state consistent, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn used(&mut self, user: &User, name: &SecretName) {
        if self.uses.get(user) == Some(name) {
            return;
        }
        self.unused(user);
        self.uses.insert(user.clone(), name.clone());
        self.users.entry(name.clone()).or_default().insert(user.clone());
    }

    fn unused(&mut self, user: &User) {
        let Some(name) = self.uses.remove(user) else { return };
        if let Some(users) = self.users.get_mut(&name) {
            users.remove(user);
            if users.is_empty() {
                self.users.remove(&name);
                if matches!(self.versions.get(&name), Some(Known::Gone(_))) {
                    self.versions.remove(&name);
                }
            }
        }
    }

    fn users_of(&self, name: &SecretName) -> Vec<ObjectKey> {
        let users: BTreeSet<&ObjectKey> =
            self.users.get(name).into_iter().flatten().map(|(user, _)| user).collect();
        users.into_iter().cloned().collect()
    }
}

/// What [`SecretIndex::version_for`] says, as [`super::decide`] wants it.
pub(super) fn as_version(known: Option<&Known>) -> SecretVersion<'_> {
    match known {
        None => SecretVersion::Unknown,
        Some(Known::Gone(version)) => SecretVersion::Gone(version),
        Some(Known::Present(version)) => SecretVersion::Present(version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> ObjectKey {
        ObjectKey {
            kind: "ScalrConnector",
            namespace: "identity".into(),
            name: name.into(),
            uid: name.into(),
        }
    }

    fn listed(secrets: &[(&str, &str)]) -> SecretIndex {
        let index = SecretIndex::default();
        index.list_begins();
        secrets.iter().for_each(|(name, version)| index.listed("identity", name, version));
        index.list_ends();
        index
    }

    #[test]
    fn nothing_is_known_before_the_first_complete_list_nor_of_what_was_never_there() {
        let index = SecretIndex::default();
        index.list_begins();
        index.listed("identity", "token", "1");
        assert_eq!(index.version_for(&user("a"), Purpose::Upstream, "token"), None);
        index.list_ends();
        assert_eq!(
            index.version_for(&user("a"), Purpose::Upstream, "token"),
            Some(Known::Present("1".into()))
        );
        assert_eq!(index.version_for(&user("a"), Purpose::Upstream, "other"), None);
    }

    #[test]
    fn a_change_concerns_those_who_use_the_secret_now() {
        let index = listed(&[("token", "1"), ("other", "1")]);
        index.version_for(&user("a"), Purpose::Upstream, "token");
        index.version_for(&user("b"), Purpose::Upstream, "token");
        index.version_for(&user("b"), Purpose::Upstream, "other");
        assert_eq!(index.changed("identity", "token", "2"), [user("a")]);
        assert_eq!(index.changed("elsewhere", "token", "2"), []);
        index.forget(&user("a"));
        assert_eq!(index.deleted("identity", "token", "3"), []);
    }

    #[test]
    fn a_secret_that_goes_is_known_to_be_gone_while_somebody_uses_it() {
        let index = listed(&[("token", "1")]);
        index.version_for(&user("a"), Purpose::Upstream, "token");
        index.deleted("identity", "token", "2");
        assert_eq!(index.version_for(&user("a"), Purpose::Upstream, "token"), Some(Known::Gone("2".into())));
        index.forget(&user("a"));
        assert_eq!(index.version_for(&user("b"), Purpose::Upstream, "token"), None);
    }

    #[test]
    fn a_second_list_finds_what_was_missed() {
        let index = listed(&[("changed", "1"), ("same", "1"), ("gone", "1")]);
        for name in ["changed", "same", "gone", "new"] {
            index.version_for(&user(name), Purpose::Upstream, name);
        }
        index.list_begins();
        index.listed("identity", "changed", "2");
        index.listed("identity", "same", "1");
        index.listed("identity", "new", "1");
        let mut concerned = index.list_ends();
        concerned.sort();
        assert_eq!(concerned, [user("changed"), user("gone"), user("new")]);
    }

    #[test]
    fn a_connector_uses_one_secret_for_each_purpose_and_is_told_once_of_each() {
        let index = listed(&[("token", "1"), ("c1", "1")]);
        index.version_for(&user("a"), Purpose::Upstream, "token");
        index.version_for(&user("a"), Purpose::C1, "c1");
        assert_eq!(index.changed("identity", "token", "2"), [user("a")]);
        assert_eq!(index.changed("identity", "c1", "2"), [user("a")]);
        index.version_for(&user("a"), Purpose::C1, "token");
        assert_eq!(index.changed("identity", "token", "3"), [user("a")]);
        assert_eq!(index.changed("identity", "c1", "3"), []);
        index.unused(&user("a"), Purpose::C1);
        index.forget(&user("a"));
        assert_eq!(index.changed("identity", "token", "4"), []);
    }
}
