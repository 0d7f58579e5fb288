//! Which version every Secret has, and which connectors use it. Only names and versions: a Secret's content is read
//! by the run that needs it, and kept nowhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// Names are shared: there may be tens of thousands.
#[derive(Debug, Default)]
struct State {
    secrets: HashMap<Arc<SecretName>, Secret>,
    relisted: HashMap<SecretName, String>,
    uses: HashMap<Arc<User>, Arc<SecretName>>,
}

#[derive(Debug, Default)]
struct Secret {
    known: Option<Known>,
    /// Few use the same, and mostly one: a list, for a set of one has room for a dozen.
    users: Vec<Arc<User>>,
}

impl SecretIndex {
    /// What is known of a Secret, for a connector that uses it. Nothing may only mean that the watch is behind.
    pub fn version_for(&self, user: &ObjectKey, purpose: Purpose, secret: &str) -> Option<Known> {
        let mut state = self.state();
        let name = (user.namespace.clone(), secret.to_owned());
        state.used(&(user.clone(), purpose), &name);
        state.secrets.get(&name)?.known.clone()
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
        let mut found = std::mem::take(&mut state.relisted);
        let mut concerned = Vec::new();
        for (name, secret) in &mut state.secrets {
            let now = match found.remove(name.as_ref()) {
                Some(version) => Some(Known::Present(version)),
                None => secret.known.clone().map(Known::gone),
            };
            if now != secret.known {
                secret.known = now;
                concerned.extend(secret.users());
            }
        }
        state.secrets.retain(|_, secret| secret.is_worth_knowing());
        state.secrets.extend(found.into_iter().map(|(name, version)| {
            (Arc::new(name), Secret { known: Some(Known::Present(version)), users: Vec::new() })
        }));
        concerned
    }

    /// A Secret was made or changed. Returns the connectors that use it.
    pub fn changed(&self, namespace: &str, name: &str, version: &str) -> Vec<ObjectKey> {
        let mut state = self.state();
        let secret = state.secret(&(namespace.to_owned(), name.to_owned())).1;
        secret.known = Some(Known::Present(version.to_owned()));
        secret.users()
    }

    /// A Secret is gone. Returns the connectors that use it.
    pub fn deleted(&self, namespace: &str, name: &str, version: &str) -> Vec<ObjectKey> {
        let mut state = self.state();
        let name = (namespace.to_owned(), name.to_owned());
        let Some(secret) = state.secrets.get_mut(&name) else { return Vec::new() };
        secret.known = Some(Known::Gone(version.to_owned()));
        let users = secret.users();
        state.forget_if_unused(&name);
        users
    }

    /// Every Secret that is known to be in a namespace, with its version.
    pub fn present(&self, namespace: &str) -> Vec<(String, String)> {
        let state = self.state();
        let here = state.secrets.iter().filter(|(name, _)| name.0 == namespace);
        let present = here.filter_map(|(name, secret)| match &secret.known {
            Some(Known::Present(version)) => Some((name.1.clone(), version.clone())),
            _ => None,
        });
        present.collect()
    }

    /// A connector is gone.
    pub fn forget(&self, user: &ObjectKey) {
        self.unused(user, Purpose::Upstream);
        self.unused(user, Purpose::C1);
    }

    /// Forgets every connector of `kind` that `keep` does not know.
    pub fn retain(&self, kind: &str, keep: impl Fn(&ObjectKey) -> bool) {
        let mut state = self.state();
        let is_gone = |user: &&Arc<User>| user.0.kind == kind && !keep(&user.0);
        let gone: Vec<Arc<User>> = state.uses.keys().filter(is_gone).cloned().collect();
        gone.iter().for_each(|user| state.unused(user));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every method leaves the state consistent, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn gone(self) -> Self {
        match self {
            Self::Present(version) | Self::Gone(version) => Self::Gone(version),
        }
    }
}

impl Secret {
    /// Who uses it for both purposes is told once.
    fn users(&self) -> Vec<ObjectKey> {
        let mut users: Vec<ObjectKey> = self.users.iter().map(|user| user.0.clone()).collect();
        users.sort_unstable();
        users.dedup();
        users
    }

    fn is_worth_knowing(&self) -> bool {
        !self.users.is_empty() || matches!(self.known, Some(Known::Present(_)))
    }
}

impl State {
    /// The Secret `name`, of which nothing may be known yet.
    fn secret(&mut self, name: &SecretName) -> (Arc<SecretName>, &mut Secret) {
        let known = self.secrets.get_key_value(name).map(|(name, _)| Arc::clone(name));
        let name = known.unwrap_or_else(|| Arc::new(name.clone()));
        (Arc::clone(&name), self.secrets.entry(name).or_default())
    }

    fn used(&mut self, user: &User, name: &SecretName) {
        if self.uses.get(user).is_some_and(|used| used.as_ref() == name) {
            return;
        }
        self.unused(user);
        let user = Arc::new(user.clone());
        let (name, secret) = self.secret(name);
        if secret.users.is_empty() {
            secret.users.reserve_exact(1);
        }
        secret.users.push(Arc::clone(&user));
        self.uses.insert(user, name);
    }

    fn unused(&mut self, user: &User) {
        let Some(name) = self.uses.remove(user) else { return };
        if let Some(secret) = self.secrets.get_mut(&name) {
            secret.users.retain(|other| other.as_ref() != user);
        }
        self.forget_if_unused(&name);
    }

    fn forget_if_unused(&mut self, name: &SecretName) {
        if self.secrets.get(name).is_some_and(|secret| !secret.is_worth_knowing()) {
            self.secrets.remove(name);
        }
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
