//! What becomes of the items of PlanetScale's listings. Pure: bytes in, records out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::paging::{Fault, IdSet, Visitor};
use super::api::{Membership, Organization, Rows, Team, TeamMembership};
use super::users::Users;
use super::{ADMIN, MEMBER, USER, map};
use crate::access::{EntitlementId, Grant, Record, Resource, ResourceId};

/// Members of teams who are looked up one by one because the organization's members lack them. More than that is
/// a listing of members that lies.
const MOST_OUTSIDERS: usize = 100;

/// An organization, as far as it is needed to read what is in it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) id: ResourceId,
    /// As paths need it.
    pub(super) name: String,
    /// As people read it.
    pub(super) title: String,
    /// Its place in the order of reading.
    pub(super) number: u32,
}

/// Collects organizations, with the two entitlements that each has.
#[derive(Default)]
pub(super) struct Organizations {
    ids: IdSet,
    pub(super) found: Vec<Place>,
}

impl Visitor for Organizations {
    type Page<'a> = Rows<Organization<'a>>;

    fn is_new(&mut self, id: &str) -> bool {
        self.ids.insert(id)
    }

    fn visit(&mut self, page: Self::Page<'_>) -> Result<Vec<Record>, Fault> {
        let mut records = Vec::with_capacity(3 * page.data.len());
        for organization in &page.data {
            let resource = map::organization(organization)?;
            let (id, title) = (resource.id.clone(), resource.display_name.clone());
            records.push(Record::Resource(resource));
            for role in [MEMBER, ADMIN] {
                records.push(Record::Entitlement(map::role(id.clone(), &title, role)?));
            }
            self.found.push(Place { id, name: organization.name.to_string(), title, number: 0 });
        }
        Ok(records)
    }
}

/// Only the ids of the organizations, to see whether they are still the same.
#[derive(Default)]
pub(super) struct OrganizationIds {
    pub(super) found: BTreeSet<String>,
}

impl Visitor for OrganizationIds {
    type Page<'a> = Rows<Organization<'a>>;

    fn is_new(&mut self, id: &str) -> bool {
        self.found.insert(id.to_owned())
    }

    fn visit(&mut self, _: Self::Page<'_>) -> Result<Vec<Record>, Fault> {
        Ok(Vec::new())
    }
}

/// The roles of an organization that have an entitlement already.
pub(super) struct Roles {
    known: BTreeMap<String, Arc<EntitlementId>>,
}

impl Roles {
    pub(super) fn of(organization: &Place) -> Self {
        let known = [MEMBER, ADMIN]
            .map(|role| (role.to_owned(), Arc::new(EntitlementId::new(organization.id.clone(), role))));
        Self { known: known.into() }
    }

    /// The entitlement of `role`, which is made, as a record, when it is met for the first time.
    fn entitlement(
        &mut self,
        organization: &Place,
        role: &str,
        records: &mut Vec<Record>,
    ) -> Result<Arc<EntitlementId>, Fault> {
        if let Some(known) = self.known.get(role) {
            return Ok(Arc::clone(known));
        }
        let entitlement = map::role(organization.id.clone(), &organization.title, role)?;
        let id = Arc::new(entitlement.id.clone());
        records.push(Record::Entitlement(entitlement));
        self.known.insert(role.to_owned(), Arc::clone(&id));
        Ok(id)
    }
}

/// Maps the members of an organization: each user once in a run, and each role as a grant.
pub(super) struct Members<'r> {
    pub(super) organization: &'r Place,
    pub(super) roles: &'r mut Roles,
    pub(super) users: &'r mut Users,
}

impl Members<'_> {
    /// The records that `membership` makes. Its user has joined.
    pub(super) fn add(
        &mut self,
        membership: &Membership<'_>,
        records: &mut Vec<Record>,
    ) -> Result<(), Fault> {
        let user = &membership.user;
        let principal = ResourceId::new(USER.id, map::id(&user.id)?);
        if self.users.introduce(&user.id, &user.email)? {
            records.push(Record::Resource(map::user(user)?));
        }
        let entitlement = self.roles.entitlement(self.organization, &membership.role, records)?;
        records.push(Record::Grant(Grant { entitlement, principal }));
        Ok(())
    }
}

impl Visitor for Members<'_> {
    type Page<'a> = Rows<Membership<'a>>;

    fn is_new(&mut self, id: &str) -> bool {
        self.users.join(id, self.organization.number)
    }

    fn visit(&mut self, page: Self::Page<'_>) -> Result<Vec<Record>, Fault> {
        let mut records = Vec::with_capacity(2 * page.data.len());
        for membership in &page.data {
            self.add(membership, &mut records)?;
        }
        Ok(records)
    }
}

/// A team, as far as it is needed to read its members.
#[derive(Debug)]
pub(super) struct TeamPlace {
    pub(super) slug: String,
    pub(super) title: String,
    pub(super) membership: Arc<EntitlementId>,
}

/// Collects the teams of an organization, with the entitlement that each has.
pub(super) struct Teams<'r> {
    pub(super) organization: &'r Place,
    ids: IdSet,
    pub(super) found: Vec<TeamPlace>,
}

impl<'r> Teams<'r> {
    /// None so far of `organization`.
    pub(super) fn of(organization: &'r Place) -> Self {
        Self { organization, ids: IdSet::default(), found: Vec::new() }
    }
}

impl Visitor for Teams<'_> {
    type Page<'a> = Rows<Team<'a>>;

    fn is_new(&mut self, id: &str) -> bool {
        self.ids.insert(id)
    }

    fn visit(&mut self, page: Self::Page<'_>) -> Result<Vec<Record>, Fault> {
        let mut records = Vec::with_capacity(2 * page.data.len());
        for team in &page.data {
            let resource: Resource = map::team(team, self.organization.id.clone())?;
            let membership = map::team_membership(&resource);
            self.found.push(TeamPlace {
                slug: team.slug.to_string(),
                title: resource.display_name.clone(),
                membership: Arc::new(membership.id.clone()),
            });
            records.extend([Record::Resource(resource), Record::Entitlement(membership)]);
        }
        Ok(records)
    }
}

/// Maps the members of a team.
pub(super) struct TeamMembers<'r> {
    pub(super) organization: &'r Place,
    pub(super) membership: &'r Arc<EntitlementId>,
    pub(super) users: &'r Users,
    pub(super) ids: IdSet,
    /// Members of the team whom the organization's members lack.
    pub(super) outsiders: BTreeSet<String>,
}

impl Visitor for TeamMembers<'_> {
    type Page<'a> = Rows<TeamMembership<'a>>;

    fn is_new(&mut self, id: &str) -> bool {
        self.ids.insert(id)
    }

    fn visit(&mut self, page: Self::Page<'_>) -> Result<Vec<Record>, Fault> {
        let mut records = Vec::with_capacity(page.data.len());
        for TeamMembership { user } in &page.data {
            let id = map::id(&user.id)?;
            if !self.users.has_joined(id, &user.email, self.organization.number)? {
                self.outsiders.insert(id.to_owned());
            }
            if self.outsiders.len() > MOST_OUTSIDERS {
                let problem =
                    format!("more than {MOST_OUTSIDERS} of its members are not among the organization's");
                return Err(Fault::Changed(problem));
            }
            let entitlement = Arc::clone(self.membership);
            records.push(Record::Grant(Grant { entitlement, principal: ResourceId::new(USER.id, id) }));
        }
        Ok(records)
    }
}

/// Finds out which of some users are in a team.
pub(super) struct Present<'r> {
    among: &'r BTreeSet<String>,
    ids: IdSet,
    pub(super) found: Vec<String>,
}

impl<'r> Present<'r> {
    /// None so far of `among`.
    pub(super) fn among(among: &'r BTreeSet<String>) -> Self {
        Self { among, ids: IdSet::default(), found: Vec::new() }
    }
}

impl Visitor for Present<'_> {
    type Page<'a> = Rows<TeamMembership<'a>>;

    fn is_new(&mut self, id: &str) -> bool {
        self.ids.insert(id)
    }

    fn visit(&mut self, page: Self::Page<'_>) -> Result<Vec<Record>, Fault> {
        let here = page.data.iter().map(|membership| &*membership.user.id);
        self.found.extend(here.filter(|id| self.among.contains(*id)).map(str::to_owned));
        Ok(Vec::new())
    }
}

/// Does as the visitor in it does, but for its records, which nobody takes.
pub(super) struct Quietly<V>(pub(super) V);

impl<V: Visitor> Visitor for Quietly<V> {
    type Page<'a> = V::Page<'a>;

    fn is_new(&mut self, id: &str) -> bool {
        self.0.is_new(id)
    }

    fn visit(&mut self, page: Self::Page<'_>) -> Result<Vec<Record>, Fault> {
        self.0.visit(page)?;
        Ok(Vec::new())
    }
}
