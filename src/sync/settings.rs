//! Where a person changes what a run was told, so that a failure's sentence sends them there.

/// Where a person changes what a run was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settings {
    /// In the connector's spec, within what the operator's administrator allows.
    Spec,
    /// In the flags and `BATON_*` variables of the command that reads.
    Flags,
}

impl Settings {
    /// What to do about a host to which no credential may be sent; `address` is where it is set.
    pub(super) fn allow(self, address: &str, host: &str) -> String {
        match self {
            Self::Spec => format!(
                "Correct {address}, or have the cluster's administrator allow it with --allow-upstream-host={host}."
            ),
            Self::Flags => format!("Correct {address}."),
        }
    }

    /// What to do about a name that leads to an address to which no credential is sent.
    pub(super) fn allow_address(self, address: &str) -> String {
        match self {
            Self::Spec => {
                format!(
                    "Correct {address}; a private one must be allowed by name with --allow-upstream-host."
                )
            }
            Self::Flags => format!("Correct {address}, or what its name leads to."),
        }
    }

    /// What to do about a CA bundle that holds no certificate.
    pub(crate) fn correct_ca_bundle(self) -> &'static str {
        match self {
            Self::Spec => "Put PEM certificates into what spec.caBundleRef names.",
            Self::Flags => "Put PEM certificates into the file that --ca-bundle (BATON_CA_BUNDLE) names.",
        }
    }

    /// What to do about a certificate that is not trusted.
    pub(super) fn trust(self) -> &'static str {
        match self {
            Self::Spec => "For a private CA, name its certificates in spec.caBundleRef.",
            Self::Flags => {
                "For a private CA, name the file with its certificates in --ca-bundle (BATON_CA_BUNDLE)."
            }
        }
    }

    /// What to do about an HTTP client that cannot be made.
    pub(crate) fn correct_proxy(self) -> &'static str {
        match self {
            Self::Spec => "Check the proxy settings of the operator.",
            Self::Flags => "Check HTTPS_PROXY and NO_PROXY.",
        }
    }

    /// What becomes of a run that failed for what may pass by itself.
    pub(super) fn again(self) -> &'static str {
        match self {
            Self::Spec => "It is tried again.",
            Self::Flags => "Try again later.",
        }
    }

    /// A run that took longer than `seconds`, and what to do about it.
    pub(super) fn timed_out(self, seconds: u64) -> String {
        match self {
            Self::Spec => format!(
                "The run took longer than the {seconds} s that spec.timeout allows. Set a longer spec.timeout."
            ),
            Self::Flags => format!(
                "The run took longer than the {seconds} s that one may take. Check how fast the upstream answers."
            ),
        }
    }
}
