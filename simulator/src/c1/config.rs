//! How a simulated C1 is set up.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// How a simulated C1 is set up.
#[derive(Clone, Debug)]
pub struct C1Config {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The same seed gives the same clients.
    pub seed: u64,
    /// The tenant's host, which client ids and assertions name.
    pub tenant_host: String,
    /// The names of the clients.
    pub clients: Vec<String>,
    /// How long a token is good.
    pub token_lifetime: Duration,
    /// When connectors are told to poll again.
    pub next_poll: Duration,
    /// When connectors are told to send the next heartbeat.
    pub next_heartbeat: Duration,
    /// How long a connector may be silent about a task before it is offered again.
    pub heartbeat_timeout: Duration,
    /// How long [`SlowPoll`](super::C1Fault::SlowPoll) holds polls back.
    pub slow_poll: Duration,
    /// Where to write the files that arrive, as `<task id>.c1z`, besides keeping them in memory. It must exist.
    pub folder: Option<PathBuf>,
}

impl Default for C1Config {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            seed: 1,
            tenant_host: "acme.conductor.one".to_owned(),
            clients: Self::named(1),
            token_lifetime: Duration::from_secs(3600),
            next_poll: Duration::from_secs(1),
            next_heartbeat: Duration::from_secs(10),
            heartbeat_timeout: Duration::from_secs(60),
            slow_poll: Duration::from_secs(10),
            folder: None,
        }
    }
}

impl C1Config {
    /// Names for so many clients: `client-1`, `client-2`, and so on.
    #[must_use]
    pub fn named(clients: usize) -> Vec<String> {
        (1..=clients).map(|number| format!("client-{number}")).collect()
    }
}
