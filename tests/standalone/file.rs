//! The file: how many runs it keeps, what of them, and where there is room to write it.

use serde_json::Value;

use super::place::{Place, baton, planetscale, scalr, stderr, stdout};

async fn runs(place: &Place) -> usize {
    baton(&place.file(), "syncs").await["syncs"].as_array().unwrap().len()
}

#[tokio::test]
async fn after_two_runs_baton_shows_what_changed_and_a_third_takes_the_place_of_the_first() {
    let scalr = scalr().await;
    let place = Place::of_scalr(&scalr);
    place.succeed(&[]).await;
    assert_eq!(runs(&place).await, 1);

    scalr.add_user(Some("ada@example.com"), Some("Ada")).unwrap();
    let printed = place.succeed(&["--output", "json"]).await;
    let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(printed["changes"]["users"]["added"], 1);
    assert_eq!(runs(&place).await, 2);
    let difference = baton(&place.file(), "diff").await;
    assert_eq!(difference["resources"]["created"].as_array().unwrap().len(), 1, "{difference}");

    place.succeed(&[]).await;
    assert_eq!(runs(&place).await, 2);
    let difference = baton(&place.file(), "diff").await;
    assert_eq!(difference["resources"]["created"], Value::Null, "{difference}");
    assert_eq!(place.files(), ["sync.c1z"]);

    let alone = place.with("BATON_KEEP_SYNC_COUNT", "1");
    alone.succeed(&[]).await;
    assert_eq!(runs(&alone).await, 1);
}

#[tokio::test]
async fn what_is_no_snapshot_is_replaced_and_told_of() {
    let scalr = scalr().await;
    let place = Place::of_scalr(&scalr);
    std::fs::write(place.file(), b"something else").unwrap();
    let output = place.succeed(&[]).await;
    assert!(stderr(&output).contains("is not a .c1z file"), "{output:?}");
    assert_eq!(runs(&place).await, 1);
}

/// Even a superuser makes no file in `/proc`.
const READ_ONLY: &str = "/proc";

#[tokio::test]
async fn on_a_read_only_root_filesystem_one_writable_folder_is_enough() {
    let scalr = scalr().await;
    let place = Place::of_scalr(&scalr).run_in(READ_ONLY).with("TMPDIR", READ_ONLY);
    let said = place.fail(13, &[]).await;
    assert!(said.contains("the folder . of --file sync.c1z cannot be written to"), "{said}");
    assert!(said.contains("BATON_FILE"), "{said}");
    assert_eq!(scalr.stats().total(), 0, "nobody is asked in vain");

    let file = place.file().display().to_string();
    place.succeed(&["--file", &file]).await;
    assert_eq!(place.files(), ["sync.c1z"]);
}

#[tokio::test]
async fn scratch_files_go_where_it_is_said_even_to_another_filesystem() {
    let scalr = scalr().await;
    let scratch = tempfile::tempdir_in("/dev/shm").unwrap();
    let named = scratch.path().display().to_string();
    for variable in ["BATON_C1Z_TEMP_DIR", "BATON_TMPDIR"] {
        let place = Place::of_scalr(&scalr).with(variable, &named).with("TMPDIR", READ_ONLY);
        place.succeed(&[]).await;
        place.succeed(&[]).await;
        assert_eq!(runs(&place).await, 2);
    }
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
    let said = Place::of_scalr(&scalr).with("BATON_C1Z_TEMP_DIR", "/nowhere").fail(2, &[]).await;
    assert!(said.contains("--c1z-temp-dir /nowhere: No such file or directory"), "{said}");
}

#[tokio::test]
async fn filters_shape_what_is_written_and_what_is_told_of_it() {
    let planetscale = planetscale().await;
    let place = Place::of_planetscale(&planetscale);
    place.succeed(&["--skip-grants"]).await;
    let stats = baton(&place.file(), "stats").await;
    assert_eq!(stats["stats"]["grantCount"], Value::Null, "{stats}");

    let place = Place::of_planetscale(&planetscale).with("BATON_SYNC_RESOURCE_TYPES", "user");
    let output = place.succeed(&["--output", "json", "--skip-entitlements-and-grants"]).await;
    let printed: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(printed["counts"], serde_json::json!({ "users": planetscale.counts().users }));
}
