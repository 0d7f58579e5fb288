//! `PlanetScaleConnector`: every PlanetScale organization that one service token reaches.

// Every printed column has a name and a type.
#![allow(clippy::duplicated_attributes)]

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::{CommonSpec, ConnectorObject, ConnectorStatus, SecretKeyRef};

/// Reads every PlanetScale organization that a service token can reach: organizations with their member and admin
/// entitlements, users, and teams with their members.
#[derive(CustomResource, Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "connectors.conductorone.com",
    version = "v1alpha1",
    kind = "PlanetScaleConnector",
    plural = "planetscaleconnectors",
    shortname = "pscale",
    category = "connectors",
    namespaced,
    doc = "Every PlanetScale organization that one service token reaches, read on a schedule: who is a member of what.",
    status = "ConnectorStatus",
    derive = "PartialEq",
    printcolumn(
        name = "Status",
        type_ = "string",
        json_path = ".status.phase",
        description = "Pending, Syncing, Connected, Held, Error or Suspended"
    ),
    printcolumn(
        name = "Orgs",
        type_ = "integer",
        json_path = ".status.lastPublished.counts.organizations",
        description = "Organizations in the last published snapshot"
    ),
    printcolumn(
        name = "Users",
        type_ = "integer",
        json_path = ".status.lastPublished.counts.users",
        description = "Users in the last published snapshot"
    ),
    printcolumn(
        name = "Last Sync",
        type_ = "date",
        json_path = ".status.lastSuccessTime",
        description = "Since the last complete reading"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Next Sync",
        type_ = "string",
        json_path = ".status.nextSyncTime",
        description = "When the next reading is due",
        priority = 1
    ),
    printcolumn(
        name = "Owner",
        type_ = "string",
        json_path = ".spec.owner",
        description = "Who answers for this connector",
        priority = 1
    ),
    printcolumn(
        name = "Grants",
        type_ = "integer",
        json_path = ".status.lastPublished.counts.grants",
        description = "Grants in the last published snapshot",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        description = "What the connector last said",
        priority = 1
    )
)]
pub struct PlanetScaleConnectorSpec {
    /// The Secret and key that hold the service token as <token-id>:<token-value>. The key defaults to
    /// service-token. The token needs the read_organization access.
    pub service_token_secret_ref: SecretKeyRef,
    /// The origin of the PlanetScale API: https://api.planetscale.com for the standard cloud.
    #[schemars(length(min = 1, max = 300))]
    #[x_kube(
        validation = Rule::new("self.startsWith('https://') || self.matches('^http://(localhost|127[.]0[.]0[.]1|[[]::1[]])(:[0-9]+)?/?$')").message("apiUrl must start with https:// (http:// only for localhost, 127.0.0.1 and [::1])"),
        validation = Rule::new("self.matches('^[a-z]+://([A-Za-z0-9.-]+|[[][0-9A-Fa-f:.]+[]])(:[0-9]{1,5})?/?$')").message("apiUrl must be an origin such as https://api.planetscale.com: no path, no query and no user name")
    )]
    pub api_url: String,
    /// What every connector has.
    #[serde(flatten)]
    pub common: CommonSpec,
}

impl ConnectorObject for PlanetScaleConnector {
    const KIND: &'static str = "PlanetScaleConnector";
    const VENDOR: &'static str = "PlanetScale";
    const CREDENTIAL_FIELD: &'static str = "spec.serviceTokenSecretRef";
    const SCOPE_FIELD: &'static str = "spec.serviceTokenSecretRef";
    const CREDENTIAL: &'static str = "service token";
    const DEFAULT_SECRET_KEY: &'static str = "service-token";
    const DEFAULT_HOST_ID: &'static str = "baton-planetscale";

    fn credential_ref(&self) -> &SecretKeyRef {
        &self.spec.service_token_secret_ref
    }

    fn common(&self) -> &CommonSpec {
        &self.spec.common
    }

    fn status(&self) -> Option<&ConnectorStatus> {
        self.status.as_ref()
    }

    fn scope_column(&self, organizations: Option<u64>) -> (&'static str, String) {
        ("ORGS", organizations.map(|count| count.to_string()).unwrap_or_default())
    }
}
