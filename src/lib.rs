//! connector-operator: reads who has access to Scalr accounts and PlanetScale organizations, keeps it as Baton
//! snapshots, and says how it went. `docs/architecture.md` has the way of the data through these modules.

pub mod access;
pub mod api;
pub mod c1;
pub mod cli;
pub mod clock;
pub mod connectors;
pub mod controller;
pub mod kinds;
pub mod leadership;
pub mod network;
pub mod printing;
pub mod server;
pub mod snapshot;
pub mod sync;
pub mod telemetry;

pub use c1_protocol as proto;
