//! Compiles the protocol files without `protoc`, so that building needs no tool but cargo.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;

use prost::Message;

/// The files that are compiled; what they import comes along.
const FILES: [&str; 7] = [
    "c1/connector/v2/annotation.proto",
    "c1/connector/v2/connector.proto",
    "c1/connector/v2/entitlement.proto",
    "c1/connector/v2/grant.proto",
    "c1/connector/v2/resource.proto",
    "c1/connector/v2/trait.proto",
    "c1/connectorapi/baton/v1/baton.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=c1");
    println!("cargo::rerun-if-changed=google");
    let descriptors = protox::compile(FILES, ["."])?;
    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("descriptors.binpb"), descriptors.encode_to_vec())?;
    let mut config = prost_build::Config::new();
    config
        // A map must reach a snapshot in the same order each time.
        .btree_map(["."])
        .enable_type_names()
        // What a message is called when it travels in a google.protobuf.Any.
        .type_name_domain(["."], "type.googleapis.com")
        // What is uploaded is cut out of one buffer.
        .bytes([".c1.connectorapi.baton.v1.BatonServiceUploadAssetRequest.UploadData"])
        .include_file("proto.rs");
    tonic_prost_build::configure().build_transport(false).compile_fds_with_config(descriptors, config)?;
    Ok(())
}
