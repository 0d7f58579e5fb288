//! Why C1 could not be asked, or did not do what it was asked for. Each a sentence's worth of fact, without any secret.

use std::error::Error;

use tonic::{Code, Status};

use crate::network::{AddressError, InvalidCaBundle, Redaction, clean};

/// The most bytes of C1's own words in an error.
const DETAIL_BYTES: usize = 300;

/// Why C1 could not be asked, or did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum C1Error {
    /// Nothing is sent to the address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The CA bundle holds no certificate that can be used.
    #[error(transparent)]
    CaBundle(#[from] InvalidCaBundle),
    /// No connection can be prepared.
    #[error("no connection to C1 can be prepared: {0}")]
    Client(String),
    /// Another operator speaks to C1 by now.
    #[error("nothing is sent to C1: another operator leads by now")]
    Deposed,
    /// No answer.
    #[error("C1 at {host} cannot be reached: {problem}")]
    Unreachable {
        /// The host, with its port where it is not the usual one.
        host: String,
        /// What the network said.
        problem: String,
    },
    /// C1 does not take the client id and secret.
    #[error("C1 refused the client id or secret: POST {host}/auth/v1/token answered {status} {detail}")]
    TokenRefused {
        /// The host.
        host: String,
        /// The HTTP status.
        status: u16,
        /// C1's own words.
        detail: String,
    },
    /// C1 gives no token now.
    #[error("C1 gave no token: POST {host}/auth/v1/token {problem}")]
    NoToken {
        /// The host.
        host: String,
        /// What came instead.
        problem: String,
    },
    /// A call was answered with an error.
    #[error("C1 answered {method} with {code:?}: {message}")]
    Refused {
        /// The method of its service.
        method: &'static str,
        /// The gRPC status code.
        code: Code,
        /// C1's own words.
        message: String,
    },
    /// A call was not answered in time.
    #[error("C1 did not answer {method} within {seconds} s")]
    Late {
        /// The method of its service.
        method: &'static str,
        /// How long was waited.
        seconds: u64,
    },
}

impl C1Error {
    /// What a call was answered with, or that nothing answered.
    pub(super) fn of_status(
        method: &'static str,
        host: &str,
        status: &Status,
        redaction: &Redaction,
    ) -> Self {
        if let Some(problem) = no_connection(status) {
            return Self::Unreachable {
                host: host.to_owned(),
                problem: clean(&redaction.apply(&problem), DETAIL_BYTES),
            };
        }
        let message = clean(&redaction.apply(status.message()), DETAIL_BYTES);
        Self::Refused { method, code: status.code(), message }
    }

    /// Will it be the same until somebody changes something?
    pub fn lasts(&self) -> bool {
        match self {
            Self::Address(_) | Self::CaBundle(_) | Self::Client(_) | Self::TokenRefused { .. } => true,
            Self::Deposed | Self::Unreachable { .. } | Self::NoToken { .. } | Self::Late { .. } => false,
            // As C1's own SDK takes them when it says hello.
            Self::Refused { code, .. } => matches!(
                code,
                Code::Unauthenticated
                    | Code::PermissionDenied
                    | Code::InvalidArgument
                    | Code::Unimplemented
                    | Code::FailedPrecondition
                    | Code::NotFound
            ),
        }
    }

    /// The gRPC status code, for whoever ends with it.
    pub fn code(&self) -> Code {
        match self {
            Self::Address(_) => Code::FailedPrecondition,
            Self::CaBundle(_) | Self::Client(_) => Code::InvalidArgument,
            Self::TokenRefused { .. } => Code::Unauthenticated,
            Self::Deposed | Self::Unreachable { .. } | Self::NoToken { .. } => Code::Unavailable,
            Self::Late { .. } => Code::DeadlineExceeded,
            Self::Refused { code, .. } => *code,
        }
    }
}

/// Words of C1, or of what stands in front of it, as an error may carry them.
pub(super) fn short(text: &str) -> String {
    clean(text, DETAIL_BYTES)
}

/// What the network said, where it is not C1 that answered: tonic makes a status of either.
fn no_connection(status: &Status) -> Option<String> {
    let source = status.source()?;
    let transport = source.downcast_ref::<tonic::transport::Error>().map(|error| error as &dyn Error);
    let mut cause = transport.or(Some(source))?;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Some(cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_c1_says_is_repeated_without_the_token_on_one_line() {
        let redaction = Redaction::new(vec!["canary-token".to_owned().into()]);
        let status = Status::permission_denied("canary-token is\nnot yours");
        let error = C1Error::of_status("Hello", "host", &status, &redaction);
        assert_eq!(error.to_string(), "C1 answered Hello with PermissionDenied: [redacted] is not yours");
        assert!(error.lasts());
        assert!(!C1Error::of_status("Hello", "host", &Status::unavailable("later"), &redaction).lasts());
    }
}
