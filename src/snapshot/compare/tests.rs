use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::access::{Record, Resource, ResourceKind};
use crate::snapshot::SyncId;
use crate::snapshot::testing::{self, Account, TYPES, started_at, time};

fn changes(previous: Vec<Record>, current: Vec<Record>) -> Changes {
    // The folder's name has what an address would take for something else.
    let scratch = tempfile::Builder::new().prefix("a ?mode=x%41#").tempdir().unwrap();
    let previous = testing::write(scratch.path(), SyncId::new(started_at()), previous).unwrap();
    let current = testing::write(scratch.path(), SyncId::new(started_at()), current).unwrap();
    Difference::between(previous.snapshot(), current.snapshot(), TYPES).unwrap().changes().clone()
}

fn without_sign_in(resource: &Resource) -> Resource {
    let mut resource = resource.clone();
    if let ResourceKind::User(user) = &mut resource.kind {
        user.last_login = None;
    }
    resource
}

fn naively(previous: &Account, current: &Account) -> Changes {
    let mut changes = BTreeMap::new();
    for it in TYPES {
        let of_type = |account: &Account| -> BTreeMap<_, _> {
            let mut resources = account.resources.clone();
            resources.retain(|id, _| id.resource_type == it.id);
            resources.into_iter().map(|(id, resource)| (id, without_sign_in(&resource))).collect()
        };
        let (previous, current) = (of_type(previous), of_type(current));
        let change = Change {
            added: current.keys().filter(|id| !previous.contains_key(id)).count() as u64,
            removed: previous.keys().filter(|id| !current.contains_key(id)).count() as u64,
            changed: current.iter().filter(|(id, it)| previous.get(id).is_some_and(|was| was != *it)).count()
                as u64,
        };
        changes.insert(it.plural.to_owned(), change);
    }
    let grants = Change {
        added: current.grants.difference(&previous.grants).count() as u64,
        removed: previous.grants.difference(&current.grants).count() as u64,
        changed: 0,
    };
    changes.insert("grants".to_owned(), grants);
    changes
}

fn sign_in(mut records: Vec<Record>) -> Vec<Record> {
    for record in &mut records {
        if let Record::Resource(Resource { kind: ResourceKind::User(user), .. }) = record {
            user.last_login = Some(time("2026-09-04T09:00:00Z"));
        }
    }
    records
}

#[test]
fn a_later_sign_in_alone_is_no_change() {
    let changes = changes(testing::small_account(), sign_in(testing::small_account()));
    assert!(changes.values().all(|change| *change == Change::default()), "{changes:?}");
}

#[test]
fn a_disabled_user_has_changed() {
    let mut now = testing::small_account();
    for record in &mut now {
        if let Record::Resource(Resource { kind: ResourceKind::User(user), .. }) = record {
            user.status.enabled = false;
            break;
        }
    }
    let changes = changes(testing::small_account(), now);
    assert_eq!(changes["users"], Change { added: 0, removed: 0, changed: 1 });
}

#[test]
fn a_renamed_organization_changes_no_grant() {
    let mut now = testing::small_account();
    if let Record::Resource(organization) = &mut now[0] {
        organization.display_name = "Another name".to_owned();
    }
    let changes = changes(testing::small_account(), now);
    assert_eq!(changes["organizations"], Change { added: 0, removed: 0, changed: 1 });
    assert_eq!(changes["grants"], Change::default());
}

#[test]
fn resources_of_a_type_no_longer_read_are_removed() {
    let scratch = tempfile::tempdir().unwrap();
    let previous =
        testing::write(scratch.path(), SyncId::new(started_at()), testing::small_account()).unwrap();
    let id = SyncId::new(started_at());
    let writer =
        crate::snapshot::SnapshotWriter::create(scratch.path(), testing::USER, id, started_at()).unwrap();
    let current = writer.finish(started_at()).unwrap();
    let difference = Difference::between(previous.snapshot(), current.snapshot(), testing::USER).unwrap();
    let changes = difference.changes();
    let removed: Vec<_> = changes.iter().map(|(scope, change)| (scope.as_str(), change.removed)).collect();
    assert_eq!(removed, [("grants", 3), ("organization", 1), ("team", 1), ("users", 2)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn counting_in_sql_is_counting_in_memory(previous in testing::accounts(), current in testing::accounts()) {
        prop_assert_eq!(changes(previous.records(), current.records()), naively(&previous, &current));
    }
}
