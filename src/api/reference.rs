//! References to Secrets and ConfigMaps in the connector's own namespace. There is no way to name another.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// One key of a Secret in the connector's own namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct SecretKeyRef {
    /// Name of the Secret, in the connector's own namespace.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')").message("name must be the name of a Secret: lower-case letters, digits, - and ."))]
    pub name: String,
    /// Key within the Secret's data. Defaults to api-token for Scalr and service-token for PlanetScale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[-._a-zA-Z0-9]+$')").message("key must be a key of a Secret: letters, digits, -, _ and ."))]
    pub key: Option<String>,
}

/// A CA bundle in PEM form, in a ConfigMap or a Secret of the connector's own namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct CaBundleRef {
    /// ConfigMap or Secret.
    pub kind: CaBundleKind,
    /// Name of the ConfigMap or Secret, in the connector's own namespace.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')").message("name must be the name of a ConfigMap or Secret: lower-case letters, digits, - and ."))]
    pub name: String,
    /// Key that holds the PEM certificates. Defaults to ca.crt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[-._a-zA-Z0-9]+$')").message("key must be a key of a ConfigMap or Secret: letters, digits, -, _ and ."))]
    pub key: Option<String>,
}

impl CaBundleRef {
    /// The key that is read where the spec names none.
    pub const DEFAULT_KEY: &'static str = "ca.crt";

    /// The key that holds the certificates.
    pub fn key(&self) -> &str {
        self.key.as_deref().unwrap_or(Self::DEFAULT_KEY)
    }
}

/// What kind of object holds a CA bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum CaBundleKind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

impl CaBundleKind {
    /// The kind as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}
