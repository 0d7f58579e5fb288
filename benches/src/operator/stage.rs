//! Where it all happens: a control plane that knows the operator's kinds and rights, and notes what it asks.

use std::path::{Path, PathBuf};

use testbed::{AuditLog, ControlPlane};

use crate::error::{Error, Result};

/// The namespace and the name of the ServiceAccount in `deploy/cluster-wide/rbac.yaml`.
pub(super) const SYSTEM: &str = "connector-system";
const ACCOUNT: &str = "connector-operator";
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/cluster-wide/rbac.yaml");
const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crds");

/// The namespace of the connectors.
pub(super) const NAMESPACE: &str = "bench";

/// A control plane that is ready for the operator.
pub(super) struct Stage {
    control_plane: ControlPlane,
    /// The operator's own identity.
    pub(super) kubeconfig: PathBuf,
}

impl Stage {
    pub(super) async fn start() -> Result<Self> {
        let user = format!("system:serviceaccount:{SYSTEM}:{ACCOUNT}");
        let control_plane = ControlPlane::builder().audited(user).start().await.map_err(failed)?;
        for arguments in [
            ["apply", "--server-side", "-f", CRDS],
            ["apply", "--server-side", "-f", RULES],
            ["wait", "--for=condition=Established", "crd", "--all"],
        ] {
            kubectl(&control_plane, &arguments).await?;
        }
        kubectl(&control_plane, &["create", "namespace", NAMESPACE]).await?;
        let kubeconfig =
            control_plane.kubeconfig_for_service_account(SYSTEM, ACCOUNT).await.map_err(failed)?;
        Ok(Self { control_plane, kubeconfig })
    }

    /// A client of an administrator, with connections of its own.
    pub(super) fn administrator(&self) -> Result<kube::Client> {
        self.control_plane.admin_client().map_err(failed)
    }

    /// What the operator asks from the start on.
    pub(super) fn audit_log(&self) -> Result<AuditLog> {
        self.control_plane.audit_log().map_err(failed)
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.control_plane.logs()
    }
}

async fn kubectl(control_plane: &ControlPlane, arguments: &[&str]) -> Result<()> {
    let output = control_plane.kubectl(arguments, None).await.map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::new(format!("kubectl {}: {said}", arguments.join(" "))))
}

/// That a part of the testbed could not be had.
pub(super) fn failed(error: testbed::Error) -> Error {
    Error::new(error.to_string())
}

/// The size of everything below `folder`, in bytes.
pub(super) fn size_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}
