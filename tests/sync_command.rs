//! `connector-operator sync -f` as a person or a pipeline runs it: what it prints, what it writes, how it exits; and
//! the real `baton`, which opens what it wrote.

// Clippy takes only functions marked as tests for tests, not what they share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use connector_simulator::{PlanetScaleConfig, PlanetScaleSimulator, ScalrConfig, ScalrSimulator};
use serde_json::Value;
use testbed::tools::locate_async;
use tokio::io::AsyncWriteExt;

async fn simulators() -> (ScalrSimulator, PlanetScaleSimulator) {
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let planetscale = PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap();
    (scalr, planetscale)
}

fn scalr_manifest(scalr: &ScalrSimulator) -> String {
    format!(
        "apiVersion: connectors.conductorone.com/v1alpha1\n\
         kind: ScalrConnector\n\
         metadata: {{name: acme, namespace: identity}}\n\
         spec:\n  account: acme\n  baseUrl: {}\n  apiTokenSecretRef: {{name: scalr-acme}}\n",
        scalr.base_url()
    )
}

fn planetscale_manifest(planetscale: &PlanetScaleSimulator) -> String {
    format!(
        "apiVersion: connectors.conductorone.com/v1alpha1\n\
         kind: PlanetScaleConnector\n\
         metadata: {{name: all, namespace: identity}}\n\
         spec:\n  apiUrl: {}\n  serviceTokenSecretRef: {{name: planetscale}}\n",
        planetscale.base_url()
    )
}

fn secret(name: &str, key: &str, token: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: identity}}\n\
         stringData:\n  {key}: \"{token}\"\n"
    )
}

/// Runs `sync` with these arguments in `folder`, and with `stdin`.
async fn sync(folder: &Path, arguments: &[&str], stdin: &str) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_connector-operator"));
    command.arg("sync").args(arguments).current_dir(folder).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(stdin.as_bytes()).await.unwrap();
    drop(input);
    child.wait_with_output().await.unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The lines of a table, with blanks squeezed and without what differs from run to run.
fn table(output: &Output) -> Vec<String> {
    let words = |line: &str| {
        let all: Vec<&str> = line.split_whitespace().collect();
        let steady =
            all.iter().position(|word| word.ends_with('s') && word.contains('.')).unwrap_or(all.len());
        all[..steady].join(" ")
    };
    stdout(output).lines().map(words).collect()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn baton(file: &Path, command: &str) -> Value {
    let program = locate_async("baton").await.unwrap();
    let mut process = tokio::process::Command::new(program);
    let output = process.args([command, "-o", "json", "--file"]).arg(file).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn both_kinds_from_standard_input_are_read_and_shown_as_kubectl_would() {
    let (scalr, planetscale) = simulators().await;
    let folder = tempfile::tempdir().unwrap();
    let manifests = [
        scalr_manifest(&scalr),
        secret("scalr-acme", "api-token", &scalr.token()),
        planetscale_manifest(&planetscale),
        secret("planetscale", "service-token", &planetscale.token()),
    ]
    .join("---\n");
    let output = sync(folder.path(), &["-f", "-"], &manifests).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let there = planetscale.counts();
    assert_eq!(
        table(&output),
        [
            "NAMESPACE NAME STATUS ACCOUNT USERS GRANTS TOOK SIZE".to_owned(),
            "identity acme Connected acme 48 0".to_owned(),
            String::new(),
            "NAMESPACE NAME STATUS ORGS USERS GRANTS TOOK SIZE".to_owned(),
            format!(
                "identity all Connected 2 {} {}",
                there.users,
                there.memberships + there.team_memberships
            ),
        ]
    );
    assert_eq!(stderr(&output), "");
    let written = ["planetscaleconnector-identity-all.c1z", "scalrconnector-identity-acme.c1z"];
    assert_eq!(files(folder.path()), written, "and no scratch file");
    for name in written {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let stats = baton(&folder.path().join(written[0]), "stats").await;
    assert_eq!(stats["stats"]["resourcesByResourceType"]["user"], there.users.to_string());
    let stats = baton(&folder.path().join(written[1]), "stats").await;
    assert_eq!(stats["stats"]["resourcesByResourceType"]["user"], "48");
}

#[tokio::test]
async fn a_folder_of_manifests_gives_json_that_says_what_changed_since_the_last_time() {
    let (scalr, _) = simulators().await;
    let folder = tempfile::tempdir().unwrap();
    let manifests = folder.path().join("manifests");
    std::fs::create_dir(&manifests).unwrap();
    std::fs::write(manifests.join("acme.yaml"), scalr_manifest(&scalr)).unwrap();
    std::fs::write(manifests.join("secret.yml"), secret("scalr-acme", "api-token", &scalr.token())).unwrap();
    std::fs::write(manifests.join("README.md"), "not a manifest: [").unwrap();
    let arguments = ["-f", "manifests", "--out", "made/for/me", "--output", "json"];
    let first = sync(folder.path(), &arguments, "").await;
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    let first: Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(first[0]["changes"], Value::Null);

    scalr.disable_user("user-000003@example.com").unwrap();
    scalr.add_user(None, None).unwrap();
    let second = sync(folder.path(), &arguments, "").await;
    let second: Value = serde_json::from_slice(&second.stdout).unwrap();
    assert_eq!(second.as_array().unwrap().len(), 1);
    let result = &second[0];
    assert_eq!(result["kind"], "ScalrConnector");
    assert_eq!(result["status"], "Connected");
    assert_eq!(result["message"], "Read 49 users.");
    assert_eq!(result["counts"]["users"], 49);
    assert_eq!(result["changes"]["users"], serde_json::json!({ "added": 1, "removed": 0, "changed": 1 }));
    let uri = result["snapshot"]["uri"].as_str().unwrap();
    let file = Path::new(uri.strip_prefix("file://").unwrap());
    assert_eq!(std::fs::metadata(file).unwrap().len(), result["snapshot"]["size"].as_u64().unwrap());
    assert_eq!(baton(file, "syncs").await["syncs"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_failed_run_exits_with_1_says_why_and_leaves_the_older_file_as_it_was() {
    let (scalr, planetscale) = simulators().await;
    let folder = tempfile::tempdir().unwrap();
    let scalr_file = folder.path().join("acme.yaml");
    let text = [scalr_manifest(&scalr), secret("scalr-acme", "api-token", &scalr.token())].join("---\n");
    std::fs::write(&scalr_file, text).unwrap();
    assert!(sync(folder.path(), &["-f", "acme.yaml"], "").await.status.success());
    let snapshot = folder.path().join("scalrconnector-identity-acme.c1z");
    let before = std::fs::read(&snapshot).unwrap();

    scalr.set_token("another").unwrap();
    let good =
        [planetscale_manifest(&planetscale), secret("planetscale", "service-token", &planetscale.token())]
            .join("---\n");
    let output = sync(folder.path(), &["-f", "acme.yaml", "-f", "-"], &good).await;
    assert_eq!(output.status.code(), Some(1));
    let table = table(&output);
    assert!(table.contains(&"identity acme Error acme".to_owned()), "{table:#?}");
    assert!(table.iter().any(|line| line.starts_with("identity all Connected 2 ")), "the other is read");
    let authority = scalr.base_url().strip_prefix("http://").unwrap();
    assert_eq!(
        stderr(&output),
        format!(
            "error: ScalrConnector identity/acme: Scalr refused the credential: GET \
             {authority}/api/iacp/v3/accounts answered 401 Unauthorized: The authentication token is absent or \
             invalid. Create a new API token and put it into key api-token of Secret scalr-acme.\n"
        )
    );
    assert_eq!(std::fs::read(&snapshot).unwrap(), before);
    assert_eq!(
        files(folder.path()),
        ["acme.yaml", "planetscaleconnector-identity-all.c1z", "scalrconnector-identity-acme.c1z"]
    );
}

#[tokio::test]
async fn a_missing_secret_is_asked_for_by_name_and_key() {
    let (scalr, _) = simulators().await;
    let folder = tempfile::tempdir().unwrap();
    let output = sync(folder.path(), &["-f", "-"], &scalr_manifest(&scalr)).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(table(&output).contains(&"identity acme Pending acme".to_owned()), "{output:?}");
    assert_eq!(
        stderr(&output),
        "error: ScalrConnector identity/acme: The Secret scalr-acme of spec.apiTokenSecretRef does not exist in the \
         manifests. Create it with the Scalr API token under the key api-token.\n"
    );
    assert_eq!(files(folder.path()), Vec::<String>::new());
    assert_eq!(scalr.stats().total(), 0);
}

#[tokio::test]
async fn interrupted_it_ends_at_once_and_leaves_nothing_behind() {
    let (scalr, _) = simulators().await;
    scalr.set_latency(Duration::from_secs(30));
    let folder = tempfile::tempdir().unwrap();
    let text = [scalr_manifest(&scalr), secret("scalr-acme", "api-token", &scalr.token())].join("---\n");
    std::fs::write(folder.path().join("acme.yaml"), text).unwrap();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_connector-operator"));
    command.args(["sync", "-f", "acme.yaml"]).current_dir(folder.path()).env_clear().kill_on_drop(true);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while scalr.stats().in_flight == 0 {
        assert!(Instant::now() < deadline, "{:?}", scalr.stats());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let interrupt = ["-INT".to_owned(), child.id().unwrap().to_string()];
    assert!(tokio::process::Command::new("kill").args(interrupt).status().await.unwrap().success());
    let ended = tokio::time::timeout(Duration::from_secs(10), child.wait_with_output()).await;
    let output = ended.expect("an end within seconds").unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(stderr(&output), "error: ScalrConnector identity/acme: The run was cancelled.\n");
    assert_eq!(files(folder.path()), ["acme.yaml"]);
}

#[tokio::test]
async fn manifests_that_cannot_be_meant_are_refused_before_anybody_is_asked() {
    let (scalr, _) = simulators().await;
    let folder = tempfile::tempdir().unwrap();
    let good = scalr_manifest(&scalr);
    let table = [
        (
            good.replace("baseUrl:", "baseURL:"),
            "standard input: ScalrConnector identity/acme: unknown field spec.baseURL: see kubectl explain \
             scalrconnectors.spec",
        ),
        (
            good.replace("ScalrConnector", "ScalrConector"),
            "standard input: ScalrConector identity/acme: unknown kind; connectors.conductorone.com v1alpha1 has \
             ScalrConnector, PlanetScaleConnector",
        ),
        (
            good.replace("  account: acme\n", ""),
            "standard input: ScalrConnector identity/acme: spec: missing field `account`",
        ),
        (
            "kind: Namespace\napiVersion: v1\n".to_owned(),
            "no connector was found in -: expected a document with apiVersion connectors.conductorone.com/v1alpha1",
        ),
    ];
    for (manifests, problem) in table {
        let output = sync(folder.path(), &["-f", "-"], &manifests).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(stderr(&output), format!("error: {problem}\n"));
        assert_eq!(stdout(&output), "");
    }
    let output = sync(folder.path(), &["-f", "nowhere.yaml"], "").await;
    assert_eq!(
        stderr(&output),
        "error: nowhere.yaml: No such file or directory (os error 2); name a YAML file, a folder of them, or - for standard input\n"
    );
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(scalr.stats().total(), 0);
}

#[tokio::test]
async fn the_rate_of_requests_is_bounded_as_the_flag_says() {
    let config = ScalrConfig { users: 500, service_accounts: 1, ..ScalrConfig::default() };
    let scalr = ScalrSimulator::start(config).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let manifests = [scalr_manifest(&scalr), secret("scalr-acme", "api-token", &scalr.token())].join("---\n");
    let begun = std::time::Instant::now();
    let output = sync(folder.path(), &["-f", "-", "--requests-per-minute", "30"], &manifests).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(scalr.stats().total(), 7);
    assert!(begun.elapsed() >= Duration::from_secs(2), "the seventh request goes 2 s after a burst of six");
}
