//! What is held, and what an approval is worth.

use connector_operator::access::guard::{Limits, Scoping, Why};
use connector_operator::sync::{Destination, Ended, Known, OneFile, run};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

use super::truth::{ROLES, Truth};
use super::world::World;

#[tokio::test]
async fn a_mass_removal_is_held_until_it_is_approved() {
    let mut it = World::new(Scoping::Users, Truth::of(10));
    it.publishes(None).await;
    let before = it.published();
    it.now(Truth::of(10).without([1, 2, 3]));
    let held = it.holds(None).await;
    let removal = &held.removals[0];
    assert_eq!((removal.scope.as_str(), removal.before, removal.removed), ("users", 10, 3));
    assert_eq!((removal.why, held.counts["users"]), (Why::TooMany, 7));
    assert_eq!(
        held.message,
        format!(
            "The removal guard holds this run: 3 of 10 users would go (30 %; the limit is 20 %). Nothing was \
             published, and what was published before stays. If this is wrong, correct it upstream: runs go on; if \
             it is right, set the annotation connectors.conductorone.com/acceptRemovals to {}.",
            held.id
        )
    );
    assert_eq!(it.published(), before, "what was published stays");
    let text = it.held().unwrap();
    assert!(text.starts_with("# compared with run "), "{text}");
    assert!(text.ends_with("\n- user:u1\n- user:u2\n- user:u3\n"), "{text}");

    assert_eq!(it.holds(None).await, held, "the next run holds the same");
    assert_eq!(it.holds(Some("0123456789abcdef")).await, held, "another id approves nothing");
    it.publishes(Some(&held.id)).await;
    assert_eq!(it.published().unwrap().len(), 7);
    assert_eq!(it.held(), None);
}

#[tokio::test]
async fn the_first_publication_is_never_held_and_a_new_organization_neither() {
    let mut it = World::new(ROLES, Truth::of(1));
    it.publishes(None).await;
    let mut truth = Truth::of(1);
    truth.organizations.insert(2, Default::default());
    it.now(truth);
    it.publishes(None).await;
}

#[tokio::test]
async fn an_approval_is_of_those_removals_and_fewer_and_no_others() {
    let mut it = World::new(Scoping::Users, Truth::of(20));
    it.publishes(None).await;
    it.now(Truth::of(20).without(0..6));
    let six = it.holds(None).await;
    it.now(Truth::of(20).without(0..7));
    let seven = it.holds(Some(&six.id)).await;
    assert_ne!(seven.id, six.id, "one more is another hold");
    it.now(Truth::of(20).without(6..12));
    it.holds(Some(&seven.id)).await;
    // What was held under the former id is forgotten: it approves only the very same.
    it.now(Truth::of(20).without(0..5));
    it.holds(Some(&six.id)).await;

    let six_again = {
        it.now(Truth::of(20).without(0..6));
        it.holds(None).await
    };
    assert_eq!(six_again.id, six.id);
    it.now(Truth::of(20).without(0..5));
    it.publishes(Some(&six.id)).await;
    assert_eq!(it.published().unwrap().len(), 15, "one of them came back in the meantime");
}

#[tokio::test]
async fn an_approval_is_not_worth_anything_after_the_next_publication() {
    let mut it = World::new(Scoping::Users, Truth::of(10));
    it.publishes(None).await;
    it.now(Truth::of(10).without([1, 2, 3]));
    let held = it.holds(None).await;
    it.publishes(Some(&held.id)).await;
    it.now(Truth::of(10));
    it.publishes(Some(&held.id)).await;
    it.now(Truth::of(10).without([1, 2, 3]));
    assert_ne!(it.holds(Some(&held.id)).await.id, held.id);
}

#[tokio::test]
async fn an_approval_holds_although_what_was_held_is_lost() {
    let mut it = World::new(Scoping::Users, Truth::of(10));
    it.publishes(None).await;
    it.now(Truth::of(10).without([1, 2, 3]));
    let held = it.holds(None).await;
    it.store().clear_hold(&it.owner).unwrap();
    it.publishes(Some(&held.id)).await;
}

#[tokio::test]
async fn a_run_within_the_limits_clears_the_hold() {
    let mut it = World::new(Scoping::Users, Truth::of(10));
    it.publishes(None).await;
    it.now(Truth::of(10).without([1, 2, 3]));
    it.holds(None).await;
    it.now(Truth::of(10).without([1]));
    it.publishes(None).await;
    assert_eq!(it.held(), None);
}

#[tokio::test]
async fn the_disabled_go_too_but_stay_in_the_snapshot() {
    let mut it = World::new(Scoping::Users, Truth::of(10));
    it.publishes(None).await;
    let mut truth = Truth::of(10);
    for user in [4, 5, 6] {
        truth.users.insert(user, false);
    }
    it.now(truth);
    let held = it.holds(None).await;
    assert_eq!((held.removals[0].removed, held.removals[0].disabled), (0, 3));
    assert!(held.message.contains("3 of 10 users would be disabled (30 %"), "{}", held.message);
    assert!(it.held().unwrap().ends_with("\ndisabled user:u4\ndisabled user:u5\ndisabled user:u6\n"));
    it.publishes(Some(&held.id)).await;
    assert_eq!(it.published().unwrap().len(), 10);
    it.publishes(None).await;
}

#[tokio::test]
async fn the_last_administrator_a_cleared_team_and_a_lost_organization_are_held_each_by_name() {
    let mut truth = Truth::of(10);
    let second = truth.organizations[&1].clone();
    truth.organizations.insert(2, second.clone());
    truth.organizations.insert(3, second);
    let mut it = World::new(ROLES, truth.clone());
    it.limits = Limits { max_percent: 100, min_removed: 1000 };
    it.publishes(None).await;
    truth.organizations.remove(&3);
    truth.organizations.get_mut(&2).unwrap().team.clear();
    truth.organizations.get_mut(&1).unwrap().roles.insert(0, "member");
    it.now(truth);
    let held = it.holds(None).await;
    let told: Vec<_> = held.removals.iter().map(|it| (it.scope.as_str(), it.why)).collect();
    assert_eq!(
        told,
        [
            ("administrators of org 1", Why::NoAdministrator),
            ("group memberships of org 2", Why::Emptied),
            ("the organization org 3", Why::OwnerGone)
        ]
    );
    assert!(!held.message.contains("secret name"), "no names of people: {}", held.message);
    it.publishes(Some(&held.id)).await;
}

#[tokio::test]
async fn another_account_is_held_although_everybody_is_in_it() {
    let mut it = World::new(Scoping::Users, Truth::of(5));
    it.publishes(None).await;
    it.now(Truth { account: "acc-2", ..Truth::of(9) });
    let held = it.holds(None).await;
    assert_eq!(held.removals[0].why, Why::AnotherAccount);
    assert!(it.held().unwrap().contains("# account acc-1 becomes acc-2\n"));
    it.now(Truth { account: "acc-3", ..Truth::of(9) });
    assert_ne!(it.holds(Some(&held.id)).await.id, held.id, "a third one is another matter");
    it.now(Truth { account: "acc-2", ..Truth::of(9) });
    it.publishes(Some(&held.id)).await;
    it.publishes(None).await;
}

#[tokio::test]
async fn service_accounts_are_a_scope_of_their_own() {
    let services = |of: u32| Truth { services: (100..of).collect(), ..Truth::of(of) };
    let mut it = World::new(Scoping::Users, services(102));
    it.publishes(None).await;
    it.now(Truth::of(100));
    let held = it.holds(None).await;
    let removal = &held.removals[0];
    assert_eq!(
        (removal.scope.as_str(), removal.why, held.removals.len()),
        ("service accounts", Why::Emptied, 1)
    );
    let told = "2 of 2 service accounts would go, and nobody who is enabled would be left";
    assert!(held.message.contains(told), "{}", held.message);
    it.now(services(101));
    it.publishes(None).await;
    it.now(services(110));
    it.publishes(None).await;
    it.now(services(107));
    let removal = it.holds(None).await.removals.remove(0);
    assert_eq!((removal.scope.as_str(), removal.before, removal.why), ("service accounts", 10, Why::TooMany));
}

#[test]
fn one_file_that_cannot_be_read_is_an_error_and_one_that_is_no_snapshot_is_a_first_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.c1z");
    let baseline = || OneFile::new(path.clone(), folder.path().to_owned()).baseline(None);
    assert!(matches!(baseline().unwrap().known, Known::Nothing));
    std::fs::write(&path, "something else").unwrap();
    assert!(matches!(baseline().unwrap().known, Known::Nothing));
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    baseline().unwrap_err();
}

#[tokio::test]
async fn one_file_is_never_held() {
    let it = World::new(Scoping::Users, Truth::of(10));
    let file = it.scratch().join("acme.c1z");
    let mut it = it;
    for (users, reads) in [(10, 1), (2, 1)] {
        it.now(Truth::of(users));
        let destination = Arc::new(OneFile::new(file.clone(), it.scratch().to_owned()));
        let plan = it.plan(None);
        let outcome = run(plan, &it.account, destination, |_| {}, CancellationToken::new()).await.unwrap();
        let Ok(Ended::Published(published)) = outcome.result else { panic!("{:?}", outcome.result) };
        assert_eq!(published.counts["users"], u64::from(users));
        let (readings, looked_up) = it.requests();
        assert_eq!(readings, reads);
        assert_eq!(looked_up.len(), usize::from(users == 2), "what went is confirmed");
    }
}
