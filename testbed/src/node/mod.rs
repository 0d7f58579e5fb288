//! A real node for a [`ControlPlane`]: kube-scheduler, containerd, kubelet and kube-proxy, on a bridge of its own.
//!
//! It changes networks, mounts and firewall rules, so it starts only in namespaces that were made for it, which take all of
//! that along when their first process ends, however it ends: `tools/e2e` makes them. Needs root, Debian's
//! containernetworking-plugins and nftables.

mod bridge;
mod containerd;
mod kubelet;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use k8s_openapi::api::core::v1::Node as Object;
use kube::Api;

use crate::control_plane::ControlPlane;
use crate::error::{Error, Result};
use crate::process::{Managed, wait_for};

pub use bridge::Bridge;
use containerd::Containerd;

/// Its name in the cluster.
const NAME: &str = "node";
/// Ready in 15 s on an idle machine.
const START: Duration = Duration::from_secs(120);

/// What a node is made with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Below which cgroup those of the pods are, as in `/connector-e2e`. It is there in each hierarchy already.
    pub cgroup: String,
    /// The image of which each pod's sandbox is made, which does nothing but wait: an archive, and the image's name.
    pub sandbox: (PathBuf, String),
}

/// A running node. Dropping it ends its processes; its namespaces take the rest along.
#[derive(Debug)]
pub struct Node {
    // Dropped in this order: who starts containers ends before the containers do.
    _kubelet: Managed,
    _proxy: Managed,
    _scheduler: Managed,
    containerd: Containerd,
}

impl Node {
    /// Starts it and waits until it is Ready. The control plane has the address of `bridge`.
    ///
    /// # Errors
    /// Any [`Error`]; those about a process carry the end of its log.
    pub async fn start(control_plane: &ControlPlane, bridge: &Bridge, settings: &Settings) -> Result<Self> {
        let folder = control_plane.home().folder("node")?;
        let logs = control_plane.logs();
        bridge.attach_pods(&folder)?;
        let containerd = Containerd::start(&folder, &logs, &settings.sandbox.1).await?;
        containerd.import(&settings.sandbox.0).await?;
        let scheduler = kubelet::start_scheduler(control_plane, &logs).await?;
        let proxy = kubelet::start_proxy(control_plane, &logs).await?;
        let socket = containerd.socket();
        let mut kubelet =
            kubelet::start(control_plane, &folder, &logs, &settings.cgroup, &socket, bridge.address())
                .await?;
        let nodes: Api<Object> = Api::all(control_plane.admin_client()?);
        let ready = || async { nodes.get(NAME).await.is_ok_and(|node| is_ready(&node)) };
        wait_for(&mut [&mut kubelet], "a Ready node", START, ready).await?;
        Ok(Self { _kubelet: kubelet, _proxy: proxy, _scheduler: scheduler, containerd })
    }

    /// Takes the images of an archive, so that pods need not pull them.
    ///
    /// # Errors
    /// [`Error::Io`] with what `ctr` says.
    pub async fn import(&self, archive: &Path) -> Result<()> {
        self.containerd.import(archive).await
    }

    /// Gives an image another name besides.
    ///
    /// # Errors
    /// [`Error::Io`] with what `ctr` says.
    pub async fn tag(&self, image: &str, another: &str) -> Result<()> {
        self.containerd.ctr(&["image", "tag", image, another]).await.map(drop)
    }

    /// The process in a running container, by the id of a container's status without its `containerd://`.
    ///
    /// # Errors
    /// [`Error::Io`] when no such container runs.
    pub async fn process_of(&self, container: &str) -> Result<i32> {
        let tasks = self.containerd.ctr(&["task", "ls"]).await?;
        let of = |line: &str| {
            let mut words = line.split_whitespace();
            (words.next() == Some(container)).then(|| words.next()?.parse().ok()).flatten()
        };
        tasks.lines().find_map(of).ok_or_else(|| refused(&format!("container {container} runs"), &tasks))
    }
}

fn is_ready(node: &Object) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// What a command wrote that must succeed.
fn succeeded(doing: &str, output: &Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(refused(doing, String::from_utf8_lossy(&output.stderr).trim()))
}

fn refused(doing: &str, said: &str) -> Error {
    Error::io(doing)(std::io::Error::other(said.to_owned()))
}
