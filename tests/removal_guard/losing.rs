//! The store is lost, in whole or in part: that is never a first run.

use std::fs;
use std::path::Path;

use connector_operator::access::guard::{Scoping, Why};
use connector_operator::sync::Ended;

use super::truth::{ROLES, Truth};
use super::world::World;

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
        assert_eq!(published.changes, None, "{what}");
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
                 users. Nothing was published. Restore the snapshots, or, if this is right, set the annotation \
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

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}
