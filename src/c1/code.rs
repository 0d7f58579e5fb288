//! The one place where a reason for people becomes a code of gRPC, which is what C1 understands of a failure and what
//! a connector built on C1's own SDK exits with.

use tonic::Code;

use crate::api::Reason;

impl Reason {
    /// The code of gRPC that says the same, or the nearest to it.
    pub fn grpc_code(self) -> Code {
        match self {
            Self::Succeeded | Self::Progressing | Self::Idle | Self::NotYetAsked => Code::Ok,
            Self::Suspended => Code::Cancelled,
            Self::C1Unavailable => Code::Unavailable,
            Self::C1Refused => Code::PermissionDenied,
            Self::Unauthorized => Code::Unauthenticated,
            Self::Forbidden | Self::MissingGrant => Code::PermissionDenied,
            Self::AccountNotFound | Self::NoOrganizations => Code::NotFound,
            Self::InvalidSpec | Self::CredentialMalformed | Self::CaBundleInvalid => Code::InvalidArgument,
            Self::HostNotAllowed
            | Self::CredentialsShared
            | Self::RemovalsHeld
            | Self::BaselineLost
            | Self::SecretNotFound
            | Self::SecretKeyMissing
            | Self::CaBundleNotFound
            | Self::AccountAmbiguous
            | Self::EmptyAccount
            | Self::EmptyOrganization => Code::FailedPrecondition,
            Self::Unreachable
            | Self::TlsFailed
            | Self::UpstreamError
            | Self::RateLimited
            | Self::UnexpectedResponse => Code::Unavailable,
            Self::ListingChanged | Self::OrganizationGone => Code::Aborted,
            Self::TimedOut => Code::DeadlineExceeded,
            Self::SnapshotFailed | Self::KubernetesError => Code::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_never_ok_and_what_may_pass_is_not_said_to_be_forever() {
        for reason in Reason::ALL.iter().filter(|reason| reason.class().is_some()) {
            assert_ne!(reason.grpc_code(), Code::Ok, "{reason:?}");
        }
        assert_eq!(Reason::Unauthorized.grpc_code() as i32, 16);
        assert_eq!(Reason::Unreachable.grpc_code() as i32, 14);
        assert_eq!(Reason::Succeeded.grpc_code() as i32, 0);
    }
}
