//! What can go wrong in starting a simulator or in changing its data.

use std::net::SocketAddr;
use std::time::Duration;

use crate::fault::{Fault, Vendor};

/// Why a simulator did not start, or why a change was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address could not be bound.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A PlanetScale service token has an id and a value, joined by a colon.
    #[error("a PlanetScale service token has the form ID:VALUE, both of them visible ASCII")]
    PlanetScaleTokenForm,
    /// A bearer token is one word.
    #[error("a Scalr token is one word of visible ASCII")]
    ScalrTokenForm,
    /// Names and roles go into paths and bodies; an empty one names nothing.
    #[error("{0} may not be empty")]
    Empty(&'static str),
    /// A fault that this server cannot have.
    #[error("{fault} makes no sense for {vendor}: {reason}")]
    Senseless {
        /// The fault.
        fault: Fault,
        /// Whose API the server simulates.
        vendor: Vendor,
        /// Why it makes no sense.
        reason: &'static str,
    },
    /// The certificates could not be made.
    #[error("cannot make certificates: {0}")]
    Tls(String),
    /// A client's name is a part of its id, which is taken apart at `@` and `/`.
    #[error("{0:?} cannot be a client's name: it may not be empty or have @, / or : in it")]
    C1ClientName(String),
    /// A client's key could not be made.
    #[error("cannot make a client's key: {0}")]
    Key(String),
    /// What was waited for did not happen.
    #[error("{what} within {within:?}; this is what was asked of the simulated C1:\n{transcript}")]
    TimedOut {
        /// What did not happen.
        what: String,
        /// How long it was waited for.
        within: Duration,
        /// What had happened until then.
        transcript: String,
    },
    /// What should be changed does not exist.
    #[error("there is no {what} \"{key}\"")]
    Unknown {
        /// The sort of thing, as a person says it.
        what: &'static str,
        /// The id, name or email that was given.
        key: String,
    },
    /// What should be added exists.
    #[error("there already is a {what} \"{key}\"")]
    Exists {
        /// The sort of thing, as a person says it.
        what: &'static str,
        /// The id, name or email that was given.
        key: String,
    },
}

impl Error {
    pub(crate) fn unknown(what: &'static str, key: &str) -> Self {
        Self::Unknown { what, key: key.to_owned() }
    }

    pub(crate) fn exists(what: &'static str, key: &str) -> Self {
        Self::Exists { what, key: key.to_owned() }
    }
}
