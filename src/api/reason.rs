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
    ($( $(#[doc = $doc:literal])+ $name:ident => $class:expr, $remedy:literal; )+) => {
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

            /// What a person does about it; nothing where all is well, or it passes by itself.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)+ }
            }

            /// What to do about it, where it is a failure.
            pub fn class(self) -> Option<Class> {
                match self { $(Self::$name => $class,)+ }
            }
        }
    };
}

impl Reason {
    /// The reason with this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|reason| reason.as_str() == word).copied()
    }

    /// What the operator does by itself, of a failure.
    pub fn next(self) -> &'static str {
        match self.class() {
            None => "",
            Some(Class::Retry) => "tries again",
            Some(Class::WaitForChange) => "waits for a change",
            Some(Class::WaitForSecret) => "waits until it is there",
        }
    }
}

const RETRY: Option<Class> = Some(Class::Retry);
const CHANGE: Option<Class> = Some(Class::WaitForChange);
const SECRET: Option<Class> = Some(Class::WaitForSecret);

reasons! {
    /// The last run read everything and published it.
    Succeeded => None, "";
    /// A run is under way.
    Progressing => None, "";
    /// No run is under way.
    Idle => None, "";
    /// spec.suspend is true.
    Suspended => None, "Set `spec.suspend` to false, or remove it, to read again.";
    /// Nothing has been asked of the upstream yet.
    NotYetAsked => None, "";
    /// Everything was read, and more would go than may without somebody's word.
    RemovalsHeld => None, "Compare `status.held` with the upstream. If it is right, accept it; if not, correct it there.";
    /// The snapshot published last is lost, and there are fewer than the status remembers.
    BaselineLost => None, "Restore the snapshots, or accept the numbers.";
    /// The Secret does not exist.
    SecretNotFound => SECRET, "Create the Secret in the connector's own namespace, or correct its name in the spec.";
    /// The Secret has no such key, or nothing in it.
    SecretKeyMissing => SECRET, "Put the credential under the key that the message names, or name its key in the spec.";
    /// The credential is not of the vendor's form.
    CredentialMalformed => CHANGE, "Copy the credential again, whole: an API token, `<token-id>:<token-value>`, or what C1 gave.";
    /// The ConfigMap or Secret with the CA bundle, or its key, does not exist.
    CaBundleNotFound => SECRET, "Create what `spec.caBundleRef` names, with the key, or remove the field.";
    /// The CA bundle cannot be used.
    CaBundleInvalid => CHANGE, "Put PEM certificates there: from `-----BEGIN CERTIFICATE-----` to the end line.";
    /// The spec says something that can never work.
    InvalidSpec => CHANGE, "Correct the field that the message names.";
    /// The operator may not send credentials to that host.
    HostNotAllowed => CHANGE, "Correct the address, or have the administrator allow the host: `--allow-upstream-host`, `--allow-c1-host`.";
    /// The upstream refused the credential.
    Unauthorized => CHANGE, "Create a new token, and put it into the Secret.";
    /// The upstream does not let the credential read what is needed.
    Forbidden => CHANGE, "Give the token, or the user whom it belongs to, the right to read what the message names.";
    /// The credential lacks a right that the message names.
    MissingGrant => CHANGE, "Give the service token `read_organization` on the organization that the message names.";
    /// The upstream shows the credential no account of that name.
    AccountNotFound => CHANGE, "Compare `spec.account` with the address at which people sign in, and check whose the token is.";
    /// The upstream shows the credential several accounts of that name.
    AccountAmbiguous => CHANGE, "Correct `spec.account`, or `spec.baseUrl` where it is not Scalr's own.";
    /// The upstream shows an account without a single user, which no real account is.
    EmptyAccount => CHANGE, "Let the token read the account's users.";
    /// The credential reaches no organization.
    NoOrganizations => CHANGE, "Give the service token `read_organization` on each organization to read.";
    /// The upstream shows an organization without a single member, which no real organization is.
    EmptyOrganization => CHANGE, "Check in PlanetScale that the organization shows its members to the service token.";
    /// An organization vanished while it was read.
    OrganizationGone => RETRY, "Nothing, if the organization was deleted; else give the service token its grant back.";
    /// The upstream cannot be reached.
    Unreachable => RETRY, "If it lasts, check address, DNS, proxy and network policy.";
    /// The certificate of the upstream is not trusted.
    TlsFailed => RETRY, "Name the certificates of a private CA in `spec.caBundleRef`.";
    /// The upstream limits the rate of requests.
    RateLimited => RETRY, "If it lasts, set `--requests-per-minute` lower, or a longer interval: others use the allowance too.";
    /// The upstream answered with an error of its own.
    UpstreamError => RETRY, "If it lasts, ask the vendor; the message has the id of the request where there is one.";
    /// The upstream's answer is not what its API promises.
    UnexpectedResponse => RETRY, "Check that the address is the API itself, and no login page or proxy.";
    /// A listing changed while it was read.
    ListingChanged => RETRY, "If it lasts, read at a time at which nobody changes much.";
    /// The run took longer than spec.timeout.
    TimedOut => RETRY, "Set a longer `spec.timeout`, or find out why the upstream is slow.";
    /// The snapshot could not be written or stored.
    SnapshotFailed => RETRY, "Check the volume for snapshots: its space, its permissions, and that it is there.";
    /// C1 has not answered for three tries.
    C1Unavailable => RETRY, "If it lasts, check DNS, proxy and network policy on the way to C1.";
    /// C1 refuses the client id or secret, or this connector.
    C1Refused => CHANGE, "Check the Secret that `spec.c1.credentialsSecretRef` names, and the connector in C1.";
    /// An older connector has the same C1 client id, and keeps it.
    CredentialsShared => CHANGE, "Give this connector a client id of its own in C1.";
    /// Kubernetes did not let the operator read what the run needs.
    KubernetesError => RETRY, "Check that the operator's ServiceAccount may get what the message names.";
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

    #[test]
    fn every_failure_says_what_a_person_does_about_it() {
        for reason in Reason::ALL {
            let (word, remedy) = (reason.as_str(), reason.remedy());
            assert!(reason.class().is_none() || remedy.ends_with('.'), "{word}: {remedy}");
            assert!(remedy.is_empty() || remedy.starts_with(|c: char| c.is_ascii_uppercase()), "{word}");
        }
    }
}
