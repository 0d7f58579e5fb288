//! One scope, and what became of those in it.

use super::{Limits, Removal, Why};

/// Which people a scope counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The people of the account.
    Users,
    /// The programs of the account.
    ServiceAccounts,
    /// The resource itself; it is gone.
    Owner,
    /// Whoever has a role on the resource.
    Members,
    /// Whoever administers the resource.
    Administrators,
    /// Who is in what belongs to the resource, once for each.
    Memberships,
}

impl Part {
    /// The parts that every resource of the owning type has.
    pub const OF_OWNER: [Self; 3] = [Self::Members, Self::Administrators, Self::Memberships];

    /// The word in ids and for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::ServiceAccounts => "service accounts",
            Self::Owner => "owners",
            Self::Members => "members",
            Self::Administrators => "administrators",
            Self::Memberships => "memberships",
        }
    }

    /// The id of the scope of `owner`, such as `organization:a1b2c3d4e5f6/members`.
    pub fn id(self, owner: &str) -> String {
        format!("{owner}/{}", self.word())
    }

    /// The scope of the resource called `name`, as a person reads it.
    pub fn title(self, name: &str) -> String {
        match self {
            Self::Users | Self::ServiceAccounts => self.word().to_owned(),
            Self::Owner => name.to_owned(),
            Self::Memberships => format!("group memberships of {name}"),
            _ => format!("{} of {name}", self.word()),
        }
    }
}

/// What became of those who were published in one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeChange {
    /// Whom it counts.
    pub part: Part,
    /// The scope as a person reads it.
    pub title: String,
    /// How many were published.
    pub before: u64,
    /// How many of them are not there any more.
    pub removed: u64,
    /// How many of them are there, but disabled since.
    pub disabled: u64,
    /// Is there still somebody who is enabled, or, where nobody was before, anybody at all?
    pub somebody_left: bool,
}

impl ScopeChange {
    /// Why it has to be held, if at all.
    pub(super) fn why(&self, limits: Limits) -> Option<Why> {
        let lost = self.removed.saturating_add(self.disabled);
        match self.part {
            Part::Owner => Some(Why::OwnerGone),
            _ if lost == 0 => None,
            Part::Administrators if !self.somebody_left => Some(Why::NoAdministrator),
            _ if !self.somebody_left => Some(Why::Emptied),
            _ if lost >= limits.min_removed && exceeds(lost, self.before, limits.max_percent) => {
                Some(Why::TooMany)
            }
            _ => None,
        }
    }

    pub(super) fn held_for(&self, why: Why) -> Removal {
        let Self { title, before, removed, disabled, .. } = self;
        Removal { scope: title.clone(), before: *before, removed: *removed, disabled: *disabled, why }
    }
}

fn exceeds(lost: u64, before: u64, percent: u8) -> bool {
    u128::from(lost) * 100 > u128::from(before) * u128::from(percent)
}
