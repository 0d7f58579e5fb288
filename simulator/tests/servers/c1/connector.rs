//! The least connector that does: it signs in and calls.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use c1_protocol::c1::connector::v2::ConnectorMetadata;
use c1_protocol::c1::connectorapi::baton::v1::baton_service_client::BatonServiceClient;
use c1_protocol::c1::connectorapi::baton::v1::baton_service_finish_task_request::{FinalState, Success};
use c1_protocol::c1::connectorapi::baton::v1::baton_service_hello_request::{BuildInfo, OsInfo};
use c1_protocol::c1::connectorapi::baton::v1::baton_service_upload_asset_request::{
    Msg, UploadData, UploadEof, UploadMetadata,
};
use c1_protocol::c1::connectorapi::baton::v1::{
    BatonServiceFinishTaskRequest, BatonServiceGetTaskRequest, BatonServiceGetTaskResponse,
    BatonServiceHeartbeatRequest, BatonServiceHeartbeatResponse, BatonServiceHelloRequest,
    BatonServiceUploadAssetRequest, Task,
};
use connector_simulator::{C1, C1Client, C1Config, C1Simulator};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

use crate::client::{Answer, exchange};

/// How long a test waits for what should be there at once.
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) async fn c1() -> C1Simulator {
    C1Simulator::start(C1Config::default()).await.unwrap()
}

/// What a client signs, for spoiling before it does.
pub(crate) struct Assertion {
    pub(crate) header: Value,
    pub(crate) claims: Value,
    pub(crate) private: Vec<u8>,
    pub(crate) form: Vec<(&'static str, String)>,
}

impl Assertion {
    pub(crate) fn new(client: &C1Client) -> Self {
        let jwk = client.client_secret.strip_prefix("secret-token:conductorone.com:v1:").unwrap();
        let jwk: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jwk).unwrap()).unwrap();
        assert_eq!((&jwk["kty"], &jwk["crv"]), (&json!("OKP"), &json!("Ed25519")));
        let audience = client.client_id.split(['@', '/']).nth(1).unwrap();
        let now = Timestamp::now().as_second();
        Self {
            header: json!({"alg": "EdDSA", "kid": jwk["kid"], "nonce": "00112233445566778899aabbccddeeff"}),
            claims: json!({
                "iss": client.client_id, "sub": client.client_id, "aud": audience,
                "iat": now, "exp": now + 120, "nbf": now - 120,
            }),
            private: URL_SAFE_NO_PAD.decode(jwk["d"].as_str().unwrap()).unwrap(),
            form: vec![
                ("client_id", client.client_id.clone()),
                ("grant_type", "client_credentials".into()),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".into()),
            ],
        }
    }

    pub(crate) fn signed(&self) -> String {
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encoded(&self.header), encoded(&self.claims));
        let signature = Ed25519KeyPair::from_seed_unchecked(&self.private).unwrap().sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Asks for a token with it.
    pub(crate) async fn send(&self, c1: &C1) -> Answer {
        let signed = ("client_assertion", self.signed());
        let fields = self.form.iter().chain([&signed]).map(|(name, value)| {
            let value = value.replace('@', "%40").replace('/', "%2F").replace(':', "%3A");
            format!("{name}={value}")
        });
        post(c1, "application/x-www-form-urlencoded", &fields.collect::<Vec<_>>().join("&")).await
    }
}

/// Sends a body to the token endpoint.
pub(crate) async fn post(c1: &C1, media_type: &str, body: &str) -> Answer {
    let stream = connect(c1, &[b"http/1.1"]).await;
    let (host, length) = (c1.host(), body.len());
    let request = format!(
        "POST /auth/v1/token HTTP/1.0\r\nHost: {host}\r\nContent-Type: {media_type}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    exchange(stream, &request).await
}

/// Shakes hands, and offers `protocols`.
pub(crate) async fn connect(c1: &C1, protocols: &[&[u8]]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(c1.ca_pem().as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let tcp = TcpStream::connect(c1.host()).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap()
}

/// A connector that has signed in.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) rpc: BatonServiceClient<Channel>,
    pub(crate) token: String,
    pub(crate) host: &'static str,
}

impl Connector {
    /// Signs in as one of the clients.
    pub(crate) async fn signed_in(c1: &C1, client: usize, host: &'static str) -> Self {
        let answer = Assertion::new(&c1.client(client).unwrap()).send(c1).await;
        let token = answer.at("/access_token").as_str().unwrap().to_owned();
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(c1.ca_pem()));
        let endpoint = Endpoint::from_shared(format!("https://{}", c1.host())).unwrap();
        let channel = endpoint.user_agent("test/1").unwrap().tls_config(tls).unwrap().connect_lazy();
        Self { rpc: BatonServiceClient::new(channel), token, host }
    }

    /// Signs in as the first client, and says hello.
    pub(crate) async fn greeted(c1: &C1) -> Self {
        Self::greeted_as(c1, 0, "host-1").await
    }

    pub(crate) async fn greeted_as(c1: &C1, client: usize, host: &'static str) -> Self {
        let connector = Self::signed_in(c1, client, host).await;
        connector.say(connector.hello()).await.unwrap();
        connector
    }

    /// A message with the token.
    pub(crate) fn with_token<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let value = format!("Bearer {}", self.token).parse().unwrap();
        request.metadata_mut().insert("authorization", value);
        request
    }

    /// A hello that is right.
    pub(crate) fn hello(&self) -> BatonServiceHelloRequest {
        let text = || "some".to_owned();
        BatonServiceHelloRequest {
            host_id: self.host.to_owned(),
            task_id: String::new(),
            build_info: Some(BuildInfo { lang_version: text(), package: text(), package_version: text() }),
            os_info: Some(OsInfo {
                hostname: text(),
                os: text(),
                platform: text(),
                platform_version: text(),
                platform_family: text(),
                kernel_version: text(),
                kernel_arch: text(),
                virtualization_system: text(),
            }),
            connector_metadata: Some(ConnectorMetadata {
                display_name: "Scalr".into(),
                ..ConnectorMetadata::default()
            }),
            annotations: Vec::new(),
        }
    }

    pub(crate) async fn say(&self, hello: BatonServiceHelloRequest) -> Result<(), Status> {
        self.rpc.clone().hello(self.with_token(hello)).await.map(drop)
    }

    pub(crate) async fn poll(&self) -> Result<BatonServiceGetTaskResponse, Status> {
        let request = BatonServiceGetTaskRequest { host_id: self.host.to_owned() };
        Ok(self.rpc.clone().get_task(self.with_token(request)).await?.into_inner())
    }

    /// The task that a poll is given.
    pub(crate) async fn task(&self) -> Option<Task> {
        self.poll().await.unwrap().task
    }

    pub(crate) fn pulse(&self, task: &str) -> BatonServiceHeartbeatRequest {
        BatonServiceHeartbeatRequest {
            host_id: self.host.to_owned(),
            task_id: task.to_owned(),
            ..BatonServiceHeartbeatRequest::default()
        }
    }

    pub(crate) async fn beat(
        &self,
        request: BatonServiceHeartbeatRequest,
    ) -> Result<BatonServiceHeartbeatResponse, Status> {
        Ok(self.rpc.clone().heartbeat(self.with_token(request)).await?.into_inner())
    }

    pub(crate) fn success(&self, task: &str) -> BatonServiceFinishTaskRequest {
        BatonServiceFinishTaskRequest {
            host_id: self.host.to_owned(),
            task_id: task.to_owned(),
            status: None,
            final_state: Some(FinalState::Success(Success::default())),
        }
    }

    pub(crate) async fn finish(&self, request: BatonServiceFinishTaskRequest) -> Result<(), Status> {
        self.rpc.clone().finish_task(self.with_token(request)).await.map(drop)
    }

    /// The messages of an upload that is right.
    pub(crate) fn parts(&self, task: &str, chunks: &[&[u8]]) -> Vec<Msg> {
        let checksum = Sha256::digest(chunks.concat());
        let metadata = UploadMetadata {
            host_id: self.host.to_owned(),
            task_id: task.to_owned(),
            annotations: Vec::new(),
        };
        let eof = UploadEof { sha256_checksum: checksum.to_vec(), annotations: Vec::new() };
        let data = chunks.iter().map(|chunk| Msg::Data(UploadData { data: chunk.to_vec().into() }));
        [Msg::Metadata(metadata)].into_iter().chain(data).chain([Msg::Eof(eof)]).collect()
    }

    pub(crate) async fn upload(&self, parts: Vec<Msg>) -> Result<(), Status> {
        let messages = parts.into_iter().map(|msg| BatonServiceUploadAssetRequest { msg: Some(msg) });
        let stream = tokio_stream::iter(messages.collect::<Vec<_>>());
        self.rpc.clone().upload_asset(self.with_token(stream)).await.map(drop)
    }
}
