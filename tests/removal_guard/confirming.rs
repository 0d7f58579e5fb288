//! What disappeared is confirmed before it counts as gone, and a listing that drifts is read again.

use std::time::Duration;

use connector_operator::access::guard::Scoping;
use connector_operator::api::Reason;
use connector_operator::sync::{Ended, run};
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

use super::truth::{ROLES, Truth};
use super::world::{Listing, Lookup, World};

async fn published(scoping: Scoping, truth: Truth) -> World {
    let mut it = World::new(scoping, truth);
    it.publishes(None).await;
    it.requests();
    it
}

#[tokio::test]
async fn where_nothing_is_missing_nothing_more_is_asked() {
    let mut it = published(ROLES, Truth::of(10)).await;
    let mut more = Truth::of(12);
    more.users.insert(1, false);
    it.now(more);
    it.publishes(None).await;
    assert_eq!(it.requests(), (1, vec![]));
}

#[tokio::test]
async fn whoever_is_really_gone_is_looked_up_once() {
    let mut it = published(ROLES, Truth::of(10)).await;
    it.now(Truth::of(10).without([3]));
    it.publishes(None).await;
    assert_eq!(it.requests(), (1, vec![3]), "the user, the role and the membership");
}

#[tokio::test]
async fn whoever_is_found_again_was_left_out_by_the_listing_which_is_read_again() {
    let mut it = published(ROLES, Truth::of(10)).await;
    it.shows([Listing::Shows(Truth::of(10).without([3]))]);
    it.publishes(None).await;
    assert_eq!(it.requests(), (2, vec![3]));
    assert_eq!(it.published().unwrap(), Truth::of(10).ids(ROLES));
}

#[tokio::test]
async fn a_changed_role_is_no_lie() {
    let mut it = published(ROLES, Truth::of(10)).await;
    let mut truth = Truth::of(10);
    truth.organizations.get_mut(&1).unwrap().roles.insert(5, "admin");
    it.now(truth.clone());
    it.publishes(None).await;
    assert_eq!(it.requests(), (1, vec![1]), "the former role");
    assert_eq!(it.published().unwrap(), truth.ids(ROLES));
}

#[tokio::test]
async fn a_listing_that_keeps_lying_fails_the_run_and_says_so() {
    let mut it = published(ROLES, Truth::of(10)).await;
    let before = it.published();
    it.shows((0..9).map(|_| Listing::Shows(Truth::of(10).without([3]))));
    let failure = it.fails().await;
    assert_eq!(failure.reason, Reason::ListingChanged);
    assert_eq!(
        failure.message,
        "The listing of the account changed while it was read: 3 users, grants or other records that were published \
         are missing from it, and 3 that belong there are found when they are asked for one by one. It is \
         tried again. What was published before stays."
    );
    assert_eq!(it.requests(), (3, vec![3, 3, 3]), "the same lie twice is still a lie");
    assert_eq!(it.published(), before);
}

#[tokio::test]
async fn what_cannot_be_looked_up_has_to_be_missing_twice() {
    let mut it = published(ROLES, Truth::of(10)).await;
    it.lookup(Lookup::Impossible);
    it.now(Truth::of(10).without([3]));
    it.publishes(None).await;
    assert_eq!(it.requests(), (2, vec![3]));

    it.now(Truth::of(10).without([3, 4]));
    it.shows([Listing::Shows(Truth::of(10).without([3, 5]))]);
    it.publishes(None).await;
    assert_eq!(it.requests().0, 3, "the first one lied, the others agree");
    assert_eq!(it.published().unwrap(), Truth::of(10).without([3, 4]).ids(ROLES));
}

#[tokio::test]
async fn three_readings_that_disagree_fail_the_run_and_say_so() {
    let mut it = published(ROLES, Truth::of(10)).await;
    it.lookup(Lookup::Impossible);
    it.shows([3, 4, 5].map(|user| Listing::Shows(Truth::of(10).without([user]))));
    let failure = it.fails().await;
    assert_eq!(
        failure.message,
        "The listing of the account changed while it was read: 3 users, grants or other records that were published \
         are missing, and no two of up to 3 readings miss the same. It is tried again. What was published before stays."
    );
    assert_eq!(it.published().unwrap().len(), Truth::of(10).ids(ROLES).len());
}

#[tokio::test]
async fn more_than_a_hundred_are_not_looked_up_but_read_again() {
    let mut it = published(Scoping::Users, Truth::of(1000)).await;
    it.now(Truth::of(900));
    it.publishes(None).await;
    assert_eq!(it.requests(), (1, vec![100]));
    it.now(Truth::of(799));
    it.publishes(None).await;
    assert_eq!(it.requests(), (2, vec![]));
    // A lie of that size is found out by the second reading, and then nothing is missing.
    it.shows([Listing::Shows(Truth::of(10))]);
    it.publishes(None).await;
    assert_eq!(it.requests(), (2, vec![]));
    assert_eq!(it.published().unwrap().len(), 799);
}

#[tokio::test]
async fn a_listing_that_drifts_is_read_again_three_readings_in_all() {
    let mut it = published(Scoping::Users, Truth::of(10)).await;
    it.shows([Listing::Drifts, Listing::Drifts]);
    it.publishes(None).await;
    it.shows([Listing::Drifts, Listing::Drifts, Listing::Drifts]);
    let failure = it.fails().await;
    assert_eq!(
        failure.message,
        "The listing of the users changed while it was read: there were 7, and there are 8. It is tried again. What was \
         published before stays."
    );
    // Both kinds of a second look share the three.
    it.requests();
    it.lookup(Lookup::Impossible);
    it.now(Truth::of(9));
    it.shows([Listing::Drifts]);
    it.publishes(None).await;
    it.now(Truth::of(8));
    it.shows([Listing::Drifts, Listing::Drifts]);
    assert_eq!(it.fails().await.reason, Reason::ListingChanged);
    assert_eq!(it.requests().0, 3);
    // A drift in between takes nothing from what the first reading lacked.
    it.shows([Listing::Shows(Truth::of(8)), Listing::Drifts]);
    it.publishes(None).await;
}

#[tokio::test]
async fn each_reading_is_shown_by_a_progress_of_its_own() {
    let mut it = published(Scoping::Users, Truth::of(250)).await;
    it.shows([Listing::Shows(Truth::of(240))]);
    let seen = Mutex::new(Vec::new());
    let watch = |progress| seen.lock().unwrap().push(progress);
    let plan = it.plan(None);
    let outcome = run(plan, &it.account, it.destination(), watch, CancellationToken::new()).await;
    assert!(matches!(outcome.unwrap().result, Ok(Ended::Published(_))));
    let seen: Vec<_> = seen.into_inner().unwrap().iter().map(|it| (it.pages(), it.records())).collect();
    assert_eq!(seen, [(3, 240), (3, 250)]);
}

#[tokio::test]
async fn where_nothing_was_published_yet_nothing_is_said_to_stay() {
    let mut it = World::new(Scoping::Users, Truth::of(10));
    it.shows([Listing::Drifts, Listing::Drifts, Listing::Drifts]);
    let failure = it.fails().await;
    assert!(
        failure.message.ends_with("there are 8. It is tried again. Nothing has been published yet."),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn a_look_up_that_fails_fails_the_run() {
    let mut it = published(Scoping::Users, Truth::of(10)).await;
    it.now(Truth::of(9));
    it.lookup(Lookup::Fails);
    assert_eq!(it.fails().await.reason, Reason::EmptyAccount);
    assert_eq!(it.published().unwrap().len(), 10);
}

#[tokio::test]
async fn a_look_up_that_never_ends_is_ended_by_the_timeout_and_by_a_cancellation() {
    let mut it = published(Scoping::Users, Truth::of(10)).await;
    it.now(Truth::of(9));
    it.lookup(Lookup::Hangs);
    it.timeout = Duration::from_millis(500);
    assert_eq!(it.fails().await.reason, Reason::TimedOut);

    it.timeout = Duration::from_secs(600);
    let (plan, cancel) = (it.plan(None), CancellationToken::new());
    let world = Arc::new(it);
    let running = tokio::spawn({
        let (world, cancel) = (Arc::clone(&world), cancel.clone());
        async move { world.run_plan(plan, cancel).await }
    });
    while world.account.0.lock().unwrap().looked_up.len() < 2 {
        tokio::task::yield_now().await;
    }
    cancel.cancel();
    assert!(running.await.unwrap().is_none());
    assert_eq!(world.published().unwrap().len(), 10);
    let left = std::fs::read_dir(world.scratch()).unwrap().count();
    assert_eq!(left, 1, "only the store is left in the folder for scratch files");
}
