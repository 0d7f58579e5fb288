//! What the operator says over HTTP about itself: health, readiness, metrics.

mod http;
mod metrics;
mod objects;

pub use http::{Readiness, serve};
pub use metrics::Metrics;
