//! What the simulated servers of both vendors have in common for whoever holds one: where it is, its token, its
//! statistics, its faults.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::{Router, middleware};

use crate::error::Error;
use crate::fault::{Extent, Fault, SwitchedOn, Switches, Vendor};
use crate::gate::{self, Credential, Gate, Turmoil};
use crate::server::{Bound, Running};
use crate::stats::Stats;
use crate::tls::Certificates;

/// A running simulated server. It stops when this is dropped; everything else is done through its [`Handle`].
#[derive(Debug)]
pub struct Simulator<S> {
    handle: Handle<S>,
    server: Running,
}

/// What a server starts with besides its data.
pub(crate) struct Beginning {
    pub(crate) credential: Credential,
    pub(crate) token: String,
    pub(crate) latency: Duration,
    pub(crate) tls: bool,
}

/// Begins to answer on `bound`.
pub(crate) fn begin<S: Turmoil>(
    bound: Bound,
    beginning: Beginning,
    state: S,
    routes: fn(Handle<S>) -> Router,
) -> Result<Simulator<S>, Error> {
    let Beginning { credential, token, latency, tls } = beginning;
    let address = bound.address();
    let certificates = if tls { Some(Arc::new(Certificates::new(address.ip())?)) } else { None };
    let switches = Arc::new(Switches::new(credential.vendor, tls));
    let acceptor = certificates.clone().map(|certificates| certificates.acceptor(Arc::clone(&switches)));
    let state = Arc::new(state);
    let turmoil: Arc<dyn Turmoil> = Arc::clone(&state) as Arc<dyn Turmoil>;
    let gate = Arc::new(Gate::new(credential, token, latency, switches, turmoil));
    let base_url = if tls { format!("https://{address}") } else { bound.origin() };
    let handle = Handle { base_url: base_url.into(), gate, certificates, state };
    let pass = middleware::from_fn_with_state(Arc::clone(&handle.gate), gate::pass);
    let server = bound.serve(routes(handle.clone()).layer(pass), acceptor.transpose()?);
    Ok(Simulator { handle, server })
}

impl<S> Simulator<S> {
    /// Stops, and returns when the requests in flight are answered.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

impl<S> Deref for Simulator<S> {
    type Target = Handle<S>;

    fn deref(&self) -> &Handle<S> {
        &self.handle
    }
}

/// A handle on the data and the switches of a simulated server. Clones share both.
#[derive(Debug)]
pub struct Handle<S> {
    base_url: Arc<str>,
    gate: Arc<Gate>,
    certificates: Option<Arc<Certificates>>,
    pub(crate) state: Arc<S>,
}

impl<S> Clone for Handle<S> {
    fn clone(&self) -> Self {
        Self {
            base_url: Arc::clone(&self.base_url),
            gate: Arc::clone(&self.gate),
            certificates: self.certificates.clone(),
            state: Arc::clone(&self.state),
        }
    }
}

impl<S> Handle<S> {
    /// The origin, such as `http://127.0.0.1:8181`: what a connector takes as `baseUrl` or `apiUrl`, without the
    /// API's path.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The certificate of the authority behind the server's own, as PEM; `None` where it does not speak TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.certificates.as_ref().map(|certificates| certificates.authority.as_str())
    }

    /// The token that is accepted now.
    #[must_use]
    pub fn token(&self) -> String {
        self.gate.token()
    }

    /// Accepts another token from now on, and no longer the one before.
    ///
    /// # Errors
    /// When the token has not the vendor's form: one word (Scalr), or `ID:VALUE` (PlanetScale).
    pub fn set_token(&self, token: &str) -> Result<(), Error> {
        self.gate.set_token(token)
    }

    /// Accepts every token of the vendor's form from now on: many credentials that all reach the same.
    pub fn accept_any_token(&self) {
        self.gate.accept_any_token();
    }

    /// Holds every answer back this long.
    pub fn set_latency(&self, latency: Duration) {
        self.gate.set_latency(latency);
    }

    /// What was answered since the start or the last reset.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.gate.stats()
    }

    /// Counts from zero again.
    pub fn reset_stats(&self) {
        self.gate.reset_stats();
    }

    /// Whose API it is.
    #[must_use]
    pub fn vendor(&self) -> Vendor {
        self.gate.vendor()
    }

    /// Does something wrong from now on, in place of what was set for the same fault before.
    ///
    /// # Errors
    /// When the fault makes no sense for this server, or it has no such listing.
    pub fn switch_on(&self, fault: Fault, extent: &Extent) -> Result<(), Error> {
        self.gate.switches().switch_on(fault, extent)
    }

    /// Does it right again.
    pub fn switch_off(&self, fault: Fault) {
        self.gate.switches().switch_off(fault);
    }

    /// Does everything right again.
    pub fn switch_all_off(&self) {
        self.gate.switches().switch_all_off();
    }

    /// What it does wrong now.
    #[must_use]
    pub fn faults(&self) -> Vec<SwitchedOn> {
        self.gate.switches().list()
    }
}
