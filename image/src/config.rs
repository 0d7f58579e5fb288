//! What the image says of itself (OCI image configuration, opencontainers/image-spec v1.1).

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::layer::{Layer, USER, digest};
use crate::platform::Platform;

/// What the program finds in its environment. Memory that is freed is the kernel's again at once: the allocator would keep
/// it until it is asked for more, which an operator that has read everything never is.
const ENVIRONMENT: [&str; 3] =
    ["PATH=/", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt", "MIMALLOC_PURGE_DELAY=0"];

/// The configuration of an image with this one layer.
pub(crate) fn of(platform: &Platform, layer: &Layer, created: Timestamp, revision: &str) -> Value {
    let labels = json!({
        "org.opencontainers.image.title": "connector-operator",
        "org.opencontainers.image.description":
            "Reads who has access to Scalr and PlanetScale, keeps it as Baton snapshots, and delivers it to C1",
        "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
        "org.opencontainers.image.source": env!("CARGO_PKG_REPOSITORY"),
        "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
        "org.opencontainers.image.created": created.to_string(),
        "org.opencontainers.image.revision": revision,
    });
    json!({
        "created": created.to_string(),
        "architecture": platform.architecture,
        "os": platform.os,
        "config": {
            "User": format!("{USER}:{USER}"),
            "Entrypoint": ["/connector-operator"],
            "Cmd": ["run"],
            "Env": ENVIRONMENT,
            "WorkingDir": "/",
            "ExposedPorts": { "8080/tcp": {} },
            "StopSignal": "SIGTERM",
            "Labels": labels,
        },
        "rootfs": { "type": "layers", "diff_ids": [digest(&layer.archive)] },
        "history": [{ "created": created.to_string(), "created_by": "connector-image" }],
    })
}
