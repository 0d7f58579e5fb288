//! Histories that try to break the operator: its real parts on an API server in memory, simulated upstreams and a clock of
//! its own. `docs/reliability.md` says what is guaranteed, and how to repeat a history that failed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod crash;
mod history;
mod invariants;
mod leaders;
mod long;
mod neighbours;
mod operator;
mod parity;
mod picture;
mod schema;
mod stale;
mod store;
mod tally;
mod time;
mod walks;
mod weather;
mod world;
