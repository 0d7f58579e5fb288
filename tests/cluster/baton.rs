//! The real `baton`, which opens what the operator wrote.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use connector_operator::api::ConnectorObject;
use serde_json::Value;
use testbed::tools::locate_async;

/// A `.c1z` file, seen through `baton`.
pub(crate) struct Baton {
    program: PathBuf,
    file: PathBuf,
}

impl Baton {
    pub(crate) async fn open(file: impl Into<PathBuf>) -> Self {
        Self { program: locate_async("baton").await.unwrap(), file: file.into() }
    }

    /// The snapshot that the object's status names.
    pub(crate) async fn published(object: &impl ConnectorObject) -> Self {
        Self::open(published_file(object)).await
    }

    /// What it writes to stdout, having succeeded.
    pub(crate) async fn text(&self, arguments: &[&str]) -> String {
        let mut command = tokio::process::Command::new(&self.program);
        let output = command.args(arguments).arg("--file").arg(&self.file).output().await.unwrap();
        assert!(output.status.success(), "baton {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) async fn json(&self, arguments: &[&str]) -> Value {
        let text = self.text(&[arguments, &["-o", "json"]].concat()).await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("baton {arguments:?}: {error}: {text}"))
    }

    /// The list under `key` in the answer to `command`.
    pub(crate) async fn list(&self, command: &str, key: &str) -> Vec<Value> {
        self.json(&[command]).await[key].as_array().cloned().unwrap_or_default()
    }

    /// Every user, by id.
    pub(crate) async fn users(&self) -> BTreeMap<String, Value> {
        let resources =
            self.list("resources", "resources").await.into_iter().map(|mut it| it["resource"].take());
        resources
            .filter(|resource| resource["id"]["resourceType"] == "user")
            .map(|resource| (text(&resource["id"]["resource"]), resource))
            .collect()
    }

    /// How many resources there are of each type, as the file's own statistics say.
    pub(crate) async fn stats(&self) -> BTreeMap<String, usize> {
        let stats = self.json(&["stats"]).await;
        let mut counts: BTreeMap<String, usize> = stats["stats"]["resourcesByResourceType"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(type_, count)| (type_.clone(), text(count).parse().unwrap()))
            .collect();
        for all in ["entitlements", "grants"] {
            let count = stats["stats"].get(all).map_or(0, |count| text(count).parse().unwrap());
            counts.insert(all.to_owned(), count);
        }
        counts
    }
}

/// Where the snapshot is that the object's status names.
pub(crate) fn published_file(object: &impl ConnectorObject) -> PathBuf {
    let uri = &object.status().unwrap().last_published.as_ref().unwrap().uri;
    Path::new(uri.strip_prefix("file://").unwrap()).to_owned()
}

/// The annotation of a resource that says what only users have.
pub(crate) fn user_trait(resource: &Value) -> &Value {
    let annotations = resource["annotations"].as_array().unwrap();
    let is_user = |it: &&Value| text(&it["@type"]).ends_with("c1.connector.v2.UserTrait");
    annotations.iter().find(is_user).unwrap()
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
