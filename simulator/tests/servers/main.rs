//! The simulated servers as a client sees them: over HTTP, byte by byte.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod c1;
mod client;
mod control;
mod faults;
mod planetscale;
mod program;
mod scalr;
mod shared;
