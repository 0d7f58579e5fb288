//! Owns one control plane: its folder, its processes, and what tests and the demo ask of it.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use kube::{Client, Config};
use tokio::io::AsyncWriteExt;
use tokio::sync::OnceCell;

use crate::audit::{self, AuditLog};
use crate::components::{self, Components, Wanted};
use crate::error::{Error, Result};
use crate::home::Home;
use crate::kubeconfig;
use crate::pki::{self, Pki};
use crate::tools;

const PORT_ATTEMPTS: usize = 5;
const TOKEN_LIFETIME_SECONDS: i64 = 24 * 60 * 60;

/// A running control plane. Dropping it ends its processes and, unless it was started with
/// [`Builder::persist_dir`], removes its folder. Many may run side by side.
#[derive(Debug)]
pub struct ControlPlane {
    // Dropped in this order: nobody writes into the folder any more when it is removed.
    components: Components,
    pki: Pki,
    admin_kubeconfig: PathBuf,
    admin: Config,
    home: Home,
}

/// How a [`ControlPlane`] is to be started.
#[derive(Clone, Debug)]
pub struct Builder {
    address: IpAddr,
    controller_manager: bool,
    audited: Option<String>,
    persist_dir: Option<PathBuf>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST.into(),
            controller_manager: false,
            audited: None,
            persist_dir: None,
        }
    }
}

impl Builder {
    /// Has the API server listen on this address instead of the loopback's, and be what the Service `kubernetes` leads to:
    /// pods can reach it there.
    #[must_use]
    pub fn address(mut self, address: impl Into<IpAddr>) -> Self {
        self.address = address.into();
        self
    }

    /// Also runs kube-controller-manager, without which there are no default ServiceAccounts, no
    /// garbage collection, and namespaces stay in Terminating. Off by default.
    #[must_use]
    pub fn controller_manager(mut self, wanted: bool) -> Self {
        self.controller_manager = wanted;
        self
    }

    /// Has the API server note what this user asks of it, for [`ControlPlane::audit_log`]. A service account is
    /// `system:serviceaccount:NAMESPACE:NAME`.
    #[must_use]
    pub fn audited(mut self, user: impl Into<String>) -> Self {
        self.audited = Some(user.into());
        self
    }

    /// Keeps everything in this folder instead of a temporary one, and goes on from what a former
    /// control plane left there. The port is another one each time, so kubeconfigs are made anew.
    #[must_use]
    pub fn persist_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.persist_dir = Some(folder.into());
        self
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// Any [`Error`]; those about a process carry the end of its log.
    pub async fn start(self) -> Result<ControlPlane> {
        let home = match &self.persist_dir {
            Some(folder) => Home::kept(folder)?,
            None => Home::temporary()?,
        };
        let pki = Pki::in_folder(&home.folder("pki")?, self.address)?;
        let audit = match &self.audited {
            Some(user) => {
                let policy = home.path().join("audit-policy.json");
                audit::write_policy(&policy, user)?;
                Some((policy, audit_log_in(&home)?))
            }
            None => None,
        };
        let wanted = Wanted { address: self.address, controller_manager: self.controller_manager, audit };
        let mut attempt = 1;
        let (components, admin_kubeconfig, admin) = loop {
            match components::start(&home, &pki, &wanted).await {
                Err(error) if error.is_port_taken() && attempt < PORT_ATTEMPTS => attempt += 1,
                outcome => break outcome?,
            }
        };
        Ok(ControlPlane { components, pki, admin_kubeconfig, admin, home })
    }
}

impl ControlPlane {
    /// A control plane of one's own with the defaults of [`Builder`].
    ///
    /// # Errors
    /// Those of [`Builder::start`].
    pub async fn start() -> Result<Self> {
        Self::builder().start().await
    }

    /// How to start one with other than the defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The control plane that all tests of one test binary share, started by the first that asks. It
    /// outlives the runtimes of the tests and goes with the process; tests keep apart by namespace.
    ///
    /// # Errors
    /// [`Error::Shared`], the same for every caller, when it did not start.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<std::result::Result<ControlPlane, String>> = OnceCell::const_new();
        let start = || async { Self::start().await.map_err(|error| error.to_string()) };
        SHARED.get_or_init(start).await.as_ref().map_err(|error| Error::Shared(error.clone()))
    }

    /// The apiserver's address, such as `https://127.0.0.1:41234`.
    pub fn url(&self) -> String {
        self.components.url()
    }

    /// A kubeconfig, mode 0600, of a user who may do everything.
    pub fn admin_kubeconfig(&self) -> &Path {
        &self.admin_kubeconfig
    }

    /// A client of a user who may do everything. It works as long as the tokio runtime it is made
    /// in, so each test makes its own.
    ///
    /// # Errors
    /// [`Error::Kube`] when TLS cannot be set up.
    pub fn admin_client(&self) -> Result<Client> {
        kubeconfig::client(self.admin.clone())
    }

    /// A client with the identity in a kubeconfig of this crate, under the same terms as
    /// [`admin_client`](Self::admin_client).
    ///
    /// # Errors
    /// [`Error::Kubeconfig`] when the file cannot be used, [`Error::Kube`] when TLS cannot be set up.
    pub async fn client_from(&self, kubeconfig: &Path) -> Result<Client> {
        kubeconfig::client(kubeconfig::load(kubeconfig).await?)
    }

    /// Writes a kubeconfig, mode 0600, with a token of an existing service account that is good for
    /// 24 hours.
    ///
    /// # Errors
    /// [`Error::Kube`] when the apiserver gives no token, [`Error::Io`] when the file cannot be
    /// written.
    pub async fn kubeconfig_for_service_account(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin_client()?, namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                expiration_seconds: Some(TOKEN_LIFETIME_SECONDS),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let doing = || format!("asking for a token of service account {namespace}/{name}");
        let answer = accounts.create_token_request(name, &PostParams::default(), &request).await;
        let status = answer.map_err(Error::kube(doing()))?.status;
        let token = status.ok_or_else(|| Error::io(doing())(io::Error::other("the answer has none")))?.token;
        // A namespace has no dot in its name, so two accounts never share a file.
        let path = components::kubeconfigs(&self.home)?.join(format!("{namespace}.{name}.kubeconfig"));
        kubeconfig::write(&path, &self.url(), pki::read(&self.pki.ca)?, name, &token)?;
        Ok(path)
    }

    /// Runs kubectl as administrator, with `stdin` when given. How it ended, and what it wrote, are
    /// for the caller to judge.
    ///
    /// # Errors
    /// [`Error::Tool`] when kubectl cannot be built, [`Error::Io`] when it cannot be run.
    pub async fn kubectl(&self, arguments: &[&str], stdin: Option<&str>) -> Result<Output> {
        let program = tools::locate_async("kubectl").await?;
        let doing = || format!("running kubectl {}", arguments.join(" "));
        let mut child = tokio::process::Command::new(program)
            .args(arguments)
            .env("KUBECONFIG", &self.admin_kubeconfig)
            // Its cache of what an apiserver serves is keyed by host and port, and ports come back.
            .env("KUBECACHEDIR", self.home.path().join("kubectl-cache"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(Error::io(doing()))?;
        let input = child.stdin.take();
        let feed = async move {
            if let (Some(mut input), Some(text)) = (input, stdin) {
                // It may end without reading all; its own message then says why.
                let _ = input.write_all(text.as_bytes()).await;
            }
        };
        let ((), output) = tokio::join!(feed, child.wait_with_output());
        output.map_err(Error::io(doing()))
    }

    /// The folder with all that is its own.
    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// Its credentials.
    pub(crate) fn pki(&self) -> &Pki {
        &self.pki
    }

    /// The folder with one log per process.
    pub fn logs(&self) -> PathBuf {
        self.home.path().join("logs")
    }

    /// What the user of [`Builder::audited`] has asked since the start.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder of the log cannot be had.
    pub fn audit_log(&self) -> Result<AuditLog> {
        Ok(AuditLog::new(audit_log_in(&self.home)?))
    }

    /// The ids of its processes.
    pub fn pids(&self) -> Vec<u32> {
        self.components.pids()
    }
}

fn audit_log_in(home: &Home) -> Result<PathBuf> {
    Ok(home.folder("logs")?.join("audit.log"))
}
