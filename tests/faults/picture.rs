//! What a snapshot says, and what it must say, in one form, so that the two can be compared record by record.

use std::collections::{BTreeMap, BTreeSet};

use connector_operator::proto::c1::connector::v2;
use connector_operator::snapshot::{ReadError, Snapshot};
use connector_simulator::fault::{Fault, LONG_NAME_TAIL, UNKNOWN_ROLE, UNKNOWN_STATUS, is_one_of_a_few};
use connector_simulator::{planetscale, scalr};
use jiff::Timestamp;
use prost::{Message, Name};

/// The longest name that C1 takes, in bytes.
const NAME_BYTES: usize = 1024;

/// Everybody and everything, by id.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    resources: BTreeMap<String, Thing>,
    entitlements: BTreeSet<String>,
    grants: BTreeSet<String>,
}

/// What is said of a resource.
#[derive(Debug, Default, PartialEq, Eq)]
struct Thing {
    name: String,
    parent: Option<String>,
    created_at: Option<i64>,
    user: Option<User>,
}

/// What is said of a user beyond that.
#[derive(Debug, Default, PartialEq, Eq)]
struct User {
    email: String,
    enabled: bool,
    /// Why not, in the upstream's words.
    details: String,
    is_person: bool,
    last_login: Option<i64>,
    mfa: Option<bool>,
}

impl Picture {
    /// The ways in which it is not `truth`.
    pub(crate) fn difference(&self, truth: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        let ids: BTreeSet<_> = self.resources.keys().chain(truth.resources.keys()).collect();
        for id in ids {
            let (read, is) = (self.resources.get(id), truth.resources.get(id));
            if read != is {
                differences.push(format!("{id} is {is:?} and was read as {read:?}"));
            }
        }
        for (read, is) in [(&self.entitlements, &truth.entitlements), (&self.grants, &truth.grants)] {
            differences.extend(is.difference(read).map(|id| format!("{id} was not read")));
            differences.extend(read.difference(is).map(|id| format!("{id} was read and is not so")));
        }
        let count = differences.len();
        differences.truncate(3);
        if count > 3 {
            differences.push(format!("and {} more", count - 3));
        }
        differences
    }

    pub(crate) fn of_snapshot(snapshot: &Snapshot) -> Self {
        let mut picture = Self::default();
        let resources = snapshot.resources::<ReadError>(|resource| {
            let id = id_of(resource.id.as_ref());
            assert!(picture.resources.insert(id.clone(), thing(&resource)).is_none(), "{id} is there twice");
            Ok(())
        });
        let entitlements = snapshot.entitlements::<ReadError>(|entitlement| {
            picture.entitlements.insert(entitlement.id);
            Ok(())
        });
        let grants = snapshot.grants::<ReadError>(|grant| {
            let principal = id_of(grant.principal.unwrap().id.as_ref());
            picture.grants.insert(format!("{}:{principal}", grant.entitlement.unwrap().id));
            Ok(())
        });
        resources.and(entitlements).and(grants).unwrap();
        picture
    }

    pub(crate) fn of_scalr(truth: &scalr::Truth, fault: Option<Fault>) -> Self {
        let people = truth.users.iter().map(|user| {
            let relation = match (user.relation_status, fault) {
                (scalr::Status::Active, Some(Fault::UnknownStatus)) if is_one_of_a_few(&user.id) => {
                    UNKNOWN_STATUS
                }
                (status, _) => status.as_str(),
            };
            let mut words = vec![relation, user.status.as_str()];
            words.retain(|word| *word != "Active");
            words.dedup();
            let said = User {
                email: user.email.clone(),
                enabled: words.is_empty(),
                details: words.join(", "),
                is_person: true,
                last_login: user.relation_last_login_at.map(Timestamp::as_second),
                mfa: None,
            };
            let name = name([user.full_name.as_deref(), Some(&user.email)], &user.email, fault);
            let created_at = user.created_at.map(Timestamp::as_second);
            (format!("user:{}", user.id), Thing { name, parent: None, created_at, user: Some(said) })
        });
        let programs = truth.service_accounts.iter().map(|account| {
            let enabled = account.status == scalr::Status::Active;
            let said = User {
                email: account.email.clone(),
                enabled,
                details: if enabled { String::new() } else { account.status.as_str().to_owned() },
                ..User::default()
            };
            let created_at = Some(account.created_at.as_second());
            let thing = Thing { name: account.name.clone(), parent: None, created_at, user: Some(said) };
            (format!("user:{}", account.id), thing)
        });
        Self { resources: people.chain(programs).collect(), ..Self::default() }
    }

    pub(crate) fn of_planetscale(truth: &planetscale::Truth, fault: Option<Fault>) -> Self {
        let mut picture = Self::default();
        for user in truth.users().values() {
            let said = User {
                email: user.email.clone(),
                enabled: true,
                is_person: true,
                mfa: Some(user.two_factor),
                ..User::default()
            };
            let name = name([user.name.as_deref(), Some(&user.display_name)], &user.email, fault);
            let created_at = Some(user.created_at.as_second());
            let thing = Thing { name, parent: None, created_at, user: Some(said) };
            picture.resources.insert(format!("user:{}", user.id), thing);
        }
        for organization in &truth.organizations {
            picture.add_organization(organization, fault);
        }
        picture
    }

    fn add_organization(&mut self, organization: &planetscale::OrganizationTruth, fault: Option<Fault>) {
        let id = format!("organization:{}", organization.id);
        self.add_owner(&id, &organization.name, None);
        self.entitlements.extend(["member", "admin"].map(|role| format!("{id}:{role}")));
        for member in &organization.members {
            let role = match (&*member.role, fault) {
                ("member", Some(Fault::UnknownRole)) if is_one_of_a_few(member.user.id.as_str()) => {
                    UNKNOWN_ROLE
                }
                (role, _) => role,
            };
            self.entitlements.insert(format!("{id}:{role}"));
            self.grants.insert(format!("{id}:{role}:user:{}", member.user.id));
        }
        for team in &organization.teams {
            let team_id = format!("team:{}", team.id);
            self.add_owner(&team_id, &team.name, Some(id.clone()));
            self.entitlements.insert(format!("{team_id}:member"));
            self.grants.extend(team.members.iter().map(|user| format!("{team_id}:member:user:{}", user.id)));
        }
    }

    /// When organizations and teams came to be is not in the truth.
    fn add_owner(&mut self, id: &str, name: &str, parent: Option<String>) {
        let thing = Thing { name: name.to_owned(), parent, created_at: None, user: None };
        self.resources.insert(id.to_owned(), thing);
    }
}

/// The name to show of somebody who has some of `names`, the better first.
fn name(names: [Option<&str>; 2], email: &str, fault: Option<Fault>) -> String {
    let best = names.into_iter().flatten().next().unwrap_or(email);
    match fault {
        Some(Fault::NullName) => email.to_owned(),
        Some(Fault::HugeField) => {
            let mut long = [best, &LONG_NAME_TAIL.repeat(NAME_BYTES)].concat();
            long.truncate(NAME_BYTES);
            long.trim_end().to_owned()
        }
        _ => best.to_owned(),
    }
}

fn id_of(id: Option<&v2::ResourceId>) -> String {
    let id = id.unwrap();
    format!("{}:{}", id.resource_type, id.resource)
}

fn thing(resource: &v2::Resource) -> Thing {
    let said = resource.annotations.iter().find(|any| any.type_url == v2::UserTrait::type_url());
    let user = said.map(|any| user(&v2::UserTrait::decode(any.value.as_slice()).unwrap()));
    Thing {
        name: resource.display_name.clone(),
        parent: resource.parent_resource_id.as_ref().map(|parent| id_of(Some(parent))),
        created_at: user.is_some().then(|| resource.created_at.map(|time| time.seconds)).flatten(),
        user,
    }
}

fn user(said: &v2::UserTrait) -> User {
    use v2::user_trait::AccountType;
    use v2::user_trait::status::Status;
    let status = said.status.as_ref().unwrap();
    User {
        email: said.emails[0].address.clone(),
        enabled: status.status() == Status::Enabled,
        details: status.details.clone(),
        is_person: said.account_type() == AccountType::Human,
        last_login: said.last_login.map(|time| time.seconds),
        mfa: said.mfa_status.as_ref().map(|status| status.mfa_enabled),
    }
}
