//! Whether a Secret still says what the last run read from it. An edited label makes a new version of it, and is no
//! reason to read anything anew.
//!
//! A fingerprint is keyed with what this process alone knows, so that it tells nobody anything; no value is kept.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use crate::sync::ObjectKey;

/// What each object's runs have read last from its Secret.
#[derive(Debug)]
pub struct Fingerprints {
    /// `None` where the system has no randomness to give: then every new version is news.
    key: Option<hmac::Key>,
    of: Mutex<HashMap<ObjectKey, Read>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Read {
    /// The version of the Secret.
    version: String,
    fingerprint: [u8; 32],
}

impl Default for Fingerprints {
    fn default() -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok();
        Self { key, of: Mutex::default() }
    }
}

impl Fingerprints {
    /// These keys of this Secret are read for the object.
    pub(super) fn remember(&self, object: &ObjectKey, secret: &Secret, keys: &[&str]) {
        match self.read(secret, keys) {
            Some(read) => self.of().insert(object.clone(), read),
            None => self.of().remove(object),
        };
    }

    /// Is it known what this version of its Secret said to the object? Not where a run has read another one since, which
    /// may have been called off.
    pub(super) fn knows(&self, object: &ObjectKey, version: &str) -> bool {
        self.of().get(object).is_some_and(|read| read.version == version)
    }

    /// Does this Secret say to the object what it said last?
    pub(super) fn is_the_same(&self, object: &ObjectKey, secret: &Secret, keys: &[&str]) -> bool {
        let now = self.read(secret, keys).map(|read| read.fingerprint);
        now.is_some() && self.of().get(object).map(|read| read.fingerprint) == now
    }

    /// The object is gone, or there is no Secret for it.
    pub(super) fn forget(&self, object: &ObjectKey) {
        self.of().remove(object);
    }

    /// Forgets every object of `kind` that `keep` does not know.
    pub(super) fn retain(&self, kind: &str, keep: impl Fn(&ObjectKey) -> bool) {
        self.of().retain(|object, _| object.kind != kind || keep(object));
    }

    fn read(&self, secret: &Secret, keys: &[&str]) -> Option<Read> {
        let mut context = hmac::Context::with_key(self.key.as_ref()?);
        // Another Secret of the same name is another, whatever it says.
        context.update(secret.metadata.uid.as_deref().unwrap_or_default().as_bytes());
        for key in keys {
            let value = secret.data.as_ref().and_then(|data| data.get(*key));
            let length = value.map_or(-1, |ByteString(value)| i64::try_from(value.len()).unwrap_or(i64::MAX));
            context.update(&length.to_be_bytes());
            context.update(value.map_or(&[], |ByteString(value)| value.as_slice()));
        }
        let fingerprint = context.sign().as_ref().try_into().ok()?;
        Some(Read { version: secret.resource_version().unwrap_or_default(), fingerprint })
    }

    fn of(&self) -> MutexGuard<'_, HashMap<ObjectKey, Read>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn secret(values: &[(&str, &str)]) -> Secret {
        let value = |(key, value): &(&str, &str)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec()));
        let data: BTreeMap<String, ByteString> = values.iter().map(value).collect();
        let mut secret = Secret { data: Some(data), ..Secret::default() };
        secret.metadata.resource_version = Some("7".to_owned());
        secret
    }

    fn object(name: &str) -> ObjectKey {
        let name = name.to_owned();
        ObjectKey { kind: "ScalrConnector", namespace: "identity".into(), name: name.clone(), uid: name }
    }

    #[test]
    fn only_what_a_run_reads_counts() {
        let fingerprints = Fingerprints::default();
        let read = ["api-token", "ca.crt"];
        assert!(!fingerprints.knows(&object("a"), "7"));
        fingerprints.remember(&object("a"), &secret(&[("api-token", "one"), ("note", "x")]), &read);
        assert!(fingerprints.knows(&object("a"), "7"));
        assert!(!fingerprints.knows(&object("a"), "6"), "another run has read a later one");
        let same = |values: &[(&str, &str)]| fingerprints.is_the_same(&object("a"), &secret(values), &read);
        assert!(same(&[("api-token", "one"), ("note", "y")]));
        assert!(!same(&[("api-token", "two"), ("note", "x")]));
        assert!(!same(&[("note", "x")]));
        assert!(
            !same(&[("api-token", "one"), ("ca.crt", "")]),
            "a key that is empty is not one that is missing"
        );
        assert!(!fingerprints.is_the_same(&object("b"), &secret(&[("api-token", "one")]), &read));
    }

    #[test]
    fn what_is_forgotten_is_not_the_same_as_anything() {
        let fingerprints = Fingerprints::default();
        let one = secret(&[("api-token", "one")]);
        fingerprints.remember(&object("a"), &one, &["api-token"]);
        fingerprints.remember(&object("b"), &one, &["api-token"]);
        fingerprints.forget(&object("a"));
        fingerprints.retain("ScalrConnector", |known| known.name != "b");
        assert!(!fingerprints.is_the_same(&object("a"), &one, &["api-token"]));
        assert!(!fingerprints.is_the_same(&object("b"), &one, &["api-token"]));
    }

    #[test]
    fn nobody_else_can_tell_from_a_fingerprint_what_was_read() {
        let (ours, theirs) = (Fingerprints::default(), Fingerprints::default());
        let one = secret(&[("api-token", "one")]);
        assert_ne!(ours.read(&one, &["api-token"]), theirs.read(&one, &["api-token"]));
    }
}
