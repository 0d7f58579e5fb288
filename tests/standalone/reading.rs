//! One reading: what it writes, what it prints, how it exits.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::place::{CANARY, Place, baton, planetscale, scalr, signal, stderr, stdout};

#[tokio::test]
async fn the_variables_of_the_product_pages_are_enough() {
    let (scalr, planetscale) = (scalr().await, planetscale().await);
    let place = Place::of_scalr(&scalr);
    let output = place.succeed(&[]).await;
    let lines: Vec<String> = stdout(&output).lines().map(str::to_owned).collect();
    assert_eq!(
        lines[0].split_whitespace().collect::<Vec<_>>(),
        ["STATUS", "ACCOUNT", "USERS", "GRANTS", "TOOK", "SIZE"]
    );
    assert!(lines[1].starts_with("Connected   acme      48"), "{lines:?}");
    assert_eq!(place.files(), ["sync.c1z"], "and no scratch file");
    assert_eq!(std::fs::metadata(place.file()).unwrap().permissions().mode() & 0o777, 0o600);
    let stats = baton(&place.file(), "stats").await;
    assert_eq!(stats["stats"]["resourcesByResourceType"]["user"], "48");

    let place = Place::of_planetscale(&planetscale);
    let output = place.succeed(&["--output", "json"]).await;
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let there = planetscale.counts();
    assert_eq!((&printed["connector"], &printed["status"]), (&"planetscale".into(), &"Connected".into()));
    assert_eq!(printed["counts"]["users"], there.users);
    assert_eq!(printed["counts"]["grants"], there.memberships + there.team_memberships);
    let stats = baton(&place.file(), "stats").await;
    assert_eq!(stats["stats"]["resourcesByResourceType"]["user"], there.users.to_string());
}

#[tokio::test]
async fn flags_say_the_same_as_variables_and_come_before_them() {
    let scalr = scalr().await;
    let token = scalr.token();
    let place = Place::new("scalr").with("BATON_SCALR_ACCOUNT", "another").with("BATON_FILE", "other.c1z");
    let arguments = ["--scalr-account=acme", "--scalr-api-token", &token, "--scalr-base-url"];
    place.succeed(&[&arguments[..], &[scalr.base_url(), "-f", "mine.c1z"]].concat()).await;
    assert_eq!(place.files(), ["mine.c1z"]);
}

#[tokio::test]
async fn a_refused_token_exits_with_16_and_leaves_the_older_file_as_it_was() {
    let scalr = scalr().await;
    let place = Place::of_scalr(&scalr);
    place.succeed(&[]).await;
    let before = std::fs::read(place.file()).unwrap();

    scalr.set_token("another").unwrap();
    let said = place.fail(16, &["--log-format", "console"]).await;
    let authority = scalr.base_url().strip_prefix("http://").unwrap();
    assert_eq!(
        said,
        format!(
            "error: Scalr refused the credential: GET {authority}/api/iacp/v3/accounts answered 401 Unauthorized: The \
             authentication token is absent or invalid. Create a new API token and put it into --scalr-api-token \
             (BATON_SCALR_API_TOKEN)."
        )
    );
    assert_eq!(std::fs::read(place.file()).unwrap(), before);
    assert_eq!(place.files(), ["sync.c1z"]);

    let output = place.run(&["--output", "json"]).await;
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&printed["status"], &printed["reason"]), (&"Error".into(), &"Unauthorized".into()));
    assert_eq!(output.status.code(), Some(16));
}

#[tokio::test]
async fn each_kind_of_failure_has_the_exit_code_that_the_sdk_would_exit_with() {
    let (scalr, planetscale) = (scalr().await, planetscale().await);
    let elsewhere = Place::of_scalr(&scalr).with("BATON_SCALR_BASE_URL", "http://127.0.0.1:1");
    let table = [
        (
            5,
            Place::of_scalr(&scalr).with("BATON_SCALR_ACCOUNT", "nobody"),
            "Check --scalr-account (BATON_SCALR_ACCOUNT)",
        ),
        (3, Place::of_scalr(&scalr).with("BATON_SCALR_ACCOUNT", "Acme Inc"), "is not the subdomain"),
        (3, Place::of_scalr(&scalr).with("BATON_SCALR_BASE_URL", "http://scalr.example.com"), "https://"),
        (3, Place::of_planetscale(&planetscale).with("BATON_PLANETSCALE_SERVICE_TOKEN", "abc"), "colon"),
        (
            9,
            Place::of_scalr(&scalr).with("BATON_SCALR_BASE_URL", "https://169.254.169.254"),
            "Correct --scalr-base-url (BATON_SCALR_BASE_URL).",
        ),
        (14, elsewhere, "cannot be reached"),
    ];
    for (code, place, words) in table {
        let said = place.fail(code, &["--log-format", "console"]).await;
        assert!(said.starts_with("error: ") && said.contains(words), "{said}");
        assert_eq!(place.files(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn the_token_stands_in_nothing_that_is_said_or_written_however_much_is_logged() {
    let scalr = scalr().await;
    let everything =
        Place::of_scalr(&scalr).with("BATON_LOG_LEVEL", "trace").with("BATON_LOG_PATH", "all.log");
    everything.succeed(&[]).await;
    let refused = Place::of_scalr(&scalr).with("BATON_LOG_LEVEL", "trace");
    scalr.set_token("another").unwrap();
    let output = refused.run(&[]).await;
    assert_eq!(output.status.code(), Some(16));
    let log = std::fs::read_to_string(everything.folder.path().join("all.log")).unwrap();
    assert!(log.contains("\"level\":\"TRACE\""), "everything is logged");
    for text in [log, stdout(&output), stderr(&output), stdout(&refused.run(&["--help"]).await)] {
        assert!(!text.contains(CANARY), "{text}");
    }
    let file = std::fs::read(everything.file()).unwrap();
    assert!(!file.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()));
}

#[tokio::test]
async fn stopped_in_the_middle_it_exits_with_1_at_once_and_leaves_nothing_behind() {
    for how in ["TERM", "INT"] {
        let scalr = scalr().await;
        scalr.set_latency(Duration::from_secs(30));
        let place = Place::of_scalr(&scalr).with("BATON_C1Z_TEMP_DIR", ".");
        let child = place.start(&[]);
        let deadline = Instant::now() + Duration::from_secs(60);
        while scalr.stats().in_flight == 0 {
            assert!(Instant::now() < deadline, "{:?}", scalr.stats());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        signal(&child, how).await;
        let ended = tokio::time::timeout(Duration::from_secs(10), child.wait_with_output()).await;
        let output = ended.expect("an end within seconds").unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(stderr(&output).ends_with("error: The run was cancelled.\n"), "{output:?}");
        assert_eq!(place.files(), Vec::<String>::new());
    }
}
