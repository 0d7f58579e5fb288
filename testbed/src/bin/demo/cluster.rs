//! The cluster: one of the demo's own, or the one that KUBECONFIG names. Everything is done with kubectl, so that
//! what is shown is what happens.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use testbed::{ControlPlane, tools};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::screen::Screen;
use super::{NAMESPACE, ROOT, Result};

/// What the operator needs in a cluster.
const INSTALLATION: [&str; 4] = ["-f", "crds/", "-f", "deploy/cluster-wide/rbac.yaml"];
/// What kubectl calls a CRD.
const CRD: &str = "customresourcedefinition.apiextensions.k8s.io/";
/// Longer messages of kubectl quote what it was given.
const LONGEST_MESSAGE: usize = 600;
/// Where the operator's ServiceAccount is.
pub(crate) const SYSTEM: &str = "connector-system";

/// A cluster that answers.
pub(crate) struct Cluster {
    own: Option<ControlPlane>,
    kubectl: PathBuf,
    kubeconfig: OsString,
    cache: PathBuf,
    /// What was not there before, and is removed from a cluster that is not the demo's own.
    created: Vec<String>,
    namespace_created: bool,
}

impl Cluster {
    /// The cluster that KUBECONFIG names, or a new one.
    pub(crate) async fn find(screen: &Screen, home: &Path) -> Result<Self> {
        let kubectl = tools::locate_async("kubectl").await?;
        let cache = home.join("kubectl-cache");
        let given = std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty());
        let (own, kubeconfig) = match given {
            Some(kubeconfig) => (None, kubeconfig),
            None => {
                let starting = async { Ok(ControlPlane::start().await?) };
                let done = |it: &ControlPlane| format!("The API server answers at {}", it.url());
                let own = screen.step("Starting etcd and kube-apiserver", starting, done).await?;
                let kubeconfig = own.admin_kubeconfig().as_os_str().to_owned();
                (Some(own), kubeconfig)
            }
        };
        let cluster = Self { own, kubectl, kubeconfig, cache, created: Vec::new(), namespace_created: false };
        if cluster.own.is_none() {
            cluster.look_before_using(screen).await?;
        }
        Ok(cluster)
    }

    /// In a cluster that is not the demo's own, its operator must not touch anything of others.
    async fn look_before_using(&self, screen: &Screen) -> Result<()> {
        let kubeconfig = self.kubeconfig().display();
        let server = ["config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"];
        let server = self.kubectl(&server).await?;
        self.kubectl(&["get", "--raw", "/version", "--request-timeout=10s"]).await.map_err(|error| {
            format!("{error}\nKUBECONFIG={kubeconfig} is set; unset it for a cluster of the demo's own.")
        })?;
        screen.say(&format!("Using the cluster at {server}, since KUBECONFIG={kubeconfig} is set"));
        screen.say("What the demo creates there, it removes at the end");
        if self.existing().await?.iter().any(|name| name.starts_with(CRD)) {
            let kinds = "scalrconnectors,planetscaleconnectors";
            let connectors = self.kubectl(&["get", kinds, "-A", "-o", "name"]).await?;
            if let Some(first) = connectors.lines().next() {
                return Err(format!(
                    "that cluster has connectors already, such as {first}, and the demo's operator would read them \
                     too. Use another cluster, or unset KUBECONFIG for one of the demo's own"
                )
                .into());
            }
        }
        Ok(())
    }

    /// Applies the CRDs and the operator's permissions, and makes the namespace for the examples.
    pub(crate) async fn install(&mut self, screen: &Screen) -> Result<()> {
        let existing = self.existing().await?;
        let names = [&["apply", "--dry-run=client", "-o", "name"], INSTALLATION.as_slice()].concat();
        let names = self.kubectl(&names).await?;
        self.created = names.lines().map(str::to_owned).filter(|name| !existing.contains(name)).collect();
        self.show(screen, &[&["apply"], INSTALLATION.as_slice()].concat()).await?;
        let crds: Vec<&str> = names.lines().filter(|name| name.starts_with(CRD)).collect();
        let established = ["wait", "--for=condition=Established", "--timeout=60s"];
        self.kubectl(&[&established, crds.as_slice()].concat()).await?;
        self.show(screen, &["create", "namespace", NAMESPACE]).await?;
        self.namespace_created = true;
        screen.pause();
        Ok(())
    }

    async fn existing(&self) -> Result<Vec<String>> {
        let get = [&["get", "--ignore-not-found", "-o", "name"], INSTALLATION.as_slice()].concat();
        Ok(self.kubectl(&get).await?.lines().map(str::to_owned).collect())
    }

    /// Leaves a cluster that is not the demo's own as it was; ends the demo's own.
    pub(crate) async fn clean(self, screen: &Screen) -> Result<()> {
        if self.own.is_some() {
            return Ok(());
        }
        let mut delete = vec!["delete", "--ignore-not-found", "--timeout=120s", "-n", SYSTEM];
        let removing = async {
            if self.namespace_created {
                self.kubectl(&["delete", "namespace", NAMESPACE, "--timeout=120s"]).await?;
            }
            if !self.created.is_empty() {
                delete.extend(self.created.iter().map(String::as_str));
                self.kubectl(&delete).await?;
            }
            Ok(())
        };
        let done = |_: &()| "The cluster is as it was".to_owned();
        screen.step("Removing from the cluster what the demo created", removing, done).await
    }

    /// What kubectl needs to reach it.
    pub(crate) fn kubeconfig(&self) -> &Path {
        Path::new(&self.kubeconfig)
    }

    /// The folder of kubectl and the other tools.
    pub(crate) fn tools(&self) -> &Path {
        self.kubectl.parent().unwrap_or(Path::new("."))
    }

    /// Runs kubectl and shows both the command and what it wrote.
    pub(crate) async fn show(&self, screen: &Screen, arguments: &[&str]) -> Result<String> {
        screen.command(&format!("kubectl {}", typed(arguments)));
        let output = self.kubectl(arguments).await?;
        screen.output(&output);
        Ok(output)
    }

    /// What kubectl writes to stdout.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.feed(arguments, "").await
    }

    /// The same, with something to read.
    pub(crate) async fn feed(&self, arguments: &[&str], input: &str) -> Result<String> {
        let mut child = self.command(arguments).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take();
        let feeding = async {
            if let Some(mut stdin) = stdin {
                // It may end without reading all; its own message then says why.
                let _ = stdin.write_all(input.as_bytes()).await;
            }
        };
        let ((), output) = tokio::join!(feeding, child.wait_with_output());
        stdout_of(&format!("kubectl {}", typed(arguments)), &output?)
    }

    /// A kubectl to be started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.kubectl);
        command
            .args(arguments)
            .current_dir(ROOT)
            .env("KUBECONFIG", &self.kubeconfig)
            // Its cache of what an API server serves is keyed by host and port, and ports come back.
            .env("KUBECACHEDIR", &self.cache)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // A Ctrl-C in the terminal must not reach the kubectl that cleans up.
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

/// What a command that succeeded wrote to stdout.
pub(crate) fn stdout_of(command: &str, output: &Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said: String = String::from_utf8_lossy(&output.stderr).trim().chars().take(LONGEST_MESSAGE).collect();
    Err(format!("`{command}` failed: {said}").into())
}

/// Arguments as a person types them into a shell.
pub(crate) fn typed(arguments: &[impl AsRef<OsStr>]) -> String {
    const SAFE: &str = "-_./:=,@+%";
    let quoted = arguments.iter().map(|argument| {
        let argument = argument.as_ref().to_string_lossy();
        let plain = argument.chars().all(|c| c.is_ascii_alphanumeric() || SAFE.contains(c));
        if plain { argument.into_owned() } else { format!("'{argument}'") }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_quoted_where_a_shell_would_read_them_otherwise() {
        assert_eq!(typed(&["get", "-o", "jsonpath={.a}"]), "get -o 'jsonpath={.a}'");
        assert_eq!(typed(&["get", "scalr,pscale", "-A"]), "get scalr,pscale -A");
    }
}
