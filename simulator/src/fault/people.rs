//! Items that are strange by themselves, in a listing that adds up.

use serde_json::{Map, Value, json};

use super::document::Document;
use super::{Fault, Vendor};

/// The role that a few ordinary members have under `unknown-role`.
pub const UNKNOWN_ROLE: &str = "keeper_of_the_keys";

/// The status that a few active users have under `unknown-status`.
pub const UNKNOWN_STATUS: &str = "Hibernating";

/// What names end with, over and over, under `huge-field`.
pub const LONG_NAME_TAIL: &str = " and so on";

/// How much longer names become, in bytes.
const LONG_NAME_BYTES: usize = 4 << 10;

/// Is the user with this id among the few whom `unknown-role` and `unknown-status` strike? The same ones wherever they
/// are listed or asked for: about one in twenty.
#[must_use]
pub fn is_one_of_a_few(id: &str) -> bool {
    id.ends_with(['7', 'k'])
}

/// Changes what is said of those who are on the page.
pub(crate) fn change(fault: Fault, document: &mut Document<'_>) {
    match fault {
        Fault::NullName => names(document, |name| *name = Value::Null),
        Fault::HugeField => names(document, |name| {
            if let Value::String(name) = name {
                name.push_str(&LONG_NAME_TAIL.repeat(LONG_NAME_BYTES / LONG_NAME_TAIL.len() + 1));
            }
        }),
        Fault::ControlCharacters => names(document, |name| {
            if let Value::String(name) = name {
                *name = format!("\u{202e}\n{name}\u{7}\r\n");
            }
        }),
        Fault::UnknownRole => replace(document, "/role", "member", UNKNOWN_ROLE),
        Fault::UnknownStatus => replace(document, "/attributes/status", "Active", UNKNOWN_STATUS),
        Fault::SchemaDrift => drift(document),
        _ => {}
    }
}

/// The fields of a person that are a name.
fn names(document: &mut Document<'_>, change: impl Fn(&mut Value)) {
    let keys: &[&str] = match document.vendor {
        Vendor::Scalr => &["full-name", "username"],
        Vendor::PlanetScale => &["name", "display_name"],
    };
    for person in document.people() {
        for key in keys {
            if let Some(name) = person.get_mut(*key) {
                change(name);
            }
        }
    }
}

fn replace(document: &mut Document<'_>, pointer: &str, from: &str, to: &str) {
    let few = document.items().iter_mut().filter(|item| id_of(item).is_some_and(is_one_of_a_few));
    for item in few {
        if let Some(value) = item.pointer_mut(pointer).filter(|value| **value == *from) {
            *value = json!(to);
        }
    }
}

/// The id of the user whom an item is about: PlanetScale's member, Scalr's relation, or the item itself.
fn id_of(item: &Value) -> Option<&str> {
    let pointers = ["/user/id", "/relationships/user/data/id", "/id"];
    pointers.into_iter().find_map(|pointer| item.pointer(pointer))?.as_str()
}

/// Whatever a vendor may add, or change in what this program has no use for.
fn drift(document: &mut Document<'_>) {
    for person in document.people() {
        add_unknown_fields(person);
        for (unneeded, value) in [
            ("avatar_url", json!({"small": null})),
            ("updated_at", json!(1_785_542_400)),
            ("last-login-at", json!([])),
        ] {
            if let Some(found) = person.get_mut(unneeded) {
                *found = value;
            }
        }
    }
    for item in document.items() {
        if let Some(item) = item.as_object_mut() {
            add_unknown_fields(item);
        }
    }
    if let Some(included) = document.included() {
        included
            .push(json!({"type": "robots", "id": "robot-1", "attributes": {"status": "Walking", "legs": 4}}));
    }
    if let Some(document) = document.json.as_object_mut() {
        add_unknown_fields(document);
    }
}

fn add_unknown_fields(object: &mut Map<String, Value>) {
    object.insert(
        "introduced_later".to_owned(),
        json!({"kinds": ["one", 2, null, {"deep": [[]]}], "on": true}),
    );
    object.insert("größe".to_owned(), json!(1e300));
}
