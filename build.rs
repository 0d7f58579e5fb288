//! Compiles the protocol files in `proto/` without `protoc`, so that building needs no tool but cargo.

use std::error::Error;
use std::path::Path;

/// The files that are compiled, relative to [`ROOT`]; what they import comes along.
const FILES: [&str; 5] = [
    "c1/connector/v2/annotation.proto",
    "c1/connector/v2/entitlement.proto",
    "c1/connector/v2/grant.proto",
    "c1/connector/v2/resource.proto",
    "c1/connector/v2/trait.proto",
];
const ROOT: &str = "proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={ROOT}");
    let files = FILES.map(|file| Path::new(ROOT).join(file));
    let descriptors = protox::compile(files, [ROOT])?;
    prost_build::Config::new()
        // A map must reach a snapshot in the same order each time.
        .btree_map(["."])
        .enable_type_names()
        // What a message is called when it travels in a google.protobuf.Any.
        .type_name_domain(["."], "type.googleapis.com")
        .include_file("proto.rs")
        .compile_fds(descriptors)?;
    Ok(())
}
