//! `kubectl connector` as people meet it: the real plugin, started by the real kubectl where that matters, against a real API
//! server on which the real operator reads simulated upstreams.
//!
//! There is no kubelet here, so snapshots are read from the operator's address, and logs from its file; what a port-forward
//! needs beside a kubelet is tried up to it. All tests share one control plane and one operator, and keep apart by namespace.

// Clippy takes only functions marked as tests for tests, not what they share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "these are tests"
)]

mod colour;
mod completion;
mod creating;
mod held;
mod krew;
mod looking;
mod page;
mod place;
mod pods;
mod rights;
mod running;
mod shells;
mod snapshots;
mod stage;
mod terminal;
