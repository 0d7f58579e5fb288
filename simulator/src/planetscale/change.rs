//! How the organizations change on request.
//!
//! People are named by user id or email, teams by slug, organizations by name.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::data::{Data, Membership, Organization, OrganizationSize, Team, User, slug};
use crate::error::Error;

const ORGANIZATION: &str = "organization";
const MEMBER: &str = "member";
const TEAM: &str = "team";
const TEAM_MEMBER: &str = "team member";
const USER: &str = "user";

fn is_named(user: &User, key: &str) -> bool {
    user.id.as_str() == key || user.email == key
}

impl Data {
    pub(super) fn add_organization(&mut self, size: &OrganizationSize) -> Result<(), Error> {
        if size.name.is_empty() {
            return Err(Error::Empty("an organization's name"));
        }
        if self.organization(&size.name).is_some() {
            return Err(Error::exists(ORGANIZATION, &size.name));
        }
        self.draw_organization(size);
        Ok(())
    }

    pub(super) fn remove_organization(&mut self, name: &str) -> Result<(), Error> {
        let before = self.organizations.len();
        self.organizations.retain(|organization| organization.name != name);
        if self.organizations.len() == before {
            return Err(Error::unknown(ORGANIZATION, name));
        }
        Ok(())
    }

    pub(super) fn set_granted(&mut self, name: &str, granted: bool) -> Result<(), Error> {
        self.organization_mut(name)?.granted = granted;
        Ok(())
    }

    /// Adds a member: the user that `key` names in some organization, or a new one.
    pub(super) fn add_member(
        &mut self,
        name: &str,
        key: Option<&str>,
        role: &str,
    ) -> Result<Arc<User>, Error> {
        let role = checked_role(role)?;
        self.organization_mut(name)?;
        let user = match key {
            Some(key) => self.user(key)?,
            None => self.new_user(),
        };
        let membership = self.new_membership(Arc::clone(&user), role);
        let organization = self.organization_mut(name)?;
        if organization.member(user.id.as_str()).is_some() {
            return Err(Error::exists(MEMBER, user.id.as_str()));
        }
        organization.members.push(membership);
        Ok(user)
    }

    /// Removes a member from the organization and from its teams.
    pub(super) fn remove_member(&mut self, name: &str, key: &str) -> Result<Arc<User>, Error> {
        let organization = self.organization_mut(name)?;
        let place = organization.members.iter().position(|member| is_named(&member.user, key));
        let place = place.ok_or_else(|| Error::unknown(MEMBER, key))?;
        let user = organization.members.remove(place).user;
        for team in &mut organization.teams {
            team.members.retain(|member| member.user.id != user.id);
        }
        Ok(user)
    }

    /// Deletes what is at `place` in a listing of members, teams or a team's members, and adds another at its end.
    /// `path` is that of the listing below `/v1/organizations`.
    pub(super) fn slide(&mut self, path: &[&str], place: usize) {
        // Where there is nothing at that place, nothing is done.
        drop(match path {
            [organization, "members"] => self.slide_member(organization, place),
            [organization, "teams"] => self.slide_team(organization, place),
            [organization, "teams", team, "members"] => self.slide_team_member(organization, team, place),
            _ => Ok(()),
        });
    }

    fn slide_member(&mut self, organization: &str, place: usize) -> Result<(), Error> {
        let members = &self.organization_mut(organization)?.members;
        let Some(id) = members.get(place).map(|member| member.user.id) else { return Ok(()) };
        self.remove_member(organization, id.as_str())?;
        self.add_member(organization, None, "member").map(drop)
    }

    fn slide_team(&mut self, organization: &str, place: usize) -> Result<(), Error> {
        let teams = &self.organization_mut(organization)?.teams;
        let Some(slug) = teams.get(place).map(|team| team.slug.clone()) else { return Ok(()) };
        self.remove_team(organization, &slug)?;
        self.add_team(organization, &format!("After {slug}")).map(drop)
    }

    fn slide_team_member(&mut self, organization: &str, team: &str, place: usize) -> Result<(), Error> {
        let found = self.organization_mut(organization)?;
        let there: BTreeSet<_> = team_mut(found, team)?.members.iter().map(|member| member.user.id).collect();
        let newcomer = found.members.iter().map(|member| member.user.id).find(|id| !there.contains(id));
        let leaver = team_mut(found, team)?.members.get(place).map(|member| member.user.id);
        let (Some(leaver), Some(newcomer)) = (leaver, newcomer) else { return Ok(()) };
        self.remove_team_member(organization, team, leaver.as_str())?;
        self.add_team_member(organization, team, newcomer.as_str())
    }

    pub(super) fn set_role(&mut self, name: &str, key: &str, role: &str) -> Result<(), Error> {
        let role = checked_role(role)?;
        member_mut(self.organization_mut(name)?, key)?.role = role;
        Ok(())
    }

    /// Adds a team without members and gives its slug.
    pub(super) fn add_team(&mut self, organization: &str, name: &str) -> Result<String, Error> {
        let slug = slug(name);
        if slug.is_empty() {
            return Err(Error::Empty("a team's name"));
        }
        let creator = Arc::clone(&self.organization_mut(organization)?.creator);
        let team = self.new_team(&creator, name);
        let organization = self.organization_mut(organization)?;
        if organization.team(&slug).is_some() {
            return Err(Error::exists(TEAM, &slug));
        }
        organization.teams.push(team);
        Ok(slug)
    }

    pub(super) fn remove_team(&mut self, organization: &str, slug: &str) -> Result<(), Error> {
        let organization = self.organization_mut(organization)?;
        let place = organization.teams.iter().position(|team| team.slug == slug);
        organization.teams.remove(place.ok_or_else(|| Error::unknown(TEAM, slug))?);
        Ok(())
    }

    /// Adds a member of the organization to one of its teams.
    pub(super) fn add_team_member(&mut self, organization: &str, slug: &str, key: &str) -> Result<(), Error> {
        let user = Arc::clone(&member_mut(self.organization_mut(organization)?, key)?.user);
        let membership = self.new_team_membership(&user);
        let team = team_mut(self.organization_mut(organization)?, slug)?;
        if team.members.iter().any(|member| member.user.id == user.id) {
            return Err(Error::exists(TEAM_MEMBER, key));
        }
        team.members.push(membership);
        Ok(())
    }

    pub(super) fn remove_team_member(
        &mut self,
        organization: &str,
        slug: &str,
        key: &str,
    ) -> Result<(), Error> {
        let team = team_mut(self.organization_mut(organization)?, slug)?;
        let place = team.members.iter().position(|member| is_named(&member.user, key));
        team.members.remove(place.ok_or_else(|| Error::unknown(TEAM_MEMBER, key))?);
        Ok(())
    }

    /// Moves a member from one team to another; where the second step is refused, the first is not taken.
    pub(super) fn move_team_member(
        &mut self,
        organization: &str,
        from: &str,
        to: &str,
        key: &str,
    ) -> Result<(), Error> {
        let source = team_mut(self.organization_mut(organization)?, from)?;
        if !source.members.iter().any(|member| is_named(&member.user, key)) {
            return Err(Error::unknown(TEAM_MEMBER, key));
        }
        self.add_team_member(organization, to, key)?;
        self.remove_team_member(organization, from, key)
    }

    fn user(&self, key: &str) -> Result<Arc<User>, Error> {
        let mut members = self.organizations.iter().flat_map(|organization| &organization.members);
        let member = members.find(|member| is_named(&member.user, key));
        member.map(|member| Arc::clone(&member.user)).ok_or_else(|| Error::unknown(USER, key))
    }

    fn organization_mut(&mut self, name: &str) -> Result<&mut Organization, Error> {
        let mut organizations = self.organizations.iter_mut();
        organizations
            .find(|organization| organization.name == name)
            .ok_or_else(|| Error::unknown(ORGANIZATION, name))
    }
}

fn member_mut<'a>(organization: &'a mut Organization, key: &str) -> Result<&'a mut Membership, Error> {
    let mut members = organization.members.iter_mut();
    members.find(|member| is_named(&member.user, key)).ok_or_else(|| Error::unknown(MEMBER, key))
}

fn team_mut<'a>(organization: &'a mut Organization, slug: &str) -> Result<&'a mut Team, Error> {
    organization.teams.iter_mut().find(|team| team.slug == slug).ok_or_else(|| Error::unknown(TEAM, slug))
}

fn checked_role(role: &str) -> Result<Cow<'static, str>, Error> {
    if role.is_empty() { Err(Error::Empty("a role")) } else { Ok(Cow::Owned(role.to_owned())) }
}
