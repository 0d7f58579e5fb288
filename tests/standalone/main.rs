//! `connector-operator scalr` and `connector-operator planetscale` as whoever hosts a connector runs them: with nothing
//! but the variables of the product pages, against simulated upstreams and a simulated C1, and the real `baton` on what
//! they write.

// Clippy takes only functions marked as tests for tests, not what they share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod file;
mod health;
mod place;
mod reading;
mod service;
mod settings;
