//! connector-operator: reads who has access to Scalr accounts and PlanetScale organizations, keeps it as Baton
//! snapshots, and says how it went. `docs/architecture.md` has the way of the data through these modules.

pub mod access;
pub mod connectors;
pub mod proto;
pub mod snapshot;
