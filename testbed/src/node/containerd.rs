//! Owns containerd, which runs the node's containers with runc, and `ctr`, with which it is asked.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{START, succeeded};
use crate::components::spawn;
use crate::error::{Error, Result};
use crate::process::Managed;
use crate::tools;

/// Where Debian has the plugins of the Container Network Interface.
const PLUGINS: &str = "/usr/lib/cni";
/// The part of containerd in which the kubelet's containers are.
const NAMESPACE: &str = "k8s.io";

/// A running containerd.
#[derive(Debug)]
pub(super) struct Containerd {
    _process: Managed,
    folder: PathBuf,
}

impl Containerd {
    /// Starts it below `folder`.
    pub(super) async fn start(folder: &Path, logs: &Path, sandbox: &str) -> Result<Self> {
        let runc = tools::locate_async("runc").await?;
        let shim = tools::locate_async("containerd-shim-runc-v2").await?;
        let configuration = folder.join("containerd.toml");
        std::fs::write(&configuration, configured(folder, &runc, sandbox))
            .map_err(Error::io(format!("writing {}", configuration.display())))?;
        let beside = shim.parent().unwrap_or(Path::new("/")).to_owned();
        let mut process = spawn("containerd", logs, |command| {
            // It looks for the shim in PATH.
            let path = std::env::join_paths([
                beside.as_path(),
                Path::new("/usr/sbin"),
                Path::new("/usr/bin"),
                Path::new("/sbin"),
                Path::new("/bin"),
            ]);
            command.env("PATH", path.unwrap_or_default()).arg("--config").arg(&configuration);
        })
        .await?;
        let containerd = |process| Self { _process: process, folder: folder.to_owned() };
        let socket = folder.join(SOCKET);
        process
            .wait_until("accepting connections", START, || async {
                tokio::net::UnixStream::connect(&socket).await.is_ok()
            })
            .await?;
        Ok(containerd(process))
    }

    /// Where it listens.
    pub(super) fn socket(&self) -> PathBuf {
        self.folder.join(SOCKET)
    }

    /// Takes the images of an archive.
    pub(super) async fn import(&self, archive: &Path) -> Result<()> {
        self.ctr(&["image", "import", &archive.display().to_string()]).await.map(drop)
    }

    /// What `ctr` writes, which must succeed.
    pub(super) async fn ctr(&self, arguments: &[&str]) -> Result<String> {
        let program = tools::locate_async("ctr").await?;
        let doing = format!("running ctr {}", arguments.join(" "));
        let output = tokio::process::Command::new(program)
            .arg("--address")
            .arg(self.socket())
            .args(["--namespace", NAMESPACE])
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(Error::io(doing.as_str()))?;
        succeeded(&doing, &output)
    }
}

const SOCKET: &str = "containerd.sock";

/// All that is its own is below `folder`.
fn configured(folder: &Path, runc: &Path, sandbox: &str) -> String {
    let (folder, runc) = (folder.display(), runc.display());
    format!(
        r#"version = 3
root = '{folder}/containerd'
state = '{folder}/containerd-state'
[grpc]
address = '{folder}/{SOCKET}'
[ttrpc]
address = '{folder}/containerd.ttrpc'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = '{sandbox}'
[plugins.'io.containerd.cri.v1.runtime']
# Where a process may not lower its own score, neither may its container.
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ['{PLUGINS}']
conf_dir = '{folder}/cni'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = '{runc}'
"#
    )
}
