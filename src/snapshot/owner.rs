//! Whose snapshots they are: the object in Kubernetes, as a path that cannot lead elsewhere.

use std::fmt;
use std::path::PathBuf;

/// The object whose snapshots they are. A deleted object and one made again under its name are two owners.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    namespace: String,
    kind: String,
    name: String,
    uid: String,
}

/// A part of an owner is not what Kubernetes allows there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not the {part} of an object")]
pub struct InvalidOwner {
    part: &'static str,
    text: String,
}

impl Owner {
    /// The object `name` of kind `kind` in `namespace`, whose `metadata.uid` is `uid`.
    ///
    /// # Errors
    /// When one of them is not what Kubernetes allows there: the namespace a DNS label, the name a DNS subdomain
    /// (RFC 1123), the kind a word of letters and digits, the uid letters, digits and dashes.
    pub fn new(namespace: &str, kind: &str, name: &str, uid: &str) -> Result<Self, InvalidOwner> {
        let kind = kind.to_ascii_lowercase();
        let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        check("namespace", namespace, is_label(namespace))?;
        check("kind", &kind, (1..=63).contains(&kind.len()) && kind.bytes().all(word))?;
        check("name", name, name.len() <= 253 && name.split('.').all(is_subdomain_part))?;
        let uid_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        check("uid", uid, (1..=128).contains(&uid.len()) && uid.bytes().all(uid_byte))?;
        Ok(Self { namespace: namespace.to_owned(), kind, name: name.to_owned(), uid: uid.to_owned() })
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its kind, in lower case.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its `metadata.uid`.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// Its folder, below that of the store.
    pub(super) fn folder(&self) -> PathBuf {
        [&self.namespace, &self.kind, &self.name, &self.uid].iter().collect()
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.namespace, self.kind, self.name, self.uid)
    }
}

fn check(part: &'static str, text: &str, holds: bool) -> Result<(), InvalidOwner> {
    if holds { Ok(()) } else { Err(InvalidOwner { part, text: text.to_owned() }) }
}

/// A DNS label: at most 63 characters.
fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_subdomain_part(text)
}

/// Kubernetes limits the whole of a subdomain, not its parts.
fn is_subdomain_part(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "0d1e2f3a-0000-4000-8000-123456789abc";

    #[test]
    fn an_owner_is_a_folder_of_four_names() {
        let owner = Owner::new("identity", "ScalrConnector", "acme.prod", UID).unwrap();
        assert_eq!(owner.folder(), PathBuf::from(format!("identity/scalrconnector/acme.prod/{UID}")));
    }

    #[test]
    fn nothing_that_leads_elsewhere_is_an_owner() {
        for text in
            ["", ".", "..", "../..", "a/b", "/etc", "a\\b", "a\0", "A", "-a", "a-", "a..b", ".a", "ä", "a b"]
        {
            assert!(Owner::new(text, "kind", "name", UID).is_err(), "namespace {text:?}");
            assert!(Owner::new("namespace", "kind", text, UID).is_err(), "name {text:?}");
        }
        for text in ["", ".", "..", "a/b", "a.b", "a\0"] {
            assert!(Owner::new("namespace", text, "name", UID).is_err(), "kind {text:?}");
            assert!(Owner::new("namespace", "kind", "name", text).is_err(), "uid {text:?}");
        }
        assert!(Owner::new(&"a".repeat(64), "kind", "name", UID).is_err());
        assert!(Owner::new("a", "kind", &"a".repeat(254), UID).is_err());
    }
}
