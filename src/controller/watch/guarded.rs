//! An object of a list or watch, decoded by itself: one that makes no sense keeps no other from being decoded.
//!
//! As kube's own guard, but it says which field is wrong, and copies nothing.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::api;

/// An object, or what is known of one that makes no sense.
#[derive(Debug, Clone)]
pub(super) struct Guarded<K>(pub(super) Result<K, Illegible>);

/// An object that makes no sense.
#[derive(Debug, Clone)]
pub(in crate::controller) struct Illegible {
    /// Whose it is.
    pub(in crate::controller) metadata: ObjectMeta,
    /// Which field is wrong, and how. Holds nothing that stands in the object: that may be a credential in the wrong place.
    pub(in crate::controller) problem: String,
}

#[derive(Deserialize)]
struct OnlyMetadata {
    metadata: ObjectMeta,
}

impl<'de, K: DeserializeOwned> Deserialize<'de> for Guarded<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let error = match serde_json::from_str(text.get()) {
            Ok(object) => return Ok(Self(Ok(object))),
            Err(error) => error,
        };
        let OnlyMetadata { metadata } = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
        let problem = api::problem::<K>(text.get(), &error);
        Ok(Self(Err(Illegible { metadata, problem })))
    }
}

impl<K: Resource> Resource for Guarded<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(of: &K::DynamicType) -> Cow<'_, str> {
        K::kind(of)
    }

    fn group(of: &K::DynamicType) -> Cow<'_, str> {
        K::group(of)
    }

    fn version(of: &K::DynamicType) -> Cow<'_, str> {
        K::version(of)
    }

    fn plural(of: &K::DynamicType) -> Cow<'_, str> {
        K::plural(of)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.as_ref().map_or_else(|illegible| &illegible.metadata, K::meta)
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.as_mut().map_or_else(|illegible| &mut illegible.metadata, K::meta_mut)
    }
}

#[cfg(test)]
mod tests {
    use kube::core::{ObjectList, WatchEvent};
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::api::ScalrConnector;

    fn object(spec: Value) -> Value {
        json!({
            "apiVersion": "connectors.conductorone.com/v1alpha1", "kind": "ScalrConnector",
            "metadata": { "name": "acme", "namespace": "identity" }, "spec": spec,
        })
    }

    #[rstest]
    #[case::text(json!({ "account": "acme", "apiTokenSecretRef": "s3\"cret expected" }),
        "spec.apiTokenSecretRef: expected struct SecretKeyRef")]
    #[case::number(json!({ "account": "acme", "apiTokenSecretRef": 53_337 }),
        "spec.apiTokenSecretRef: expected struct SecretKeyRef")]
    #[case::shared_part(json!({ "account": "acme", "apiTokenSecretRef": { "name": "a" }, "owner": 53_337 }),
        "spec.owner: expected a string")]
    #[case::variant(json!({ "account": "acme", "apiTokenSecretRef": { "name": "a" },
        "caBundleRef": { "kind": "s3cret", "name": "a" } }),
        "spec.caBundleRef: expected `ConfigMap` or `Secret`")]
    #[case::missing(json!({ "account": "acme" }), "spec: missing field `apiTokenSecretRef`")]
    fn what_is_told_names_the_field_and_holds_nothing_that_stands_in_the_object(
        #[case] spec: Value,
        #[case] problem: &str,
    ) {
        let guarded: Guarded<ScalrConnector> = serde_json::from_str(&object(spec).to_string()).unwrap();
        let Guarded(Err(told)) = guarded else { panic!("it makes no sense") };
        assert_eq!(told.problem, problem);
        assert_eq!(told.metadata.name.as_deref(), Some("acme"));
    }

    #[test]
    fn it_is_decoded_where_kube_decodes_objects() {
        let good = object(json!({ "account": "acme", "apiTokenSecretRef": { "name": "token" } }));
        let bad = object(json!({ "account": 5 }));
        let list = json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": [good, bad] });
        let list: ObjectList<Guarded<ScalrConnector>> = serde_json::from_str(&list.to_string()).unwrap();
        let legible: Vec<bool> = list.items.iter().map(|it| it.0.is_ok()).collect();
        assert_eq!(legible, [true, false]);
        // The API server says the type first.
        let event = format!("{{\"type\":\"MODIFIED\",\"object\":{bad}}}");
        let event: WatchEvent<Guarded<ScalrConnector>> = serde_json::from_str(&event).unwrap();
        assert!(matches!(event, WatchEvent::Modified(Guarded(Err(_)))));
    }

    #[test]
    fn what_has_no_metadata_is_no_object() {
        assert!(serde_json::from_str::<Guarded<ScalrConnector>>("{\"spec\":{}}").is_err());
    }
}
