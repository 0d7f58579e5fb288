//! What people install, on a real API server: the charts with the real Helm, `deploy/` with the real kubectl, the examples; and
//! the operator run as a process with the ServiceAccount and the arguments that the installed Deployment has, until a
//! connector that is installed the same way is Connected.
//!
//! There is no kubelet here, so nothing shows how a pod does.

// Clippy takes only functions marked as tests for tests, not what they share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod bucket;
mod charts;
mod commands;
mod examples;
mod gitops;
mod manifests;
mod operator;
mod rights;
mod upgrades;
