//! `ScalrConnector`: one Scalr account.

// Every printed column has a name and a type.
#![allow(clippy::duplicated_attributes)]

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::{CommonSpec, ConnectorObject, ConnectorStatus, SecretKeyRef};

/// Reads who can sign in to one Scalr account: users with their email, enabled or disabled, human or service, and
/// their last sign-in.
#[derive(CustomResource, Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "connectors.conductorone.com",
    version = "v1alpha1",
    kind = "ScalrConnector",
    plural = "scalrconnectors",
    shortname = "scalr",
    category = "connectors",
    namespaced,
    doc = "One Scalr account, read on a schedule: who can sign in to it.",
    status = "ConnectorStatus",
    derive = "PartialEq",
    printcolumn(
        name = "Status",
        type_ = "string",
        json_path = ".status.phase",
        description = "Pending, Syncing, Connected, Held, Error or Suspended"
    ),
    printcolumn(
        name = "Account",
        type_ = "string",
        json_path = ".spec.account",
        description = "The Scalr account's subdomain"
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
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        description = "What the connector last said",
        priority = 1
    )
)]
pub struct ScalrConnectorSpec {
    /// The Scalr account: the subdomain of its address, for example acme for https://acme.scalr.io. Cannot be
    /// changed; make a new connector for another account.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message("account must be the subdomain alone, such as acme for https://acme.scalr.io: lower-case letters, digits and -"),
        validation = Rule::new("self == oldSelf").message("account cannot be changed: create another ScalrConnector for another account")
    )]
    pub account: String,
    /// The Secret and key that hold the Scalr API token. The key defaults to api-token.
    pub api_token_secret_ref: SecretKeyRef,
    /// Only for self-hosted Scalr: the origin to use instead of https://<account>.scalr.io.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 300))]
    #[x_kube(
        validation = Rule::new("self.startsWith('https://') || self.matches('^http://(localhost|127[.]0[.]0[.]1|[[]::1[]])(:[0-9]+)?/?$')").message("baseUrl must start with https:// (http:// only for localhost, 127.0.0.1 and [::1])"),
        validation = Rule::new("self.matches('^[a-z]+://([A-Za-z0-9.-]+|[[][0-9A-Fa-f:.]+[]])(:[0-9]{1,5})?/?$')").message("baseUrl must be an origin such as https://scalr.example.com: no path, no query and no user name")
    )]
    pub base_url: Option<String>,
    /// What every connector has.
    #[serde(flatten)]
    pub common: CommonSpec,
}

impl ConnectorObject for ScalrConnector {
    const KIND: &'static str = "ScalrConnector";
    const VENDOR: &'static str = "Scalr";
    const CREDENTIAL_FIELD: &'static str = "spec.apiTokenSecretRef";
    const SCOPE_FIELD: &'static str = "spec.account";
    const CREDENTIAL: &'static str = "API token";
    const DEFAULT_SECRET_KEY: &'static str = "api-token";
    const DEFAULT_HOST_ID: &'static str = "baton-scalr";

    fn credential_ref(&self) -> &SecretKeyRef {
        &self.spec.api_token_secret_ref
    }

    fn common(&self) -> &CommonSpec {
        &self.spec.common
    }

    fn status(&self) -> Option<&ConnectorStatus> {
        self.status.as_ref()
    }

    fn scope_column(&self, _: Option<u64>) -> (&'static str, String) {
        ("ACCOUNT", self.spec.account.clone())
    }
}
