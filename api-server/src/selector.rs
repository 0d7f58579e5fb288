//! Which objects a list or a watch is about.

use serde_json::Value;

use crate::request::Asked;

/// Is this object among what is asked for?
pub(crate) fn selects(asked: &Asked, object: &Value) -> bool {
    let terms = |name: &str| {
        let terms = asked.query.get(name).map(String::as_str).unwrap_or_default().to_owned();
        terms.split(',').filter(|term| !term.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    terms("labelSelector").iter().all(|term| has_label(object, term))
        && terms("fieldSelector").iter().all(|term| has_field(object, term))
}

fn has_label(object: &Value, term: &str) -> bool {
    let label = |name: &str| object.pointer("/metadata/labels")?.get(name)?.as_str();
    if let Some((name, value)) = term.split_once("!=") {
        return label(name) != Some(value);
    }
    match term.split_once('=') {
        Some((name, value)) => label(name) == Some(value.trim_start_matches('=')),
        None => label(term).is_some(),
    }
}

fn has_field(object: &Value, term: &str) -> bool {
    let Some((path, value)) = term.split_once('=') else { return false };
    let pointer = format!("/{}", path.replace('.', "/"));
    object.pointer(&pointer).and_then(Value::as_str) == Some(value.trim_start_matches('='))
}
