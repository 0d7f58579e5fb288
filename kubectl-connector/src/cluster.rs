//! The API server: which one, as whom, and what it means when it says no.

use std::error::Error;
use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use crate::{Failed, Result, completion};

/// Which API server, as whom, and in which namespace: kubectl's own flags.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Kubernetes")]
pub(crate) struct Connection {
    /// The namespace; that of the context where it is absent.
    #[arg(short, long, global = true, add = ArgValueCompleter::new(completion::namespaces))]
    namespace: Option<String>,
    /// The kubeconfig; those that KUBECONFIG names, or ~/.kube/config, where it is absent.
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig.
    #[arg(long, global = true)]
    context: Option<String>,
    /// The cluster of the kubeconfig, instead of the context's.
    #[arg(long, global = true)]
    cluster: Option<String>,
    /// The user of the kubeconfig, instead of the context's.
    #[arg(long, global = true)]
    user: Option<String>,
    /// Act as this user.
    #[arg(long = "as", global = true, value_name = "USER")]
    impersonate: Option<String>,
    /// Act as a member of this group, with --as. May be repeated.
    #[arg(long = "as-group", global = true, value_name = "GROUP")]
    impersonate_groups: Vec<String>,
}

/// An API server, and a namespace on it.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) namespace: String,
}

impl Connection {
    /// The namespace, where one was typed.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The API server that the flags and the kubeconfig name. Nothing has been asked of it yet.
    pub(crate) async fn cluster(self) -> Result<Cluster> {
        let mut config = self.config().await?;
        if self.impersonate.is_none() && !self.impersonate_groups.is_empty() {
            return Err("--as-group needs --as: the user to act as".into());
        }
        if let Some(user) = self.impersonate {
            config.auth_info.impersonate = Some(user);
            config.auth_info.impersonate_groups = Some(self.impersonate_groups);
        }
        let namespace = self.namespace.unwrap_or_else(|| config.default_namespace.clone());
        let client =
            Client::try_from(config).map_err(|error| said("the kubeconfig cannot be used", &error))?;
        Ok(Cluster { client, namespace })
    }

    async fn config(&self) -> Result<Config> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            cluster: self.cluster.clone(),
            user: self.user.clone(),
        };
        let wrong = |error: KubeconfigError| said("the kubeconfig cannot be used", &error);
        let kubeconfig = match &self.kubeconfig {
            Some(file) => Some(Kubeconfig::read_from(file).map_err(wrong)?),
            None => merged(&files()).map_err(wrong)?,
        };
        if let (Some(user), Some(kubeconfig)) = (&self.user, &kubeconfig)
            && !kubeconfig.auth_infos.iter().any(|it| it.name == *user)
        {
            return Err(format!(
                "the kubeconfig cannot be used: it has no user {user}; kubectl config get-users lists them"
            )
            .into());
        }
        match kubeconfig {
            Some(kubeconfig) => Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(wrong),
            // In a pod there is no kubeconfig, and no need of one.
            None => Config::incluster()
                .map_err(|_| "no kubeconfig was found: set KUBECONFIG, or name one with --kubeconfig".into()),
        }
    }
}

/// The kubeconfigs that kubectl would read.
fn files() -> Vec<PathBuf> {
    match std::env::var_os("KUBECONFIG").filter(|files| !files.is_empty()) {
        Some(files) => std::env::split_paths(&files).filter(|file| !file.as_os_str().is_empty()).collect(),
        None => std::env::home_dir().map(|home| home.join(".kube/config")).into_iter().collect(),
    }
}

/// Those of the files that are there, as one: as with kubectl, the others are left out.
fn merged(files: &[PathBuf]) -> std::result::Result<Option<Kubeconfig>, KubeconfigError> {
    let mut there = files.iter().filter(|file| file.exists()).peekable();
    if there.peek().is_none() {
        return Ok(None);
    }
    let all = there.try_fold(Kubeconfig::default(), |all, file| all.merge(Kubeconfig::read_from(file)?));
    all.map(Some)
}

/// Why `doing`, such as `listing connectors`, came to nothing.
pub(crate) fn refused(doing: &str, error: &kube::Error) -> Failed {
    match error {
        kube::Error::Api(status) if status.code == 401 => {
            format!("{doing}: the API server does not know who you are: log in again ({})", status.message)
                .into()
        }
        kube::Error::Api(status) if status.code == 403 => {
            format!("{doing}: you may not: {}", status.message).into()
        }
        // The path itself is unknown, not the object.
        kube::Error::Api(status)
            if status.code == 404 && status.message.starts_with("404 page not found") =>
        {
            format!("{doing}: the cluster has no connectors: install the operator and its kinds first").into()
        }
        kube::Error::Api(status) => format!("{doing}: {}", status.message).into(),
        _ => said(doing, error),
    }
}

/// What was being done, and the innermost of what went wrong: the outer ones say where in a library.
fn said(doing: &str, error: &(dyn Error + 'static)) -> Failed {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    format!("{doing}: {innermost}").into()
}
