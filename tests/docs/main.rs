//! What the documents say is so: their links lead somewhere, their YAML is taken, their commands are there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "these are tests"
)]

mod book;
mod commands;
mod links;
mod manifests;
mod messages;
mod pages;
mod release;
mod shown;
