//! The removal guard, from a reading to what is published: what is confirmed, what is held, what an approval is worth,
//! and what happens when the store is lost. The upstream is a connector of our own, which can lie.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "these are tests"
)]

mod confirming;
mod histories;
mod holding;
mod losing;
mod scale;
mod telling;
mod truth;
mod world;
