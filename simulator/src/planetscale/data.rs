//! The organizations that the simulated PlanetScale serves, as plain data, and how they are drawn from a seed.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use super::truth::{MemberTruth, OrganizationTruth, TeamTruth, Truth};
use crate::generate::{Kind, ObjectId, Seed, email, first_name, full_name};

/// How large an organization is drawn.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganizationSize {
    /// The name, which stands in every path.
    pub name: String,
    /// The number of members. The first is an admin and the creator of everything.
    #[serde(default)]
    pub members: usize,
    /// The number of teams.
    #[serde(default)]
    pub teams: usize,
    /// The number of members of each team, at most as many as the organization has.
    #[serde(default)]
    pub team_members: usize,
}

impl OrganizationSize {
    /// `count` organizations of one size, with the names `org-1`, `org-2`, …
    #[must_use]
    pub fn several(count: usize, members: usize, teams: usize, team_members: usize) -> Vec<Self> {
        let named = |number| Self { name: format!("org-{number}"), members, teams, team_members };
        (1..=count).map(named).collect()
    }
}

/// What a user has of the fields that PlanetScale does not always send (`sso`, `managed`, …).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionalFields {
    /// All of them, with values.
    Present,
    /// All of them, as null.
    Null,
    /// None of them.
    Absent,
}

/// A user, who may be a member of several organizations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The identity.
    pub id: ObjectId,
    /// The number from which the rest was drawn; it stands in the email.
    pub number: u64,
    /// The name, which not every user has.
    pub name: Option<String>,
    /// The name to show, which every user has.
    pub display_name: String,
    /// The email address.
    pub email: String,
    /// When the user was created.
    pub created_at: Timestamp,
    /// When the user was last changed.
    pub updated_at: Timestamp,
    /// Whether two-factor authentication is set up.
    pub two_factor: bool,
    /// What there is of the fields that are not always sent.
    pub optional: OptionalFields,
}

impl User {
    fn drawn(seed: Seed, number: u64) -> Self {
        let created_at = seed.time(Kind::Created, number);
        Self {
            id: ObjectId::drawn(seed, Kind::User, number),
            number,
            name: (number % 9 != 4).then(|| full_name(number)),
            display_name: format!("{}-{number}", first_name(number).to_ascii_lowercase()),
            email: email(number),
            created_at,
            updated_at: seed.time_after(created_at, Kind::Updated, number),
            two_factor: number % 3 != 1,
            optional: match number % 6 {
                3 => OptionalFields::Absent,
                5 => OptionalFields::Null,
                _ => OptionalFields::Present,
            },
        }
    }
}

/// What a member may do in an organization: `admin`, `member`, `analyst` or a word that is not known yet.
pub type Role = Cow<'static, str>;

/// A user's membership of an organization.
#[derive(Clone, Debug)]
pub(super) struct Membership {
    pub(super) id: ObjectId,
    pub(super) user: Arc<User>,
    pub(super) role: Role,
    pub(super) created_at: Timestamp,
}

/// A user's membership of a team.
#[derive(Clone, Debug)]
pub(super) struct TeamMembership {
    pub(super) id: ObjectId,
    pub(super) user: Arc<User>,
    pub(super) created_at: Timestamp,
}

/// A team with its members.
#[derive(Clone, Debug)]
pub(super) struct Team {
    pub(super) id: ObjectId,
    pub(super) number: u64,
    pub(super) name: String,
    pub(super) slug: String,
    pub(super) creator: Arc<User>,
    pub(super) members: Vec<TeamMembership>,
    pub(super) created_at: Timestamp,
}

/// An organization with its members and teams.
#[derive(Clone, Debug)]
pub(super) struct Organization {
    pub(super) id: ObjectId,
    pub(super) name: String,
    /// Whether the token has `read_organization` here. Without it everything below the organization is a 404.
    pub(super) granted: bool,
    pub(super) creator: Arc<User>,
    pub(super) members: Vec<Membership>,
    pub(super) teams: Vec<Team>,
    pub(super) created_at: Timestamp,
}

impl Organization {
    pub(super) fn team(&self, slug: &str) -> Option<&Team> {
        self.teams.iter().find(|team| team.slug == slug)
    }

    pub(super) fn member(&self, user_id: &str) -> Option<&Membership> {
        self.members.iter().find(|member| member.user.id.as_str() == user_id)
    }
}

/// All organizations, and what is needed to draw more.
#[derive(Debug)]
pub(super) struct Data {
    pub(super) organizations: Vec<Organization>,
    seed: Seed,
    analysts: bool,
    /// Users who are members of every organization that is large enough, in the order of their first use.
    shared: Vec<Arc<User>>,
    next_user: u64,
    next_object: u64,
}

/// Every tenth member of an organization, the first included, is one whom other organizations have too.
const SHARED_EVERY: usize = 10;

impl Data {
    pub(super) fn new(seed: Seed, analysts: bool) -> Self {
        Self { organizations: Vec::new(), seed, analysts, shared: Vec::new(), next_user: 0, next_object: 0 }
    }

    pub(super) fn draw_organization(&mut self, size: &OrganizationSize) {
        let number = self.next_object();
        let members: Vec<_> = (0..size.members).map(|place| self.draw_membership(place)).collect();
        let creator = members.first().map_or_else(|| self.new_user(), |first| Arc::clone(&first.user));
        let mut organization = Organization {
            id: ObjectId::drawn(self.seed, Kind::Organization, number),
            name: size.name.clone(),
            granted: true,
            creator,
            members,
            teams: Vec::with_capacity(size.teams),
            created_at: self.seed.time(Kind::Organization, number),
        };
        for place in 0..size.teams {
            let mut team = self.new_team(&organization.creator, &format!("Team {:03}", place + 1));
            // Neighbouring teams share some members, and no member is in a team twice.
            let members = organization.members.iter().cycle().skip((place * 37) % size.members.max(1));
            let members = members.take(size.team_members.min(size.members));
            team.members = members.map(|member| self.new_team_membership(&member.user)).collect();
            organization.teams.push(team);
        }
        self.organizations.push(organization);
    }

    fn draw_membership(&mut self, place: usize) -> Membership {
        let user = if place.is_multiple_of(SHARED_EVERY) {
            self.shared_user(place / SHARED_EVERY)
        } else {
            self.new_user()
        };
        let role = match place % 50 {
            0 | 10 | 30 => "admin",
            7 | 25 if self.analysts => "analyst",
            _ => "member",
        };
        self.new_membership(user, Cow::Borrowed(role))
    }

    fn shared_user(&mut self, place: usize) -> Arc<User> {
        if let Some(user) = self.shared.get(place) {
            return Arc::clone(user);
        }
        let user = self.new_user();
        self.shared.push(Arc::clone(&user));
        user
    }

    /// Numbers are never used again, and so neither are ids.
    fn next_object(&mut self) -> u64 {
        let number = self.next_object;
        self.next_object += 1;
        number
    }

    pub(super) fn new_user(&mut self) -> Arc<User> {
        let user = User::drawn(self.seed, self.next_user);
        self.next_user += 1;
        Arc::new(user)
    }

    pub(super) fn new_membership(&mut self, user: Arc<User>, role: Role) -> Membership {
        let number = self.next_object();
        Membership {
            id: ObjectId::drawn(self.seed, Kind::Membership, number),
            created_at: self.seed.time_after(user.created_at, Kind::Membership, number),
            user,
            role,
        }
    }

    pub(super) fn new_team(&mut self, creator: &Arc<User>, name: &str) -> Team {
        let number = self.next_object();
        Team {
            id: ObjectId::drawn(self.seed, Kind::Team, number),
            number,
            name: name.to_owned(),
            slug: slug(name),
            creator: Arc::clone(creator),
            members: Vec::new(),
            created_at: self.seed.time(Kind::Team, number),
        }
    }

    pub(super) fn new_team_membership(&mut self, user: &Arc<User>) -> TeamMembership {
        let number = self.next_object();
        TeamMembership {
            id: ObjectId::drawn(self.seed, Kind::TeamMembership, number),
            user: Arc::clone(user),
            created_at: self.seed.time_after(user.created_at, Kind::TeamMembership, number),
        }
    }

    pub(super) fn organization(&self, name: &str) -> Option<&Organization> {
        self.organizations.iter().find(|organization| organization.name == name)
    }

    pub(super) fn truth(&self) -> Truth {
        Truth { organizations: self.organizations.iter().map(organization_truth).collect() }
    }
}

/// `DB Admins` becomes `db-admins`.
pub(super) fn slug(name: &str) -> String {
    name.to_lowercase().split_whitespace().collect::<Vec<_>>().join("-")
}

fn organization_truth(organization: &Organization) -> OrganizationTruth {
    let member = |member: &Membership| MemberTruth {
        membership_id: member.id,
        user: Arc::clone(&member.user),
        role: member.role.clone(),
    };
    let team = |team: &Team| TeamTruth {
        id: team.id,
        slug: team.slug.clone(),
        name: team.name.clone(),
        members: team.members.iter().map(|member| Arc::clone(&member.user)).collect(),
    };
    OrganizationTruth {
        id: organization.id,
        name: organization.name.clone(),
        granted: organization.granted,
        members: organization.members.iter().map(member).collect(),
        teams: organization.teams.iter().map(team).collect(),
    }
}
