//! The client against a TLS server whose certificate no platform trusts.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::super::scripted::options;
use super::*;

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";

/// A server with a certificate for `name`. Returns its port, and the certificate of the authority behind it.
async fn serve(name: &str) -> (u16, Vec<u8>) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let pem = authority.self_signed(&authority_key).unwrap().pem().into_bytes();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(connection).await else { continue };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(ANSWER).await;
            let _ = stream.shutdown().await;
        }
    });
    (port, pem)
}

async fn ask(port: u16, ca_bundle: Option<Vec<u8>>) -> Result<Answer, ReadError> {
    let vendor = Vendor {
        name: "Vendor",
        accept: "application/json",
        error_text: |_| None,
        requests_per_minute: NonZeroU32::MIN,
    };
    let credential = Credential { authorization: "token".to_owned().into(), secrets: Vec::new() };
    let base = format!("https://127.0.0.1:{port}").parse().unwrap();
    let options = ClientOptions { ca_bundle, ..options() };
    let client = UpstreamClient::new(vendor, base, credential, options).unwrap();
    client.get(&Get { what: "it", operation: "get_it", path: &["it"], query: &[] }).await
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_its_certificate_is_given() {
    let (port, authority) = serve("127.0.0.1").await;
    assert!(ask(port, Some(authority)).await.is_ok());
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_told_apart_from_silence() {
    let (port, _authority) = serve("127.0.0.1").await;
    let error = ask(port, None).await.unwrap_err();
    assert!(matches!(error, ReadError::Tls { .. }), "{error}");
}

#[tokio::test]
async fn a_certificate_for_another_host_is_not_trusted() {
    let (port, authority) = serve("api.example.com").await;
    let error = ask(port, Some(authority)).await.unwrap_err();
    assert!(matches!(error, ReadError::Tls { .. }), "{error}");
}
