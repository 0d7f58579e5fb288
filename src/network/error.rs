//! Why nothing is sent to an address, and why a CA bundle is of no use.

/// Why nothing is sent to an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is not an origin that a request may go to.
    #[error("the address {url} {problem}")]
    Invalid {
        /// The address as given.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The host is not among those that the operator may send a credential to.
    #[error("the host {host} is not among the hosts that this operator may send credentials to")]
    HostNotAllowed {
        /// The host.
        host: String,
    },
    /// A pattern in the list of hosts that is no host and no `*.suffix`.
    #[error("the list of allowed hosts has `{pattern}`, which is neither a host nor a `*.suffix`")]
    HostPattern {
        /// The pattern as given.
        pattern: String,
    },
}

/// The CA bundle holds no certificate that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the CA bundle cannot be used: {0}")]
pub struct InvalidCaBundle(pub String);
