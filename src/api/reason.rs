//! Why a condition is as it is: a closed list, stable, since people write alerts and scripts on these words.

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It may pass: try again soon, then less and less often.
    Retry,
    /// It will not pass before somebody changes something; look again at the usual interval, and not within 15 min.
    WaitForChange,
    /// The Secret is not there yet: the same, but expected at first.
    WaitForSecret,
}

macro_rules! reasons {
    ($( $(#[doc = $doc:literal])+ $name:ident => $class:expr, )+) => {
        /// Why a condition is as it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $( $(#[doc = $doc])+ $name, )+ }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)+];

            /// The word in the condition.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// What it means.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// What to do about it, where it is a failure.
            pub fn class(self) -> Option<Class> {
                match self { $(Self::$name => $class,)+ }
            }
        }
    };
}

const RETRY: Option<Class> = Some(Class::Retry);
const CHANGE: Option<Class> = Some(Class::WaitForChange);
const SECRET: Option<Class> = Some(Class::WaitForSecret);

reasons! {
    /// The last run read everything and published it.
    Succeeded => None,
    /// A run is under way.
    Progressing => None,
    /// No run is under way.
    Idle => None,
    /// spec.suspend is true.
    Suspended => None,
    /// Nothing has been asked of the upstream yet.
    NotYetAsked => None,
    /// Everything was read, and more would go than may without somebody's word.
    RemovalsHeld => None,
    /// The snapshot published last is lost, and there are fewer than the status remembers.
    BaselineLost => None,
    /// The Secret does not exist.
    SecretNotFound => SECRET,
    /// The Secret has no such key, or nothing in it.
    SecretKeyMissing => SECRET,
    /// The credential is not of the vendor's form.
    CredentialMalformed => CHANGE,
    /// The ConfigMap or Secret with the CA bundle, or its key, does not exist.
    CaBundleNotFound => SECRET,
    /// The CA bundle cannot be used.
    CaBundleInvalid => CHANGE,
    /// The spec says something that can never work.
    InvalidSpec => CHANGE,
    /// The operator may not send credentials to that host.
    HostNotAllowed => CHANGE,
    /// The upstream refused the credential.
    Unauthorized => CHANGE,
    /// The upstream does not let the credential read what is needed.
    Forbidden => CHANGE,
    /// The credential lacks a right that the message names.
    MissingGrant => CHANGE,
    /// The upstream shows the credential no account of that name.
    AccountNotFound => CHANGE,
    /// The upstream shows the credential several accounts of that name.
    AccountAmbiguous => CHANGE,
    /// The upstream shows an account without a single user, which no real account is.
    EmptyAccount => CHANGE,
    /// The credential reaches no organization.
    NoOrganizations => CHANGE,
    /// The upstream shows an organization without a single member, which no real organization is.
    EmptyOrganization => CHANGE,
    /// An organization vanished while it was read.
    OrganizationGone => RETRY,
    /// The upstream cannot be reached.
    Unreachable => RETRY,
    /// The certificate of the upstream is not trusted.
    TlsFailed => RETRY,
    /// The upstream limits the rate of requests.
    RateLimited => RETRY,
    /// The upstream answered with an error of its own.
    UpstreamError => RETRY,
    /// The upstream's answer is not what its API promises.
    UnexpectedResponse => RETRY,
    /// A listing changed while it was read.
    ListingChanged => RETRY,
    /// The run took longer than spec.timeout.
    TimedOut => RETRY,
    /// The snapshot could not be written or stored.
    SnapshotFailed => RETRY,
    /// C1 has not answered for three tries.
    C1Unavailable => RETRY,
    /// C1 refuses the client id or secret, or this connector.
    C1Refused => CHANGE,
    /// An older connector has the same C1 client id, and keeps it.
    CredentialsShared => CHANGE,
    /// Kubernetes did not let the operator read what the run needs.
    KubernetesError => RETRY,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_a_condition_reason_to_the_api_server_and_means_something() {
        for reason in Reason::ALL {
            let word = reason.as_str();
            assert!(word.starts_with(|c: char| c.is_ascii_uppercase()), "{word}");
            assert!(word.chars().all(|c| c.is_ascii_alphanumeric()), "{word}");
            assert!(reason.meaning().ends_with('.'), "{word}");
        }
    }
}
