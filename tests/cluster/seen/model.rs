//! What differs between the kinds for whoever brings a connector into a state.

use connector_operator::api::{ConnectorObject, PlanetScaleConnector, ScalrConnector};
use connector_simulator::planetscale::Organizations;
use connector_simulator::scalr::Account;
use connector_simulator::{
    Handle, PlanetScaleConfig, PlanetScaleSimulator, ScalrConfig, ScalrSimulator, Simulator,
};
use serde_json::Value;

use crate::upstream::{PLANETSCALE_SECRET, SCALR_SECRET, planetscale_spec, scalr_spec};

/// A kind, with an upstream for it.
pub(super) trait Model: ConnectorObject {
    type Upstream: Send + Sync + 'static;
    /// What the connector is called here.
    const NAME: &'static str;
    /// Name and key of the Secret that [`spec`](Self::spec) names.
    const SECRET: (&'static str, &'static str);
    /// Where the spec says where the upstream is.
    const ADDRESS: &'static str;

    async fn simulate() -> Simulator<Self::Upstream>;
    fn spec(upstream: &Handle<Self::Upstream>) -> Value;
    /// More people go than may without somebody's word.
    fn lose_many(upstream: &Handle<Self::Upstream>);
    /// One person goes.
    fn lose_one(upstream: &Handle<Self::Upstream>);
}

impl Model for ScalrConnector {
    type Upstream = Account;
    const NAME: &'static str = "acme";
    const SECRET: (&'static str, &'static str) = SCALR_SECRET;
    const ADDRESS: &'static str = "baseUrl";

    async fn simulate() -> ScalrSimulator {
        ScalrSimulator::start(ScalrConfig::default()).await.unwrap()
    }

    fn spec(upstream: &Handle<Account>) -> Value {
        scalr_spec(upstream)
    }

    fn lose_many(upstream: &Handle<Account>) {
        for user in upstream.truth().users.iter().take(30) {
            upstream.remove_user(&user.email).unwrap();
        }
    }

    fn lose_one(upstream: &Handle<Account>) {
        upstream.remove_user(&upstream.truth().users[0].email).unwrap();
    }
}

impl Model for PlanetScaleConnector {
    type Upstream = Organizations;
    const NAME: &'static str = "all";
    const SECRET: (&'static str, &'static str) = PLANETSCALE_SECRET;
    const ADDRESS: &'static str = "apiUrl";

    async fn simulate() -> PlanetScaleSimulator {
        PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap()
    }

    fn spec(upstream: &Handle<Organizations>) -> Value {
        planetscale_spec(upstream)
    }

    fn lose_many(upstream: &Handle<Organizations>) {
        let organization = &upstream.truth().organizations[0];
        for member in organization.members.iter().rev().take(organization.members.len() / 2) {
            upstream.remove_member(&organization.name, member.user.id.as_str()).unwrap();
        }
    }

    fn lose_one(upstream: &Handle<Organizations>) {
        let organization = &upstream.truth().organizations[0];
        let last = organization.members.last().unwrap();
        upstream.remove_member(&organization.name, last.user.id.as_str()).unwrap();
    }
}
