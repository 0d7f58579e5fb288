//! The simulated C1, as a connector meets it and as a test drives it.

mod connector;
mod control;
mod faults;
mod rules;
mod tasks;
mod token;
