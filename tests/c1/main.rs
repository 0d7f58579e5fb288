//! The loop that works for C1, against a simulated one: what each kind of task comes to, what is given back when it is
//! stopped, and what becomes of it all for each thing that C1 can do wrong. Only who reads is made up.
#![allow(missing_docs, reason = "a test is documented by its name")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do"
)]

mod exchange;
mod faults;
mod histories;
mod proxy;
mod reader;
mod refusals;
mod secrets;
mod stage;
mod stopping;
mod table;
mod tasks;
