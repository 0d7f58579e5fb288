//! The store is lost, in whole or in part: that is never a first run.

use std::fs;
use std::path::Path;

use connector_operator::access::guard::{Scoping, Why};
use connector_operator::api::Reason;
use connector_operator::sync::Ended;
use sha2::{Digest, Sha256};

use super::truth::{ROLES, Truth};
use super::world::{Listing, World};

type Loss = (&'static str, fn(&World));

const LOSSES: [Loss; 3] = [
    ("the store", World::lose_the_store),
    ("latest.json", World::damage_the_pointer),
    ("the snapshot", World::lose_the_snapshot),
];

#[tokio::test]
async fn nothing_less_than_is_remembered_is_published_at_once() {
    for (what, lose) in LOSSES {
        let mut it = World::new(ROLES, Truth::of(10));
        it.publishes(None).await;
        lose(&it);
        it.now(Truth::of(11));
        let published = it.publishes(None).await;
        assert_eq!(published.news, None, "{what}");
        assert_eq!(it.published().unwrap(), Truth::of(11).ids(ROLES), "{what}");
        // And it is the baseline from now on.
        it.now(Truth::of(11).without([1]));
        it.publishes(None).await;
    }
}

#[tokio::test]
async fn a_single_one_less_is_held_until_it_is_approved() {
    for (what, lose) in LOSSES {
        let mut it = World::new(Scoping::Users, Truth::of(10));
        it.publishes(None).await;
        lose(&it);
        it.now(Truth::of(9));
        let held = it.holds(None).await;
        let removal = &held.removals[0];
        assert_eq!((removal.before, removal.removed, removal.why), (10, 1, Why::BaselineLost), "{what}");
        assert_eq!(
            held.message,
            format!(
                "The snapshot published last is lost, and there are fewer than is remembered of it: 9 instead of 10 \
                 enabled users; 9 instead of 10 users. Nothing was published. If this is wrong, restore the snapshots; if it is right, set the annotation \
                 connectors.conductorone.com/acceptRemovals to {}.",
                held.id
            )
        );
        assert!(it.held().unwrap().ends_with("\n- users 1\n"), "{what}");
        assert_eq!(it.holds(None).await.id, held.id);
        it.now(Truth::of(8));
        let two = it.holds(Some(&held.id)).await;
        assert_ne!(two.id, held.id, "one more is another hold");
        it.now(Truth::of(9));
        it.publishes(Some(&two.id)).await;
        assert_eq!(it.published().unwrap().len(), 9, "one of two is within what was approved");
    }
}

#[tokio::test]
async fn without_a_status_latest_json_remembers() {
    let mut it = World::new(Scoping::Users, Truth::of(10));
    it.publishes(None).await;
    it.status = None;
    it.lose_the_snapshot();
    it.now(Truth { account: "acc-2", ..Truth::of(10) });
    assert_eq!(it.holds(None).await.removals[0].why, Why::AnotherAccount);
    it.now(Truth::of(9));
    assert_eq!(it.holds(None).await.removals[0].before, 10);
    it.now(Truth::of(10));
    it.publishes(None).await;
}

#[tokio::test]
async fn where_nothing_at_all_is_remembered_everything_is_held_once() {
    let mut it = World::new(Scoping::Users, Truth::of(10));
    it.publishes(None).await;
    it.status = None;
    it.damage_the_pointer();
    it.now(Truth::of(20));
    let held = it.holds(None).await;
    assert!(held.message.contains("nothing is known of all that was published"), "{}", held.message);
    assert!(
        it.held().unwrap().ends_with("\n# account acc-1\n+ enabled users 20\n+ users 20\n"),
        "{:?}",
        it.held()
    );
    it.now(Truth::of(1));
    let one = it.holds(Some(&held.id)).await;
    assert_ne!(one.id, held.id, "nobody has approved of so few");
    it.now(Truth::of(20));
    assert_eq!(it.holds(None).await.id, held.id);
    it.now(Truth { account: "acc-2", ..Truth::of(20) });
    assert_ne!(it.holds(Some(&held.id)).await.id, held.id, "nor of another account");
    it.now(Truth::of(20));
    it.holds(None).await;
    it.now(Truth::of(21));
    it.publishes(Some(&held.id)).await;
    it.status = None;
    it.damage_the_pointer();
    assert_ne!(it.holds(Some(&held.id)).await.id, held.id, "another loss is another matter");
}

#[tokio::test]
async fn a_store_older_than_the_status_is_lost_and_one_newer_is_the_truth() {
    let mut it = World::new(Scoping::Users, Truth::of(10));
    it.publishes(None).await;
    let backup = it.scratch().join("backup");
    copy(&it.own_folder(), &backup);
    it.now(Truth::of(20));
    it.publishes(None).await;
    it.lose_the_store();
    copy(&backup, &it.own_folder());
    it.now(Truth::of(19));
    let held = it.holds(None).await;
    assert_eq!((held.removals[0].before, held.removals[0].why), (20, Why::BaselineLost));
    it.publishes(Some(&held.id)).await;

    // Published, but the status does not know.
    it.now(Truth::of(40));
    assert!(matches!(it.run_unnoticed(None).await, Ok(Ended::Published(_))));
    it.now(Truth::of(21));
    let held = it.holds(None).await;
    assert_eq!((held.removals[0].before, held.removals[0].why), (40, Why::TooMany));
}

#[tokio::test]
async fn everybody_disabled_is_held_although_they_are_as_many_as_before() {
    for (what, lose) in LOSSES {
        let mut it = World::new(Scoping::Users, Truth::of(10));
        it.publishes(None).await;
        lose(&it);
        let mut truth = Truth::of(10);
        truth.users.values_mut().for_each(|enabled| *enabled = false);
        it.now(truth);
        let held = it.holds(None).await;
        let removal = &held.removals[0];
        assert_eq!((removal.scope.as_str(), removal.removed), ("enabled users", 10), "{what}");
    }
}

#[tokio::test]
async fn what_cannot_be_compared_is_read_until_two_readings_show_the_same() {
    for (what, lose) in LOSSES {
        let mut it = World::new(ROLES, Truth::of(10));
        it.publishes(None).await;
        it.requests();
        lose(&it);
        // As many as there should be, but not those.
        it.shows([Listing::Shows(Truth::of(11).without([3]))]);
        it.publishes(None).await;
        assert_eq!(it.requests(), (3, vec![]), "{what}");
        assert_eq!(it.published().unwrap(), Truth::of(10).ids(ROLES), "{what}");

        lose(&it);
        it.shows([1, 2, 3].map(|user| Listing::Shows(Truth::of(11).without([user]))));
        let failure = it.fails().await;
        assert_eq!(failure.reason, Reason::ListingChanged);
        assert!(
            failure.message.contains("no two of up to 3 readings show the same users"),
            "{}",
            failure.message
        );
    }
}

#[tokio::test]
async fn a_status_that_lags_behind_a_damaged_pointer_remembers_too_little() {
    let damages: [Loss; 2] = [
        ("damaged", World::damage_the_pointer),
        ("gone", |it| fs::remove_file(it.own_folder().join("latest.json")).unwrap()),
    ];
    for (what, damage) in damages {
        let mut it = World::new(Scoping::Users, Truth::of(10));
        it.publishes(None).await;
        it.now(Truth::of(40));
        assert!(matches!(it.run_unnoticed(None).await, Ok(Ended::Published(_))));
        damage(&it);
        it.now(Truth::of(11));
        let held = it.holds(None).await;
        assert!(
            held.message.contains("nothing is known of all that was published"),
            "{what}: {}",
            held.message
        );
        it.publishes(Some(&held.id)).await;
    }
}

#[tokio::test]
async fn snapshots_without_a_pointer_and_a_status_are_no_first_run() {
    let mut it = World::new(Scoping::Users, Truth::of(10));
    it.publishes(None).await;
    it.status = None;
    fs::remove_file(it.own_folder().join("latest.json")).unwrap();
    let held = it.holds(None).await;
    it.publishes(Some(&held.id)).await;
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_understood_is_lost() {
    for damage in ["update v1_resources set data = x'ff'", "drop table v1_grants"] {
        let mut it = World::new(Scoping::Users, Truth::of(10));
        it.publishes(None).await;
        rewrite_the_snapshot(&it, damage);
        it.now(Truth::of(9));
        let held = it.holds(None).await;
        assert_eq!(held.removals[0].why, Why::BaselineLost, "{damage}");
        it.now(Truth::of(10));
        it.publishes(None).await;
        it.publishes(None).await;
    }
}

#[tokio::test]
async fn the_status_knows_the_account_where_latest_json_does_not() {
    let mut it = World::new(Scoping::Users, Truth::of(10));
    it.publishes(None).await;
    change_the_pointer(&it, |latest| drop(latest.as_object_mut().unwrap().remove("accountId")));
    it.now(Truth { account: "acc-2", ..Truth::of(10) });
    assert_eq!(it.holds(None).await.removals[0].why, Why::AnotherAccount);
}

fn change_the_pointer(it: &World, change: impl FnOnce(&mut serde_json::Value)) {
    let path = it.own_folder().join("latest.json");
    let mut latest = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut latest);
    fs::write(&path, latest.to_string()).unwrap();
}

/// Changes the database inside the snapshot, as if it had been published so.
fn rewrite_the_snapshot(it: &World, sql: &str) {
    const HEADER: usize = 5;
    let path = it.store().path(&it.owner, &it.store().latest(&it.owner).unwrap().unwrap().id);
    let packed = fs::read(&path).unwrap();
    let database = it.scratch().join("database");
    fs::write(&database, zstd::decode_all(&packed[HEADER..]).unwrap()).unwrap();
    rusqlite::Connection::open(&database).unwrap().execute_batch(sql).unwrap();
    let repacked =
        [&packed[..HEADER], &zstd::encode_all(&*fs::read(&database).unwrap(), 1).unwrap()].concat();
    fs::remove_file(&database).unwrap();
    fs::write(&path, &repacked).unwrap();
    let digest: String = Sha256::digest(&repacked).iter().map(|byte| format!("{byte:02x}")).collect();
    change_the_pointer(it, |latest| latest["digest"] = digest.into());
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}
