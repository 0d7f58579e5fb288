//! What is left at the end of a history, in a form that can be compared: without the times, ids and digests that no two
//! runs have in common.

use std::collections::BTreeMap;

use connector_operator::proto::c1::connector::v2::Resource;
use connector_operator::snapshot::{DirectoryStore, Owner, ReadError};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::world::{KINDS, World};

/// What everybody can see at the end: statuses, snapshots, what C1 was given.
pub fn of(world: &World) -> Value {
    let mut picture = BTreeMap::new();
    for (plural, kind) in KINDS {
        for ((_, name), object) in world.api.objects(plural) {
            let mut status = normal_status(&object["status"]);
            // What C1 asked last is told by whoever did it, and nobody else knows.
            if let Some(fields) = status.as_object_mut() {
                fields.remove("c1");
            }
            picture.insert(
                format!("{kind} {name}"),
                json!({ "status": status, "store": stored(world, kind, &object) }),
            );
        }
    }
    json!({ "connectors": picture, "owners": owners(world), "c1": of_c1(world) })
}

fn store(world: &World) -> DirectoryStore {
    DirectoryStore::new(world.store_folder())
}

fn owners(world: &World) -> usize {
    store(world).owners().unwrap().len()
}

/// What is published of an object, and what is held.
fn stored(world: &World, kind: &str, object: &Value) -> Value {
    let text = |field: &str| object["metadata"][field].as_str().unwrap();
    let owner = Owner::new(text("namespace"), kind, text("name"), text("uid")).unwrap();
    let store = store(world);
    let held = store.held(&owner).unwrap().map(|text| std::io::read_to_string(text).unwrap());
    let scratch = world.scratch("picture");
    let Some((latest, snapshot)) = store.open_latest(&owner, &scratch).unwrap() else {
        return json!({ "held": held });
    };
    let status_names_it = object["status"]["lastPublished"]["id"] == json!(latest.id.to_string());
    let mut ids = Vec::new();
    let resource = |it: Resource| {
        let id = it.id.unwrap();
        ids.push(format!("{}:{}", id.resource_type, id.resource));
        Ok::<_, ReadError>(())
    };
    snapshot.resources(resource).unwrap();
    snapshot
        .grants(|it| {
            ids.push(it.id);
            Ok::<_, ReadError>(())
        })
        .unwrap();
    ids.sort();
    json!({
        "ids": ids, "held": held, "counts": latest.counts, "scopes": latest.scopes, "account": latest.account_id,
        "the status names it": status_names_it,
    })
}

fn of_c1(world: &World) -> Value {
    let Some(c1) = &world.c1 else { return Value::Null };
    let tasks = c1.tasks();
    let told = tasks.iter().map(|task| json!({
        "what": task.spec.to_string(), "progress": format!("{:?}", task.progress), "has a file": !c1.files(&task.id).is_empty(),
    }));
    told.collect()
}

/// The status without times, ids and digests. Ids are numbered, so that which are the same can still be seen.
pub fn normal_status(status: &Value) -> Value {
    let mut ids = Vec::new();
    for pointer in ["/lastPublished/id", "/lastSync/id", "/held/runId", "/held/id"] {
        if let Some(id) = status.pointer(pointer).and_then(Value::as_str)
            && !ids.contains(&id)
        {
            ids.push(id);
        }
    }
    normal(status, "", &ids)
}

/// The same without what tells by which way it came to that.
pub fn essence(status: &Value) -> Value {
    let mut essence = normal_status(status);
    for (object, field) in [
        ("", "lastHandledReconcileAt"),
        ("", "lastHandledApproval"),
        ("/lastSync", "trigger"),
        ("/lastSync", "changes"),
    ] {
        if let Some(fields) = essence.pointer_mut(object).and_then(Value::as_object_mut) {
            fields.remove(field);
        }
    }
    without_generations(&mut essence);
    essence
}

fn without_generations(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("observedGeneration");
            fields.values_mut().for_each(without_generations);
        }
        Value::Array(list) => list.iter_mut().for_each(without_generations),
        _ => {}
    }
}

fn normal(value: &Value, field: &str, ids: &[&str]) -> Value {
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), normal(value, name, ids))).collect()
        }
        Value::Array(list) => list.iter().map(|value| normal(value, field, ids)).collect(),
        Value::String(text) => normal_text(text, field, ids).into(),
        Value::Number(_) if matches!(field, "size") => "a size".into(),
        other => other.clone(),
    }
}

fn normal_text(text: &str, field: &str, ids: &[&str]) -> String {
    if text.parse::<Timestamp>().is_ok() {
        return "a time".to_owned();
    }
    if matches!(
        field,
        "uri" | "digest" | "observedSecretVersion" | "lastHandledApproval" | "taskId" | "syncId"
    ) {
        return format!("a {field}");
    }
    let mut text = text.to_owned();
    for (number, id) in ids.iter().enumerate() {
        text = text.replace(id, &format!("id-{number}"));
    }
    text
}

/// Where two pictures differ, line by line.
pub fn difference(expected: &Value, found: &Value) -> Option<String> {
    if expected == found {
        return None;
    }
    let (expected, found) = (format!("{expected:#}"), format!("{found:#}"));
    let lines = |one: &str, other: &str, sign: char| {
        let other: Vec<&str> = other.lines().collect();
        one.lines()
            .filter(|line| !other.contains(line))
            .map(|line| format!("{sign} {line}\n"))
            .collect::<String>()
    };
    Some(format!("{}{}", lines(&expected, &found, '-'), lines(&found, &expected, '+')))
}
