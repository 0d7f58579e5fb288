//! Simulated Scalr and PlanetScale servers.
//!
//! Tests, benches and the demo read from these instead of from the vendors. They answer as the vendors do, as
//! far as that is known: authentication, envelopes, paging, clamping, error bodies and the ambiguous 404 of
//! PlanetScale. Their data is drawn from a seed, so that two servers with one configuration answer with the
//! same bytes, and changes only on request: through the methods here, or over HTTP through a
//! [`ControlServer`], which never shares a port with a vendor's API.
//!
//! The path of a request: `server` accepts it, `gate` counts, delays and authenticates it, the `routes` of
//! the vendor cut a page out of `data`, and `wire` writes that page straight from the borrowed data. What a
//! server does wrong on purpose belongs into `gate` (anything about a whole request or response) and into the
//! `Window` of `paging` (anything about a page), and nowhere else.
//!
//! Nothing here may be linked into the operator.

pub mod control;
mod error;
mod gate;
mod generate;
mod paging;
pub mod planetscale;
pub mod scalr;
mod server;
mod stats;

pub use control::ControlServer;
pub use error::Error;
pub use generate::ObjectId;
pub use planetscale::{OrganizationSize, PlanetScale, PlanetScaleConfig, PlanetScaleSimulator};
pub use scalr::{Scalr, ScalrConfig, ScalrSimulator};
pub use stats::{RequestCount, Stats};
