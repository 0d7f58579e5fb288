//! Owns the credentials of one control plane: a certificate authority, one certificate that etcd and
//! kube-apiserver both serve and identify themselves with, the key that signs service-account
//! tokens, and the administrator's token. The authority is what tells two control planes apart: a client that
//! reaches the wrong one, because a port changed hands, fails instead of mixing their data.

use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// The names under which an apiserver is reached, from outside and from its own cluster.
const NAMES: [&str; 6] =
    ["localhost", "127.0.0.1", "10.96.0.1", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];

/// Paths of PEM files.
#[derive(Debug)]
pub(crate) struct Pki {
    pub(crate) ca: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) service_account_key: PathBuf,
    pub(crate) service_account_public_key: PathBuf,
    /// Not PEM: one line for `--token-auth-file`.
    pub(crate) tokens: PathBuf,
}

impl Pki {
    /// The files in `folder`, made unless they are there: a control plane that is started again in a
    /// kept folder has to accept the tokens it gave out before. `address` is where the API server will listen.
    pub(crate) fn in_folder(folder: &Path, address: IpAddr) -> Result<Self> {
        let pki = Self {
            ca: folder.join("ca.crt"),
            certificate: folder.join("server.crt"),
            key: folder.join("server.key"),
            service_account_key: folder.join("service-account.key"),
            service_account_public_key: folder.join("service-account.pub"),
            tokens: folder.join("tokens.csv"),
        };
        // Written last, so when it is there, all are.
        if !pki.ca.exists() {
            pki.make(address)?;
        }
        Ok(pki)
    }

    /// The token of the user `admin`, who may do everything.
    pub(crate) fn admin_token(&self) -> Result<String> {
        let tokens = read(&self.tokens)?;
        Ok(String::from_utf8_lossy(&tokens).split(',').next().unwrap_or_default().to_owned())
    }

    fn make(&self, address: IpAddr) -> Result<()> {
        // 122 random bits from the kernel.
        let token = read(Path::new("/proc/sys/kernel/random/uuid"))?;
        let token = String::from_utf8_lossy(&token).trim_end().to_owned();
        write_private(&self.tokens, format!("{token},admin,admin,\"system:masters\"\n").as_bytes())?;

        let service_account = KeyPair::generate()?;
        write_private(&self.service_account_key, service_account.serialize_pem().as_bytes())?;
        write_private(&self.service_account_public_key, service_account.public_key_pem().as_bytes())?;

        let authority = CertifiedIssuer::self_signed(authority()?, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let certificate = server(address)?.signed_by(&key, &authority)?;
        write_private(&self.key, key.serialize_pem().as_bytes())?;
        write_private(&self.certificate, certificate.pem().as_bytes())?;
        write_private(&self.ca, authority.pem().as_bytes())
    }
}

fn authority() -> Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "testbed");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn server(address: IpAddr) -> Result<CertificateParams> {
    let names =
        NAMES.map(str::to_owned).into_iter().chain((!address.is_loopback()).then(|| address.to_string()));
    let mut params = CertificateParams::new(names.collect::<Vec<_>>())?;
    params.distinguished_name.push(DnType::CommonName, "testbed-server");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

/// Writes `path` in one step, readable by this user only.
pub(crate) fn write_private(path: &Path, contents: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let write = || {
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(contents)?;
        file.persist(path).map_err(|error| error.error)
    };
    write().map(drop).map_err(Error::io(format!("writing {}", path.display())))
}

/// Reads a file that this crate wrote.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(Error::io(format!("reading {}", path.display())))
}
