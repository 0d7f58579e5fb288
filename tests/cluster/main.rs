//! The operator as its users meet it: the real binary against a real API server, as its own ServiceAccount and never
//! as administrator, reading simulated upstreams; and what it wrote, opened by the real `baton`.
//!
//! All tests share one control plane and one operator, and keep apart by namespace, except those that end the
//! operator, which have their own.

// Clippy takes only functions marked as tests for tests, not what they share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod baton;
mod bucket;
mod c1;
mod failures;
mod held;
mod leaders;
mod observed;
mod operator;
mod otlp;
mod place;
mod rbac;
mod requests;
mod restarts;
mod schema;
mod scope;
mod secrets;
mod seen;
mod states;
mod upstream;
mod whole_path;
