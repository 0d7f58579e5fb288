//! This program in service mode, for a C1 made of the SDK's own types: whatever it sends is looked at by the SDK's rules,
//! and what it uploads is read by the SDK's reader.

use std::fs;
use std::path::Path;
use std::time::Duration;

use connector_simulator::{PlanetScaleConfig, PlanetScaleSimulator, ScalrConfig, ScalrSimulator};
use serde_json::{Value, json};
use testbed::Managed;

use crate::receiver::{Receiver, about};

const PROGRAM: &str = env!("CARGO_BIN_EXE_connector-operator");

/// Everything that a connector that only reads may be asked for, and what it may not.
const TASKS: &str = "hello,sync_full,sync_without_grants,none,grant,revoke,sync_resources,unknown";

/// Starts a connector for the C1 in `receiver`, with these variables and those of C1.
fn start(connector: &str, receiver: &Receiver, folder: &Path, variables: &[(&str, &str)]) -> Managed {
    let c1 = [
        ("BATON_CLIENT_ID", "client-id"),
        ("BATON_CLIENT_SECRET", "client-secret"),
        ("BATON_C1_API_HOST", "address"),
    ];
    let c1 = c1.map(|(variable, name)| (variable, receiver.published(name)));
    Managed::spawn(connector, PROGRAM.as_ref(), &folder.join("log"), |command| {
        command.arg(connector).current_dir(folder).env_clear().envs(variables.iter().copied()).envs(c1);
        command
            .env("PATH", "/usr/bin:/bin")
            .env("BATON_C1Z_TEMP_DIR", folder)
            .env("BATON_LOG_FORMAT", "console")
            .env("BATON_REQUESTS_PER_MINUTE", "0");
        command.env("BATON_CA_BUNDLE", receiver.folder().join("ca.pem"));
    })
    .unwrap()
}

fn of_scalr(receiver: &Receiver, folder: &Path, scalr: &ScalrSimulator) -> Managed {
    let (token, url) = (scalr.token(), scalr.base_url());
    let variables =
        [("BATON_SCALR_ACCOUNT", "acme"), ("BATON_SCALR_API_TOKEN", &token), ("BATON_SCALR_BASE_URL", url)];
    start("scalr", receiver, folder, &variables)
}

fn of_planetscale(receiver: &Receiver, folder: &Path, planetscale: &PlanetScaleSimulator) -> Managed {
    let (token, url) = (planetscale.token(), planetscale.base_url());
    let variables = [
        ("BATON_HOST_ID", "baton-planetscale"),
        ("BATON_PLANETSCALE_SERVICE_TOKEN", &token),
        ("BATON_PLANETSCALE_API_URL", url),
    ];
    start("planetscale", receiver, folder, &variables)
}

/// The transcript up to the end of all tasks, in which no message may break a rule.
async fn transcript(receiver: &mut Receiver, connector: &Managed) -> Vec<Value> {
    let (lines, good) = receiver.end().await;
    println!("{}\n{}", receiver.published("transcript"), fs::read_to_string(connector.log()).unwrap());
    assert!(good, "a message breaks the SDK's rules");
    lines
}

fn file<'a>(lines: &'a [Value], task: &str) -> &'a Value {
    let uploads = about(lines, "UploadAsset", task);
    assert_eq!(uploads.len(), 1, "{task} has one file");
    &uploads[0]["file"]
}

fn finished<'a>(lines: &'a [Value], task: &str) -> &'a Value {
    let ends = about(lines, "FinishTask", task);
    assert_eq!(ends.len(), 1, "{task} ends once");
    &ends[0]["finished"]
}

/// What every connector here says to [`TASKS`], whatever it reads.
fn assert_ends(lines: &[Value], host_id: &str) {
    for line in lines.iter().filter(|line| line["method"] != "token") {
        assert_eq!(line["hostId"], host_id, "{line}");
    }
    let user_agents = lines.iter().filter_map(|line| line["userAgent"].as_str());
    assert!(user_agents.into_iter().all(|it| it.starts_with("connector-operator/")));
    assert_eq!((&lines[0]["method"], &lines[1]["method"]), (&json!("token"), &json!("Hello")));
    assert_eq!(lines[1]["task"], Value::Null, "the first greeting belongs to no task");
    assert_eq!(about(lines, "Hello", "hello").len(), 1);
    for task in ["hello", "none"] {
        assert!(about(lines, "FinishTask", task).is_empty(), "{task} ends by itself");
    }
    for task in ["sync_full", "sync_without_grants", "sync_resources"] {
        assert_eq!(finished(lines, task), &json!({ "success": true }));
    }
    for (task, code) in
        [("grant", "FailedPrecondition"), ("revoke", "FailedPrecondition"), ("unknown", "Unimplemented")]
    {
        let end = finished(lines, task);
        assert_eq!((&end["success"], &end["nonRetryable"]), (&json!(false), &json!(true)), "{end}");
        assert_eq!(end["code"], code, "{end}");
        assert!(end["message"].as_str().unwrap().contains("unsupported task type"), "{end}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_scalr_connector_sends_breaks_none_of_the_sdks_rules_and_is_all_there_is() {
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let (mut receiver, folder) = (Receiver::start(TASKS).await, tempfile::tempdir().unwrap());
    let connector = of_scalr(&receiver, folder.path(), &scalr);
    let lines = transcript(&mut receiver, &connector).await;

    assert_ends(&lines, "baton-scalr");
    for (task, sync_type) in
        [("sync_full", "full"), ("sync_without_grants", "full"), ("sync_resources", "resources_only")]
    {
        let file = file(&lines, task);
        assert_eq!(file["syncType"], sync_type, "{file}");
        assert_eq!(file["engine"], "sqlite", "{file}");
        assert_eq!(file["resources"], json!({ "user": 48 }), "{file}");
        assert_eq!((&file["entitlements"], &file["grants"]), (&json!({}), &json!({})), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_planetscale_connector_sends_breaks_none_of_the_sdks_rules_and_is_all_there_is() {
    let planetscale = PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap();
    let (mut receiver, folder) = (Receiver::start(TASKS).await, tempfile::tempdir().unwrap());
    let connector = of_planetscale(&receiver, folder.path(), &planetscale);
    let lines = transcript(&mut receiver, &connector).await;

    assert_ends(&lines, "baton-planetscale");
    let there = planetscale.counts();
    let resources = json!({ "organization": there.organizations, "team": there.teams, "user": there.users });
    let entitlements = json!({ "organization": 2 * there.organizations, "team": there.teams });
    let grants = json!({ "organization": there.memberships, "team": there.team_memberships });
    for (task, sync_type, entitlements, grants) in [
        ("sync_full", "full", &entitlements, &grants),
        ("sync_without_grants", "full", &entitlements, &json!({})),
        ("sync_resources", "resources_only", &json!({}), &json!({})),
    ] {
        let file = file(&lines, task);
        assert_eq!(file["syncType"], sync_type, "{file}");
        assert_eq!(file["resources"], resources, "{file}");
        assert_eq!((&file["entitlements"], &file["grants"]), (entitlements, grants), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_of_some_types_is_whole_in_itself_and_one_of_unknown_types_is_refused() {
    let planetscale = PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap();
    let there = planetscale.counts();
    let folder = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::start_with("sync_full", &["--resource-types", "user,organization"]).await;
    let connector = of_planetscale(&receiver, folder.path(), &planetscale);
    let lines = transcript(&mut receiver, &connector).await;
    drop(connector);
    // The SDK's reader would complain about a grant of a team that is not there.
    let file = file(&lines, "sync_full");
    assert_eq!(
        file["resources"],
        json!({ "organization": there.organizations, "user": there.users }),
        "{file}"
    );
    assert_eq!(file["grants"], json!({ "organization": there.memberships }), "{file}");
    assert_eq!(finished(&lines, "sync_full"), &json!({ "success": true }));

    let mut receiver = Receiver::start_with("sync_full", &["--resource-types", "database"]).await;
    let connector = of_planetscale(&receiver, folder.path(), &planetscale);
    let lines = transcript(&mut receiver, &connector).await;
    let end = finished(&lines, "sync_full");
    assert_eq!((&end["code"], &end["nonRetryable"]), (&json!("InvalidArgument"), &json!(true)), "{end}");
    assert!(about(&lines, "UploadAsset", "sync_full").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_comes_in_pieces_and_heartbeats_meanwhile() {
    let users = 8000;
    let scalr = ScalrSimulator::start(ScalrConfig { users, ..ScalrConfig::default() }).await.unwrap();
    scalr.set_latency(Duration::from_millis(40));
    let (mut receiver, folder) = (Receiver::start("sync_full").await, tempfile::tempdir().unwrap());
    let connector = of_scalr(&receiver, folder.path(), &scalr);
    let lines = transcript(&mut receiver, &connector).await;
    assert!(!about(&lines, "Heartbeat", "sync_full").is_empty());
    let upload = about(&lines, "UploadAsset", "sync_full")[0];
    assert!(upload["chunks"].as_u64().unwrap() > 1, "{upload}");
    assert_eq!(upload["file"]["resources"], json!({ "user": users + 3 }));
    assert_eq!(finished(&lines, "sync_full"), &json!({ "success": true }));
}

fn of_method<'a>(lines: &'a [Value], method: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["method"] == method).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_renewed_before_it_expires_and_when_c1_has_ended_it_early() {
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let tasks = "none,none,none,sync_full";
    let mut receiver = Receiver::start_with(tasks, &["--token-life", "2s"]).await;
    let connector = of_scalr(&receiver, folder.path(), &scalr);
    let lines = transcript(&mut receiver, &connector).await;
    drop(connector);
    assert!(of_method(&lines, "token").len() > 1, "it was renewed");
    assert!(lines.iter().all(|line| line["refused"].is_null()), "no call came with one that had expired");
    assert_eq!(finished(&lines, "sync_full"), &json!({ "success": true }));

    let mut receiver = Receiver::start_with(tasks, &["--token-lasts", "1500ms"]).await;
    let connector = of_scalr(&receiver, folder.path(), &scalr);
    let lines = transcript(&mut receiver, &connector).await;
    let refused = lines.iter().filter(|line| line["refused"] == "the token has ended").count();
    assert!(refused > 0, "the case did not arise");
    assert_eq!(of_method(&lines, "token").len(), 1 + refused, "each is followed by a new one");
    assert_eq!(finished(&lines, "sync_full"), &json!({ "success": true }));
}
