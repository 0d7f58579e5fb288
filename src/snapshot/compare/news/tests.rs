use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::access::{Record, Resource, ResourceKind};
use crate::snapshot::SyncId;
use crate::snapshot::testing::{self, Account, TYPES, started_at};

const ROLES: Scoping = Scoping::Roles { owner: "organization", administrator: "admin" };

fn news(previous: Vec<Record>, current: Vec<Record>, scoping: Scoping, names: bool) -> AccessNews {
    let scratch = tempfile::tempdir().unwrap();
    let write = |records| testing::write(scratch.path(), SyncId::new(started_at()), records).unwrap();
    let (previous, current) = (write(previous), write(current));
    let difference = Difference::between(previous.snapshot(), current.snapshot(), TYPES).unwrap();
    difference.news(scoping, names).unwrap()
}

/// `u2` loses its role and is disabled, `u3` comes and administers.
fn later_account() -> Vec<Record> {
    let mut now = testing::small_account();
    now.retain(|record| *record != testing::grant("organization", "o1", "admin", "u2"));
    now.insert(5, testing::grant("organization", "o1", "admin", "u3"));
    for record in &mut now {
        if let Record::Resource(resource) = record
            && let ResourceKind::User(user) = &mut resource.kind
            && resource.id.id == "u2"
        {
            user.status.enabled = false;
        }
    }
    let mut new = testing::user("u3");
    new.display_name = "Ada Lovelace".to_owned();
    now.push(Record::Resource(new));
    now
}

#[test]
fn who_came_and_went_is_told_by_ids_and_by_roles() {
    let news = news(testing::small_account(), later_account(), ROLES, false);
    assert_eq!(
        news.in_words(),
        "Access changed; new: 1 administrator, 1 member and 1 user; gone: 1 administrator and 1 member; \
         disabled: 1 user: disabled user:u2, - organization:o1:admin:user:u2, + user:u3, + organization:o1:admin:user:u3"
    );
}

#[test]
fn people_are_named_only_where_that_is_wanted() {
    let news = news(testing::small_account(), later_account(), ROLES, true);
    assert_eq!(
        news.lines,
        [
            "disabled u2 (user:u2)",
            "- u2 (user:u2) as admin of o1 (organization:o1)",
            "+ Ada Lovelace (user:u3)",
            "+ Ada Lovelace (user:u3) as admin of o1 (organization:o1)",
        ]
    );
}

#[test]
fn who_may_sign_in_again_is_told_and_no_more_than_the_first_few_are_named() {
    let mut now = testing::small_account();
    now.extend((0..30).map(|n| Record::Resource(testing::user(&format!("x{n:02}")))));
    let news = news(now.clone(), testing::small_account(), Scoping::Users, false);
    assert_eq!(news.lines.len(), AccessNews::LINES);
    assert_eq!(news.lines[0], "- user:x00");
    assert_eq!(news.more, 18);
    assert!(!news.changes.contains_key("members"), "an account of users alone has no roles");
    let again = self::news(later_account(), testing::small_account(), ROLES, false);
    assert_eq!((again.enabled, again.disabled), (1, 0));
    assert!(again.lines.contains(&"enabled user:u2".to_owned()), "{:?}", again.lines);
}

/// Who has any role in which organization, and who administers which.
type Held = [BTreeSet<String>; 2];

fn in_roles(account: &Account) -> Held {
    let mut held = Held::default();
    for (entitlement, principal) in &account.grants {
        let on = &entitlement.resource;
        if on.resource_type == "organization" {
            held[0].insert(format!("{on} {principal}"));
            if entitlement.slug == "admin" {
                held[1].insert(format!("{on} {principal}"));
            }
        }
    }
    held
}

/// Every line that there is to tell, sorted, and how many grants came and went by their roles.
fn naively(previous: &Account, current: &Account) -> (Vec<String>, [(u64, u64); 3]) {
    let mut lines = Vec::new();
    let enabled = |account: &Account, id| match account.resources.get(id).map(|it| &it.kind) {
        Some(ResourceKind::User(user)) => Some(user.status.enabled),
        _ => None,
    };
    for id in previous.resources.keys() {
        match (current.resources.contains_key(id), enabled(previous, id), enabled(current, id)) {
            (false, ..) => lines.push(format!("- {id}")),
            (true, Some(true), Some(false)) => lines.push(format!("disabled {id}")),
            (true, Some(false), Some(true)) => lines.push(format!("enabled {id}")),
            _ => {}
        }
    }
    let new = current.resources.keys().filter(|id| !previous.resources.contains_key(id));
    lines.extend(new.map(|id| format!("+ {id}")));
    let (before, now) = (in_roles(previous), in_roles(current));
    let [members, administrators] = [0, 1].map(|part| {
        let count = |of: &Held, without: &Held| of[part].difference(&without[part]).count() as u64;
        (count(&now, &before), count(&before, &now))
    });
    // A grant in a team that went elsewhere is the same as before.
    let memberships = |of: &Account, without: &Account| {
        let is_part = |it: &Resource| it.parent.as_ref().is_some_and(|it| it.resource_type == "organization");
        let grants = of.grants.difference(&without.grants);
        grants.filter(|(entitlement, _)| is_part(&of.resources[&entitlement.resource])).count() as u64
    };
    let memberships = (memberships(current, previous), memberships(previous, current));
    let roles = [members, administrators, memberships];
    let line = |sign, (entitlement, principal): &(_, _)| format!("{sign} {entitlement}:{principal}");
    lines.extend(current.grants.difference(&previous.grants).map(|it| line("+", it)));
    lines.extend(previous.grants.difference(&current.grants).map(|it| line("-", it)));
    lines.sort();
    (lines, roles)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn all_that_changed_is_counted_and_what_is_named_did(
        previous in testing::accounts(), current in testing::accounts()
    ) {
        let news = news(previous.records(), current.records(), ROLES, false);
        let (lines, roles) = naively(&previous, &current);
        prop_assert_eq!(news.is_none(), lines.is_empty());
        prop_assert_eq!(news.lines.len() as u64 + news.more, lines.len() as u64);
        prop_assert_eq!(news.lines.len(), lines.len().min(AccessNews::LINES));
        prop_assert!(news.lines.iter().all(|line| lines.contains(line)), "{:?} of {:?}", news.lines, lines);
        let counted = Part::OF_OWNER.map(|part| {
            let change = news.changes[part.word()];
            (change.added, change.removed)
        });
        prop_assert_eq!(counted, roles);
    }
}
