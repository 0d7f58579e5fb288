//! Owns the one error type of this crate. A failure carries what a person needs to see first: which
//! process, what it was asked to do, and the end of its log.

use std::process::ExitStatus;
use std::time::Duration;

/// What every function of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a part of the testbed could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `tools/build` did not produce the tool.
    #[error("tools/build {tool} failed ({status}):\n{stderr}")]
    Tool {
        /// The tool asked for.
        tool: String,
        /// How the script ended.
        status: ExitStatus,
        /// The end of what it wrote to stderr.
        stderr: String,
    },
    /// The operating system refused something.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done to what.
        doing: String,
        /// Why it was refused.
        source: std::io::Error,
    },
    /// A child ended while it was waited for.
    #[error("{name} ended ({status}) before it was {what}; its log ends with:\n{log}")]
    Ended {
        /// The child's name.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// What was waited for.
        what: String,
        /// The last lines of its log.
        log: String,
    },
    /// A child runs but is not what was waited for within the deadline.
    #[error("{name} is not {what} after {within:?}; its log ends with:\n{log}")]
    NotReady {
        /// The child's name.
        name: String,
        /// What was waited for.
        what: String,
        /// The deadline.
        within: Duration,
        /// The last lines of its log.
        log: String,
    },
    /// A key or certificate could not be made.
    #[error("making a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A kubeconfig that this crate wrote cannot be used.
    #[error("loading a kubeconfig: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// The apiserver refused a request.
    #[error("{doing}: {source}")]
    Kube {
        /// What was being asked for.
        doing: String,
        /// The answer.
        source: Box<kube::Error>,
    },
    /// The shared control plane did not start; every later caller is told the same.
    #[error("the shared control plane did not start: {0}")]
    Shared(String),
}

impl Error {
    /// Whether another process took a port between its choice and its use.
    pub(crate) fn is_port_taken(&self) -> bool {
        matches!(self, Self::Ended { log, .. } if log.contains("address already in use"))
    }

    pub(crate) fn kube(doing: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        move |source| Self::Kube { doing: doing.into(), source: Box::new(source) }
    }

    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { doing: doing.into(), source }
    }
}
