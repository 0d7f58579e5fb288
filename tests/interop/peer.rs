//! A connector on the SDK in service mode: the client that C1 knows best.

use std::fs;
use std::path::Path;

use connector_simulator::PlanetScaleSimulator;
use testbed::Managed;

use crate::programs;

/// The host id that it says it has.
pub(crate) const HOST_ID: &str = "sdk-peer";

/// Where C1 is, and how to sign in there.
#[derive(Debug)]
pub(crate) struct Access<'a> {
    /// Host and port.
    pub(crate) host: &'a str,
    pub(crate) ca_pem: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) client_secret: &'a str,
}

/// Starts the PlanetScale connector in `folder`.
///
/// The SDK trusts what Go trusts by itself, so the authority comes in Go's own `SSL_CERT_FILE`; the upstream has no TLS.
pub(crate) fn start(folder: &Path, upstream: &PlanetScaleSimulator, c1: &Access<'_>) -> Managed {
    let authority = folder.join("authority.pem");
    fs::write(&authority, c1.ca_pem).unwrap();
    let program = programs::peers().join("planetscale");
    let (token, url) = (upstream.token(), upstream.base_url().to_owned());
    Managed::spawn("the connector on the SDK", &program, &folder.join("peer.log"), |command| {
        command
            .current_dir(folder)
            .env("SSL_CERT_FILE", &authority)
            .env("BATON_CLIENT_ID", c1.client_id)
            .env("BATON_CLIENT_SECRET", c1.client_secret)
            .env("BATON_C1_API_HOST", c1.host)
            .env("BATON_HOST_ID", HOST_ID)
            .env("BATON_PLANETSCALE_SERVICE_TOKEN", token)
            .env("BATON_PLANETSCALE_API_URL", url)
            .env("BATON_C1Z_TEMP_DIR", folder);
    })
    .unwrap()
}
