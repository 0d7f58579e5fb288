//! Certificates for a vendor's API, from an authority of its own: a good one, and two that are wrong in one way each.
//! Which of them is shown is looked up for each handshake, so that a fault can be switched on at any time.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

use crate::error::Error;
use crate::fault::{Fault, Switches};

/// A host that no simulator has.
const ANOTHER_HOST: &str = "api.another.example";

/// The certificates of one server.
#[derive(Debug)]
pub(crate) struct Certificates {
    /// The authority's certificate, as PEM.
    pub(crate) authority: String,
    good: Arc<CertifiedKey>,
    wrong_host: Arc<CertifiedKey>,
    expired: Arc<CertifiedKey>,
}

impl Certificates {
    /// Certificates for the address `ip` and for `localhost`.
    pub(crate) fn new(ip: IpAddr) -> Result<Self, Error> {
        Self::made(ip).map_err(|error| Error::Tls(error.to_string()))
    }

    fn made(ip: IpAddr) -> Result<Self, Box<dyn std::error::Error>> {
        let authority = CertifiedIssuer::self_signed(authority()?, KeyPair::generate()?)?;
        let own_names = vec![ip.to_string(), "localhost".to_owned()];
        let good = CertificateParams::new(own_names.clone())?;
        let wrong_host = CertificateParams::new([ANOTHER_HOST.to_owned()])?;
        let mut expired = CertificateParams::new(own_names)?;
        expired.not_before = date_time_ymd(2024, 1, 1);
        expired.not_after = date_time_ymd(2024, 4, 1);
        Ok(Self {
            authority: authority.pem(),
            good: certified(&good, &authority)?,
            wrong_host: certified(&wrong_host, &authority)?,
            expired: certified(&expired, &authority)?,
        })
    }

    /// Shakes hands with the certificate that `switches` ask for.
    pub(crate) fn acceptor(self: Arc<Self>, switches: Arc<Switches>) -> Result<TlsAcceptor, Error> {
        self.shown(Some(switches), &[])
    }

    /// Shakes hands with the good certificate, for gRPC, which needs HTTP/2, and for what else is on its port.
    pub(crate) fn acceptor_of_grpc(self: Arc<Self>) -> Result<TlsAcceptor, Error> {
        self.shown(None, &[b"h2", b"http/1.1"])
    }

    fn shown(
        self: Arc<Self>,
        switches: Option<Arc<Switches>>,
        protocols: &[&[u8]],
    ) -> Result<TlsAcceptor, Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Tls(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Shown { certificates: self, switches }));
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

#[derive(Debug)]
struct Shown {
    certificates: Arc<Certificates>,
    /// `None` where the certificate is always good.
    switches: Option<Arc<Switches>>,
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let is_on = |fault| self.switches.as_ref().is_some_and(|switches| switches.is_on(fault));
        let certificate = if is_on(Fault::TlsWrongHost) {
            &self.certificates.wrong_host
        } else if is_on(Fault::TlsExpired) {
            &self.certificates.expired
        } else {
            &self.certificates.good
        };
        Some(Arc::clone(certificate))
    }
}

fn authority() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "simulated authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn certified(
    params: &CertificateParams,
    authority: &CertifiedIssuer<'_, KeyPair>,
) -> Result<Arc<CertifiedKey>, Box<dyn std::error::Error>> {
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?.der().clone();
    let key = aws_lc_rs::sign::any_supported_type(&PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
    Ok(Arc::new(CertifiedKey::new(vec![certificate], key)))
}
