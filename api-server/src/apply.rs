//! Server-side apply: who owns which field, and what becomes of fields that their owner no longer applies.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// A field, by the steps that lead to it.
pub(crate) type Path = Vec<Step>;

/// One step into a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// The field of an object.
    Field(String),
    /// The element of a keyed list: conditions are told apart by their type.
    Element(String),
}

/// The fields that each manager owns, of an object or of its status.
#[derive(Debug, Clone, Default)]
pub(crate) struct Owners(BTreeMap<String, BTreeSet<Path>>);

/// Another manager owns a field, and has another value in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) manager: String,
    pub(crate) field: String,
}

impl Owners {
    /// Merges what `manager` applies into `live`. What it owned, no longer applies, and nobody else owns, goes.
    pub(crate) fn apply(
        &mut self,
        manager: &str,
        force: bool,
        live: &Value,
        applied: &Value,
    ) -> Result<Value, Conflict> {
        let fields = leaves(applied);
        if !force && let Some(conflict) = self.conflict(manager, live, applied, &fields) {
            return Err(conflict);
        }
        let mut merged = live.clone();
        let before = self.0.remove(manager).unwrap_or_default();
        for path in before.difference(&fields) {
            let of_others = self.0.values().any(|owned| owned.contains(path));
            if !of_others {
                remove(&mut merged, path);
            }
        }
        merge(&mut merged, applied);
        if force {
            for owned in self.0.values_mut() {
                owned.retain(|path| !fields.contains(path) || at(live, path) == at(applied, path));
            }
        }
        self.0.insert(manager.to_owned(), fields);
        Ok(merged)
    }

    fn conflict(
        &self,
        manager: &str,
        live: &Value,
        applied: &Value,
        fields: &BTreeSet<Path>,
    ) -> Option<Conflict> {
        let others = self.0.iter().filter(|(other, _)| *other != manager);
        others.into_iter().find_map(|(other, owned)| {
            let differs = |path: &&Path| owned.contains(*path) && at(live, path) != at(applied, path);
            let path = fields.iter().find(differs)?;
            let names = path.iter().map(|(Step::Field(name) | Step::Element(name))| format!(".{name}"));
            Some(Conflict { manager: other.clone(), field: names.collect() })
        })
    }
}

/// Every element of a list has a type, and no two the same: then the API's schema keys it by that.
fn is_keyed(list: &[Value]) -> bool {
    let types: BTreeSet<&str> = list.iter().filter_map(type_of).collect();
    !list.is_empty() && types.len() == list.len() && list.iter().all(|it| it.get("status").is_some())
}

fn type_of(element: &Value) -> Option<&str> {
    element.get("type")?.as_str()
}

fn leaves(value: &Value) -> BTreeSet<Path> {
    let mut found = BTreeSet::new();
    collect(value, &mut Vec::new(), &mut found);
    found
}

fn collect(value: &Value, path: &mut Path, found: &mut BTreeSet<Path>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                path.push(Step::Field(name.clone()));
                collect(value, path, found);
                path.pop();
            }
        }
        Value::Array(list) if is_keyed(list) => {
            for element in list {
                path.push(Step::Element(type_of(element).unwrap_or_default().to_owned()));
                found.insert(path.clone());
                collect(element, path, found);
                path.pop();
            }
        }
        _ => drop(found.insert(path.clone())),
    }
}

fn at<'v>(value: &'v Value, path: &[Step]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Field(name) => value.get(name),
        Step::Element(of_type) => value.as_array()?.iter().find(|element| type_of(element) == Some(of_type)),
    })
}

/// Removes a field, and what is left empty around it.
fn remove(value: &mut Value, path: &[Step]) {
    let Some((step, rest)) = path.split_first() else { return };
    match (step, value) {
        (Step::Field(name), Value::Object(fields)) => {
            if rest.is_empty() {
                fields.remove(name);
            } else if let Some(inner) = fields.get_mut(name) {
                remove(inner, rest);
                if is_empty(inner) {
                    fields.remove(name);
                }
            }
        }
        (Step::Element(of_type), Value::Array(list)) => {
            if rest.is_empty() {
                list.retain(|element| type_of(element) != Some(of_type));
            } else if let Some(inner) = list.iter_mut().find(|element| type_of(element) == Some(of_type)) {
                remove(inner, rest);
            }
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

fn merge(live: &mut Value, applied: &Value) {
    match (live, applied) {
        (Value::Object(live), Value::Object(applied)) => {
            for (name, value) in applied {
                merge(live.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(live), Value::Array(applied))
            if is_keyed(applied) && (live.is_empty() || is_keyed(live)) =>
        {
            for element in applied {
                match live.iter_mut().find(|present| type_of(present) == type_of(element)) {
                    Some(present) => merge(present, element),
                    None => live.push(element.clone()),
                }
            }
        }
        (live, applied) => live.clone_from(applied),
    }
}
