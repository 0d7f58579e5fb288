//! Flags and variables: what is refused, with which words, and what is merely told of.

use super::place::{CANARY, Place, scalr, stderr, stdout};

#[tokio::test]
async fn what_is_missing_is_asked_for_by_its_flag_and_its_variable() {
    let said = Place::new("scalr").with("BATON_SCALR_ACCOUNT", "acme").fail(2, &[]).await;
    assert_eq!(
        said,
        "error: --scalr-api-token is not given: set it, or BATON_SCALR_API_TOKEN, to a Scalr API token that can read the \
         account's users"
    );
    let said = Place::new("planetscale").with("BATON_PLANETSCALE_API_URL", "").fail(2, &[]).await;
    assert!(
        said.contains("BATON_PLANETSCALE_SERVICE_TOKEN") && said.contains("BATON_PLANETSCALE_API_URL"),
        "{said}"
    );
}

#[tokio::test]
async fn half_of_the_credentials_for_c1_is_as_good_as_none_and_says_which_half_is_missing() {
    let scalr = scalr().await;
    let said = Place::of_scalr(&scalr).with("BATON_CLIENT_ID", "x@acme.conductor.one/pcc").fail(2, &[]).await;
    assert!(
        said.contains("--client-id is given without --client-secret: set BATON_CLIENT_SECRET too"),
        "{said}"
    );
    let said = Place::of_scalr(&scalr).with("BATON_CLIENT_SECRET", CANARY).fail(2, &[]).await;
    assert!(said.contains("--client-secret is given without --client-id"), "{said}");
    assert!(!said.contains(CANARY), "{said}");
    assert_eq!(scalr.stats().total(), 0);
}

#[tokio::test]
async fn empty_variables_count_as_not_set() {
    let scalr = scalr().await;
    let mut place = Place::of_scalr(&scalr);
    for name in [
        "BATON_CLIENT_ID",
        "BATON_CLIENT_SECRET",
        "BATON_FILE",
        "BATON_LOG_LEVEL",
        "BATON_LOG_FORMAT",
        "BATON_HEALTH_CHECK_PORT",
        "BATON_HTTP_TIMEOUT_SECONDS",
        "BATON_SKIP_GRANTS",
        "BATON_C1Z_TEMP_DIR",
        "BATON_SYNC_RESOURCE_TYPES",
        "BATON_PROVISIONING",
        "BATON_STORAGE_ENGINE",
        "BATON_REQUESTS_PER_MINUTE",
    ] {
        place = place.with(name, "");
    }
    place.succeed(&[]).await;
    assert_eq!(place.files(), ["sync.c1z"]);
}

#[tokio::test]
async fn a_resource_type_that_there_is_not_is_answered_with_those_there_are() {
    let planetscale = super::place::planetscale().await;
    let place = Place::of_planetscale(&planetscale).with("BATON_SYNC_RESOURCE_TYPES", "user,database");
    let said = place.fail(2, &[]).await;
    assert_eq!(
        said,
        "error: --sync-resource-types database: there is no such resource type; there are organization, team, user"
    );
    assert_eq!(planetscale.stats().total(), 0);
}

#[tokio::test]
async fn to_write_upstream_is_refused_and_not_to_is_fine() {
    let scalr = scalr().await;
    for (name, value) in [
        ("BATON_PROVISIONING", "true"),
        ("BATON_REVOKE_GRANT", "team:t1:member:user:u1"),
        ("BATON_TICKETING", "1"),
    ] {
        let said = Place::of_scalr(&scalr).with(name, value).fail(12, &[]).await;
        assert!(said.contains(name) && said.contains("this connector is read-only"), "{said}");
    }
    let said = Place::of_scalr(&scalr).fail(12, &["-p"]).await;
    assert!(said.contains("read-only"), "{said}");
    let said = Place::of_scalr(&scalr).fail(12, &["--sync-resources", "user-1"]).await;
    assert!(said.contains("every run reads everything"), "{said}");
    assert_eq!(scalr.stats().total(), 0);
    Place::of_scalr(&scalr).with("BATON_PROVISIONING", "false").succeed(&["--ticketing=false"]).await;
}

#[tokio::test]
async fn what_has_no_effect_and_what_may_be_misspelt_is_told_of_and_never_with_its_value() {
    let scalr = scalr().await;
    let place = Place::of_scalr(&scalr)
        .with("BATON_WORKERS", "4")
        .with("BATON_SCALR_APITOKEN", CANARY)
        .with("BATON_GITHUB_ORG", "acme");
    let output = place.succeed(&[]).await;
    let said = stderr(&output);
    assert!(said.contains("--workers (BATON_WORKERS) has no effect"), "{said}");
    assert!(
        said.contains(
            "BATON_SCALR_APITOKEN is not a variable of this command; is BATON_SCALR_API_TOKEN meant?"
        ),
        "{said}"
    );
    assert!(!said.contains("BATON_GITHUB_ORG") && !said.contains(CANARY), "{said}");
}

#[tokio::test]
async fn pebble_and_impossible_numbers_are_refused_with_the_reason() {
    let scalr = scalr().await;
    for (name, value, words) in [
        ("BATON_STORAGE_ENGINE", "pebble", "every baton"),
        ("BATON_TASK_CONCURRENCY", "101", "1..=100"),
        ("BATON_HTTP_TIMEOUT_SECONDS", "0", "1..=1800"),
        ("BATON_LOG_LEVEL", "verbose", "debug, info, warn or error"),
    ] {
        let output = Place::of_scalr(&scalr).with(name, value).run(&[]).await;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(stderr(&output).contains(words), "{name}: {output:?}");
    }
}

#[tokio::test]
async fn config_lists_every_variable_for_people_and_for_programs() {
    let place = Place::new("planetscale").with("BATON_PLANETSCALE_SERVICE_TOKEN", CANARY);
    let listed = stdout(&place.succeed(&["config"]).await);
    for words in ["BATON_PLANETSCALE_API_URL", "--c1z-temp-dir", "baton-planetscale", "BATON_TMPDIR"] {
        assert!(listed.contains(words), "{words}: {listed}");
    }
    assert!(listed.lines().all(|line| line.chars().count() <= 100), "{listed}");
    let printed = stdout(&place.succeed(&["config", "--output", "json"]).await);
    let all: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let token =
        all.as_array().unwrap().iter().find(|it| it["flag"] == "--planetscale-service-token").unwrap();
    assert_eq!((&token["required"], &token["secret"]), (&true.into(), &true.into()));
    assert!(!listed.contains(CANARY) && !printed.contains(CANARY));
}

#[tokio::test]
async fn a_full_sync_that_is_to_be_skipped_reads_nothing_and_is_no_failure() {
    let scalr = scalr().await;
    let place = Place::of_scalr(&scalr).with("BATON_SKIP_FULL_SYNC", "true");
    place.succeed(&[]).await;
    assert_eq!((scalr.stats().total(), place.files().len()), (0, 0));
}

#[tokio::test]
async fn a_ca_bundle_is_trusted_besides_the_systems_and_one_that_is_none_is_named() {
    let config = connector_simulator::ScalrConfig { tls: true, ..Default::default() };
    let scalr = connector_simulator::ScalrSimulator::start(config).await.unwrap();
    let place = Place::of_scalr(&scalr);
    let said = place.fail(14, &["--log-format", "console"]).await;
    assert!(said.contains("--ca-bundle (BATON_CA_BUNDLE)"), "{said}");

    std::fs::write(place.folder.path().join("ca.pem"), scalr.ca_pem().unwrap()).unwrap();
    let place = place.with("BATON_CA_BUNDLE", "ca.pem");
    place.succeed(&[]).await;
    std::fs::write(place.folder.path().join("ca.pem"), "no certificate").unwrap();
    let said = place.fail(3, &[]).await;
    assert!(said.contains("it holds no certificate in PEM form"), "{said}");
    let said = place.with("BATON_CA_BUNDLE", "nowhere.pem").fail(2, &[]).await;
    assert!(said.contains("--ca-bundle nowhere.pem: No such file or directory"), "{said}");
}
