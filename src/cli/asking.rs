//! How fast upstreams are asked, whichever command asks them.

use clap::Args;

use crate::connectors::http::Allowances;

#[derive(Debug, Args)]
pub(super) struct Asking {
    /// How many requests a minute to ask with each credential; 0 for no limit. Half of what the vendor allows where
    /// it is absent: 250 for Scalr, 300 for PlanetScale.
    #[arg(long, env = "BATON_REQUESTS_PER_MINUTE", value_name = "N")]
    requests_per_minute: Option<u32>,
}

impl Asking {
    /// The allowances of all credentials of this process.
    pub(super) fn allowances(&self) -> Allowances {
        Allowances::new(self.requests_per_minute)
    }
}
