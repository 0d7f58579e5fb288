//! Who the operator is: its own ServiceAccount, with a token from the API server and nothing of the administrator's.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Result;
use super::cluster::{Cluster, SYSTEM};

/// The ServiceAccount of `deploy/cluster-wide/rbac.yaml`.
pub(crate) const ACCOUNT: &str = "connector-operator";

/// Writes a kubeconfig of the ServiceAccount, mode 0600, for the same API server as the administrator's.
pub(crate) async fn kubeconfig(cluster: &Cluster, home: &Path) -> Result<PathBuf> {
    let token = cluster.kubectl(&["create", "token", ACCOUNT, "-n", SYSTEM, "--duration=24h"]).await?;
    let admin = cluster.kubectl(&["config", "view", "--minify", "--flatten", "--raw", "-o", "json"]).await?;
    let kubeconfig = with_token(&serde_json::from_str(&admin)?, token.trim())?;
    let path = home.join("operator.kubeconfig");
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(format!("{kubeconfig:#}\n").as_bytes())?;
    Ok(path)
}

/// The cluster that `admin` speaks to, spoken to with `token`.
fn with_token(admin: &Value, token: &str) -> Result<Value> {
    let cluster = admin.pointer("/clusters/0/cluster").ok_or("the kubeconfig names no cluster")?;
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "demo", "cluster": cluster}],
        "users": [{"name": ACCOUNT, "user": {"token": token}}],
        "contexts": [{"name": "demo", "context": {"cluster": "demo", "user": ACCOUNT}}],
        "current-context": "demo",
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_administrator_is_kept() {
        let admin = json!({
            "clusters": [{"name": "c", "cluster": {"server": "https://a", "certificate-authority-data": "Y2E="}}],
            "users": [{"name": "u", "user": {"client-key-data": "secret"}}],
        });
        let kubeconfig = with_token(&admin, "t").unwrap();
        assert!(!kubeconfig.to_string().contains("secret"));
        assert_eq!(kubeconfig["clusters"][0]["cluster"], admin["clusters"][0]["cluster"]);
        assert_eq!(kubeconfig["users"][0]["user"]["token"], "t");
    }
}
