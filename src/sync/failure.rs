//! Why a run published nothing, as the one sentence that stands in the condition, the event and the log: what is
//! wrong, where, and what to do.

use std::fmt;
use std::time::Duration;

use crate::api::Reason;
use crate::connectors::{ConfigError, ReadError};
use crate::network::AddressError;
use crate::snapshot::StoreError;

use super::{PublishError, Settings};

/// Why a run published nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The word for programs.
    pub reason: Reason,
    /// The sentence for people.
    pub message: String,
    /// Had the upstream accepted the credential before the run failed?
    pub authenticated: bool,
    /// How long the upstream asks to be left alone.
    pub retry_after: Option<Duration>,
}

/// Where a credential came from, as a person finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// What it is called, such as `API token`.
    pub name: &'static str,
    /// Where it is kept, such as `key api-token of Secret scalr-acme`.
    pub place: String,
    /// Where it is set where to read, such as `spec.baseUrl`.
    pub address: String,
    /// Where it is set what to read, such as `spec.account`.
    pub scope: String,
    /// Where everything else is set.
    pub settings: Settings,
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} in {}", self.name, self.place)
    }
}

impl Failure {
    /// A failure before anything was asked of the upstream.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), authenticated: false, retry_after: None }
    }

    /// A failure before anything was asked of the upstream: what the problem is, and what to do about it.
    pub(crate) fn sentence(reason: Reason, problem: &str, remedy: &str) -> Self {
        Self::new(reason, sentence(problem, remedy))
    }

    /// A setting that no request could succeed with.
    pub fn config(error: &ConfigError, credential: &Credential) -> Self {
        let settings = credential.settings;
        let (reason, remedy) = match error {
            ConfigError::Credential { .. } => (Reason::CredentialMalformed, format!("Correct {credential}.")),
            ConfigError::Setting { .. } => (Reason::InvalidSpec, format!("Correct {}.", credential.scope)),
            ConfigError::Address(AddressError::HostPattern { .. }) => {
                (Reason::InvalidSpec, "Correct the operator's --allow-upstream-host.".to_owned())
            }
            ConfigError::Address(AddressError::Invalid { .. }) => {
                (Reason::InvalidSpec, format!("Correct {}.", credential.address))
            }
            ConfigError::Address(AddressError::HostNotAllowed { host }) => {
                (Reason::HostNotAllowed, settings.allow(&credential.address, host))
            }
            ConfigError::CaBundle(_) => (Reason::CaBundleInvalid, settings.correct_ca_bundle().to_owned()),
            ConfigError::Client(_) => (Reason::InvalidSpec, settings.correct_proxy().to_owned()),
        };
        Self::new(reason, sentence(&error.to_string(), &remedy))
    }

    /// A snapshot that could not be written or stored, while `doing` that.
    pub fn snapshot(doing: &str, error: &dyn std::error::Error) -> Self {
        Self::of_snapshot(doing, error, VOLUME)
    }

    /// A snapshot that could not be completed, compared or published.
    pub(super) fn publish(error: &PublishError) -> Self {
        let remedy = match error {
            PublishError::Write(error) if !error.is_of_the_disk() => {
                "What was read does not hold together; the run is tried again."
            }
            PublishError::Store(StoreError::Fenced { .. }) => "The operator that leads now goes on.",
            PublishError::Store(StoreError::Overtaken { .. } | StoreError::Occupied { .. }) => {
                "The run is tried again under another id."
            }
            PublishError::Store(StoreError::Bucket { problem, .. }) => problem.remedy(),
            PublishError::Store(StoreError::Unreadable { .. }) => "Look at that object.",
            _ => VOLUME,
        };
        let doing = match error {
            PublishError::Write(_) => "writing the snapshot",
            _ => "publishing the snapshot",
        };
        Self::of_snapshot(doing, error, remedy)
    }

    fn of_snapshot(doing: &str, error: &dyn std::error::Error, remedy: &str) -> Self {
        let problem = format!("{doing} failed: {}", with_causes(error));
        Self::new(Reason::SnapshotFailed, sentence(&problem, &format!("{remedy} {STAYS}")))
    }

    /// The same where nothing was ever published that could stay.
    pub(super) fn with_nothing_published(mut self) -> Self {
        if let Some(rest) = self.message.strip_suffix(STAYS) {
            self.message = format!("{rest}Nothing has been published yet.");
        }
        self
    }

    /// A reading that is not complete.
    pub fn read(error: &ReadError, credential: &Credential) -> Self {
        let (reason, remedy) = remedy(error, credential);
        Self {
            reason,
            message: sentence(&error.to_string(), &remedy),
            authenticated: was_authenticated(error),
            retry_after: error.retry_after(),
        }
    }
}

/// The last sentence of whatever leaves a published snapshot in place.
const STAYS: &str = "What was published before stays.";
const VOLUME: &str = "Check the volume for snapshots: its space and its permissions.";

fn remedy(error: &ReadError, credential: &Credential) -> (Reason, String) {
    match error {
        ReadError::Unauthorized { .. } => (
            Reason::Unauthorized,
            format!("Create a new {} and put it into {}.", credential.name, credential.place),
        ),
        ReadError::Forbidden { .. } => {
            (Reason::Forbidden, format!("Give that access to {credential}, or to the user it belongs to."))
        }
        ReadError::MissingGrant { grant, .. } => {
            (Reason::MissingGrant, format!("Give {credential} {grant}. {STAYS}"))
        }
        ReadError::AccountNotFound(_) => (
            Reason::AccountNotFound,
            format!("Check {}, and that {credential} belongs to that account. {STAYS}", credential.scope),
        ),
        ReadError::AccountAmbiguous(_) => (
            Reason::AccountAmbiguous,
            format!("Correct {}, or the address if it is not Scalr's own. {STAYS}", credential.scope),
        ),
        ReadError::EmptyAccount(_) => {
            (Reason::EmptyAccount, format!("Let {credential} read the users of the account. {STAYS}"))
        }
        ReadError::NoOrganizations(_) => (
            Reason::NoOrganizations,
            format!(
                "Give {credential} the access grant read_organization on each organization to read. {STAYS}"
            ),
        ),
        ReadError::EmptyOrganization(_) => (
            Reason::EmptyOrganization,
            format!("Check in PlanetScale that the organization shows its members to {credential}. {STAYS}"),
        ),
        ReadError::OrganizationGone(_) => (
            Reason::OrganizationGone,
            format!(
                "If it was deleted, or taken away from {credential}, the next run reads without it. {STAYS}"
            ),
        ),
        ReadError::Unreachable { .. } => (
            Reason::Unreachable,
            format!("Check {}, DNS, proxy and network policy. {STAYS}", credential.address),
        ),
        ReadError::AddressRefused { .. } => {
            (Reason::HostNotAllowed, credential.settings.allow_address(&credential.address))
        }
        ReadError::Tls { .. } => (Reason::TlsFailed, credential.settings.trust().to_owned()),
        ReadError::RateLimited { .. } => (Reason::RateLimited, again(credential.settings)),
        ReadError::Upstream { .. } => (Reason::UpstreamError, again(credential.settings)),
        ReadError::UnexpectedResponse { .. } => (
            Reason::UnexpectedResponse,
            format!(
                "Check that {} is the API itself and no login page or proxy. {STAYS}",
                credential.address
            ),
        ),
        ReadError::ListingChanged { .. } => (Reason::ListingChanged, again(credential.settings)),
        ReadError::SinkClosed(_) => (Reason::SnapshotFailed, again(credential.settings)),
    }
}

/// What may pass by itself.
fn again(settings: Settings) -> String {
    format!("{} {STAYS}", settings.again())
}

/// Only a request that the upstream has looked at with our credential says anything about it.
fn was_authenticated(error: &ReadError) -> bool {
    matches!(
        error,
        ReadError::Forbidden { .. }
            | ReadError::MissingGrant { .. }
            | ReadError::AccountNotFound(_)
            | ReadError::AccountAmbiguous(_)
            | ReadError::EmptyAccount(_)
            | ReadError::NoOrganizations(_)
            | ReadError::EmptyOrganization(_)
            | ReadError::OrganizationGone(_)
            | ReadError::ListingChanged { .. }
            | ReadError::SinkClosed(_)
    )
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

/// A host at the beginning keeps its spelling.
fn sentence(problem: &str, remedy: &str) -> String {
    let problem = problem.trim().trim_end_matches('.');
    let is_host = problem.split(' ').next().is_some_and(|word| word.contains(['.', ':']));
    let mut letters = problem.chars();
    match letters.next().filter(|_| !is_host) {
        Some(first) => format!("{}{}. {remedy}", first.to_uppercase(), letters.as_str()),
        None => format!("{problem}. {remedy}"),
    }
}

#[cfg(test)]
pub(crate) mod tests;
