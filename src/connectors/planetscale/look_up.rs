//! Asks PlanetScale for what a reading lacks: members of organizations one by one, teams by listing them once more.
//! A 404 may be a refusal, so nobody is gone on its word alone: somebody who is there must be found by the same kind
//! of request in the same organization.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};

use super::super::http::Get;
use super::super::paging::walk;
use super::super::text::is_id;
use super::super::{LookUp, ReadError};
use super::api::{Membership, Rows};
use super::visitors::{Organizations, Place, Present, Quietly, TeamPlace, Teams};
use super::{ORGANIZATION, PlanetScale, TEAM, USER, listing, membership_of};
use crate::access::{EntitlementId, RecordId, RecordSender, ResourceId, channel};

/// What is looked for, by the request that answers it.
#[derive(Debug, Default)]
struct Wanted {
    /// Users whose memberships are missing, by the organization's id.
    members: BTreeMap<String, BTreeSet<String>>,
    /// Users of whom nothing is left.
    users: BTreeSet<String>,
    /// Users whose memberships are missing, by the team's id; nobody for a team that is missing itself.
    teams: BTreeMap<String, BTreeSet<String>>,
    organizations: BTreeSet<String>,
}

impl Wanted {
    /// `None` where one of `missing` is nothing that PlanetScale could be asked for.
    fn of(missing: &[RecordId]) -> Option<Self> {
        let mut wanted = Self::default();
        for id in missing {
            match id {
                RecordId::Resource(resource) => wanted.add_resource(resource)?,
                RecordId::Grant { entitlement, principal } => wanted.add_grant(entitlement, principal)?,
            }
        }
        Some(wanted)
    }

    fn add_resource(&mut self, ResourceId { resource_type, id }: &ResourceId) -> Option<()> {
        match *resource_type {
            kind if kind == USER.id && is_id(id) => _ = self.users.insert(id.clone()),
            kind if kind == TEAM.id => _ = self.teams.entry(id.clone()).or_default(),
            kind if kind == ORGANIZATION.id => _ = self.organizations.insert(id.clone()),
            _ => return None,
        }
        Some(())
    }

    fn add_grant(&mut self, entitlement: &EntitlementId, principal: &ResourceId) -> Option<()> {
        if principal.resource_type != USER.id || !is_id(&principal.id) {
            return None;
        }
        let ResourceId { resource_type, id } = &entitlement.resource;
        let missing = match *resource_type {
            kind if kind == ORGANIZATION.id => &mut self.members,
            kind if kind == TEAM.id => &mut self.teams,
            _ => return None,
        };
        missing.entry(id.clone()).or_default().insert(principal.id.clone());
        Some(())
    }

    /// The users to ask `organization` for: those who were its members, and those of whom nothing says whose member
    /// they were.
    fn members_of(&self, organization: &Place) -> BTreeSet<&str> {
        let somewhere: BTreeSet<_> = self.members.values().flatten().collect();
        let nowhere = self.users.iter().filter(|user| !somewhere.contains(user));
        let here = self.members.get(&organization.id.id).into_iter().flatten();
        here.chain(nowhere).map(String::as_str).collect()
    }
}

/// What is known of a missing user in one organization.
enum Sought {
    /// Their role.
    Found(String),
    Gone,
    /// They may not be asked for, which tells nothing.
    Hidden,
}

impl PlanetScale {
    /// As [`super::Connector::look_up`].
    pub(super) async fn look_up_records(&self, missing: &[RecordId]) -> Result<LookUp, ReadError> {
        let Some(wanted) = Wanted::of(missing) else { return Ok(LookUp::Impossible) };
        let (nowhere, _receiver) = channel();
        let organizations = self.organizations_alone(&nowhere).await?;
        let mut found = BTreeSet::new();
        for organization in &organizations {
            if wanted.organizations.contains(&organization.id.id) {
                found.insert(RecordId::Resource(organization.id.clone()));
            }
            if !self.look_up_members(organization, &wanted, &mut found).await? {
                return Ok(LookUp::Impossible);
            }
            if !wanted.teams.is_empty() {
                self.look_up_teams(organization, &wanted, &mut found, &nowhere).await?;
            }
        }
        Ok(LookUp::Found(found.into_iter().collect()))
    }

    /// The organizations, of which no record goes to `nowhere`.
    pub(super) async fn organizations_alone(&self, nowhere: &RecordSender) -> Result<Vec<Place>, ReadError> {
        let mut listed = Quietly(Organizations::default());
        self.list_organizations(&mut listed, nowhere).await?;
        self.in_order(listed.0.found)
    }

    /// Adds the members of `organization` among the wanted. `false` where its answers are not to be told from refusals.
    async fn look_up_members(
        &self,
        organization: &Place,
        wanted: &Wanted,
        found: &mut BTreeSet<RecordId>,
    ) -> Result<bool, ReadError> {
        let ids = wanted.members_of(organization);
        let seeking: Vec<_> = ids.iter().map(|id| self.seek(organization, id)).collect();
        let sought =
            stream::iter(seeking).buffered(self.client.requests_in_flight()).try_collect::<Vec<_>>().await?;
        let mut some_gone = false;
        for (id, sought) in ids.into_iter().zip(sought) {
            let role = match sought {
                Sought::Found(role) => role,
                Sought::Gone => {
                    some_gone = true;
                    continue;
                }
                Sought::Hidden => return Ok(false),
            };
            let principal = ResourceId::new(USER.id, id);
            let entitlement = EntitlementId::new(organization.id.clone(), role);
            found.insert(RecordId::Resource(principal.clone()));
            found.insert(RecordId::Grant { entitlement, principal });
        }
        Ok(!some_gone || self.finds(organization).await?)
    }

    async fn seek(&self, organization: &Place, id: &str) -> Result<Sought, ReadError> {
        match self.ask_for_member(organization, id).await {
            Ok(Some(answer)) => Ok(Sought::Found(membership_of(&answer, id)?.role.to_string())),
            Ok(None) => Ok(Sought::Gone),
            Err(ReadError::Forbidden { .. }) => Ok(Sought::Hidden),
            Err(error) => Err(error),
        }
    }

    /// Does asking for a member of `organization` find somebody who is there?
    async fn finds(&self, organization: &Place) -> Result<bool, ReadError> {
        let path = ["v1", "organizations", &organization.name, "members"];
        let query = [("per_page", "1")];
        let what = "a member of the organization";
        let get = Get { what, operation: "find_member", path: &path, query: &query };
        let answer = match self.client.get(&get).await {
            Err(ReadError::Forbidden { status: 404, .. }) => return Ok(false),
            answer => answer?,
        };
        let page: Rows<Membership<'_>> = answer.decode()?;
        let Some(first) = page.data.first().filter(|first| is_id(&first.user.id)) else { return Ok(false) };
        Ok(matches!(self.seek(organization, &first.user.id).await?, Sought::Found(_)))
    }

    /// Adds the teams of `organization`, and the members of its teams, among the wanted.
    async fn look_up_teams(
        &self,
        organization: &Place,
        wanted: &Wanted,
        found: &mut BTreeSet<RecordId>,
        nowhere: &RecordSender,
    ) -> Result<(), ReadError> {
        let mut listed = Quietly(Teams::of(organization));
        self.list_teams(organization, &mut listed, nowhere).await?;
        for team in &listed.0.found {
            let id = &team.membership.resource;
            let Some(users) = wanted.teams.get(&id.id) else { continue };
            found.insert(RecordId::Resource(id.clone()));
            if !users.is_empty() {
                found.extend(self.look_up_team_members(organization, team, users, nowhere).await?);
            }
        }
        Ok(())
    }

    async fn look_up_team_members(
        &self,
        organization: &Place,
        team: &TeamPlace,
        users: &BTreeSet<String>,
        nowhere: &RecordSender,
    ) -> Result<Vec<RecordId>, ReadError> {
        let what = format!("the members of the team {} of {}", team.title, organization.title);
        let path = ["v1", "organizations", &organization.name, "teams", &team.slug, "members"];
        let mut present = Present::among(users);
        let listing = listing(&what, "list_team_members", &path);
        if let Err(error) = walk(&self.client, &listing, &mut present, nowhere).await {
            return Err(self.explain_team(error, organization, team, nowhere).await);
        }
        let grant = |user: String| RecordId::Grant {
            entitlement: (*team.membership).clone(),
            principal: ResourceId::new(USER.id, user),
        };
        Ok(present.found.into_iter().map(grant).collect())
    }
}
