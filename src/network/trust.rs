//! CA bundles in PEM form.

use std::fmt::Display;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::InvalidCaBundle;

/// The longest that is said of a bundle, in characters.
const WORDS: usize = 200;

/// The certificates in `bundle`, each of which an authority can be known by.
pub(crate) fn certificates(bundle: &[u8]) -> Result<Vec<CertificateDer<'static>>, InvalidCaBundle> {
    let unusable = |number: usize, error: &dyn Display| {
        let problem = format!("the certificate no. {number} in it is none: {error}");
        InvalidCaBundle(problem.chars().take(WORDS).collect())
    };
    let mut authorities = RootCertStore::empty();
    let mut certificates = Vec::new();
    for (number, der) in (1..).zip(CertificateDer::pem_slice_iter(bundle)) {
        let der = der.map_err(|error| unusable(number, &error))?;
        authorities.add(der.clone()).map_err(|error| unusable(number, &error))?;
        certificates.push(der);
    }
    if certificates.is_empty() {
        return Err(InvalidCaBundle("it holds no certificate in PEM form".to_owned()));
    }
    Ok(certificates)
}
