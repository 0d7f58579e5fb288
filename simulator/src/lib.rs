//! Simulated Scalr, PlanetScale and C1 servers.
//!
//! Tests, benches and the demo read from these instead of from the vendors, and deliver to them. They answer as the
//! vendors do, as far as that is known: authentication, envelopes, paging, clamping, error bodies and the ambiguous
//! 404 of PlanetScale. Their data is drawn from a seed, so that two servers with one configuration answer with the
//! same bytes, and changes only on request: through the methods here, or over HTTP through a
//! [`ControlServer`], which never shares a port with a vendor's API.
//!
//! The path of a request: `server` accepts it, `gate` counts, delays and authenticates it, the `routes` of
//! the vendor cut a page out of `data`, and `wire` writes that page straight from the borrowed data. All of that
//! tells the truth. What a server does wrong on purpose is in [`fault`], which the gate consults before and after.
//! [`c1`] has nothing to page or to draw, and is on its own.
//!
//! Nothing here may be linked into the operator.

pub mod c1;
pub mod control;
mod error;
pub mod fault;
mod gate;
mod generate;
mod handle;
mod paging;
pub mod planetscale;
pub mod scalr;
mod server;
mod stats;
mod tls;

pub use c1::{C1, C1Client, C1Config, C1Fault, C1Simulator, TaskId, TaskSpec};
pub use control::ControlServer;
pub use error::Error;
pub use fault::{Extent, Fault, Vendor};
pub use generate::ObjectId;
pub use handle::{Handle, Simulator};
pub use planetscale::{OrganizationSize, PlanetScale, PlanetScaleConfig, PlanetScaleSimulator};
pub use scalr::{Scalr, ScalrConfig, ScalrSimulator};
pub use stats::{RequestCount, Stats};
