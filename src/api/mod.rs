//! The two kinds that people write, `ScalrConnector` and `PlanetScaleConnector`, and the status that they read.
//!
//! Only types, their schemas and their rules: nothing here talks to anything.

mod c1;
mod common;
mod condition;
mod duration;
mod held;
mod planetscale;
mod problem;
mod reason;
mod reference;
mod removal_guard;
mod scalr;
mod schedule;
mod schema;
mod status;

use kube::core::NamespaceResourceScope;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use c1::{C1CredentialsRef, C1Spec, C1Status, C1Task, C1Upload};
pub use common::CommonSpec;
pub use condition::ConditionType;
pub use duration::{InvalidDuration, SpecDuration};
pub use held::{HeldRemoval, Hold, WhyHeld};
pub use planetscale::{PlanetScaleConnector, PlanetScaleConnectorSpec};
pub use problem::problem;
pub use reason::{Class, Reason};
pub use reference::{CaBundleKind, CaBundleRef, SecretKeyRef};
pub use removal_guard::RemovalGuard;
pub use scalr::{ScalrConnector, ScalrConnectorSpec};
pub use schedule::Schedule;
pub use schema::{crd, json_schema};
pub use status::{
    ChangeStatus, ConnectorStatus, LastPublished, LastSync, PerScope, Phase, SnapshotCounts, Trigger,
};

/// The API group of all kinds.
pub const GROUP: &str = "connectors.conductorone.com";
/// The served version.
pub const VERSION: &str = "v1alpha1";
/// Set this annotation to any new value to have a connector read at once.
pub const REQUESTED_AT: &str = "connectors.conductorone.com/requestedAt";
/// Set this annotation to `status.held.id` to accept the removals that are held.
pub const ACCEPT_REMOVALS: &str = "connectors.conductorone.com/acceptRemovals";

/// What every connector kind has in common, whatever it reads.
pub trait ConnectorObject:
    kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + kube::CustomResourceExt
    + Clone
    + std::fmt::Debug
    + DeserializeOwned
    + Serialize
    + Send
    + Sync
    + 'static
{
    /// The kind, such as `ScalrConnector`.
    const KIND: &'static str;
    /// The SaaS as people call it, such as `Scalr`.
    const VENDOR: &'static str;
    /// Where the spec names the credential, such as `spec.apiTokenSecretRef`.
    const CREDENTIAL_FIELD: &'static str;
    /// The field that says what is read.
    const SCOPE_FIELD: &'static str;
    /// What the credential is called, such as `API token`.
    const CREDENTIAL: &'static str;
    /// The key of the Secret that is read where the spec names none.
    const DEFAULT_SECRET_KEY: &'static str;
    /// What C1 calls the place where the connector runs, where the spec does not say.
    const DEFAULT_HOST_ID: &'static str;

    /// The reference to the credential.
    fn credential_ref(&self) -> &SecretKeyRef;
    /// The part of the spec that every connector has.
    fn common(&self) -> &CommonSpec;
    /// The status as last read from the API server.
    fn status(&self) -> Option<&ConnectorStatus>;
    /// The heading and the cell of the column that says which account this is: `ACCOUNT` or `ORGS`. The number of
    /// organizations is that of the last snapshot, where there is one.
    fn scope_column(&self, organizations: Option<u64>) -> (&'static str, String);

    /// The key of the Secret that holds the credential.
    fn credential_key(&self) -> &str {
        self.credential_ref().key.as_deref().unwrap_or(Self::DEFAULT_SECRET_KEY)
    }
}
