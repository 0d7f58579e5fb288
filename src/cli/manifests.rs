//! Connectors and Secrets from YAML files: several documents a file, a folder of files, or standard input. What is
//! wrong is said with the file, the object and the field.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::ResourceExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::{self, CaBundleKind};
use crate::connectors::Connector;
use crate::connectors::http::{Allowances, ClientOptions};
use crate::controller::inputs;
use crate::kinds::{self, Kind, Visitor};
use crate::network::HostPolicy;
use crate::sync::{Credential, Failure, Opened, SecretSeen, Source};

/// Why manifests can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ManifestError {
    #[error("{path}: {source}; name a YAML file, a folder of them, or - for standard input", path = path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("{file}, document {document}: {problem}")]
    Document { file: String, document: usize, problem: String },
    #[error("{file}: {object}: {problem}")]
    Object { file: String, object: String, problem: String },
    #[error("no connector was found in {0}: expected a document with apiVersion {group}/{version}", group = api::GROUP, version = api::VERSION)]
    NoConnectors(String),
}

/// The data of Secrets and ConfigMaps by namespace and name.
pub(super) type Data = BTreeMap<(String, String), BTreeMap<String, Vec<u8>>>;

/// Everything that the files say.
#[derive(Debug, Default)]
pub(super) struct Manifests {
    pub(super) connectors: Vec<Document>,
    pub(super) secrets: Data,
    pub(super) config_maps: Data,
}

/// A document that describes a connector.
#[derive(Debug)]
pub(super) struct Document {
    file: String,
    value: Value,
}

impl Manifests {
    /// Reads what `paths` name; `-` is standard input.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self, ManifestError> {
        let mut manifests = Self::default();
        for path in paths {
            if path.as_os_str() == "-" {
                let mut text = String::new();
                let read = std::io::stdin().read_to_string(&mut text);
                read.map_err(|source| ManifestError::File { path: path.clone(), source })?;
                manifests.add_text("standard input", &text)?;
            } else {
                for file in files(path)? {
                    let text = fs::read_to_string(&file)
                        .map_err(|source| ManifestError::File { path: file.clone(), source })?;
                    manifests.add_text(&file.display().to_string(), &text)?;
                }
            }
        }
        if manifests.connectors.is_empty() {
            let all: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
            return Err(ManifestError::NoConnectors(all.join(", ")));
        }
        Ok(manifests)
    }

    fn add_text(&mut self, file: &str, text: &str) -> Result<(), ManifestError> {
        for (index, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
            let value = Value::deserialize(document).map_err(|error| ManifestError::Document {
                file: file.to_owned(),
                document: index + 1,
                problem: error.to_string(),
            })?;
            self.add_document(file, value)?;
        }
        Ok(())
    }

    fn add_document(&mut self, file: &str, value: Value) -> Result<(), ManifestError> {
        let word = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (api_version, kind) = (word("apiVersion"), word("kind"));
        match (api_version.as_str(), kind.as_str()) {
            ("v1", "Secret") => {
                let secret: Secret = decode(file, &value)?;
                let mut data = bytes(secret.data.clone());
                data.extend(
                    secret.string_data.clone().into_iter().flatten().map(|(k, v)| (k, v.into_bytes())),
                );
                self.secrets.insert(full_name(&secret), data);
            }
            ("v1", "ConfigMap") => {
                let map: ConfigMap = decode(file, &value)?;
                let data = map.data.clone().into_iter().flatten().map(|(k, v)| (k, v.into_bytes())).collect();
                self.config_maps.insert(full_name(&map), data);
            }
            ("v1", "List") => {
                let items = value.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
                items.into_iter().try_for_each(|item| self.add_document(file, item))?;
            }
            (version, _) if version.starts_with(api::GROUP) => {
                self.connectors.push(Document { file: file.to_owned(), value });
            }
            // Manifests hold much that is not ours: namespaces, deployments, an empty document.
            _ => {}
        }
        Ok(())
    }
}

impl Document {
    /// What the document says its kind is.
    pub(super) fn kind(&self) -> &str {
        self.value.get("kind").and_then(Value::as_str).unwrap_or_default()
    }

    /// The connector, if it is of kind `K`. A field that `K` does not have is an error, as it is with kubectl.
    pub(super) fn connector<K: Kind>(&self) -> Result<K, ManifestError> {
        let object: K = decode(&self.file, &self.value)?;
        if object.meta().name.is_none() {
            return Err(self.problem("metadata.name is missing: give it a name".to_owned()));
        }
        let understood = serde_json::to_value(&object).map_err(|error| self.problem(error.to_string()))?;
        match unknown_field(self.value.get("spec"), understood.get("spec"), "spec") {
            Some(field) => {
                Err(self
                    .problem(format!("unknown field {field}: see kubectl explain {}.spec", plural::<K>())))
            }
            None => Ok(object),
        }
    }

    /// The document is of no kind there is.
    pub(super) fn unknown_kind(&self) -> ManifestError {
        struct Kinds;
        impl Visitor for Kinds {
            type Output = &'static str;
            fn visit<K: Kind>(&mut self) -> &'static str {
                K::KIND
            }
        }
        let known = kinds::for_each(&mut Kinds).join(", ");
        self.problem(format!("unknown kind; {} {} has {known}", api::GROUP, api::VERSION))
    }
}

impl Document {
    /// Something is wrong with the document's object.
    pub(super) fn problem(&self, problem: String) -> ManifestError {
        ManifestError::Object { file: self.file.clone(), object: title(&self.value), problem }
    }
}

/// Takes a connector's credential from the manifests that it stands in.
pub(super) struct FromManifests<K> {
    object: Arc<K>,
    manifests: Arc<Manifests>,
    allowances: Allowances,
}

impl<K: Kind> FromManifests<K> {
    pub(super) fn new(object: Arc<K>, manifests: Arc<Manifests>, allowances: Allowances) -> Self {
        Self { object, manifests, allowances }
    }

    fn connect(&self) -> Result<(Box<dyn Connector>, Credential), Failure> {
        let object = self.object.as_ref();
        let (namespace, _) = full_name(object);
        let find = |data: &Data, name: &str| data.get(&(namespace.clone(), name.to_owned())).cloned();
        let secret = find(&self.manifests.secrets, &object.credential_ref().name);
        let token = inputs::token(object, secret.ok_or_else(|| inputs::no_secret(object, "the manifests"))?)?;
        let ca_bundle = match &object.common().ca_bundle_ref {
            None => None,
            Some(reference) => {
                let data = match reference.kind {
                    CaBundleKind::ConfigMap => find(&self.manifests.config_maps, &reference.name),
                    CaBundleKind::Secret => find(&self.manifests.secrets, &reference.name),
                };
                let pem = data.and_then(|mut data| data.remove(reference.key()));
                Some(pem.ok_or_else(|| inputs::no_ca_bundle(reference, "the manifests"))?)
            }
        };
        // Whoever wrote the manifests chose the host.
        let hosts = object.origin().and_then(|origin| Ok(HostPolicy::of_origin(&origin)?));
        let hosts = hosts.map_err(|error| Failure::config(&error, &inputs::place(object)))?;
        let upstream = ClientOptions { allowances: self.allowances.clone(), ..ClientOptions::new(hosts) };
        inputs::connect(object, token, ca_bundle, upstream)
    }
}

#[async_trait]
impl<K: Kind> Source for FromManifests<K> {
    async fn open(&self) -> Opened {
        Opened { secret: SecretSeen::Unread, connector: self.connect() }
    }
}

/// `Kind namespace/name`
fn title(value: &Value) -> String {
    let word =
        |path: &str, default: &str| value.pointer(path).and_then(Value::as_str).unwrap_or(default).to_owned();
    format!(
        "{} {}/{}",
        word("/kind", "object"),
        word("/metadata/namespace", "default"),
        word("/metadata/name", "(without a name)")
    )
}

/// Namespace, as kubectl fills it in, and name.
pub(super) fn full_name(object: &impl ResourceExt) -> (String, String) {
    (object.namespace().unwrap_or_else(|| "default".to_owned()), object.name_any())
}

fn decode<T: DeserializeOwned>(file: &str, value: &Value) -> Result<T, ManifestError> {
    let text = value.to_string();
    serde_json::from_str(&text).map_err(|error| ManifestError::Object {
        file: file.to_owned(),
        object: title(value),
        problem: api::problem::<T>(&text, &error),
    })
}

fn bytes(data: Option<BTreeMap<String, ByteString>>) -> BTreeMap<String, Vec<u8>> {
    data.into_iter().flatten().map(|(key, ByteString(value))| (key, value)).collect()
}

fn plural<K: Kind>() -> String {
    K::plural(&()).into_owned()
}

/// The first field of `given` that did not survive being understood.
fn unknown_field(given: Option<&Value>, understood: Option<&Value>, path: &str) -> Option<String> {
    match (given?, understood) {
        (Value::Object(given), understood) => given.iter().find_map(|(name, value)| {
            let here = format!("{path}.{name}");
            match understood.and_then(|understood| understood.get(name)) {
                None if value.is_null() => None,
                None => Some(here),
                Some(understood) => unknown_field(Some(value), Some(understood), &here),
            }
        }),
        _ => None,
    }
}

fn files(path: &Path) -> Result<Vec<PathBuf>, ManifestError> {
    let failed = |source| ManifestError::File { path: path.to_owned(), source };
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let yaml = file.extension().is_some_and(|it| it == "yaml" || it == "yml" || it == "json");
        if yaml && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ScalrConnector;

    const CONNECTOR: &str = "
apiVersion: connectors.conductorone.com/v1alpha1
kind: ScalrConnector
metadata: {name: acme}
spec:
  account: acme
  apiTokenSecretRef: {name: token}
";

    fn manifests(text: &str) -> Result<Manifests, ManifestError> {
        let mut manifests = Manifests::default();
        manifests.add_text("test.yaml", text).map(|()| manifests)
    }

    #[test]
    fn a_file_may_hold_several_documents_and_what_is_not_ours_is_passed_over() {
        let text = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: token}}\nstringData: {{api-token: t}}\n---\n\
             apiVersion: v1\nkind: Namespace\nmetadata: {{name: other}}\n---\n{CONNECTOR}---\n"
        );
        let manifests = manifests(&text).unwrap();
        assert_eq!(manifests.connectors.len(), 1);
        assert_eq!(manifests.secrets[&("default".into(), "token".into())]["api-token"], b"t");
    }

    #[test]
    fn a_misspelt_field_is_named() {
        let text = CONNECTOR.replace("account: acme", "account: acme\n  ownr: ada@example.com");
        let error = manifests(&text).unwrap().connectors[0].connector::<ScalrConnector>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "test.yaml: ScalrConnector default/acme: unknown field spec.ownr: see kubectl explain scalrconnectors.spec"
        );
    }

    #[test]
    fn a_missing_field_is_named() {
        let text = CONNECTOR.replace("  account: acme\n", "");
        let error = manifests(&text).unwrap().connectors[0].connector::<ScalrConnector>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "test.yaml: ScalrConnector default/acme: spec: missing field `account`"
        );
    }

    #[test]
    fn what_stands_in_the_wrong_place_is_not_repeated() {
        let text = CONNECTOR.replace("{name: token}", "canary-token");
        let error = manifests(&text).unwrap().connectors[0].connector::<ScalrConnector>().unwrap_err();
        let error = error.to_string();
        assert!(
            error.starts_with("test.yaml: ScalrConnector default/acme: spec.apiTokenSecretRef: expected "),
            "{error}"
        );
        assert!(!error.contains("canary"), "{error}");
        let secret =
            "apiVersion: v1\nkind: Secret\nmetadata: {name: token}\nstringData: {api-token: 271828}\n";
        let error = manifests(secret).unwrap_err().to_string();
        assert_eq!(error, "test.yaml: Secret default/token: stringData.api-token: expected a string");
    }

    #[test]
    fn an_unknown_kind_is_answered_with_those_there_are() {
        let text = CONNECTOR.replace("ScalrConnector", "ScalarConnector");
        let error = manifests(&text).unwrap().connectors[0].unknown_kind().to_string();
        assert!(error.ends_with("v1alpha1 has ScalrConnector, PlanetScaleConnector"), "{error}");
    }

    #[test]
    fn yaml_that_is_none_is_named_by_file_and_document() {
        let error = manifests(&format!("{CONNECTOR}---\na: [")).unwrap_err().to_string();
        assert!(error.starts_with("test.yaml, document 2: "), "{error}");
    }
}
