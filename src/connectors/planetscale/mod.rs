//! PlanetScale: every organization that a service token reaches, who is in it with which role, and its teams.
//!
//! PlanetScale answers 404 to a wrong path, to a token without the grant, and at times to a wrong token. None of
//! them is an empty list: what a 404 means is found out before it is reported.

mod api;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod look_up;
mod map;
#[cfg(test)]
mod tests;
mod users;
mod visitors;

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::http::{Answer, ClientOptions, Credential, Get, UpstreamClient, Vendor};
use super::paging::{IdSet, Listing, PAGE_SIZE, Totals, Visitor, walk};
use super::{ConfigError, Connector, LookUp, ReadError, Upstream};
use crate::access::guard::Scoping;
use crate::access::{RecordId, RecordSender, ResourceType, Trait, channel};
use api::Membership;
use users::Users;
use visitors::{Members, OrganizationIds, Organizations, Place, Roles, TeamMembers, TeamPlace, Teams};

/// PlanetScale's organizations.
pub const ORGANIZATION: ResourceType = ResourceType {
    id: "organization",
    display_name: "Organization",
    plural: "organizations",
    traits: &[],
    without_entitlements: false,
};

/// The teams of organizations.
pub const TEAM: ResourceType = ResourceType {
    id: "team",
    display_name: "Team",
    plural: "teams",
    traits: &[Trait::Group],
    without_entitlements: false,
};

/// The members of organizations.
pub const USER: ResourceType = ResourceType {
    id: "user",
    display_name: "User",
    plural: "users",
    traits: &[Trait::User],
    without_entitlements: true,
};

/// All that is read of PlanetScale.
pub const RESOURCE_TYPES: &[ResourceType] = &[ORGANIZATION, TEAM, USER];

/// The role, and the slug of the entitlement, of ordinary members.
const MEMBER: &str = "member";

/// The role, and the slug of the entitlement, of administrators.
const ADMIN: &str = "admin";

const ORGANIZATIONS: [&str; 2] = ["v1", "organizations"];

const VENDOR: Vendor = Vendor {
    name: "PlanetScale",
    accept: "application/json",
    error_text: api::error_text,
    requests_per_minute: NonZeroU32::new(300).unwrap(),
};

/// Where PlanetScale's API is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanetScaleSettings {
    /// Its origin, `https://api.planetscale.com` unless a proxy stands before it.
    pub api_url: Url,
}

/// Reads everything that one service token reaches.
#[derive(Debug)]
pub struct PlanetScale {
    client: Arc<UpstreamClient>,
}

impl PlanetScale {
    /// A reader at the address in `settings`, which shows `token`, `<id>:<value>`, to prove who asks. A line end at
    /// the end of the token, which files and Secrets often have, is not part of it. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ConfigError`] where the token does not have that form or the address is not allowed.
    pub fn new(
        settings: PlanetScaleSettings,
        token: SecretString,
        options: ClientOptions,
    ) -> Result<Self, ConfigError> {
        let client = UpstreamClient::new(VENDOR, settings.api_url, credential(&token)?, options)?;
        Ok(Self { client: Arc::new(client) })
    }

    /// All organizations, in the order of their ids, so that a user of several is always first met in the same one.
    async fn organizations(&self, records: &RecordSender) -> Result<Vec<Place>, ReadError> {
        let mut organizations = Organizations::default();
        self.list_organizations(&mut organizations, records).await?;
        self.in_order(organizations.found)
    }

    fn in_order(&self, mut found: Vec<Place>) -> Result<Vec<Place>, ReadError> {
        if found.is_empty() {
            return Err(ReadError::NoOrganizations(format!(
                "the service token reaches no organization at {}",
                self.client.host()
            )));
        }
        found.sort_by(|one, other| one.id.cmp(&other.id));
        for (number, organization) in (0..).zip(&mut found) {
            organization.number = number;
        }
        Ok(found)
    }

    async fn list_organizations<V: Visitor>(
        &self,
        visitor: &mut V,
        records: &RecordSender,
    ) -> Result<(), ReadError> {
        let listing = Listing {
            totals: Totals::Possible,
            ..listing("the organizations", "list_organizations", &ORGANIZATIONS)
        };
        walk(&self.client, &listing, visitor, records).await?;
        Ok(())
    }

    /// Reads who is in `organization` and in its teams.
    async fn access(
        &self,
        organization: &Place,
        users: &mut Users,
        records: &RecordSender,
    ) -> Result<(), ReadError> {
        let mut roles = Roles::of(organization);
        self.members(organization, &mut roles, users, records).await?;
        let teams = self.teams(organization, records).await?;
        let outsiders = self.all_team_members(organization, teams, users, records).await?;
        for id in outsiders {
            let members = Members { organization, roles: &mut roles, users };
            self.outsider(&id, members, records).await?;
        }
        Ok(())
    }

    async fn members(
        &self,
        organization: &Place,
        roles: &mut Roles,
        users: &mut Users,
        records: &RecordSender,
    ) -> Result<(), ReadError> {
        let what = format!("the members of the organization {}", organization.title);
        let path = ["v1", "organizations", &organization.name, "members"];
        let mut members = Members { organization, roles, users };
        let read = walk(&self.client, &listing(&what, "list_members", &path), &mut members, records).await;
        match read {
            Ok(0) => Err(ReadError::EmptyOrganization(format!(
                "the PlanetScale organization {} shows not a single member, though it must have an administrator",
                organization.title
            ))),
            Ok(_) => Ok(()),
            Err(error) => Err(self.explain(error, organization, records).await),
        }
    }

    async fn teams(&self, organization: &Place, records: &RecordSender) -> Result<Vec<TeamPlace>, ReadError> {
        let mut teams = Teams::of(organization);
        self.list_teams(organization, &mut teams, records).await?;
        Ok(teams.found)
    }

    async fn list_teams<V: Visitor>(
        &self,
        organization: &Place,
        visitor: &mut V,
        records: &RecordSender,
    ) -> Result<(), ReadError> {
        let what = format!("the teams of the organization {}", organization.title);
        let path = ["v1", "organizations", &organization.name, "teams"];
        match walk(&self.client, &listing(&what, "list_teams", &path), visitor, records).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.explain(error, organization, records).await),
        }
    }

    /// Reads the members of several teams at once. Returns those whom the organization's members lack.
    async fn all_team_members(
        &self,
        organization: &Place,
        teams: Vec<TeamPlace>,
        users: &Users,
        records: &RecordSender,
    ) -> Result<BTreeSet<String>, ReadError> {
        stream::iter(teams)
            .map(|team| self.team_members(organization, team, users, records))
            .buffered(self.client.requests_in_flight())
            .try_fold(BTreeSet::new(), |mut all, some| async {
                all.extend(some);
                Ok(all)
            })
            .await
    }

    async fn team_members(
        &self,
        organization: &Place,
        team: TeamPlace,
        users: &Users,
        records: &RecordSender,
    ) -> Result<BTreeSet<String>, ReadError> {
        let what = format!("the members of the team {} of {}", team.title, organization.title);
        let path = ["v1", "organizations", &organization.name, "teams", &team.slug, "members"];
        let mut members = TeamMembers {
            organization,
            membership: &team.membership,
            users,
            ids: IdSet::default(),
            outsiders: BTreeSet::new(),
        };
        let listing = listing(&what, "list_team_members", &path);
        match walk(&self.client, &listing, &mut members, records).await {
            Ok(_) => Ok(members.outsiders),
            Err(error) => Err(self.explain_team(error, organization, &team, records).await),
        }
    }

    /// A team's member whom the organization's members lack has come in meanwhile, or gone out.
    async fn outsider(
        &self,
        id: &str,
        mut members: Members<'_>,
        records: &RecordSender,
    ) -> Result<(), ReadError> {
        let listing = format!("the members of the organization {}", members.organization.title);
        let Some(answer) = self.ask_for_member(members.organization, id).await? else {
            let problem = format!("the user {id} is in one of its teams, but not in the organization");
            return Err(ReadError::ListingChanged { listing, problem });
        };
        let membership = membership_of(&answer, id)?;
        let mut made = Vec::new();
        members.is_new(id);
        members.add(&membership, &mut made).map_err(|fault| fault.into_error(&answer, &listing))?;
        Ok(records.send(made).await?)
    }

    /// The answer to who the member `id` of `organization` is; `None` where it is 404.
    async fn ask_for_member(&self, organization: &Place, id: &str) -> Result<Option<Answer>, ReadError> {
        let what = format!("a member of the organization {}", organization.title);
        let path = ["v1", "organizations", &organization.name, "members", id];
        let get = Get { what: &what, operation: "get_member", path: &path, query: &[] };
        match self.client.get(&get).await {
            Err(ReadError::Forbidden { status: 404, .. }) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// What a refusal in `organization` means. A 404 may stand for a wrong token or an organization that is gone,
    /// and `/organizations` tells them from a grant that is missing.
    async fn explain(&self, error: ReadError, organization: &Place, records: &RecordSender) -> ReadError {
        let ReadError::Forbidden { status, .. } = error else { return error };
        if status == 404 {
            let mut still = OrganizationIds::default();
            match self.list_organizations(&mut still, records).await {
                Err(refused @ ReadError::Unauthorized { .. }) => return refused,
                Ok(()) if !still.found.contains(&organization.id.id) => return gone(organization),
                _ => {}
            }
        }
        let grant = format!("the access grant read_organization on the organization {}", organization.title);
        ReadError::MissingGrant { refusal: Box::new(error), grant }
    }

    /// As [`Self::explain`], and a 404 may also stand for a team that is gone.
    async fn explain_team(
        &self,
        error: ReadError,
        organization: &Place,
        team: &TeamPlace,
        records: &RecordSender,
    ) -> ReadError {
        let may_be_gone = matches!(error, ReadError::Forbidden { status: 404, .. });
        let explained = self.explain(error, organization, records).await;
        if !may_be_gone || !matches!(explained, ReadError::MissingGrant { .. }) {
            return explained;
        }
        let path = ["v1", "organizations", &organization.name, "teams", &team.slug];
        let get = Get { what: "a team", operation: "get_team", path: &path, query: &[] };
        match self.client.get(&get).await {
            Err(ReadError::Forbidden { status: 404, .. }) => ReadError::ListingChanged {
                listing: format!("the teams of the organization {}", organization.title),
                problem: format!("the team {} is gone", team.title),
            },
            _ => explained,
        }
    }

    /// An organization that came or went during the run is not in what was read, or is and should not be.
    async fn check_organizations(&self, read: &[Place], records: &RecordSender) -> Result<(), ReadError> {
        let mut now = OrganizationIds::default();
        self.list_organizations(&mut now, records).await?;
        if let Some(organization) = read.iter().find(|organization| !now.found.contains(&organization.id.id))
        {
            return Err(gone(organization));
        }
        if now.found.len() == read.len() {
            return Ok(());
        }
        Err(ReadError::ListingChanged {
            listing: "the organizations".to_owned(),
            problem: format!("there were {}, and there are {}", read.len(), now.found.len()),
        })
    }
}

#[async_trait]
impl Connector for PlanetScale {
    fn resource_types(&self) -> &'static [ResourceType] {
        RESOURCE_TYPES
    }

    fn scoping(&self) -> Scoping {
        Scoping::Roles { owner: ORGANIZATION.id, administrator: ADMIN }
    }

    async fn validate(&self) -> Result<(), ReadError> {
        let (nowhere, _receiver) = channel();
        self.organizations_alone(&nowhere).await.map(drop)
    }

    async fn look_up(&self, missing: &[RecordId]) -> Result<LookUp, ReadError> {
        self.look_up_records(missing).await
    }

    async fn read(&self, records: &RecordSender) -> Result<Upstream, ReadError> {
        let organizations = self.organizations(records).await?;
        let mut users = Users::default();
        for organization in &organizations {
            self.access(organization, &mut users, records).await?;
        }
        self.check_organizations(&organizations, records).await?;
        let ids: Vec<_> = organizations.into_iter().map(|organization| organization.id.id).collect();
        Ok(Upstream { account_id: ids.join(",") })
    }
}

/// The membership in `answer`, which must be that of the user `id`.
fn membership_of<'a>(answer: &'a Answer, id: &str) -> Result<Membership<'a>, ReadError> {
    let membership: Membership<'_> = answer.decode()?;
    if *membership.user.id != *id {
        return Err(answer.unexpected("it is another user than the one asked for"));
    }
    Ok(membership)
}

fn gone(organization: &Place) -> ReadError {
    ReadError::OrganizationGone(format!(
        "the organization {} was among those that the service token reaches, and is no longer",
        organization.title
    ))
}

fn listing<'a>(what: &'a str, operation: &'static str, path: &'a [&'a str]) -> Listing<'a> {
    let query = &[("per_page", PAGE_SIZE)];
    Listing { what, operation, path, query, number: "page", totals: Totals::Promised }
}

pub(super) fn credential(token: &SecretString) -> Result<Credential, ConfigError> {
    let refuse = |problem| Err(ConfigError::Credential { what: "service token", problem });
    let token = token.expose_secret().trim_end_matches(['\r', '\n']);
    if token.is_empty() {
        return refuse("is empty");
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return refuse("has a space, a line break or another character that no token has");
    }
    let Some((id, value)) = token.split_once(':') else {
        return refuse("has no colon between its id and its value: it must be <token-id>:<token-value>");
    };
    if id.is_empty() || value.is_empty() {
        return refuse("lacks its id or its value: it must be <token-id>:<token-value>");
    }
    let secrets = [token, id, value].map(|part| part.to_owned().into()).into();
    Ok(Credential { authorization: token.to_owned().into(), secrets })
}
