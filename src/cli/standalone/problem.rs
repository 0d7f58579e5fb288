//! Why a self-hosted connector's command ends: a sentence, and an exit code that says the same to programs.

use std::process::ExitCode;

use tonic::Code;

use crate::api::Reason;
use crate::sync::Failure;

use super::super::Failed;

/// What clap exits with too. As a code of gRPC it means Unknown, which is what C1's SDK exits with then.
const USAGE: u8 = 2;

/// Why the command ends.
#[derive(Debug)]
pub(super) struct Problem {
    /// One sentence: what is wrong, where, and what to do.
    pub(super) message: String,
    /// The exit code.
    pub(super) code: u8,
}

impl Problem {
    /// Flags or variables that do not fit together.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: USAGE }
    }

    /// What means this code of gRPC.
    pub(super) fn of(code: Code, message: impl Into<String>) -> Self {
        Self { message: message.into(), code: number(code) }
    }

    /// Something that this connector does not do.
    pub(super) fn unsupported(message: impl Into<String>) -> Self {
        Self::of(Code::Unimplemented, message)
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self { code: number(failure.reason.grpc_code()), message: failure.message }
    }
}

impl From<Failed> for Problem {
    fn from(error: Failed) -> Self {
        Self { message: error.to_string(), code: number(Code::Internal) }
    }
}

/// What a run exits with that published nothing for this reason; without one it was cancelled.
pub(super) fn exit_code(reason: Option<Reason>) -> ExitCode {
    ExitCode::from(number(reason.map_or(Code::Cancelled, Reason::grpc_code)))
}

fn number(code: Code) -> u8 {
    u8::try_from(i32::from(code)).unwrap_or(USAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_the_exit_code_of_its_code_of_grpc() {
        assert_eq!(exit_code(Some(Reason::Unauthorized)), ExitCode::from(16));
        assert_eq!(exit_code(None), ExitCode::from(1));
        assert_eq!(Problem::unsupported("").code, 12);
    }
}
