//! Owns kubeconfig files: writing one for a token, and making a client from one.

use std::path::Path;

use k8s_openapi::ByteString;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;

use crate::error::{Error, Result};
use crate::pki::write_private;

/// Writes a kubeconfig with everything inline, so that it may be copied; mode 0600. It is JSON,
/// which is YAML too.
pub(crate) fn write(path: &Path, url: &str, ca: Vec<u8>, user: &str, token: &str) -> Result<()> {
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        // A ByteString is bytes that are base64 in JSON.
        "clusters": [{"name": "testbed", "cluster": {"server": url, "certificate-authority-data": ByteString(ca)}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": user}}],
        "current-context": "testbed",
    });
    write_private(path, format!("{kubeconfig:#}\n").as_bytes())
}

/// The configuration in a kubeconfig of this crate.
pub(crate) async fn load(path: &Path) -> Result<Config> {
    let kubeconfig = Kubeconfig::read_from(path)?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    // The machine's HTTP proxy has no business on the loopback.
    config.proxy_url = None;
    Ok(config)
}

/// A client that works as long as the runtime it is made in.
pub(crate) fn client(config: Config) -> Result<Client> {
    Client::try_from(config).map_err(Error::kube("making a client"))
}
