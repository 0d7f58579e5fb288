//! Connections to C1: one for each host and CA bundle, shared by all who talk to that host, so that a thousand
//! connectors of one tenant keep one connection open. Each call carries the token of its own connector.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{Certificate, redirect};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls_platform_verifier::Verifier;
use tokio::sync::Semaphore;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use url::Url;

use super::C1Error;
use super::error::short;
use crate::network::{self, GuardedResolver, HostPolicy};

/// What the program calls itself.
const USER_AGENT: &str = concat!("connector-operator/", env!("CARGO_PKG_VERSION"));
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long the answer to a request for a token may take.
const TOKEN_WITHIN: Duration = Duration::from_secs(30);
/// A connection that has said nothing for so long is asked by the system whether it is still there, since firewalls
/// forget; and one where nothing that was sent has been confirmed for so long is given up.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// What is behind a proxy or a load balancer is asked in HTTP/2 itself, while a call waits for it. Not more often:
/// gRPC servers hang up on whoever asks more than every five minutes.
const PING: Duration = Duration::from_secs(5 * 60 + 10);
const PING_ANSWER: Duration = Duration::from_secs(20);
/// Idle connections for tokens, which are asked for once in many minutes.
const TOKEN_IDLE: Duration = Duration::from_secs(10);
/// Greetings at once.
const GREETINGS: usize = 32;
/// Calls that wait for the connection.
const WAITING: usize = 64;

/// The connections of one program.
#[derive(Clone)]
pub struct Channels {
    policy: HostPolicy,
    links: Arc<Mutex<HashMap<Key, Weak<Link>>>>,
}

/// Where to, and whom to trust besides the system's authorities.
type Key = (String, Option<Vec<u8>>);

/// The connection to one host.
pub(super) struct Link {
    /// For the service.
    pub(super) grpc: Channel,
    /// For tokens.
    pub(super) http: reqwest::Client,
    /// Where tokens are asked for.
    pub(super) token_url: Url,
    /// The host, with its port where it is not the usual one.
    pub(super) host: String,
    /// Whoever greets C1 takes one.
    pub(super) greetings: Semaphore,
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channels").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Channels {
    /// Connections to the hosts that `policy` allows.
    pub fn new(policy: HostPolicy) -> Self {
        Self { policy, links: Arc::default() }
    }

    /// The connection to C1 at `authority`, `<host>[:<port>]`; nothing is sent yet.
    ///
    /// # Errors
    /// When the host is not allowed, or the CA bundle cannot be used.
    pub(super) fn to(&self, authority: &str, ca_bundle: Option<&[u8]>) -> Result<Arc<Link>, C1Error> {
        let key = (authority.to_owned(), ca_bundle.map(<[u8]>::to_vec));
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = links.get(&key).and_then(Weak::upgrade) {
            return Ok(link);
        }
        let link = Arc::new(self.link(authority, ca_bundle)?);
        links.retain(|_, link| link.strong_count() > 0);
        links.insert(key, Arc::downgrade(&link));
        Ok(link)
    }

    fn link(&self, authority: &str, ca_bundle: Option<&[u8]>) -> Result<Link, C1Error> {
        let text = format!("https://{authority}");
        let base = Url::parse(&text)
            .map_err(|_| network::AddressError::Invalid { url: text, problem: "is not a URL" })?;
        self.policy.check(&base)?;
        let authorities = ca_bundle.map(network::certificates).transpose()?.unwrap_or_default();
        let to = To {
            base: &base,
            authorities: &authorities,
            resolver: GuardedResolver {
                host: base.host_str().unwrap_or_default().to_owned(),
                policy: self.policy.clone(),
            },
            direct: base.host().is_some_and(|host| network::is_loopback_host(&host)),
        };
        Ok(Link {
            grpc: to.grpc()?,
            http: to.http()?,
            token_url: base.join("/auth/v1/token").map_err(|error| C1Error::Client(error.to_string()))?,
            host: authority.to_owned(),
            greetings: Semaphore::new(GREETINGS),
        })
    }
}

/// What both kinds of connection are made from.
struct To<'t> {
    base: &'t Url,
    authorities: &'t [CertificateDer<'static>],
    resolver: GuardedResolver,
    /// Never through a proxy.
    direct: bool,
}

impl To<'_> {
    fn http(&self) -> Result<reqwest::Client, C1Error> {
        let failed = |error: reqwest::Error| C1Error::Client(short(&error.to_string()));
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .https_only(true)
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_WITHIN)
            .timeout(TOKEN_WITHIN)
            .pool_idle_timeout(TOKEN_IDLE)
            .pool_max_idle_per_host(1)
            .dns_resolver(self.resolver.clone());
        if self.direct {
            builder = builder.no_proxy();
        }
        if !self.authorities.is_empty() {
            let authorities = self.authorities.iter().map(|der| Certificate::from_der(der));
            builder = builder.tls_certs_merge(authorities.collect::<Result<Vec<_>, _>>().map_err(failed)?);
        }
        builder.build().map_err(failed)
    }

    fn grpc(&self) -> Result<Channel, C1Error> {
        let failed = |error: &dyn std::error::Error| C1Error::Client(short(&error.to_string()));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Verifier::new_with_extra_roots(self.authorities.iter().cloned(), provider)
            .map_err(|error| failed(&error))?;
        let uri: Uri = self.base.as_str().parse().map_err(|error| failed(&error))?;
        let endpoint = Endpoint::from(uri.clone())
            .user_agent(USER_AGENT)
            .and_then(|it| it.tls_config_with_verifier(ClientTlsConfig::new(), Arc::new(verifier)))
            .map_err(|error| failed(&error))?
            .connect_timeout(CONNECT_WITHIN)
            .http2_keep_alive_interval(PING)
            .keep_alive_timeout(PING_ANSWER)
            .buffer_size(WAITING);
        let mut tcp = HttpConnector::new_with_resolver(self.resolver.clone());
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(KEEPALIVE));
        let proxy = if self.direct { None } else { Matcher::from_env().intercept(&uri) };
        let Some(proxy) = proxy else { return Ok(endpoint.connect_with_connector_lazy(tcp)) };
        if proxy.uri().scheme_str() != Some("http") {
            return Err(C1Error::Client("the proxy for https must be an http:// one".to_owned()));
        }
        let mut tunnel = Tunnel::new(proxy.uri().clone(), tcp);
        if let Some(auth) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(auth.clone());
        }
        Ok(endpoint.connect_with_connector_lazy(tunnel))
    }
}
