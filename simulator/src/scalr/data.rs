//! The account that the simulated Scalr serves, as plain data, and how it is drawn from a seed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::generate::{Kind, Seed, email, full_name};

/// The status of a user, of a user's relation to the account, or of a service account (which is never pending).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Status {
    /// May sign in.
    Active,
    /// Switched off.
    Inactive,
    /// Invited, and has not signed in yet.
    Pending,
}

impl Status {
    /// The word that Scalr uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Inactive => "Inactive",
            Self::Pending => "Pending",
        }
    }
}

/// A user and the user's relation to the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// `user-…`, the identity.
    pub id: String,
    /// The id of the relation (`account-users`), a UUID.
    pub relation_id: String,
    /// The number from which the rest was drawn; it stands in the email.
    pub number: u64,
    /// The email address.
    pub email: String,
    /// The name, which not every user has.
    pub full_name: Option<String>,
    /// The status of the user everywhere.
    pub status: Status,
    /// The status of the relation to this account.
    pub relation_status: Status,
    /// When the user was created, which Scalr does not know of everyone.
    pub created_at: Option<Timestamp>,
    /// The last sign-in to anything.
    pub last_login_at: Option<Timestamp>,
    /// The last sign-in to this account.
    pub relation_last_login_at: Option<Timestamp>,
}

impl User {
    /// What both statuses together come to: active only where both are, else the relation's word before the user's.
    #[must_use]
    pub fn effective_status(&self) -> Status {
        if self.relation_status == Status::Active { self.status } else { self.relation_status }
    }

    /// Whether the user can use the account.
    #[must_use]
    pub fn enabled(&self) -> bool {
        self.effective_status() == Status::Active
    }

    /// Every state that the API can show appears among the first 32 users, so that small accounts have them too.
    fn drawn(seed: Seed, number: u64) -> Self {
        let (relation_status, status) = match number % 32 {
            5 | 21 => (Status::Inactive, Status::Active),
            9 => (Status::Active, Status::Inactive),
            25 => (Status::Inactive, Status::Inactive),
            13 => (Status::Pending, Status::Pending),
            29 => (Status::Pending, Status::Active),
            _ => (Status::Active, Status::Active),
        };
        let created_at = seed.time(Kind::Created, number);
        let last_login_at = (status != Status::Pending && number % 7 != 3)
            .then(|| seed.time_after(created_at, Kind::LastLogin, number));
        Self {
            id: seed.scalr_id("user", Kind::User, number),
            relation_id: seed.uuid(Kind::Relation, number),
            number,
            email: email(number),
            full_name: (number % 11 != 4).then(|| full_name(number)),
            status,
            relation_status,
            created_at: (number % 13 != 6).then_some(created_at),
            last_login_at,
            relation_last_login_at: last_login_at.filter(|_| relation_status != Status::Pending),
        }
    }
}

/// A service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// The identity, opaque to clients.
    pub id: String,
    /// The name, which is also the local part of the email.
    pub name: String,
    /// `<name>@<account>.scalr.io`.
    pub email: String,
    /// A description, which not every service account has.
    pub description: Option<String>,
    /// Active or inactive.
    pub status: Status,
    /// When it was created.
    pub created_at: Timestamp,
}

impl ServiceAccount {
    fn drawn(seed: Seed, account: &str, number: u64, name: Option<&str>) -> Self {
        let name = name.map_or_else(|| format!("robot-{number:03}"), str::to_owned);
        Self {
            id: seed.scalr_id("sa", Kind::ServiceAccount, number),
            email: format!("{name}@{account}.scalr.io"),
            description: (number % 3 != 1).then(|| format!("Runs pipeline {number}")),
            name,
            status: if number % 8 == 5 { Status::Inactive } else { Status::Active },
            created_at: seed.time(Kind::ServiceAccount, number),
        }
    }
}

/// How many there are of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Users of the account, whatever their status.
    pub users: usize,
    /// Users whose effective status is active.
    pub enabled_users: usize,
    /// Service accounts, whatever their status.
    pub service_accounts: usize,
}

/// Everything that the account has at one moment: what a client must arrive at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// `acc-…`.
    pub account_id: String,
    /// The name, which is the subdomain.
    pub account_name: String,
    /// Whether the account's quotas include service accounts.
    pub service_accounts_available: bool,
    /// The users, in the order of the API without `sort`; the first one is the owner.
    pub users: Vec<User>,
    /// The service accounts, in the order of the API without `sort`.
    pub service_accounts: Vec<ServiceAccount>,
}

impl Truth {
    /// How many there are of what.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            users: self.users.len(),
            enabled_users: self.users.iter().filter(|user| user.enabled()).count(),
            service_accounts: self.service_accounts.len(),
        }
    }
}

/// The truth, and what is needed to draw more of it.
#[derive(Debug)]
pub(super) struct Data {
    pub(super) truth: Truth,
    pub(super) created_at: Timestamp,
    pub(super) identity_provider_id: String,
    seed: Seed,
    next_user: u64,
    next_service_account: u64,
}

impl Data {
    pub(super) fn drawn(seed: Seed, account: &str, users: usize, service_accounts: usize) -> Self {
        let mut data = Self {
            truth: Truth {
                account_id: seed.scalr_id("acc", Kind::Account, 0),
                account_name: account.to_owned(),
                service_accounts_available: true,
                users: Vec::with_capacity(users),
                service_accounts: Vec::with_capacity(service_accounts),
            },
            created_at: seed.time(Kind::Account, 0),
            identity_provider_id: seed.scalr_id("idp", Kind::IdentityProvider, 0),
            seed,
            next_user: 0,
            next_service_account: 0,
        };
        for _ in 0..users {
            let user = data.next_user();
            data.truth.users.push(user);
        }
        for _ in 0..service_accounts {
            let account = data.next_service_account(None);
            data.truth.service_accounts.push(account);
        }
        data
    }

    /// Numbers are never used again, and so neither are ids.
    fn next_user(&mut self) -> User {
        let user = User::drawn(self.seed, self.next_user);
        self.next_user += 1;
        user
    }

    fn next_service_account(&mut self, name: Option<&str>) -> ServiceAccount {
        let account =
            ServiceAccount::drawn(self.seed, &self.truth.account_name, self.next_service_account, name);
        self.next_service_account += 1;
        account
    }

    pub(super) fn user(&self, id: &str) -> Option<&User> {
        self.truth.users.iter().find(|user| user.id == id)
    }

    /// Adds a user who is active everywhere, as somebody who has just accepted an invitation.
    pub(super) fn add_user(&mut self, email: Option<&str>, full_name: Option<&str>) -> Result<User, Error> {
        if let Some(email) = email {
            if email.is_empty() {
                return Err(Error::Empty("an email"));
            }
            if self.truth.users.iter().any(|user| user.email == email) {
                return Err(Error::exists("user", email));
            }
        }
        let drawn = self.next_user();
        let user = User {
            email: email.map_or(drawn.email, str::to_owned),
            full_name: full_name.map(str::to_owned).or(drawn.full_name),
            status: Status::Active,
            relation_status: Status::Active,
            ..drawn
        };
        self.truth.users.push(user.clone());
        Ok(user)
    }

    /// Deletes the user at `place` in the order of the emails, and adds one who comes last in it.
    pub(super) fn slide_people(&mut self, place: usize) {
        let mut emails: Vec<&str> = self.truth.users.iter().map(|user| user.email.as_str()).collect();
        emails.sort_unstable();
        if let Some(email) = emails.get(place).map(|email| (*email).to_owned()) {
            self.truth.users.retain(|user| user.email != email);
            let user = self.next_user();
            self.truth.users.push(user);
        }
    }

    /// The same for service accounts.
    pub(super) fn slide_programs(&mut self, place: usize) {
        let mut emails: Vec<&str> = self.truth.service_accounts.iter().map(|it| it.email.as_str()).collect();
        emails.sort_unstable();
        if let Some(email) = emails.get(place).map(|email| (*email).to_owned()) {
            self.truth.service_accounts.retain(|account| account.email != email);
            let account = self.next_service_account(None);
            self.truth.service_accounts.push(account);
        }
    }

    pub(super) fn remove_user(&mut self, key: &str) -> Result<User, Error> {
        let place = self.place_of_user(key)?;
        Ok(self.truth.users.remove(place))
    }

    pub(super) fn set_user_status(&mut self, key: &str, relation: Status, user: Status) -> Result<(), Error> {
        let place = self.place_of_user(key)?;
        if let Some(found) = self.truth.users.get_mut(place) {
            found.relation_status = relation;
            found.status = user;
        }
        Ok(())
    }

    fn place_of_user(&self, key: &str) -> Result<usize, Error> {
        let named = |user: &User| user.id == key || user.email == key || user.relation_id == key;
        self.truth.users.iter().position(named).ok_or_else(|| Error::unknown("user", key))
    }

    pub(super) fn add_service_account(&mut self, name: Option<&str>) -> Result<ServiceAccount, Error> {
        if let Some(name) = name {
            if name.is_empty() {
                return Err(Error::Empty("a name"));
            }
            if self.truth.service_accounts.iter().any(|account| account.name == name) {
                return Err(Error::exists("service account", name));
            }
        }
        let drawn = self.next_service_account(name);
        let account = ServiceAccount { status: Status::Active, ..drawn };
        self.truth.service_accounts.push(account.clone());
        Ok(account)
    }

    pub(super) fn remove_service_account(&mut self, key: &str) -> Result<ServiceAccount, Error> {
        let place = self.place_of_service_account(key)?;
        Ok(self.truth.service_accounts.remove(place))
    }

    pub(super) fn set_service_account_active(&mut self, key: &str, active: bool) -> Result<(), Error> {
        let place = self.place_of_service_account(key)?;
        if let Some(found) = self.truth.service_accounts.get_mut(place) {
            found.status = if active { Status::Active } else { Status::Inactive };
        }
        Ok(())
    }

    fn place_of_service_account(&self, key: &str) -> Result<usize, Error> {
        let named =
            |account: &ServiceAccount| account.id == key || account.name == key || account.email == key;
        let place = self.truth.service_accounts.iter().position(named);
        place.ok_or_else(|| Error::unknown("service account", key))
    }
}
