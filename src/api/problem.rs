//! Which field keeps an object from being understood, and how, in words that hold nothing of what stands in the object:
//! that may be a credential in the wrong place.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Why `text` is no `K`, of which serde says `error`: `spec.timeout: expected a string`.
pub fn problem<K: DeserializeOwned>(text: &str, error: &serde_json::Error) -> String {
    format!("{}: {}", field::<K>(text), without_values(&error.to_string()))
}

/// Which field keeps the object from being decoded. Serde loses the way to a field that stands in a part of the spec
/// which several kinds share, so that one is found by leaving out each field in turn.
fn field<K: DeserializeOwned>(text: &str) -> String {
    let mut again = serde_json::Deserializer::from_str(text);
    let path = match serde_path_to_error::deserialize::<_, K>(&mut again) {
        Err(error) => error.path().to_string(),
        Ok(_) => ".".to_owned(),
    };
    if path != "spec" {
        return path;
    }
    let Ok(object) = serde_json::from_str::<Value>(text) else { return path };
    let names = object.get("spec").and_then(Value::as_object).into_iter().flat_map(|spec| spec.keys());
    let is_wrong = |name: &&String| {
        let mut without = object.clone();
        without.get_mut("spec").and_then(Value::as_object_mut).and_then(|spec| spec.remove(*name));
        serde_json::from_value::<K>(without).is_ok()
    };
    names.clone().find(is_wrong).map_or(path, |name| format!("spec.{name}"))
}

/// What was expected, and nothing of what was found.
fn without_values(error: &str) -> String {
    let error = error.rsplit_once(" at line ").map_or(error, |(error, _)| error);
    match error.rsplit_once("expected ") {
        Some((_, expected)) => format!("expected {expected}"),
        None if error.starts_with("missing field") => error.to_owned(),
        None => "it cannot be understood".to_owned(),
    }
}
