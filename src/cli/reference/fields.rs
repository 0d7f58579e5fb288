//! The page about every field of spec and status, made from the schemas of the kinds.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use crate::api::{self, ACCEPT_REMOVALS, REQUESTED_AT};
use crate::kinds::{self, Kind, Visitor};

use super::{code, prose, table};

const INTRODUCTION: &str = "\
# Fields

<!-- Made by `make crds` from src/api/. -->

What a connector may say, and what the operator says of it. `kubectl explain scalr.spec` and `kubectl explain
pscale.status` show the same. Nothing in a spec is filled in by the API server: what is absent has the default of the
[operator's settings](settings.md), and stays absent. A field that there is not is refused by `kubectl apply`, and by
`connector-operator sync`.
";

const ANNOTATIONS: &str = "
## Annotations
";

/// A field of a kind, with its schema.
#[derive(Debug, Clone, PartialEq)]
struct Field {
    path: String,
    required: bool,
    schema: Value,
}

/// The fields of one kind.
struct Fields {
    kind: &'static str,
    spec: Vec<Field>,
    status: Vec<Field>,
}

/// The page.
pub(super) fn page() -> String {
    let kinds = kinds::for_each(&mut OfKinds);
    let mut page = INTRODUCTION.to_owned();
    let common = common(&kinds);
    for Fields { kind, spec, .. } in &kinds {
        section(&mut page, kind, spec.iter().filter(|field| !common.contains(&field.path)));
    }
    let (spec, status) = kinds.first().map(|first| (&*first.spec, &*first.status)).unwrap_or_default();
    section(&mut page, "Every connector", spec.iter().filter(|field| common.contains(&field.path)));
    section(&mut page, "Status", status.iter());
    page += ANNOTATIONS;
    let rows = [
        (REQUESTED_AT, "Any new value has the connector read at once."),
        (ACCEPT_REMOVALS, "The id in `status.held.id` accepts exactly the removals that are held under it."),
    ];
    table(&mut page, &["annotation", "meaning"], rows.map(|(name, says)| [code(name), says.to_owned()]));
    page
}

struct OfKinds;

impl Visitor for OfKinds {
    type Output = Fields;

    fn visit<K: Kind>(&mut self) -> Fields {
        let schema = api::json_schema::<K>();
        let part = |name: &str| schema.pointer(&format!("/properties/{name}")).unwrap_or(&Value::Null);
        let of = |name: &str| below(name, part(name));
        Fields { kind: K::KIND, spec: of("spec"), status: of("status") }
    }
}

/// The paths of the fields that are the same in the spec of every kind.
fn common(kinds: &[Fields]) -> BTreeSet<String> {
    let Some((first, others)) = kinds.split_first() else { return BTreeSet::new() };
    let in_all = |field: &&Field| others.iter().all(|kind| kind.spec.contains(field));
    first.spec.iter().filter(in_all).map(|field| field.path.clone()).collect()
}

/// The fields below `path`, whose schema is `schema`, and theirs.
fn below(path: &str, schema: &Value) -> Vec<Field> {
    // Conditions are Kubernetes' own, and have a page of ours.
    if path == "status.conditions[]" {
        return Vec::new();
    }
    let required = |name: &str| list(schema, "required").is_some_and(|it| it.iter().any(|it| it == name));
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let fields = properties.flat_map(|(name, schema)| {
        let field =
            Field { path: format!("{path}.{name}"), required: required(name), schema: schema.clone() };
        let inner = match schema.get("items") {
            Some(items) => below(&format!("{}[]", field.path), items),
            None => below(&field.path, schema),
        };
        std::iter::once(field).chain(inner)
    });
    fields.collect()
}

fn section<'f>(page: &mut String, title: &str, fields: impl Iterator<Item = &'f Field>) {
    // Writing to a String does not fail.
    let _ = writeln!(page, "\n## {title}");
    let rows = fields.map(|field| [code(&field.path), type_of(field), meaning(field)]);
    table(page, &["field", "type", "meaning"], rows);
}

fn type_of(field: &Field) -> String {
    let Field { schema, required, .. } = field;
    let words = list(schema, "enum").map(|words| {
        let words = words.iter().filter_map(Value::as_str).map(code).collect::<Vec<_>>();
        words.join(", ")
    });
    let type_ = words.unwrap_or_else(|| {
        let name = word(schema, "type").unwrap_or("object");
        match (word(schema, "format"), schema.get("items"), schema.get("additionalProperties")) {
            (Some("date-time"), _, _) => "time".to_owned(),
            (_, Some(_), _) => "list".to_owned(),
            (_, _, Some(values)) if values.is_object() => "numbers by name".to_owned(),
            _ => name.to_owned(),
        }
    });
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let bounds = match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        _ => String::new(),
    };
    format!("{type_}{bounds}{}", if *required { ", required" } else { "" })
}

/// What it is, and what the API server says where it is not as it must be.
fn meaning(field: &Field) -> String {
    let said = word(&field.schema, "description").unwrap_or_default();
    let rules = list(&field.schema, "x-kubernetes-validations").into_iter().flatten();
    let refusals = rules.filter_map(|rule| word(rule, "message")).map(prose).collect::<Vec<_>>();
    match refusals.as_slice() {
        [] => prose(said),
        refusals => format!("{} Refused with: *{}*.", prose(said), refusals.join("*; *")),
    }
}

fn list<'s>(schema: &'s Value, name: &str) -> Option<&'s Vec<Value>> {
    schema.get(name)?.as_array()
}

fn word<'s>(schema: &'s Value, name: &str) -> Option<&'s str> {
    schema.get(name)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_there_once_and_says_what_it_is() {
        let (page, kinds) = (page(), kinds::for_each(&mut OfKinds));
        let common = common(&kinds);
        for kind in &kinds {
            for field in kind.spec.iter().chain(&kind.status) {
                let row = format!("| {} | ", code(&field.path));
                let shared = field.path.starts_with("status.") || common.contains(&field.path);
                let wanted = if shared {
                    1
                } else {
                    kinds.iter().filter(|it| it.spec.iter().any(|it| it.path == field.path)).count()
                };
                assert_eq!(page.matches(&row).count(), wanted, "{row}");
                assert!(field.schema["description"].is_string(), "{} says nothing", field.path);
            }
        }
        assert!(page.contains("| `spec.schedule.cron` | string | "), "{page}");
        assert!(page.contains("| `spec.account` | string, required | "), "{page}");
        assert!(page.contains("account cannot be changed"), "{page}");
    }
}
