//! Simulated upstreams, and the specs of connectors that read them.

use connector_simulator::{PlanetScale, Scalr, ScalrConfig, ScalrSimulator};
use serde_json::{Value, json};

use crate::place::Place;

/// The spec of a connector that reads this simulator; its token is looked for in [`SCALR_SECRET`].
pub(crate) fn scalr_spec(scalr: &Scalr) -> Value {
    json!({
        "account": "acme", "baseUrl": scalr.base_url(), "apiTokenSecretRef": { "name": SCALR_SECRET.0 },
    })
}

/// The spec of a connector that reads this simulator; its token is looked for in [`PLANETSCALE_SECRET`].
pub(crate) fn planetscale_spec(planetscale: &PlanetScale) -> Value {
    json!({ "apiUrl": planetscale.base_url(), "serviceTokenSecretRef": { "name": PLANETSCALE_SECRET.0 } })
}

/// Name and key of the Secret that [`scalr_spec`] names.
pub(crate) const SCALR_SECRET: (&str, &str) = ("scalr-acme", "api-token");
/// Name and key of the Secret that [`planetscale_spec`] names.
pub(crate) const PLANETSCALE_SECRET: (&str, &str) = ("planetscale", "service-token");

/// An account `acme` of 48 users.
pub(crate) async fn scalr() -> ScalrSimulator {
    ScalrSimulator::start(ScalrConfig::default()).await.unwrap()
}

/// A place with the Secret that a connector of `scalr` needs.
pub(crate) async fn place_for(scalr: &ScalrSimulator, namespace: &str) -> Place<'static> {
    let place = Place::new(namespace).await;
    place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
    place
}

/// The spec with these fields besides.
pub(crate) fn with(mut spec: Value, more: Value) -> Value {
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}
