//! Owns the processes of one control plane: their flags, the order they start in, and when each
//! counts as ready.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Config};

use crate::audit;
use crate::error::Result;
use crate::home::Home;
use crate::kubeconfig;
use crate::pki::{self, Pki};
use crate::probe;
use crate::process::{Managed, wait_for};
use crate::tools::locate_async;

/// Ready in 3 s on an idle machine; the rest is for one that compiles at the same time.
const START: Duration = Duration::from_secs(120);

/// The processes, which end when this is dropped, clients before servers.
#[derive(Debug)]
pub(crate) struct Components {
    controller_manager: Option<Managed>,
    apiserver: Managed,
    etcd: Managed,
    address: SocketAddr,
}

impl Components {
    pub(crate) fn url(&self) -> String {
        url(self.address)
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        [self.controller_manager.as_ref(), Some(&self.apiserver), Some(&self.etcd)]
            .into_iter()
            .flatten()
            .map(Managed::pid)
            .collect()
    }
}

/// What a control plane has besides etcd and kube-apiserver.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// Where the API server listens.
    pub(crate) address: IpAddr,
    pub(crate) controller_manager: bool,
    /// The policy of the audit log, and the log.
    pub(crate) audit: Option<(PathBuf, PathBuf)>,
}

/// The folder with a kubeconfig for the administrator and one per service account.
pub(crate) fn kubeconfigs(home: &Home) -> Result<PathBuf> {
    home.folder("kubeconfigs")
}

/// Starts everything on ports chosen now, and waits until it is ready. Also gives the
/// administrator's kubeconfig and the configuration in it.
pub(crate) async fn start(home: &Home, pki: &Pki, wanted: &Wanted) -> Result<(Components, PathBuf, Config)> {
    let logs = home.folder("logs")?;
    let etcd_address = probe::free_address()?;
    let mut etcd = start_etcd(etcd_address, home.path(), pki, &logs).await?;
    etcd.wait_until("accepting connections", START, || probe::accepts_connections(etcd_address)).await?;

    let address = probe::free_address_on(wanted.address)?;
    let admin_kubeconfig = kubeconfigs(home)?.join("admin.kubeconfig");
    kubeconfig::write(&admin_kubeconfig, &url(address), pki::read(&pki.ca)?, "admin", &pki.admin_token()?)?;
    let admin = kubeconfig::load(&admin_kubeconfig).await?;
    let client = kubeconfig::client(admin.clone())?;

    let mut apiserver = start_apiserver(address, etcd_address, pki, wanted, &logs).await?;
    let ready = || async {
        let request = http::Request::get("/readyz").body(Vec::new());
        match request {
            Ok(request) => client.request_text(request).await.is_ok(),
            Err(_) => false,
        }
    };
    wait_for(&mut [&mut apiserver, &mut etcd], "ready", START, ready).await?;

    let mut components = Components { controller_manager: None, apiserver, etcd, address };
    if wanted.controller_manager {
        let accounts: Api<ServiceAccount> = Api::namespaced(client, "default");
        let mut manager = start_controller_manager(&admin_kubeconfig, pki, &logs).await?;
        let ready = || async { accounts.get("default").await.is_ok() };
        let children = &mut [&mut manager, &mut components.apiserver, &mut components.etcd];
        wait_for(children, "giving namespaces their ServiceAccount", START, ready).await?;
        components.controller_manager = Some(manager);
    }
    Ok((components, admin_kubeconfig, admin))
}

fn url(address: SocketAddr) -> String {
    format!("https://{address}")
}

pub(crate) fn flag(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

pub(crate) async fn spawn(
    name: &'static str,
    logs: &Path,
    configure: impl FnOnce(&mut Command),
) -> Result<Managed> {
    let program = locate_async(name).await?;
    Managed::spawn(name, &program, &logs.join(format!("{name}.log")), |command| {
        // Every flag of etcd may come from the environment too.
        configure(command.env_clear());
    })
}

async fn start_etcd(address: SocketAddr, home: &Path, pki: &Pki, logs: &Path) -> Result<Managed> {
    spawn("etcd", logs, |command| {
        command
            .arg(flag("data-dir", &home.join("etcd")))
            .arg(format!("--listen-client-urls=https://{address}"))
            .arg(format!("--advertise-client-urls=https://{address}"))
            .arg("--listen-peer-urls=http://127.0.0.1:0")
            .args([flag("cert-file", &pki.certificate), flag("key-file", &pki.key)])
            .args([flag("trusted-ca-file", &pki.ca), "--client-cert-auth".to_owned()])
            // What a crash of the whole machine would lose is of no value here.
            .arg("--unsafe-no-fsync");
    })
    .await
}

async fn start_apiserver(
    address: SocketAddr,
    etcd: SocketAddr,
    pki: &Pki,
    wanted: &Wanted,
    logs: &Path,
) -> Result<Managed> {
    spawn("kube-apiserver", logs, |command| {
        if let Some((policy, log)) = &wanted.audit {
            command
                .args([flag("audit-policy-file", policy), flag("audit-log-path", log)])
                .arg(format!("--audit-log-maxsize={}", audit::LARGEST));
        }
        if wanted.address.is_loopback() {
            // A loopback address is refused as an endpoint of the Service `kubernetes`, so none is kept.
            command.arg("--endpoint-reconciler-type=none");
        }
        command
            .arg(format!("--etcd-servers=https://{etcd}"))
            .args([flag("etcd-cafile", &pki.ca), flag("etcd-certfile", &pki.certificate)])
            .arg(flag("etcd-keyfile", &pki.key))
            .args([format!("--bind-address={}", address.ip()), format!("--secure-port={}", address.port())])
            // Otherwise it looks for a default route, which a sandbox need not have.
            .arg(format!("--advertise-address={}", address.ip()))
            .args([flag("tls-cert-file", &pki.certificate), flag("tls-private-key-file", &pki.key)])
            .args([flag("client-ca-file", &pki.ca), flag("token-auth-file", &pki.tokens)])
            // Who it is to the kubelet of a node, of which it asks for logs and port-forwards, and where that is: its name
            // stands in no DNS.
            .arg("--kubelet-preferred-address-types=InternalIP")
            .arg(flag("kubelet-client-certificate", &pki.certificate))
            .arg(flag("kubelet-client-key", &pki.key))
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg(flag("service-account-key-file", &pki.service_account_public_key))
            .arg(flag("service-account-signing-key-file", &pki.service_account_key))
            .arg("--service-cluster-ip-range=10.96.0.0/16")
            .arg("--authorization-mode=Node,RBAC")
            .arg("--allow-privileged=true");
    })
    .await
}

async fn start_controller_manager(kubeconfig: &Path, pki: &Pki, logs: &Path) -> Result<Managed> {
    spawn("kube-controller-manager", logs, |command| {
        command
            .arg(flag("kubeconfig", kubeconfig))
            .arg(flag("root-ca-file", &pki.ca))
            .arg(flag("service-account-private-key-file", &pki.service_account_key))
            // Serves nothing, so needs no port.
            .arg("--secure-port=0")
            .arg("--leader-elect=false");
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[tokio::test]
    async fn a_port_that_was_taken_in_between_is_told_from_other_failures() {
        let home = Home::temporary().unwrap();
        let address = Ipv4Addr::LOCALHOST.into();
        let pki = Pki::in_folder(&home.folder("pki").unwrap(), address).unwrap();
        let wanted = Wanted { address, controller_manager: false, audit: None };
        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = holder.local_addr().unwrap();

        let mut etcd = start_etcd(taken, home.path(), &pki, home.path()).await.unwrap();
        let mut apiserver = start_apiserver(taken, taken, &pki, &wanted, home.path()).await.unwrap();
        for child in [&mut etcd, &mut apiserver] {
            let error = child.wait_until("up", START, || async { false }).await.unwrap_err();
            assert!(error.is_port_taken(), "{error}");
        }

        let nowhere = Path::new("/dev/null");
        let mut etcd = start_etcd(probe::free_address().unwrap(), nowhere, &pki, home.path()).await.unwrap();
        let error = etcd.wait_until("up", START, || async { false }).await.unwrap_err();
        assert!(!error.is_port_taken(), "{error}");
    }
}
