//! The example connectors, applied as they are, or with other ports where the usual ones are taken.

use super::cluster::Cluster;
use super::programs::Simulators;
use super::screen::Screen;
use super::{NAMESPACE, ROOT, Result};

const FILES: [&str; 2] = ["examples/scalr.yaml", "examples/planetscale.yaml"];

/// Applies both examples.
pub(crate) async fn apply(screen: &Screen, cluster: &Cluster, simulators: &Simulators) -> Result<()> {
    for (file, (port, address)) in FILES.into_iter().zip(simulators.addresses()) {
        if port == address.port() {
            cluster.show(screen, &["apply", "-n", NAMESPACE, "-f", file]).await?;
            continue;
        }
        let text = std::fs::read_to_string(format!("{ROOT}/{file}"))?;
        let text = text.replace(&format!(":{port}"), &format!(":{}", address.port()));
        let apply = ["apply", "-n", NAMESPACE, "-f", "-"];
        screen.command(&format!(
            "sed s/:{port}/:{}/ {file} | kubectl apply -n {NAMESPACE} -f -",
            address.port()
        ));
        screen.output(&cluster.feed(&apply, &text).await?);
    }
    screen.pause();
    Ok(())
}
