//! The connectors: each reads one SaaS and tells who has access, as [`crate::access`] records.
//!
//! A connector must not know Kubernetes, schedules or files. It either reads everything, or fails: what it has
//! sent before it failed is thrown away by the caller.

mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod http;
mod paging;
pub mod planetscale;
pub mod scalr;
#[cfg(test)]
mod scripted;
mod text;

use async_trait::async_trait;

use crate::access::guard::Scoping;
use crate::access::{RecordId, RecordSender, ResourceType};

pub use error::{ConfigError, ReadError};

/// Reads one upstream account, whole or not at all.
#[async_trait]
pub trait Connector: Send + Sync {
    /// The types of the resources that [`Connector::read`] sends.
    fn resource_types(&self) -> &'static [ResourceType];

    /// Reads everything once and sends it to `records`.
    ///
    /// # Errors
    /// Whatever keeps the reading from being complete, as one sentence that names the host and the request.
    async fn read(&self, records: &RecordSender) -> Result<Upstream, ReadError>;

    /// Asks upstream, with its first request alone, whether the credential works.
    ///
    /// # Errors
    /// Whatever keeps it from working, as [`Connector::read`] would fail with it.
    async fn validate(&self) -> Result<(), ReadError>;

    /// What the people it reads are counted by.
    fn scoping(&self) -> Scoping;

    /// Asks upstream for each of `missing`, which a reading lacks although the last one published had them, by itself
    /// instead of through a listing.
    ///
    /// # Errors
    /// Whatever keeps an answer from being certain.
    async fn look_up(&self, missing: &[RecordId]) -> Result<LookUp, ReadError>;
}

/// What became of those who were looked up one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookUp {
    /// What upstream has in their place now; nothing of those that are gone. A changed role is another grant.
    Found(Vec<RecordId>),
    /// Upstream cannot be asked for them one by one, or its answers could not be told from a refusal.
    Impossible,
}

/// What a complete reading says of the account as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// The vendor's stable id of what was read; for PlanetScale, the sorted ids of its organizations, joined by
    /// commas.
    pub account_id: String,
}
