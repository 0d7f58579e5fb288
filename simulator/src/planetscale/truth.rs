//! What a client of the simulated PlanetScale must arrive at.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::data::{Role, User};
use crate::generate::ObjectId;

/// Everything that the token reaches at one moment, in the order of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// The organizations.
    pub organizations: Vec<OrganizationTruth>,
}

/// An organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationTruth {
    /// The identity.
    pub id: ObjectId,
    /// The name, which stands in paths.
    pub name: String,
    /// Whether the token may read what is below the organization.
    pub granted: bool,
    /// The members.
    pub members: Vec<MemberTruth>,
    /// The teams.
    pub teams: Vec<TeamTruth>,
}

/// A member of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberTruth {
    /// The id of the membership, which is not the user's.
    pub membership_id: ObjectId,
    /// The user.
    pub user: Arc<User>,
    /// The role in the organization.
    pub role: Role,
}

/// A team of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamTruth {
    /// The identity.
    pub id: ObjectId,
    /// The slug, which stands in paths.
    pub slug: String,
    /// The name.
    pub name: String,
    /// The members.
    pub members: Vec<Arc<User>>,
}

/// How many there are of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Organizations, those without a grant included.
    pub organizations: usize,
    /// Different users over all organizations.
    pub users: usize,
    /// Memberships of organizations.
    pub memberships: usize,
    /// Memberships with the role `admin`.
    pub admins: usize,
    /// Teams.
    pub teams: usize,
    /// Memberships of teams.
    pub team_memberships: usize,
}

impl Truth {
    /// The organization of this name.
    #[must_use]
    pub fn organization(&self, name: &str) -> Option<&OrganizationTruth> {
        self.organizations.iter().find(|organization| organization.name == name)
    }

    /// Everyone who is a member of some organization, once, by id.
    #[must_use]
    pub fn users(&self) -> BTreeMap<ObjectId, Arc<User>> {
        let members = self.organizations.iter().flat_map(|organization| &organization.members);
        members.map(|member| (member.user.id, Arc::clone(&member.user))).collect()
    }

    /// How many there are of what.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let members = || self.organizations.iter().flat_map(|organization| &organization.members);
        let teams = || self.organizations.iter().flat_map(|organization| &organization.teams);
        Counts {
            organizations: self.organizations.len(),
            users: self.users().len(),
            memberships: members().count(),
            admins: members().filter(|member| member.role == "admin").count(),
            teams: teams().count(),
            team_memberships: teams().map(|team| team.members.len()).sum(),
        }
    }
}

impl OrganizationTruth {
    /// The member with this user id.
    #[must_use]
    pub fn member(&self, user_id: ObjectId) -> Option<&MemberTruth> {
        self.members.iter().find(|member| member.user.id == user_id)
    }

    /// The team with this slug.
    #[must_use]
    pub fn team(&self, slug: &str) -> Option<&TeamTruth> {
        self.teams.iter().find(|team| team.slug == slug)
    }
}
