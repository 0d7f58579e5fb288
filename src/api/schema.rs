//! The CustomResourceDefinitions as they are applied: what the derive makes of the types, with what it cannot say.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::{Value, json};

use super::ConnectorObject;

/// The CRD of kind `K`: conditions keyed by type, and a status that nobody can take for a finished one.
pub fn crd<K: ConnectorObject>() -> CustomResourceDefinition {
    let mut crd = K::crd();
    for version in &mut crd.spec.versions {
        let root = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut());
        let Some(root) = root else { continue };
        make_numbers_known(root);
        let Some(status) = root.properties.as_mut().and_then(|properties| properties.get_mut("status"))
        else {
            continue;
        };
        status.default = Some(JSON(json!({ "observedGeneration": -1 })));
        if let Some(conditions) = status.properties.as_mut().and_then(|p| p.get_mut("conditions")) {
            key_by_type(conditions);
        }
    }
    crd
}

/// Kubernetes knows no unsigned formats, and warns whoever applies one. That none is negative is said by `minimum`.
fn make_numbers_known(schema: &mut JSONSchemaProps) {
    if schema.format.as_ref().is_some_and(|format| format.starts_with("uint")) {
        schema.format = Some("int64".to_owned());
    }
    schema.properties.iter_mut().flat_map(BTreeMap::values_mut).for_each(make_numbers_known);
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        make_numbers_known(values);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &mut schema.items {
        make_numbers_known(item);
    }
}

/// Lets server-side apply own single conditions rather than the whole list.
fn key_by_type(conditions: &mut JSONSchemaProps) {
    conditions.x_kubernetes_list_type = Some("map".to_owned());
    conditions.x_kubernetes_list_map_keys = Some(vec!["type".to_owned()]);
    conditions.default = None;
}

/// The JSON schema of kind `K` for editors and kubeconform: strict, and without what only the API server knows.
pub fn json_schema<K: ConnectorObject>() -> Value {
    let crd = crd::<K>();
    let schema = crd.spec.versions.into_iter().next().and_then(|version| version.schema?.open_api_v3_schema);
    let mut schema = serde_json::to_value(schema).unwrap_or_default();
    make_strict(&mut schema);
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert(
            "apiVersion".to_owned(),
            json!({ "type": "string", "const": format!("{}/{}", super::GROUP, super::VERSION) }),
        );
        properties.insert("kind".to_owned(), json!({ "type": "string", "const": K::KIND }));
        properties.insert("metadata".to_owned(), json!({ "type": "object" }));
    }
    if let Some(root) = schema.as_object_mut() {
        root.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
        root.insert("required".to_owned(), json!(["apiVersion", "kind", "metadata", "spec"]));
    }
    schema
}

/// Refuses fields that the API server would drop or kubectl would refuse.
fn make_strict(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.contains_key("properties") && !object.contains_key("additionalProperties") {
                object.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            object.values_mut().for_each(make_strict);
        }
        Value::Array(items) => items.iter_mut().for_each(make_strict),
        _ => {}
    }
}
