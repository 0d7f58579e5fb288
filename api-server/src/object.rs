//! An object as JSON: what the server itself says of it, and how parts of it take the place of others.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::kind::Kind;
use crate::request::Asked;

/// What every object says of itself.
pub(crate) fn complete(object: &mut Value, kind: &Kind, asked: &Asked) {
    if !object.is_object() {
        *object = json!({});
    }
    if let Some(fields) = object.as_object_mut() {
        fields.insert("apiVersion".to_owned(), json!(kind.api_version()));
        fields.insert("kind".to_owned(), json!(kind.kind));
    }
    if let Some(fields) = object.as_object_mut()
        && !fields.get("metadata").is_some_and(Value::is_object)
    {
        fields.insert("metadata".to_owned(), json!({}));
    }
    set(object, "namespace", json!(asked.namespace));
    set(object, "name", json!(asked.name));
    unset(object, "managedFields");
}

/// Sets a field of the metadata. Every object here has some, since [`complete`] sees to it.
pub(crate) fn set(object: &mut Value, field: &str, value: Value) {
    if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.insert(field.to_owned(), value);
    }
}

pub(crate) fn unset(object: &mut Value, field: &str) {
    if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.remove(field);
    }
}

pub(crate) fn drop_empty(object: &mut Value) {
    for name in ["annotations", "labels", "finalizers"] {
        let empty = object.pointer(&format!("/metadata/{name}")).is_some_and(|value| {
            value.is_null()
                || value.as_object().is_some_and(Map::is_empty)
                || value.as_array().is_some_and(Vec::is_empty)
        });
        if empty {
            unset(object, name);
        }
    }
}

/// What nobody applies: what the server itself says of an object.
pub(crate) fn strip(applied: &mut Value) {
    if let Some(metadata) = applied.get_mut("metadata").and_then(Value::as_object_mut) {
        for name in [
            "uid",
            "resourceVersion",
            "name",
            "namespace",
            "creationTimestamp",
            "generation",
            "managedFields",
        ] {
            metadata.remove(name);
        }
    }
    if let Some(fields) = applied.as_object_mut() {
        fields.remove("apiVersion");
        fields.remove("kind");
    }
}

pub(crate) fn with_status_of(object: &Value, other: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        match other.get("status") {
            Some(status) if !status.is_null() => drop(fields.insert("status".to_owned(), status.clone())),
            _ => drop(fields.remove("status")),
        }
    }
    object
}

pub(crate) fn differs_in_spec(one: &Value, other: &Value) -> bool {
    let rest = |object: &Value| {
        let mut fields = object.as_object().cloned().unwrap_or_default();
        fields.remove("metadata");
        fields.remove("status");
        fields
    };
    rest(one) != rest(other)
}

pub(crate) fn generation(object: &Value) -> Option<i64> {
    object.pointer("/metadata/generation")?.as_i64()
}

pub(crate) fn has_finalizers(object: &Value) -> bool {
    object.pointer("/metadata/finalizers").and_then(Value::as_array).is_some_and(|list| !list.is_empty())
}

pub(crate) fn whole_seconds(now: Timestamp) -> String {
    Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

pub(crate) fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else { return target.clone_from(patch) };
    if !target.is_object() {
        *target = json!({});
    }
    let Value::Object(target) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge_patch(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// The object as it was asked for: whole, or its metadata alone.
pub(crate) fn shown(asked: &Asked, object: &Value) -> Value {
    if asked.metadata_only {
        json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": object.get("metadata"),
        })
    } else {
        object.clone()
    }
}

pub(crate) fn named(object: &Value) -> (String, String) {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    (text("/metadata/namespace"), text("/metadata/name"))
}
