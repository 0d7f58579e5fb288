//! Simulated Scalr and PlanetScale, at addresses of their own on the bridge, at the port that the chart's network policy
//! allows, with certificates that nobody trusts but whoever has their authority's.

use std::net::Ipv4Addr;

use connector_simulator::{PlanetScaleConfig, PlanetScaleSimulator, ScalrConfig, ScalrSimulator};
use serde_json::{Value, json};
use testbed::node::Bridge;

/// Both upstreams.
pub(crate) struct Upstreams {
    pub(crate) scalr: ScalrSimulator,
    pub(crate) planetscale: PlanetScaleSimulator,
    /// The hosts of both.
    pub(crate) hosts: [Ipv4Addr; 2],
}

impl Upstreams {
    pub(crate) async fn start(bridge: &Bridge) -> Self {
        let hosts = [bridge.another_address(2).unwrap(), bridge.another_address(3).unwrap()];
        let scalr = ScalrConfig { listen: (hosts[0], 443).into(), tls: true, ..ScalrConfig::default() };
        let planetscale =
            PlanetScaleConfig { listen: (hosts[1], 443).into(), tls: true, ..PlanetScaleConfig::default() };
        Self {
            scalr: ScalrSimulator::start(scalr).await.unwrap(),
            planetscale: PlanetScaleSimulator::start(planetscale).await.unwrap(),
            hosts,
        }
    }

    /// How many requests have been answered.
    pub(crate) fn requests(&self) -> u64 {
        self.scalr.stats().total() + self.planetscale.stats().total()
    }

    /// The values of the chart `connectors`: a connector for each, with its Secret and its authority.
    pub(crate) fn connectors(&self) -> Value {
        let [scalr, planetscale] = self.hosts.map(|host| format!("https://{host}"));
        let bundle = |name: &str| json!({ "kind": "ConfigMap", "name": name, "key": "ca.crt" });
        json!({
            "defaults": { "owner": "ada@example.com", "schedule": { "interval": "1h" } },
            "scalr": { "acme": { "spec": {
                "account": "acme", "baseUrl": scalr, "apiTokenSecretRef": { "name": "scalr-acme" },
                "caBundleRef": bundle("scalr-ca"),
            } } },
            "planetScale": { "planetscale": { "spec": {
                "apiUrl": planetscale, "serviceTokenSecretRef": { "name": "planetscale" },
                "caBundleRef": bundle("planetscale-ca"),
            } } },
            "secrets": {
                "scalr-acme": { "data": { "api-token": self.scalr.token() } },
                "planetscale": { "data": { "service-token": self.planetscale.token() } },
            },
            "configMaps": {
                "scalr-ca": { "data": { "ca.crt": self.scalr.ca_pem() } },
                "planetscale-ca": { "data": { "ca.crt": self.planetscale.ca_pem() } },
            },
        })
    }
}
