//! What the fuzzers in `fuzz/` call: bytes as an upstream or a person might give them, and what must hold of
//! whatever is made of them. Each entry panics where it does not hold.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::paging::Visitor;
use super::text::{DESCRIPTION_BYTES, NAME_BYTES, is_id};
use super::{http, paging, planetscale, scalr};
use crate::access::{Record, Resource, ResourceId, ResourceKind};

/// A fuzzer's entry.
pub type Entry = fn(&[u8]);

/// All entries, by the names of their folders in `fuzz/seeds/`.
pub const ENTRIES: [(&str, Entry); 5] = [
    ("scalr-body", scalr::fuzzing::body),
    ("planetscale-body", planetscale::fuzzing::body),
    ("page-envelopes", paging::fuzzing::envelopes),
    ("retry-after", http::fuzzing::retry_after),
    ("token", token),
];

/// What a visitor made of a body that it took, beside the items as a reader of any JSON sees them.
pub(super) struct Taken {
    pub(super) records: Vec<Record>,
    pub(super) items: Vec<Value>,
}

/// Has `visitor` take `body` as a page. `None` where it refuses.
pub(super) fn take<V: Visitor>(visitor: &mut V, body: &[u8]) -> Option<Taken> {
    let body = std::str::from_utf8(body).ok()?;
    let page: V::Page<'_> = serde_json::from_str(body).ok()?;
    let ids: Vec<String> = paging::Page::ids(&page).map(str::to_owned).collect();
    if ids.iter().any(|id| !visitor.is_new(id)) {
        return None;
    }
    let records = visitor.visit(page).ok()?;
    for record in &records {
        check(record);
    }
    // What is skipped may be nested deeper than others read.
    let whole: Value = serde_json::from_str(body).ok()?;
    let items = whole.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
    assert_eq!(items.len(), ids.len(), "an item has no id, or an id no item");
    Some(Taken { records, items })
}

/// The text at a JSON pointer.
pub(super) fn text<'v>(item: &'v Value, pointer: &str) -> &'v str {
    item.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Whatever came in, C1 can keep what comes out, and it cannot break a line.
fn check(record: &Record) {
    match record {
        Record::Resource(resource) => check_resource(resource),
        Record::Entitlement(entitlement) => {
            check_id(&entitlement.id.resource);
            assert!(!entitlement.id.slug.is_empty() && !entitlement.id.slug.contains(':'));
            check_line(&entitlement.display_name, NAME_BYTES);
            check_line(&entitlement.description, DESCRIPTION_BYTES);
        }
        Record::Grant(grant) => {
            check_id(&grant.principal);
            check_id(&grant.entitlement.resource);
        }
    }
}

fn check_resource(resource: &Resource) {
    check_id(&resource.id);
    assert!(!resource.display_name.is_empty(), "somebody has no name");
    check_line(&resource.display_name, NAME_BYTES);
    check_line(resource.description.as_deref().unwrap_or_default(), DESCRIPTION_BYTES);
    if let ResourceKind::User(user) = &resource.kind {
        assert!(!user.email.is_empty(), "somebody has no email");
        check_line(&user.email, NAME_BYTES);
        check_line(user.status.details.as_deref().unwrap_or_default(), NAME_BYTES);
    }
}

fn check_id(id: &ResourceId) {
    assert!(is_id(&id.id), "`{}` is no id", id.id);
}

fn check_line(line: &str, bytes: usize) {
    assert!(line.len() <= bytes, "a text is too long");
    assert!(!line.chars().any(char::is_control), "a text has control characters");
}

/// A token that is taken can be sent, and no refusal says it back.
fn token(data: &[u8]) {
    let Ok(token) = std::str::from_utf8(data) else { return };
    let secret = SecretString::from(token);
    for answer in [scalr::credential(&secret), planetscale::credential(&secret)] {
        match answer {
            Ok(credential) => {
                let header = credential.authorization.expose_secret();
                assert!(header.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
            }
            Err(refusal) => {
                // No sentence of ours has a digit, so a token with one is not in it by chance.
                let telling = token.len() > 5 && token.contains(|c: char| c.is_ascii_digit());
                assert!(!telling || !format!("{refusal} {refusal:?}").contains(token), "{refusal}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_entry_has_seeds_and_stands_them() {
        for (name, entry) in ENTRIES {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
            let seeds: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
            assert!(!seeds.is_empty(), "{name} has no seeds");
            for seed in seeds {
                entry(&std::fs::read(seed.unwrap().path()).unwrap());
            }
        }
    }
}
