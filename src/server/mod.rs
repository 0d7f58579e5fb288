//! What the operator says over HTTP: health, readiness, metrics, and the snapshots to those on its own machine.

mod health;
mod http;
mod metrics;
mod objects;
mod process;
mod series;
mod snapshots;
mod standing;
#[cfg(test)]
mod tests;

pub use health::{Health, Probe, serve_health};
pub use http::{Readiness, serve};
pub use metrics::Metrics;
pub use objects::{Shown, UnderWay};
pub use snapshots::serve_snapshots;
