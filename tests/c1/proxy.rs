//! A proxy is used where the environment names one, for tokens and for the service alike, and never for the machine
//! itself. The environment is that of a process, so the connector runs in one of its own.

use std::env;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use connector_operator::c1::{Channels, Credentials, Ended, Service, View, Work, work};
use connector_operator::network::HostPolicy;
use connector_simulator::c1::Finished;
use connector_simulator::{C1Config, C1Simulator, TaskSpec};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::CancellationToken;

use crate::reader::FakeReader;
use crate::stage::{HOST, SOON, pace, quick};

/// A host that no resolver knows: only the proxy does.
const TENANT: &str = "c1.example.test";

/// A proxy that stands for the tenant's host, and leads to a simulated C1.
struct Proxy {
    address: String,
    /// The certificate of the host, as PEM.
    ca: String,
    /// The first line of each request.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn to(c1: &C1Simulator) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let own = rcgen::generate_simple_self_signed([TENANT.to_owned()]).unwrap();
        let tenant = acceptor(own.cert.der().clone(), &own.signing_key.serialize_der());
        let onward = Onward { host: c1.host().to_owned(), connector: connector(c1.ca_pem()) };
        let asked = Arc::new(Mutex::new(Vec::new()));
        let proxy = Self { address, ca: own.cert.pem(), asked: Arc::clone(&asked) };
        let onward = Arc::new(onward);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tenant, onward, asked) = (tenant.clone(), Arc::clone(&onward), Arc::clone(&asked));
                tokio::spawn(async move { pass_on(stream, &asked, &tenant, &onward).await });
            }
        });
        proxy
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

struct Onward {
    host: String,
    connector: TlsConnector,
}

async fn pass_on(mut stream: TcpStream, asked: &Mutex<Vec<String>>, tenant: &TlsAcceptor, onward: &Onward) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    asked.lock().unwrap().push(head.lines().next().unwrap().to_owned());
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let mut inner = tenant.accept(stream).await.unwrap();
    let tcp = TcpStream::connect(&onward.host).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut outer = onward.connector.connect(name, tcp).await.unwrap();
    // It ends when the connector is killed, which is no failure.
    let _ = copy_bidirectional(&mut inner, &mut outer).await;
}

fn acceptor(certificate: CertificateDer<'static>, key: &[u8]) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(key.to_vec()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

fn connector(ca: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// A connector in a process of its own, told of the proxy.
fn connector_process(c1: &C1Simulator, proxy: &Proxy, api_host: &str, ca: &str) -> Child {
    let client = c1.client(0).unwrap();
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "proxy::helper_that_works_for_c1", "--ignored"])
        .env("HTTPS_PROXY", format!("http://{}", proxy.address))
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .env("TEST_C1_ID", client.client_id)
        .env("TEST_C1_SECRET", client.client_secret)
        .env("TEST_C1_HOST", api_host)
        .env("TEST_C1_CA", ca)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// The other half of the tests below: run by them, in a process of its own.
#[tokio::test]
#[ignore = "run by another test, in a process of its own"]
async fn helper_that_works_for_c1() {
    let told = |name: &str| env::var(name).unwrap();
    let policy = HostPolicy::new([TENANT]).unwrap().with_loopback(true);
    let credentials = Credentials::new(&told("TEST_C1_ID"), &told("TEST_C1_SECRET").into()).unwrap();
    let (host, ca) = (told("TEST_C1_HOST"), told("TEST_C1_CA"));
    let service = Service::new(&Channels::new(policy), credentials, Some(&host), Some(ca.as_bytes()), HOST);
    let work_ = Work {
        service: service.unwrap(),
        reader: FakeReader::of_a_snapshot(),
        view: watch::Sender::new(View::default()),
        pace: pace(),
        at_once: 1,
        ends_when_refused: true,
    };
    assert_eq!(work(work_, CancellationToken::new()).await, Ended::Stopped);
}

async fn c1() -> C1Simulator {
    C1Simulator::start(C1Config { tenant_host: TENANT.to_owned(), ..quick() }).await.unwrap()
}

#[tokio::test]
async fn c1_is_reached_through_the_proxy_that_the_environment_names() {
    let c1 = c1().await;
    let proxy = Proxy::to(&c1).await;
    let _process = connector_process(&c1, &proxy, TENANT, &proxy.ca);
    let task = c1.give(0, TaskSpec::sync_full()).unwrap();
    let finished = c1.until_finished(&task, SOON).await;
    assert_eq!(finished.unwrap(), Finished::Success, "{:?}", proxy.asked());
    assert_eq!(c1.files(&task).len(), 1);
    // One connection for tokens, and one for the service.
    assert_eq!(proxy.asked(), [(); 2].map(|()| format!("CONNECT {TENANT}:443 HTTP/1.1")));
}

#[tokio::test]
async fn a_c1_on_this_machine_is_reached_past_the_proxy() {
    let c1 = c1().await;
    let proxy = Proxy::to(&c1).await;
    let _process = connector_process(&c1, &proxy, c1.host(), c1.ca_pem());
    let task = c1.give(0, TaskSpec::sync_full()).unwrap();
    assert_eq!(c1.until_finished(&task, SOON).await.unwrap(), Finished::Success);
    assert_eq!(proxy.asked(), [""; 0]);
}
