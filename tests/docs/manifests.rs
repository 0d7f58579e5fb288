//! The YAML of the pages: Kubernetes takes it, Helm renders with it, and what is for Flux or Argo CD is as the files that it is
//! copied from.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::{ControlPlane, tools};

use crate::pages::{Block, Page, ROOT, all, one};

const OURS: &str = "connectors.conductorone.com/v1alpha1";

impl Block {
    /// The file that it is, where its first line says so: `# acme.yaml`, or `# acme.yaml, values of …`.
    pub(crate) fn file(&self) -> Option<String> {
        let first = self.text.lines().next()?.strip_prefix("# ")?;
        let name = first.split([',', ' ']).next()?;
        (self.is_yaml() && name.ends_with(".yaml")).then(|| name.to_owned())
    }

    fn is_yaml(&self) -> bool {
        self.language == "yaml"
    }

    fn documents(&self) -> Vec<Value> {
        let documents = serde_yaml::Deserializer::from_str(&self.text);
        let parsed = documents
            .map(|it| Value::deserialize(it).unwrap_or_else(|error| panic!("{}: {error}", self.place)));
        parsed.filter(|document| !document.is_null()).collect()
    }
}

/// What a block of YAML is for.
#[derive(Debug, PartialEq, Eq)]
enum For {
    /// Objects for the API server.
    Kubernetes,
    /// A part of a connector's spec.
    Connector,
    /// Values of the chart in this folder.
    Helm(String),
    /// A kustomization, or what one is made of.
    Kustomize,
    /// What Flux or Argo CD reads.
    GitOps,
    /// Docker's.
    Compose,
}

fn purpose(page: &Page, block: &Block) -> Option<For> {
    let comment = block.text.lines().next().unwrap_or_default();
    if let Some((_, chart)) = comment.split_once("values of ") {
        return Some(For::Helm(chart.trim().to_owned()));
    }
    if comment == "# values.yaml" {
        return Some(For::Helm(page.path.parent()?.display().to_string()));
    }
    if block.file().is_some_and(|file| file.starts_with("access/")) {
        return Some(For::Kustomize);
    }
    let documents = block.documents();
    let versions: Vec<&str> = documents.iter().filter_map(|it| it["apiVersion"].as_str()).collect();
    if versions.len() < documents.len() {
        let [only] = documents.as_slice() else { return None };
        return match only.as_object()?.keys().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["spec"] => Some(For::Connector),
            ["services"] => Some(For::Compose),
            _ => None,
        };
    }
    let is_gitops =
        |version: &&str| version.contains(".toolkit.fluxcd.io/") || version.starts_with("argoproj.io/");
    Some(if versions.iter().any(is_gitops) { For::GitOps } else { For::Kubernetes })
}

fn blocks() -> Vec<(For, Block)> {
    let mut blocks = Vec::new();
    for page in all() {
        for block in page.blocks().into_iter().filter(Block::is_yaml) {
            let purpose =
                purpose(&page, &block).unwrap_or_else(|| panic!("{}: what is this YAML for?", block.place));
            blocks.push((purpose, block));
        }
    }
    blocks
}

/// A control plane with the kinds, and the namespaces that pages name.
struct Cluster {
    control_plane: ControlPlane,
}

impl Cluster {
    async fn start() -> Self {
        let cluster = Self { control_plane: ControlPlane::start().await.unwrap() };
        cluster.kubectl(&["apply", "--server-side", "-f", &format!("{ROOT}/crds")], None).await.unwrap();
        let established = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"];
        cluster.kubectl(&established, None).await.unwrap();
        for namespace in ["identity", "connector-system"] {
            cluster.kubectl(&["create", "namespace", namespace], None).await.unwrap();
        }
        cluster
    }

    /// Runs `kubectl`; what it says where it fails, and where it warns a person of something.
    async fn kubectl(&self, arguments: &[&str], stdin: Option<&str>) -> Result<(), String> {
        let output = self.control_plane.kubectl(arguments, stdin).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() && !said.contains("Warning:") { Ok(()) } else { Err(said) }
    }

    /// Applies `objects` as a person would, twice, and takes them away.
    async fn take(&self, objects: &str) -> Result<(), String> {
        // What says no namespace is for one that its page names.
        let namespace = if objects.contains("namespace: ") { vec![] } else { vec!["-n", "identity"] };
        let with = |arguments: &[&'static str]| [arguments, &namespace].concat();
        self.kubectl(&with(&["apply", "--validate=strict", "-f", "-"]), Some(objects)).await?;
        self.kubectl(
            &with(&["apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-"]),
            Some(objects),
        )
        .await?;
        self.kubectl(&with(&["delete", "--wait=false", "-f", "-"]), Some(objects)).await
    }
}

#[tokio::test]
async fn the_api_server_takes_every_object_of_the_pages() {
    let cluster = Cluster::start().await;
    let (mut taken, mut refused) = (0, Vec::new());
    for (purpose, block) in blocks() {
        let objects = match purpose {
            For::Kubernetes => block.text.clone(),
            For::Connector => with_the_rest(&block),
            _ => continue,
        };
        taken += 1;
        if let Err(said) = cluster.take(&objects).await {
            refused.push(format!("{}: {said}", block.place));
        }
    }
    println!("{taken} blocks taken");
    assert_eq!(refused, Vec::<String>::new());
    assert!(taken > 7, "{taken}");
    let wrong = json!({ "apiVersion": OURS, "kind": "ScalrConnector", "metadata": { "name": "acme" }, "spec": { "acount": "acme" } });
    assert!(cluster.take(&wrong.to_string()).await.unwrap_err().contains("acount"));
}

#[tokio::test]
async fn the_api_server_takes_the_examples_of_the_chart() {
    let chart = fs::read_to_string(format!("{ROOT}/charts/connector-operator/Chart.yaml")).unwrap();
    let chart: Value = serde_yaml::from_str(&chart).unwrap();
    let examples = chart["annotations"]["artifacthub.io/crdsExamples"].as_str().unwrap();
    let examples: Vec<Value> = serde_yaml::from_str(examples).unwrap();
    assert_eq!(examples.len(), 2);
    let cluster = Cluster::start().await;
    for example in examples {
        cluster
            .kubectl(&["apply", "--validate=strict", "-f", "-"], Some(&example.to_string()))
            .await
            .unwrap();
    }
}

/// A whole connector that says what the block says, and what is required besides.
fn with_the_rest(block: &Block) -> String {
    let mut connector = json!({
        "apiVersion": OURS, "kind": "ScalrConnector", "metadata": { "name": "part" },
        "spec": { "account": "acme", "apiTokenSecretRef": { "name": "scalr-acme" } },
    });
    let part = block.documents().remove(0);
    let spec = connector["spec"].as_object_mut().unwrap();
    spec.extend(part["spec"].as_object().unwrap().clone());
    connector.to_string()
}

#[tokio::test]
async fn helm_renders_with_all_values_of_the_pages_and_their_schemas_take_them() {
    let helm = tools::locate_async("helm").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut rendered = 0;
    for (purpose, block) in blocks() {
        let For::Helm(chart) = purpose else { continue };
        let values = folder.path().join("values.yaml");
        fs::write(&values, &block.text).unwrap();
        let output = tokio::process::Command::new(&helm)
            .args(["template", "documented", &chart, "--namespace", "identity", "--values"])
            .arg(&values)
            .current_dir(ROOT)
            .env("HELM_CACHE_HOME", folder.path())
            .env("HELM_CONFIG_HOME", folder.path())
            .env("HELM_DATA_HOME", folder.path())
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{}: {}", block.place, String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout.len() > 200, "{}: nothing is rendered", block.place);
        rendered += 1;
    }
    println!("{rendered} blocks rendered");
    assert!(rendered > 2, "{rendered}");
}

#[tokio::test]
async fn the_overlays_of_the_page_on_kustomize_are_applied_as_it_says() {
    let (folder, files) = written("docs/getting-started/kustomize.md");
    assert_eq!(files.len(), 3);
    let cluster = Cluster::start().await;
    let overlay = |name: &str| folder.path().join(name).display().to_string();
    cluster.kubectl(&["apply", "--server-side", "-k", &overlay("access/operator")], None).await.unwrap();
    cluster.kubectl(&["apply", "-k", &overlay("access/connectors")], None).await.unwrap();
    let jsonpath = "jsonpath={.spec.template.spec.containers[0]['image','args']}";
    let get = ["get", "deployment", "connector-operator", "-n", "connector-system", "-o", jsonpath];
    let output = cluster.control_plane.kubectl(&get, None).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("registry.corp.example/connector-operator:0.1.0"), "{said}");
    assert!(said.contains("--default-interval=2h"), "{said}");
    assert_understood(&said);
}

/// The operator understands the arguments in the JSON at the end of `said`, and ends only for want of a cluster.
fn assert_understood(said: &str) {
    let arguments: Vec<String> = serde_json::from_str(&said[said.find('[').unwrap()..]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_connector-operator"))
        .args(&arguments)
        .args(["--listen=127.0.0.1:0", "--snapshot-listen=127.0.0.1:0"])
        .arg(format!("--snapshot-dir={}", folder.path().display()))
        .arg(format!("--scratch-dir={}", folder.path().display()))
        .env("KUBECONFIG", "/nowhere")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("error: no Kubernetes API server: "), "{said}");
}

/// The files that a page has, in a folder beside this repository.
fn written(page: &str) -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(ROOT, folder.path().join("connector-operator")).unwrap();
    let files = one(page).blocks().into_iter().filter_map(|block| {
        let path = folder.path().join(block.file()?);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &block.text).unwrap();
        Some(path)
    });
    let files = files.collect();
    (folder, files)
}

#[test]
fn what_pages_show_for_flux_and_argo_cd_is_what_the_files_say() {
    let mut objects = Vec::new();
    for file in ["flux/operator.yaml", "flux/connectors.yaml", "argocd/applications.yaml"] {
        let text = fs::read_to_string(Path::new(ROOT).join("deploy/gitops").join(file)).unwrap();
        objects.extend(serde_yaml::Deserializer::from_str(&text).map(|it| Value::deserialize(it).unwrap()));
    }
    let mut compared = 0;
    for (purpose, block) in blocks() {
        if purpose != For::GitOps {
            continue;
        }
        for shown in block.documents() {
            let same = |it: &&Value| {
                it["kind"] == shown["kind"] && it["metadata"]["name"] == shown["metadata"]["name"]
            };
            let whole =
                objects.iter().find(same).unwrap_or_else(|| panic!("{}: no file has it", block.place));
            assert_eq!(beyond(&shown, whole, ""), None, "{}", block.place);
            compared += 1;
        }
    }
    assert!(compared > 2, "{compared}");
}

/// The first thing that `part` says and `whole` does not. Of a list, a part may leave out what it likes.
fn beyond(part: &Value, whole: &Value, path: &str) -> Option<String> {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part.iter().find_map(|(name, value)| {
            let path = format!("{path}.{name}");
            whole.get(name).map_or_else(|| Some(path.clone()), |whole| beyond(value, whole, &path))
        }),
        (Value::Array(part), Value::Array(whole)) => {
            let is_there = |it: &&Value| whole.iter().any(|whole| beyond(it, whole, path).is_none());
            part.iter().find(|it| !is_there(it)).map(|it| format!("{path}: {it}"))
        }
        (part, whole) => (part != whole).then(|| path.to_owned()),
    }
}

#[test]
fn a_part_that_says_more_than_the_whole_is_found() {
    let whole = json!({ "a": { "b": 1, "c": 2 }, "l": [{ "n": 1, "m": 2 }] });
    assert_eq!(beyond(&json!({ "a": { "b": 1 }, "l": [{ "n": 1 }] }), &whole, ""), None);
    assert_eq!(beyond(&json!({ "a": { "b": 2 } }), &whole, "").unwrap(), ".a.b");
    assert_eq!(beyond(&json!({ "l": [{ "n": 2 }] }), &whole, "").unwrap(), r#".l: {"n":2}"#);
}
