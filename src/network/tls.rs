//! Whom clients trust, read once for many of them: to read and understand what the platform trusts costs more than all
//! else that a small run does.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls_platform_verifier::Verifier;

use super::{InvalidCaBundle, certificates};

/// How long what the platform trusts is believed without looking again.
const BELIEVED_FOR: Duration = Duration::from_secs(10 * 60);
/// What is spoken over TLS, the better first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// How to speak TLS, for all clients that share this: whom to trust. No session is resumed by another client than the one
/// that began it: whoever resumes one does not look at the certificate, which may have expired since.
#[derive(Clone, Default)]
pub struct Tls {
    known: Arc<Mutex<HashMap<Option<Vec<u8>>, Known>>>,
}

struct Known {
    since: Instant,
    config: ClientConfig,
}

/// Why nobody can be trusted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The CA bundle cannot be used.
    #[error(transparent)]
    CaBundle(#[from] InvalidCaBundle),
    /// What the platform trusts could not be had.
    #[error(transparent)]
    Platform(#[from] rustls::Error),
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// How to speak TLS with whom the platform trusts, and with those in `ca_bundle` besides.
    ///
    /// # Errors
    /// [`TlsError`]; the next who asks has it tried again.
    pub(crate) fn trusting(&self, ca_bundle: Option<&[u8]>) -> Result<ClientConfig, TlsError> {
        let key = ca_bundle.map(<[u8]>::to_vec);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, known| known.since.elapsed() < BELIEVED_FOR);
        let known = match known.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                unknown.insert(Known { since: Instant::now(), config: config(ca_bundle)? })
            }
        };
        let mut config = known.config.clone();
        config.resumption = Resumption::default();
        Ok(config)
    }
}

fn config(ca_bundle: Option<&[u8]>) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = match ca_bundle {
        None => Verifier::new(Arc::clone(&provider))?,
        Some(bundle) => Verifier::new_with_extra_roots(certificates(bundle)?, Arc::clone(&provider))?,
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        // Dangerous would be one that does not verify; this is the platform's own.
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_that_is_none_is_refused_each_time() {
        let tls = Tls::default();
        for _ in 0..2 {
            assert!(matches!(tls.trusting(Some(b"nothing")), Err(TlsError::CaBundle(_))));
        }
        assert!(tls.known.lock().unwrap().is_empty());
    }

    #[test]
    fn all_who_trust_the_same_share_what_is_known() {
        let tls = Tls::default();
        let (first, second) = (tls.trusting(None).unwrap(), tls.clone().trusting(None).unwrap());
        assert_eq!(tls.known.lock().unwrap().len(), 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = rcgen::CertificateParams::default().self_signed(&key).unwrap().pem();
        tls.trusting(Some(pem.as_bytes())).unwrap();
        assert_eq!(tls.known.lock().unwrap().len(), 2);
        assert_eq!(first.alpn_protocols, second.alpn_protocols);
    }
}
