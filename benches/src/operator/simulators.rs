//! Simulators of both vendors in a process of their own, with a small account each that every token reaches.

use std::net::SocketAddr;
use std::path::Path;

use testbed::Managed;

use crate::error::Result;
use crate::upstream::{address, ask, simulate, stats};

/// A small account: what is measured is the operator, not how fast it reads.
const DATA: [&str; 7] = [
    "--any-token",
    "--scalr-users=20",
    "--scalr-service-accounts=2",
    "--organizations=1",
    "--members=20",
    "--teams=1",
    "--team-members=5",
];

/// Both simulators.
pub(super) struct Simulators {
    pub(super) scalr: SocketAddr,
    pub(super) planetscale: SocketAddr,
    control: SocketAddr,
    /// Ends with this.
    _process: Managed,
}

impl Simulators {
    /// Starts `connector-simulator` out of the folder `programs`.
    pub(super) async fn start(programs: &Path, logs: &Path) -> Result<Self> {
        let (scalr, planetscale, control) = (address()?, address()?, address()?);
        let listening = [("--scalr-listen", scalr), ("--planetscale-listen", planetscale)];
        let process = simulate(programs, logs, &DATA.map(str::to_owned), &listening, control).await?;
        Ok(Self { scalr, planetscale, control, _process: process })
    }

    /// Forgets what has been asked.
    pub(super) fn forget(&self) -> Result<()> {
        ask(self.control, "DELETE", "stats", "").map(drop)
    }

    /// The requests to both since [`Self::forget`].
    pub(super) fn asked(&self) -> Result<u64> {
        let both = stats(self.control)?;
        Ok(both.scalr.asked().requests + both.planetscale.asked().requests)
    }
}
