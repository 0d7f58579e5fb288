//! Records for the tests of the snapshot: accounts small enough to read, and arbitrary ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use proptest::collection::{btree_map, btree_set};
use proptest::option;
use proptest::prelude::*;

use super::{Finished, SnapshotWriter, SyncId, WriteError};
use crate::access::{
    AccountType, Entitlement, EntitlementId, Grant, Profile, ProfileValue, Purpose, Record, Resource,
    ResourceId, ResourceKind, ResourceType, Status, Trait, User,
};

const USER_TYPE: ResourceType = ResourceType {
    id: "user",
    display_name: "User",
    plural: "users",
    traits: &[Trait::User],
    without_entitlements: true,
};
const ORGANIZATION_TYPE: ResourceType = ResourceType {
    id: "organization",
    display_name: "Organization",
    plural: "organizations",
    traits: &[],
    without_entitlements: false,
};
const TEAM_TYPE: ResourceType = ResourceType {
    id: "team",
    display_name: "Team",
    plural: "teams",
    traits: &[Trait::Group],
    without_entitlements: false,
};

pub(super) static TYPES: &[ResourceType] = &[ORGANIZATION_TYPE, TEAM_TYPE, USER_TYPE];
pub(super) static USER: &[ResourceType] = &[USER_TYPE];

pub(super) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn started_at() -> Timestamp {
    time("2026-09-04T10:00:00.5Z")
}

pub(super) fn ended_at() -> Timestamp {
    time("2026-09-04T10:01:00Z")
}

pub(super) fn sync_id() -> SyncId {
    "3IPXFz8OxYGYDoOUaaaaaaaaaaa".parse().unwrap()
}

pub(super) fn plain(id: ResourceId, name: &str) -> Resource {
    Resource {
        id,
        parent: None,
        display_name: name.to_owned(),
        description: None,
        link: None,
        created_at: None,
        profile: Profile::new(),
        kind: ResourceKind::Plain,
    }
}

pub(super) fn organization(id: &str) -> Resource {
    plain(ResourceId::new("organization", id), id)
}

pub(super) fn team(id: &str, organization: &str) -> Resource {
    Resource {
        parent: Some(ResourceId::new("organization", organization)),
        kind: ResourceKind::Group,
        ..plain(ResourceId::new("team", id), id)
    }
}

pub(super) fn user(id: &str) -> Resource {
    let user = User {
        email: format!("{id}@example.com"),
        login: id.to_owned(),
        status: Status { enabled: true, details: None },
        account_type: AccountType::Human,
        last_login: None,
        mfa_enabled: None,
        sso_enabled: None,
    };
    Resource { kind: ResourceKind::User(Box::new(user)), ..plain(ResourceId::new("user", id), id) }
}

pub(super) fn entitlement_id(kind: &'static str, id: &str, slug: &str) -> EntitlementId {
    EntitlementId::new(ResourceId::new(kind, id), slug)
}

pub(super) fn entitlement(kind: &'static str, id: &str, slug: &str) -> Record {
    Record::Entitlement(Entitlement {
        id: entitlement_id(kind, id, slug),
        display_name: format!("{id} {slug}"),
        description: format!("Is {slug} of {id}"),
        purpose: if slug == "member" { Purpose::Assignment } else { Purpose::Permission },
        grantable_to: USER,
    })
}

pub(super) fn grant(kind: &'static str, id: &str, slug: &str, user: &str) -> Record {
    Record::Grant(Grant {
        entitlement: Arc::new(entitlement_id(kind, id, slug)),
        principal: ResourceId::new("user", user),
    })
}

/// One organization, one team, two users; grants come before the users.
pub(super) fn small_account() -> Vec<Record> {
    vec![
        Record::Resource(organization("o1")),
        entitlement("organization", "o1", "member"),
        entitlement("organization", "o1", "admin"),
        Record::Resource(team("t1", "o1")),
        entitlement("team", "t1", "member"),
        grant("organization", "o1", "member", "u1"),
        grant("organization", "o1", "admin", "u2"),
        grant("team", "t1", "member", "u1"),
        Record::Resource(user("u1")),
        Record::Resource(user("u2")),
    ]
}

/// Users enough for a file.
pub(super) fn many_users() -> Vec<Record> {
    (0..150).map(|number| Record::Resource(user(&format!("n{number}")))).collect()
}

pub(super) fn write(scratch: &Path, sync_id: SyncId, records: Vec<Record>) -> Result<Finished, WriteError> {
    let mut writer = SnapshotWriter::create(scratch, TYPES, sync_id, started_at())?;
    writer.write(records)?;
    writer.finish(ended_at())
}

/// An account as plain data, to compute from in memory.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) resources: BTreeMap<ResourceId, Resource>,
    pub(super) entitlements: Vec<Entitlement>,
    pub(super) grants: BTreeSet<(EntitlementId, ResourceId)>,
}

impl Account {
    /// Its records in the order that connectors send them in: whatever is granted first, users last.
    pub(super) fn records(&self) -> Vec<Record> {
        let (users, others): (Vec<_>, Vec<_>) =
            self.resources.values().cloned().partition(|resource| resource.id.resource_type == "user");
        let grants = self.grants.iter().map(|(entitlement, principal)| {
            Record::Grant(Grant { entitlement: Arc::new(entitlement.clone()), principal: principal.clone() })
        });
        let mut records: Vec<_> = others.into_iter().map(Record::Resource).collect();
        records.extend(self.entitlements.iter().cloned().map(Record::Entitlement));
        records.extend(grants);
        records.extend(users.into_iter().map(Record::Resource));
        records
    }
}

fn text() -> impl Strategy<Value = String> {
    "[^\\p{C}]{0,12}"
}

fn times() -> impl Strategy<Value = Timestamp> {
    (-4_000_000_000_i64..4_000_000_000, 0..1_000_000_000)
        .prop_map(|(second, nanosecond)| Timestamp::new(second, nanosecond).unwrap())
}

fn users() -> impl Strategy<Value = ResourceKind> {
    let account_type = prop_oneof![Just(AccountType::Human), Just(AccountType::Service)];
    let status = (any::<bool>(), option::of("[A-Z][a-z]{1,8}"))
        .prop_map(|(enabled, details)| Status { enabled, details });
    let second_factor = (option::of(any::<bool>()), option::of(any::<bool>()));
    (text(), text(), status, account_type, option::of(times()), second_factor).prop_map(
        |(email, login, status, account_type, last_login, (mfa_enabled, sso_enabled))| {
            let user = User { email, login, status, account_type, last_login, mfa_enabled, sso_enabled };
            ResourceKind::User(Box::new(user))
        },
    )
}

fn profiles() -> impl Strategy<Value = Profile> {
    let value = prop_oneof![text().prop_map(ProfileValue::Text), any::<bool>().prop_map(ProfileValue::Bool)];
    btree_map(prop_oneof![Just("first_name"), Just("last_name"), Just("owner")], value, 0..3)
}

fn resources(
    resource_type: &'static str,
    kind: impl Strategy<Value = ResourceKind>,
) -> impl Strategy<Value = BTreeMap<ResourceId, Resource>> {
    let about = (text(), option::of("[a-z ]{1,12}"), option::of("https://[a-z]{1,8}"));
    let resource = (about, option::of(times()), profiles(), kind);
    btree_map("[a-f]", resource, 0..6).prop_map(move |resources| {
        let resources = resources.into_iter().map(|(id, (about, created_at, profile, kind))| {
            let (display_name, description, link) = about;
            let id = ResourceId::new(resource_type, id);
            let resource = Resource {
                id: id.clone(),
                parent: None,
                display_name,
                description,
                link,
                created_at,
                profile,
                kind,
            };
            (id, resource)
        });
        resources.collect()
    })
}

/// Any account, with ids so few that two of them have some in common.
pub(super) fn accounts() -> impl Strategy<Value = Account> {
    let parts = (
        resources("organization", Just(ResourceKind::Plain)),
        resources("team", Just(ResourceKind::Group)),
        resources("user", users()),
        btree_set((0..usize::MAX, 0..usize::MAX), 0..20),
    );
    parts.prop_map(|(organizations, mut teams, users, picks)| {
        for (team, parent) in teams.values_mut().zip(organizations.keys()) {
            team.parent = Some(parent.clone());
        }
        let mut entitlements = Vec::new();
        for id in organizations.keys().chain(teams.keys()) {
            for slug in ["member", "admin"] {
                let Record::Entitlement(it) = entitlement(id.resource_type, &id.id, slug) else {
                    unreachable!()
                };
                entitlements.push(it);
            }
        }
        let mut grants = BTreeSet::new();
        if !entitlements.is_empty() && !users.is_empty() {
            for (entitlement, user) in picks {
                let entitlement = &entitlements[entitlement % entitlements.len()];
                let user = users.keys().nth(user % users.len()).unwrap();
                grants.insert((entitlement.id.clone(), user.clone()));
            }
        }
        let resources = organizations.into_iter().chain(teams).chain(users).collect();
        Account { resources, entitlements, grants }
    })
}
