//! The examples: the API server takes each, and each field of a spec is in one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::commands::{Cluster, ROOT};

fn files() -> Vec<PathBuf> {
    let of = |folder: &str| fs::read_dir(format!("{ROOT}/{folder}")).unwrap().map(|it| it.unwrap().path());
    let mut files: Vec<PathBuf> = of("examples").chain(of("examples/production")).collect();
    files.retain(|path| path.extension().is_some_and(|it| it == "yaml"));
    files.sort();
    assert!(files.len() > 2);
    files
}

#[tokio::test]
async fn the_api_server_takes_every_example() {
    let cluster = Cluster::start().await;
    cluster.kubectl("apply --server-side -f crds/").await;
    cluster.until_served().await;
    for file in files() {
        let path = file.display();
        cluster.kubectl(&format!("apply --server-side --validate=strict --dry-run=server -f {path}")).await;
        cluster.kubectl(&format!("apply --validate=strict -f {path}")).await;
        let again = cluster.kubectl(&format!("apply --validate=strict -f {path}")).await;
        // What is given as stringData is stored as data, which kubectl takes for a change.
        let is_secret = |line: &str| line.starts_with("secret/");
        let changed: Vec<&str> =
            again.lines().filter(|line| !line.ends_with(" unchanged") && !is_secret(line)).collect();
        assert_eq!(changed, Vec::<&str>::new(), "{path}");
    }
}

#[test]
fn every_field_is_in_an_example() {
    let mut shown = BTreeSet::new();
    for file in files() {
        for document in documents(&file) {
            if document["apiVersion"].as_str().unwrap().starts_with("connectors.") {
                fields_of(&document["spec"], document["kind"].as_str().unwrap(), &mut shown);
            }
        }
    }
    let mut known = BTreeSet::new();
    for (kind, file) in
        [("ScalrConnector", "scalrconnector"), ("PlanetScaleConnector", "planetscaleconnector")]
    {
        let schema = fs::read_to_string(format!("{ROOT}/crds/schemas/{file}_v1alpha1.json")).unwrap();
        let schema: Value = serde_json::from_str(&schema).unwrap();
        properties_of(&schema["properties"]["spec"], kind, &mut known);
    }
    // A field that both kinds have is shown for either, and which key of a Secret it is once for all.
    let shown: BTreeSet<String> = shown.iter().map(|it| without_kind(it)).collect();
    let is_key = |field: &str| field.ends_with("Key") || field.ends_with(".key");
    let missing: Vec<String> =
        known.iter().map(|it| without_kind(it)).filter(|it| !is_key(it) && !shown.contains(it)).collect();
    assert_eq!(missing, Vec::<String>::new());
    assert!(shown.iter().any(|field| is_key(field)));
}

fn without_kind(field: &str) -> String {
    field.split_once('.').unwrap().1.to_owned()
}

fn documents(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    serde_yaml::Deserializer::from_str(&text).map(|it| Value::deserialize(it).unwrap()).collect()
}

fn fields_of(value: &Value, path: &str, fields: &mut BTreeSet<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        fields_of(value, &path, fields);
        fields.insert(path);
    }
}

fn properties_of(schema: &Value, path: &str, fields: &mut BTreeSet<String>) {
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        properties_of(schema, &path, fields);
        fields.insert(path);
    }
}
