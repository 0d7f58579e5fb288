//! The messages of C1 and its service for connectors, generated from the `.proto` files beside this when the crate is
//! built. A module per package, named like it.
//!
//! What the messages mean, and what is left out of them, stands in the `.proto` files.

#![allow(missing_docs, reason = "generated; the .proto files are documented")]
#![allow(clippy::all, reason = "generated")]

include!(concat!(env!("OUT_DIR"), "/proto.rs"));

/// All of it as a `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.binpb"));
