//! The messages of C1, generated from `proto/` when the crate is built. A module per package, named like it.
//!
//! What the messages mean, and what is left out of them, stands in the `.proto` files.

#![allow(missing_docs, reason = "generated; the .proto files are documented")]
#![allow(unreachable_pub, reason = "generated")]
#![allow(clippy::all, reason = "generated")]

include!(concat!(env!("OUT_DIR"), "/proto.rs"));
