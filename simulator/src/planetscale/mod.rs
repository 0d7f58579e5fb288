//! The simulated PlanetScale: organizations with members and teams, below `/v1`.

mod change;
mod data;
mod refusal;
mod routes;
mod truth;
mod wire;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use axum::response::IntoResponse as _;

pub use data::{OptionalFields, OrganizationSize, Role, User};
pub use truth::{Counts, MemberTruth, OrganizationTruth, TeamTruth, Truth};

use crate::error::Error;
use crate::fault::Vendor;
use crate::gate::{Credential, Turmoil};
use crate::generate::Seed;
use crate::handle::{Beginning, Handle, Simulator, begin};
use crate::server::Bound;
use data::Data;
use refusal::Refusal;
pub(crate) use wire::MEDIA_TYPE;

/// Stands in every field that a client may neither keep nor log: `passwords`, `billing_email`, `sso_portal_url`.
pub const NEVER_KEEP: &str = "must-never-be-kept";

/// What a simulated PlanetScale starts with.
#[derive(Clone, Debug)]
pub struct PlanetScaleConfig {
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The service token that is accepted, as `ID:VALUE`.
    pub token: String,
    /// The organizations. Every tenth member of each, the first included, is shared with the others.
    pub organizations: Vec<OrganizationSize>,
    /// Whether some members have the role `analyst`, which the vendor's specification does not have.
    pub analysts: bool,
    /// The same seed gives the same data.
    pub seed: u64,
    /// How long every answer is held back.
    pub latency: Duration,
    /// Whether to serve over TLS, with a certificate of an authority of its own.
    pub tls: bool,
}

impl Default for PlanetScaleConfig {
    /// Organizations `org-1` and `org-2` of 30 members and 3 teams of 5, on a free port of the loopback interface.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            token: "simulated:pscale_tkn_simulated".to_owned(),
            organizations: OrganizationSize::several(2, 30, 3, 5),
            analysts: false,
            seed: 1,
            latency: Duration::ZERO,
            tls: false,
        }
    }
}

/// A running simulated PlanetScale. It stops when this is dropped; everything else is done through [`PlanetScale`].
pub type PlanetScaleSimulator = Simulator<Organizations>;

/// A handle on the data and the switches of a simulated PlanetScale. Clones share both.
///
/// Organizations are named by name, users by id or email, teams by slug.
pub type PlanetScale = Handle<Organizations>;

/// What a simulated PlanetScale serves. It is changed through [`PlanetScale`].
#[derive(Debug)]
pub struct Organizations(RwLock<Data>);

impl PlanetScaleSimulator {
    /// Draws the data and starts to answer. Needs a tokio runtime, on which the server then runs.
    ///
    /// # Errors
    /// When the token has not the form `ID:VALUE`, an organization has no name or a name is there twice, or the
    /// address cannot be bound.
    pub async fn start(config: PlanetScaleConfig) -> Result<Self, Error> {
        check_token(&config.token)?;
        let mut data = Data::new(Seed(config.seed), config.analysts);
        for size in &config.organizations {
            data.add_organization(size)?;
        }
        let bound = Bound::to(config.listen).await?;
        let credential = Credential {
            vendor: Vendor::PlanetScale,
            // The token stands alone in the header: a scheme before it makes it another token.
            scheme: "",
            check: check_token,
            refuse: || Refusal::Unauthorized.into_response(),
        };
        let PlanetScaleConfig { token, latency, tls, .. } = config;
        let beginning = Beginning { credential, token, latency, tls };
        begin(bound, beginning, Organizations(RwLock::new(data)), routes::router)
    }
}

impl PlanetScale {
    /// Everything that there is now.
    #[must_use]
    pub fn truth(&self) -> Truth {
        self.read().truth()
    }

    /// How many there are of what now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.truth().counts()
    }

    /// Adds an organization.
    ///
    /// # Errors
    /// When the name is empty or in use.
    pub fn add_organization(&self, size: &OrganizationSize) -> Result<(), Error> {
        self.change(|data| data.add_organization(size))
    }

    /// Removes an organization with all that it has.
    ///
    /// # Errors
    /// When there is no such organization.
    pub fn remove_organization(&self, name: &str) -> Result<(), Error> {
        self.change(|data| data.remove_organization(name))
    }

    /// Gives the token `read_organization` on an organization, or takes it away: the organization then stays in
    /// the list, and everything below it answers 404.
    ///
    /// # Errors
    /// When there is no such organization.
    pub fn set_granted(&self, organization: &str, granted: bool) -> Result<(), Error> {
        self.change(|data| data.set_granted(organization, granted))
    }

    /// Adds a new user to an organization.
    ///
    /// # Errors
    /// When there is no such organization, or the role is empty.
    pub fn add_member(&self, organization: &str, role: &str) -> Result<Arc<User>, Error> {
        self.change(|data| data.add_member(organization, None, role))
    }

    /// Adds a user who is a member of some organization to another.
    ///
    /// # Errors
    /// When there is no such organization or user, the user is a member already, or the role is empty.
    pub fn add_existing_member(
        &self,
        organization: &str,
        user: &str,
        role: &str,
    ) -> Result<Arc<User>, Error> {
        self.change(|data| data.add_member(organization, Some(user), role))
    }

    /// Removes a member from an organization and from its teams.
    ///
    /// # Errors
    /// When there is no such organization or member.
    pub fn remove_member(&self, organization: &str, user: &str) -> Result<Arc<User>, Error> {
        self.change(|data| data.remove_member(organization, user))
    }

    /// Gives a member another role, which may be a word that PlanetScale does not have.
    ///
    /// # Errors
    /// When there is no such organization or member, or the role is empty.
    pub fn set_role(&self, organization: &str, user: &str, role: &str) -> Result<(), Error> {
        self.change(|data| data.set_role(organization, user, role))
    }

    /// Adds a team without members, and gives its slug.
    ///
    /// # Errors
    /// When there is no such organization, the name is empty, or its slug is in use.
    pub fn add_team(&self, organization: &str, name: &str) -> Result<String, Error> {
        self.change(|data| data.add_team(organization, name))
    }

    /// Removes a team.
    ///
    /// # Errors
    /// When there is no such organization or team.
    pub fn remove_team(&self, organization: &str, team: &str) -> Result<(), Error> {
        self.change(|data| data.remove_team(organization, team))
    }

    /// Adds a member of an organization to one of its teams.
    ///
    /// # Errors
    /// When there is no such organization, team or member, or the member is in the team.
    pub fn add_team_member(&self, organization: &str, team: &str, user: &str) -> Result<(), Error> {
        self.change(|data| data.add_team_member(organization, team, user))
    }

    /// Removes a member from a team; the membership of the organization stays.
    ///
    /// # Errors
    /// When there is no such organization, team or team member.
    pub fn remove_team_member(&self, organization: &str, team: &str, user: &str) -> Result<(), Error> {
        self.change(|data| data.remove_team_member(organization, team, user))
    }

    /// Moves a member from one team of an organization to another.
    ///
    /// # Errors
    /// When there is no such organization, team or team member, or the member is in the other team already;
    /// nothing is changed then.
    pub fn move_team_member(
        &self,
        organization: &str,
        from: &str,
        to: &str,
        user: &str,
    ) -> Result<(), Error> {
        self.change(|data| data.move_team_member(organization, from, to, user))
    }

    fn read(&self) -> RwLockReadGuard<'_, Data> {
        self.state.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Data) -> T) -> T {
        self.state.change(change)
    }
}

impl Organizations {
    fn change<T>(&self, change: impl FnOnce(&mut Data) -> T) -> T {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Turmoil for Organizations {
    fn slide(&self, path: &str, place: usize) {
        self.change(|data| data.slide(&path.split('/').skip(3).collect::<Vec<_>>(), place));
    }

    fn vanish(&self, path: &str) {
        let name = path.split('/').nth(3).unwrap_or_default();
        // One that is gone already cannot vanish once more.
        drop(self.change(|data| data.remove_organization(name)));
    }
}

fn check_token(token: &str) -> Result<(), Error> {
    let halves = token.split_once(':').filter(|(id, value)| !id.is_empty() && !value.is_empty());
    let sendable = token.bytes().all(|byte| byte.is_ascii_graphic());
    halves.filter(|_| sendable).map(drop).ok_or(Error::PlanetScaleTokenForm)
}
