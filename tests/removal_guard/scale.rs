//! As many members as a test can wait for.

use connector_operator::access::guard::Why;

use super::truth::{ROLES, Truth};
use super::world::World;

#[tokio::test]
async fn of_twenty_thousand_members_five_thousand_are_held_and_let_go() {
    let mut it = World::new(ROLES, Truth::of(20_000));
    it.publishes(None).await;
    it.now(Truth::of(15_000));
    let held = it.holds(None).await;
    let told: Vec<_> = held.removals.iter().map(|it| (it.scope.as_str(), it.removed, it.why)).collect();
    assert_eq!(
        told,
        [("members of org 1", 5000, Why::TooMany), ("group memberships of org 1", 5000, Why::TooMany)]
    );
    let text = it.held().unwrap();
    assert_eq!(text.lines().count(), 1 + 3 * 5000);
    assert!(text.lines().is_sorted());
    assert_eq!(it.requests(), (3, vec![]), "once to publish, twice to be sure");
    // Some come back before it is approved.
    it.now(Truth::of(15_100));
    it.publishes(Some(&held.id)).await;
    assert_eq!(it.published().unwrap(), Truth::of(15_100).ids(ROLES));
}
