use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::access::guard::{Census, Headcount, Part, ScopeChange, Scoping};
use crate::access::{AccountType, EntitlementId, Record, RecordId, Resource, ResourceId, ResourceKind};
use crate::snapshot::testing::{self, Account, TYPES, started_at, time};
use crate::snapshot::{Finished, SyncId};

const ROLES: Scoping = Scoping::Roles { owner: "organization", administrator: "admin" };

/// Two snapshots and their difference.
struct Pair {
    difference: Difference,
    previous: Finished,
    current: Finished,
    _scratch: tempfile::TempDir,
}

fn pair(previous: Vec<Record>, current: Vec<Record>) -> Pair {
    // The folder's name has what an address would take for something else.
    let scratch = tempfile::Builder::new().prefix("a ?mode=x%41#").tempdir().unwrap();
    let previous = testing::write(scratch.path(), SyncId::new(started_at()), previous).unwrap();
    let current = testing::write(scratch.path(), SyncId::new(started_at()), current).unwrap();
    let difference = Difference::between(previous.snapshot(), current.snapshot(), TYPES).unwrap();
    Pair { difference, previous, current, _scratch: scratch }
}

fn changes(previous: Vec<Record>, current: Vec<Record>) -> Changes {
    pair(previous, current).difference.changes().clone()
}

fn lines(difference: &Difference) -> Vec<String> {
    let mut lines = Vec::new();
    let collect = |line: &str| {
        lines.push(line.to_owned());
        Ok::<_, CompareError>(())
    };
    difference.lines(collect).unwrap();
    lines
}

/// Who is enabled in an account.
fn enabled(account: &Account) -> Vec<&ResourceId> {
    let enabled = |resource: &Resource| match &resource.kind {
        ResourceKind::User(user) => user.status.enabled,
        _ => false,
    };
    account.resources.iter().filter(|(_, it)| enabled(it)).map(|(id, _)| id).collect()
}

fn newly_disabled<'a>(previous: &'a Account, current: &Account) -> Vec<&'a ResourceId> {
    let still = enabled(current);
    let mut disabled = enabled(previous);
    disabled.retain(|id| current.resources.contains_key(id) && !still.contains(id));
    disabled
}

fn lines_naively(previous: &Account, current: &Account) -> Vec<String> {
    let resources = previous.resources.keys().filter(|id| !current.resources.contains_key(id));
    let grants = previous.grants.difference(&current.grants);
    let mut gone: Vec<String> = resources.map(|id| format!("- {id}")).collect();
    gone.extend(grants.map(|(entitlement, principal)| format!("- {entitlement}:{principal}")));
    gone.sort();
    let disabled = newly_disabled(previous, current);
    gone.into_iter().chain(disabled.iter().map(|id| format!("disabled {id}"))).collect()
}

/// Who has what in one scope of an organization. A membership counts once for each team.
fn held_in(
    account: &Account,
    part: Part,
    organization: &ResourceId,
) -> Vec<(Option<EntitlementId>, ResourceId)> {
    let mut found = Vec::new();
    for (entitlement, principal) in &account.grants {
        let on = &entitlement.resource;
        let counts = match part {
            Part::Administrators => on == organization && entitlement.slug == "admin",
            Part::Memberships => account.resources[on].parent.as_ref() == Some(organization),
            _ => on == organization,
        };
        if counts {
            found.push(((part == Part::Memberships).then(|| entitlement.clone()), principal.clone()));
        }
    }
    found.sort();
    found.dedup();
    found
}

fn organizations(account: &Account) -> Vec<&Resource> {
    account.resources.values().filter(|it| it.id.resource_type == "organization").collect()
}

fn census_naively(account: &Account) -> Census {
    let mut census = Census::default();
    for it in organizations(account) {
        let counts = Part::OF_OWNER.map(|part| held_in(account, part, &it.id).len() as u64);
        census.add_owner(&it.id.to_string(), name_of(it), counts);
    }
    census
}

fn name_of(resource: &Resource) -> String {
    let name = resource.display_name.clone();
    if name.is_empty() { resource.id.to_string() } else { name }
}

fn scopes_naively(previous: &Account, current: &Account) -> Vec<ScopeChange> {
    let disabled = newly_disabled(previous, current);
    let mut scopes = Vec::new();
    for it in organizations(previous) {
        if !current.resources.contains_key(&it.id) {
            let before = held_in(previous, Part::Members, &it.id).len() as u64;
            let title = format!("the organization {}", name_of(it));
            let part = Part::Owner;
            scopes.push(ScopeChange {
                part,
                title,
                before,
                removed: before,
                disabled: 0,
                somebody_left: false,
            });
            continue;
        }
        for part in Part::OF_OWNER {
            let before = held_in(previous, part, &it.id);
            let (gone, stay): (Vec<_>, Vec<_>) = match part {
                // A grant in a team that went elsewhere is still there.
                Part::Memberships => before.iter().partition(|(entitlement, who)| {
                    !current.grants.contains(&(entitlement.clone().unwrap(), who.clone()))
                }),
                _ => {
                    let now = held_in(current, part, &it.id);
                    before.iter().partition(|who| !now.contains(who))
                }
            };
            let disabled = match part {
                Part::Memberships => 0,
                _ => stay.iter().filter(|(_, who)| disabled.contains(&who)).count() as u64,
            };
            let removed = gone.len() as u64;
            if removed + disabled > 0 {
                let left = held_in(current, part, &it.id).len() as u64;
                scopes.push(ScopeChange {
                    part,
                    title: part.title(&name_of(it)),
                    before: before.len() as u64,
                    removed,
                    disabled,
                    somebody_left: left > disabled,
                });
            }
        }
    }
    scopes
}

/// All users of one kind, or those who are enabled.
fn users_of(account: &Account, part: Part, enabled_only: bool) -> Vec<ResourceId> {
    let counted = |resource: &Resource| match &resource.kind {
        ResourceKind::User(user) => {
            let person = user.account_type == AccountType::Human;
            person == (part == Part::Users) && (user.status.enabled || !enabled_only)
        }
        _ => false,
    };
    account.resources.iter().filter(|(_, it)| counted(it)).map(|(id, _)| id.clone()).collect()
}

fn headcount(account: &Account, part: Part) -> Headcount {
    let count = |enabled_only| users_of(account, part, enabled_only).len() as u64;
    Headcount { all: count(false), enabled: count(true) }
}

fn users_naively(previous: &Account, current: &Account) -> Vec<ScopeChange> {
    let disabled = newly_disabled(previous, current);
    let mut scopes = Vec::new();
    for part in [Part::Users, Part::ServiceAccounts] {
        let before = users_of(previous, part, false);
        if part == Part::ServiceAccounts && before.is_empty() {
            continue;
        }
        let removed = before.iter().filter(|id| !current.resources.contains_key(id)).count() as u64;
        let disabled = before.iter().filter(|id| disabled.contains(id)).count() as u64;
        let (was, is) = (headcount(previous, part), headcount(current, part));
        let nobody_left = removed + disabled > 0 && is.enabled == 0 && (was.enabled > 0 || is.all == 0);
        scopes.push(ScopeChange {
            part,
            title: part.title(""),
            before: was.all,
            removed,
            disabled,
            somebody_left: !nobody_left,
        });
    }
    scopes
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

#[test]
fn a_changed_role_is_no_removal_of_a_member_and_says_what_is_lacking() {
    let mut now = testing::small_account();
    now.retain(|record| *record != testing::grant("organization", "o1", "admin", "u2"));
    now.insert(5, testing::grant("organization", "o1", "member", "u2"));
    let it = pair(testing::small_account(), now);
    let scopes = it.difference.scopes(ROLES, TYPES).unwrap();
    let told: Vec<_> = scopes.iter().map(|it| (it.title.as_str(), it.removed, it.somebody_left)).collect();
    assert_eq!(told, [("administrators of o1", 1, false)]);
    assert_eq!(lines(&it.difference), ["- organization:o1:admin:user:u2"]);
    let grant = |slug| RecordId::Grant {
        entitlement: testing::entitlement_id("organization", "o1", slug),
        principal: ResourceId::new("user", "u2"),
    };
    assert!(it.difference.lacks(&grant("admin")).unwrap());
    assert!(!it.difference.lacks(&grant("member")).unwrap());
    assert!(!it.difference.lacks(&RecordId::Resource(ResourceId::new("user", "u2"))).unwrap());
    assert!(it.difference.lacks(&RecordId::Resource(ResourceId::new("user", "u3"))).unwrap());
}

#[test]
fn other_ids_have_another_digest() {
    let it = pair(testing::small_account(), testing::small_account()[..5].to_vec());
    let digest = |it: &Finished| it.snapshot().digest_of_ids().unwrap();
    assert_ne!(digest(&it.previous), digest(&it.current));
}

#[test]
fn more_missing_than_asked_for_are_only_counted() {
    let it = pair(testing::small_account(), testing::small_account()[..5].to_vec());
    let missing = it.difference.missing(4, TYPES).unwrap();
    assert_eq!((missing.count, missing.records), (5, None));
    let named = it.difference.missing(5, TYPES).unwrap();
    assert_eq!(named.digest, missing.digest);
    assert_eq!(named.records.unwrap().len(), 5);
    // Of a type that is not read any more, nothing can be asked.
    assert_eq!(it.difference.missing(5, testing::USER).unwrap().records, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_goes_is_the_same_in_sql_as_in_memory(previous in testing::accounts(), current in testing::accounts()) {
        let it = pair(previous.records(), current.records());
        let expected = lines_naively(&previous, &current);
        prop_assert_eq!(lines(&it.difference), expected.clone());
        prop_assert_eq!(it.difference.scopes(ROLES, TYPES).unwrap(), scopes_naively(&previous, &current));
        let users = it.difference.scopes(Scoping::Users, TYPES).unwrap();
        prop_assert_eq!(users, users_naively(&previous, &current));

        let missing = it.difference.missing(100, TYPES).unwrap();
        let gone: Vec<_> = expected.iter().filter_map(|line| line.strip_prefix("- ")).collect();
        prop_assert_eq!(missing.count, gone.len() as u64);
        let mut named: Vec<_> = missing.records.unwrap().iter().map(RecordId::to_string).collect();
        named.sort();
        prop_assert_eq!(named, gone);
    }

    #[test]
    fn a_census_is_the_same_in_sql_as_in_memory(account in testing::accounts()) {
        let it = pair(account.records(), account.records());
        prop_assert_eq!(it.current.snapshot().census(ROLES, TYPES).unwrap(), census_naively(&account));
        prop_assert_eq!(lines(&it.difference), Vec::<String>::new());
        let census = it.previous.snapshot().census(Scoping::Users, TYPES).unwrap();
        let [people, programs] = [Part::Users, Part::ServiceAccounts].map(|part| headcount(&account, part));
        prop_assert_eq!(census, Census::of_users(people, programs));
        let digest = |it: &Finished| it.snapshot().digest_of_ids().unwrap();
        prop_assert_eq!(digest(&it.previous), digest(&it.current));
    }

    #[test]
    fn counting_in_sql_is_counting_in_memory(previous in testing::accounts(), current in testing::accounts()) {
        prop_assert_eq!(changes(previous.records(), current.records()), naively(&previous, &current));
    }
}
