//! What is true upstream, as plain data, and the verdict on its changes, computed the simple way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use connector_operator::access::guard::{Limits, Scoping};
use connector_operator::access::{
    AccountType, Entitlement, EntitlementId, Grant, Profile, Purpose, Record, RecordId, Resource, ResourceId,
    ResourceKind, ResourceType, Status, User,
};
use connector_operator::connectors::{planetscale, scalr};

pub const ROLES: Scoping = Scoping::Roles { owner: "organization", administrator: "admin" };

/// Who is in an organization.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Organization {
    pub roles: BTreeMap<u32, &'static str>,
    /// The members of its only team.
    pub team: BTreeSet<u32>,
}

/// What is true upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    pub account: &'static str,
    /// Each user, and whether that one is enabled.
    pub users: BTreeMap<u32, bool>,
    /// Those numbers that are programs.
    pub services: BTreeSet<u32>,
    pub organizations: BTreeMap<u32, Organization>,
}

impl Truth {
    /// An account with so many users, all of them members of one organization and of its team; the first administers.
    pub fn of(users: u32) -> Self {
        let mut organization = Organization::default();
        for user in 0..users {
            organization.roles.insert(user, if user == 0 { "admin" } else { "member" });
            organization.team.insert(user);
        }
        Self {
            account: "acc-1",
            users: (0..users).map(|user| (user, true)).collect(),
            services: BTreeSet::new(),
            organizations: BTreeMap::from([(1, organization)]),
        }
    }

    /// The same without these users.
    pub fn without(&self, users: impl IntoIterator<Item = u32>) -> Self {
        let mut truth = self.clone();
        for user in users {
            truth.remove(user);
        }
        truth
    }

    pub fn remove(&mut self, user: u32) {
        self.users.remove(&user);
        for organization in self.organizations.values_mut() {
            organization.roles.remove(&user);
            organization.team.remove(&user);
        }
    }

    /// What a connector sends of it, page by page.
    pub fn pages(&self, scoping: Scoping) -> Vec<Vec<Record>> {
        let users = self.users.iter().map(|(number, enabled)| {
            Record::Resource(user(*number, *enabled, self.services.contains(number)))
        });
        let mut pages = Vec::new();
        if scoping == ROLES {
            pages.extend(self.organizations.iter().map(|(number, it)| organization(*number, it)));
        }
        let users: Vec<_> = users.collect();
        pages.extend(users.chunks(100).map(<[Record]>::to_vec));
        pages
    }

    /// Everything that it holds, as the snapshot spells it.
    pub fn ids(&self, scoping: Scoping) -> BTreeSet<String> {
        let records = self.pages(scoping).into_iter().flatten();
        let ids = records.filter_map(|record| match record {
            Record::Resource(resource) => Some(resource.id.to_string()),
            Record::Grant(grant) => Some(format!("{}:{}", grant.entitlement, grant.principal)),
            Record::Entitlement(_) => None,
        });
        ids.collect()
    }

    /// What there is in the place of `record`.
    pub fn in_place_of(&self, record: &RecordId) -> Option<RecordId> {
        let number = |id: &str| id[1..].parse::<u32>().unwrap();
        match record {
            RecordId::Resource(id) => self.ids(ROLES).contains(&id.to_string()).then(|| record.clone()),
            RecordId::Grant { entitlement, principal } => {
                let (on, who) = (&entitlement.resource, number(&principal.id));
                let organization = self.organizations.get(&number(&on.id))?;
                let slug = if on.resource_type == "team" {
                    organization.team.contains(&who).then_some("member")?
                } else {
                    organization.roles.get(&who)?
                };
                let entitlement = EntitlementId::new(on.clone(), slug);
                Some(RecordId::Grant { entitlement, principal: principal.clone() })
            }
        }
    }

    /// The people alone, or the programs.
    fn only(&self, services: bool) -> Self {
        let mut kind = self.clone();
        kind.users.retain(|user, _| self.services.contains(user) == services);
        kind
    }

    fn enabled(&self) -> BTreeSet<u32> {
        self.users.iter().filter(|(_, enabled)| **enabled).map(|(user, _)| *user).collect()
    }

    /// Who is enabled here, and there but disabled in `next`.
    fn disabled_in(&self, next: &Self) -> BTreeSet<u32> {
        self.enabled().into_iter().filter(|user| next.users.get(user) == Some(&false)).collect()
    }
}

/// What goes from `before` to `next`, one line each.
pub fn removals(before: &Truth, next: &Truth, scoping: Scoping) -> BTreeSet<String> {
    let next_ids = next.ids(scoping);
    let gone = before.ids(scoping).into_iter().filter(|id| !next_ids.contains(id));
    let disabled = before.disabled_in(next);
    gone.map(|id| format!("- {id}"))
        .chain(disabled.into_iter().map(|user| format!("disabled user:u{user}")))
        .collect()
}

/// Must it be held?
pub fn must_be_held(before: &Truth, next: &Truth, scoping: Scoping, limits: Limits) -> bool {
    let disabled = before.disabled_in(next);
    let too_many = |lost: usize, of: usize| {
        lost as u64 >= limits.min_removed && lost * 100 > of * usize::from(limits.max_percent)
    };
    if scoping == Scoping::Users {
        let held = |before: Truth, next: Truth| {
            let gone = before.users.keys().filter(|user| !next.users.contains_key(user)).count();
            let lost = gone + before.disabled_in(&next).len();
            let nobody_left =
                next.users.is_empty() || (next.enabled().is_empty() && !before.enabled().is_empty());
            lost > 0 && (nobody_left || too_many(lost, before.users.len()))
        };
        let kinds = [false, true];
        return before.account != next.account
            || kinds.iter().any(|kind| held(before.only(*kind), next.only(*kind)));
    }
    before.organizations.iter().any(|(number, was)| {
        let Some(is) = next.organizations.get(number) else { return true };
        let admins = |it: &Organization| {
            let admins = it.roles.iter().filter(|(_, role)| **role == "admin");
            admins.map(|(user, _)| *user).collect::<BTreeSet<u32>>()
        };
        let members = |it: &Organization| it.roles.keys().copied().collect::<BTreeSet<u32>>();
        let held = |was: BTreeSet<u32>, is: BTreeSet<u32>, disabled: &BTreeSet<u32>| {
            let stay: BTreeSet<u32> = was.intersection(&is).copied().collect();
            let disabled = stay.intersection(disabled).count();
            let lost = was.len() - stay.len() + disabled;
            lost > 0 && (is.len() == disabled || too_many(lost, was.len()))
        };
        held(members(was), members(is), &disabled)
            || held(admins(was), admins(is), &disabled)
            || held(was.team.clone(), is.team.clone(), &BTreeSet::new())
    })
}

/// Is there less of anything, or another account, so that it must be held where only numbers are remembered?
pub fn must_be_held_without_a_baseline(before: &Truth, next: &Truth, scoping: Scoping) -> bool {
    if scoping == Scoping::Users {
        let fewer = |before: Truth, next: Truth| {
            next.users.len() < before.users.len() || next.enabled().len() < before.enabled().len()
        };
        let kinds = [false, true];
        return before.account != next.account
            || kinds.iter().any(|kind| fewer(before.only(*kind), next.only(*kind)));
    }
    before.organizations.iter().any(|(number, was)| {
        let nothing = Organization::default();
        let is = next.organizations.get(number).unwrap_or(&nothing);
        let admins = |it: &Organization| it.roles.values().filter(|role| **role == "admin").count();
        is.roles.len() < was.roles.len() || admins(is) < admins(was) || is.team.len() < was.team.len()
    })
}

/// The types that the connector reads.
pub fn types(scoping: Scoping) -> &'static [ResourceType] {
    match scoping {
        Scoping::Users => &[scalr::USER],
        Scoping::Roles { .. } => &[planetscale::ORGANIZATION, planetscale::TEAM, planetscale::USER],
    }
}

fn plain(id: ResourceId, name: String, kind: ResourceKind) -> Resource {
    Resource {
        id,
        parent: None,
        display_name: name,
        description: None,
        link: None,
        created_at: None,
        profile: Profile::new(),
        kind,
    }
}

fn user(number: u32, enabled: bool, service: bool) -> Resource {
    let user = User {
        email: format!("user-{number}@example.com"),
        login: format!("user-{number}"),
        status: Status { enabled, details: None },
        account_type: if service { AccountType::Service } else { AccountType::Human },
        last_login: None,
        mfa_enabled: None,
        sso_enabled: None,
    };
    let id = ResourceId::new("user", format!("u{number}"));
    plain(id, format!("secret name {number}"), ResourceKind::User(Box::new(user)))
}

fn organization(number: u32, it: &Organization) -> Vec<Record> {
    let id = ResourceId::new("organization", format!("o{number}"));
    let team = Resource {
        parent: Some(id.clone()),
        ..plain(ResourceId::new("team", format!("t{number}")), format!("team {number}"), ResourceKind::Group)
    };
    let entitlement = |resource: &ResourceId, slug: &str| {
        Record::Entitlement(Entitlement {
            id: EntitlementId::new(resource.clone(), slug),
            display_name: slug.to_owned(),
            description: String::new(),
            purpose: Purpose::Permission,
            grantable_to: &[planetscale::USER],
        })
    };
    let grant = |resource: &ResourceId, slug: &str, user: u32| {
        Record::Grant(Grant {
            entitlement: Arc::new(EntitlementId::new(resource.clone(), slug)),
            principal: ResourceId::new("user", format!("u{user}")),
        })
    };
    let mut records = vec![
        Record::Resource(plain(id.clone(), format!("org {number}"), ResourceKind::Plain)),
        entitlement(&id, "member"),
        entitlement(&id, "admin"),
        Record::Resource(team.clone()),
        entitlement(&team.id, "member"),
    ];
    records.extend(it.roles.iter().map(|(user, role)| grant(&id, role, *user)));
    records.extend(it.team.iter().map(|user| grant(&team.id, "member", *user)));
    records
}
