//! Watches the connectors and their Secrets, decides when one is to be read, sees that C1 gets what it asks for, and says
//! in the status how it went.
//!
//! A reconcile is short: it never talks to an upstream, it only puts runs into the queue of [`crate::sync`] and
//! writes down what came of them.

mod approval;
mod assembly;
mod context;
pub mod decide;
mod delivery;
mod events;
mod fingerprints;
pub mod inputs;
mod progress;
mod reconcile;
mod schedule;
mod secrets;
mod status;
mod store;
mod sweep;
mod watch;

pub use assembly::parts;
pub use context::{Context, Shared};
pub use delivery::Deliveries;
pub use reconcile::{Error, FIELD_MANAGER, reconcile};
pub use schedule::{Cadence, Defaults, InvalidTiming, Timing};
pub use secrets::{Known, Purpose, SecretIndex};
pub use sweep::Sweep;
pub use watch::{Scope, control, watch_secrets};
