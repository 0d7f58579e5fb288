//! Delivering to C1: what the spec asks for, and what the status says of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Deliver to C1: C1 asks for a fresh reading when it wants one, and gets it. The schedule goes on besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct C1Spec {
    /// The Secret with the client id and secret that C1 gives for a self-hosted connector. One client id serves one
    /// connector: the oldest that names it.
    pub credentials_secret_ref: C1CredentialsRef,
    /// What C1 calls the place where the connector runs. Defaults to baton-scalr or baton-planetscale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub host_id: Option<String>,
}

/// The Secret with the credentials of C1, in the connector's own namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct C1CredentialsRef {
    /// Name of the Secret, in the connector's own namespace.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')").message("name must be the name of a Secret: lower-case letters, digits, - and ."))]
    pub name: String,
    /// Key that holds the client id. Defaults to client-id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[-._a-zA-Z0-9]+$')").message("clientIdKey must be a key of a Secret: letters, digits, -, _ and ."))]
    pub client_id_key: Option<String>,
    /// Key that holds the client secret. Defaults to client-secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[-._a-zA-Z0-9]+$')").message("clientSecretKey must be a key of a Secret: letters, digits, -, _ and ."))]
    pub client_secret_key: Option<String>,
}

impl C1CredentialsRef {
    /// The key of the client id.
    pub fn client_id_key(&self) -> &str {
        self.client_id_key.as_deref().unwrap_or("client-id")
    }

    /// The key of the client secret.
    pub fn client_secret_key(&self) -> &str {
        self.client_secret_key.as_deref().unwrap_or("client-secret")
    }
}

/// What was delivered to C1.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct C1Status {
    /// The last task that C1 gave, and how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_task: Option<C1Task>,
    /// The last snapshot that C1 took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_upload: Option<C1Upload>,
}

/// A task of C1 that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct C1Task {
    /// C1's id of it.
    pub id: String,
    /// What it asked for, such as sync_full.
    pub r#type: String,
    /// When it came.
    pub received_time: Time,
    /// When it ended.
    pub completion_time: Time,
    /// OK, or the gRPC status code that C1 was told, such as FailedPrecondition.
    pub result: String,
    /// Why it ended without a snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A snapshot that C1 took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct C1Upload {
    /// The task that it was for.
    pub task_id: String,
    /// The run that read it, which is also the id of the snapshot.
    pub sync_id: String,
    /// The SHA-256 of the file that C1 took, as sha256:<hex>. Another than that of the snapshot where the task asked
    /// for less than everything.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
    /// When C1 took it.
    pub time: Time,
}
