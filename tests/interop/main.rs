//! This program against C1's own SDK: our protocol against its descriptors, our client against a C1 made of its types,
//! its client against the simulated C1, and what we cut out of a snapshot against what it writes when it is asked for
//! less.
#![allow(missing_docs, reason = "a test is documented by its name")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do"
)]

mod content;
mod descriptors;
mod ours;
mod peer;
mod programs;
mod receiver;
mod selecting;
mod service;
