//! Owns the Kubernetes processes of a node: kubelet and kube-proxy, and the scheduler, without which nothing comes to it.

use std::net::Ipv4Addr;
use std::path::Path;

use serde_json::json;

use super::NAME;
use crate::components::{flag, spawn};
use crate::control_plane::ControlPlane;
use crate::error::{Error, Result};
use crate::process::Managed;

/// Starts kubelet, all of whose files are below `folder`.
pub(super) async fn start(
    control_plane: &ControlPlane,
    folder: &Path,
    logs: &Path,
    cgroup: &str,
    containerd: &Path,
    address: Ipv4Addr,
) -> Result<Managed> {
    let configuration = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": address,
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": false },
            "x509": { "clientCAFile": control_plane.pki().ca },
        },
        "authorization": { "mode": "AlwaysAllow" },
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "failCgroupV1": false,
        "failSwapOn": false,
        "enforceNodeAllocatable": [],
        "containerRuntimeEndpoint": format!("unix://{}", containerd.display()),
        "podLogsDir": folder.join("pod-logs"),
        "resolvConf": "",
        // How full the machine's disk is says nothing about this node.
        "evictionHard": { "memory.available": "0%" },
        "imageGCHighThresholdPercent": 100,
        "syncFrequency": "10s",
        "nodeStatusUpdateFrequency": "2s",
    });
    let path = folder.join("kubelet.json");
    std::fs::write(&path, format!("{configuration:#}\n"))
        .map_err(Error::io(format!("writing {}", path.display())))?;
    spawn("kubelet", logs, |command| {
        command
            // For mount and nft.
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .args([flag("config", &path), flag("kubeconfig", control_plane.admin_kubeconfig())])
            .args([flag("root-dir", &folder.join("kubelet")), flag("cert-dir", &folder.join("kubelet-pki"))])
            .args([format!("--hostname-override={NAME}"), format!("--node-ip={address}")]);
    })
    .await
}

/// Starts kube-proxy, which makes Services work.
pub(super) async fn start_proxy(control_plane: &ControlPlane, logs: &Path) -> Result<Managed> {
    spawn("kube-proxy", logs, |command| {
        command
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .arg(flag("kubeconfig", control_plane.admin_kubeconfig()))
            .arg(format!("--hostname-override={NAME}"))
            // The limit of connections is the whole machine's.
            .args(["--proxy-mode=nftables", "--conntrack-max-per-core=0", "--conntrack-min=0"]);
    })
    .await
}

/// Starts the scheduler.
pub(super) async fn start_scheduler(control_plane: &ControlPlane, logs: &Path) -> Result<Managed> {
    spawn("kube-scheduler", logs, |command| {
        command
            .arg(flag("kubeconfig", control_plane.admin_kubeconfig()))
            .arg("--leader-elect=false")
            .arg("--bind-address=127.0.0.1");
    })
    .await
}
