//! Watches the connectors and their Secrets, decides when one is to be read, sees that C1 gets what it asks for, and says
//! in the status how it went.
//!
//! A reconcile is short: it never talks to an upstream, it only puts runs into the queue of [`crate::sync`] and
//! writes down what came of them.

mod approval;
pub mod decide;
mod delivery;
mod events;
pub mod inputs;
mod progress;
mod reconcile;
mod schedule;
mod secrets;
mod status;
mod store;
mod sweep;
mod watch;

pub use delivery::Deliveries;
pub use reconcile::{Context, Error, FIELD_MANAGER, Shared, reconcile};
pub use schedule::{Cadence, Defaults, InvalidTiming, Timing};
pub use secrets::{Known, Purpose, SecretIndex};
pub use sweep::Sweep;
pub use watch::{control, watch_secrets};
