//! The operator's pods: which of them leads, and what it keeps of a connector. The way there is a stream of bytes, through
//! a port-forward, or straight to an address where the operator is a process on this machine.

mod asked;
mod pods;

use clap::Args;
use connector_operator::snapshot::Snapshot;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use url::Url;

use crate::Result;
use crate::cluster::{Cluster, refused};
use crate::connectors::Connector;
use crate::content::Content;

/// Where the operator is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Operator")]
pub(crate) struct Where {
    /// The namespace of the operator's pods.
    #[arg(
        long,
        env = "CONNECTOR_OPERATOR_NAMESPACE",
        default_value = "connector-system",
        value_name = "NAMESPACE"
    )]
    operator_namespace: String,
    /// The labels of the operator's pods.
    #[arg(
        long,
        env = "CONNECTOR_OPERATOR_SELECTOR",
        default_value = "app.kubernetes.io/name=connector-operator",
        value_name = "LABELS"
    )]
    operator_selector: String,
}

/// How to get at the snapshots.
#[derive(Debug, Args)]
#[command(next_help_heading = "Operator")]
pub(crate) struct Keeper {
    #[command(flatten)]
    place: Where,
    /// The port of the operator's --snapshot-listen.
    #[arg(long, default_value = "8081", value_name = "PORT")]
    operator_port: u16,
    /// Where the operator serves snapshots, such as http://127.0.0.1:8081, where it can be reached without a
    /// port-forward.
    #[arg(long, env = "CONNECTOR_OPERATOR_URL", value_name = "URL", value_parser = address)]
    operator_url: Option<Url>,
}

fn address(text: &str) -> std::result::Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let is_origin = url.path() == "/" && url.query().is_none() && url.username().is_empty();
    if url.scheme() == "http" && url.has_host() && is_origin {
        Ok(url)
    } else {
        Err("must be the origin of the operator's --snapshot-listen, such as http://127.0.0.1:8081"
            .to_owned())
    }
}

/// The operators that may have what is asked for.
pub(crate) enum Operator {
    At(Url),
    In(Box<Forwarded>),
}

/// Pods whose port is forwarded.
pub(crate) struct Forwarded {
    pods: Api<Pod>,
    names: Vec<String>,
    port: u16,
}

/// A stream of bytes to an operator.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Where {
    /// The operator's pods, and the names of those that lead; `otherwise` is the flag for an operator that is no pod.
    pub(crate) async fn leaders(
        &self,
        cluster: &Cluster,
        otherwise: &str,
    ) -> Result<(Api<Pod>, Vec<String>)> {
        pods::leaders(cluster, &self.operator_namespace, &self.operator_selector, otherwise).await
    }
}

impl Keeper {
    /// The operator that keeps the snapshots.
    pub(crate) async fn operator(&self, cluster: &Cluster) -> Result<Operator> {
        if let Some(url) = &self.operator_url {
            return Ok(Operator::At(url.clone()));
        }
        let (pods, names) = self.place.leaders(cluster, "--operator-url").await?;
        Ok(Operator::In(Box::new(Forwarded { pods, names, port: self.operator_port })))
    }
}

impl Operator {
    /// The snapshot of this id, or the last.
    pub(crate) async fn snapshot(&self, connector: &Connector, id: Option<&str>) -> Result<Content> {
        let path = id.map_or_else(|| path(connector, ""), |id| path(connector, &format!("/{id}")));
        let (mut file, scratch) = (tempfile::NamedTempFile::new()?, std::env::temp_dir());
        if !self.ask(&path, &mut file).await? {
            let which = id.map_or_else(|| "no snapshot yet".to_owned(), |id| format!("no snapshot {id}"));
            return Err(no_snapshot(&which, connector).into());
        }
        Content::of(&Snapshot::open(file.path(), &scratch)?)
    }

    /// The ids of the snapshots, the earliest first.
    pub(crate) async fn ids(&self, connector: &Connector) -> Result<Vec<String>> {
        let ids = self.text(&path(connector, "/ids")).await?;
        Ok(ids.map(|ids| ids.lines().map(str::to_owned).collect()).unwrap_or_default())
    }

    /// What the removal guard holds, as lines; `None` where it holds nothing.
    pub(crate) async fn held(&self, connector: &Connector) -> Result<Option<String>> {
        self.text(&path(connector, "/held")).await
    }

    async fn text(&self, path: &str) -> Result<Option<String>> {
        let mut text = Vec::new();
        let found = self.ask(path, &mut text).await?;
        Ok(found.then(|| String::from_utf8_lossy(&text).into_owned()))
    }

    /// Writes what is at `path` to `out`; false where no operator has it.
    async fn ask(&self, path: &str, out: &mut (impl std::io::Write + Send)) -> Result<bool> {
        match self {
            Self::At(url) => {
                let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default());
                let address = (host.trim_matches(['[', ']']), port.unwrap_or(80));
                let stream = TcpStream::connect(address).await;
                let stream = stream.map_err(|error| {
                    format!("no operator answers at {url}: {error}; is that its --snapshot-listen?")
                })?;
                asked::get(Box::new(stream), path, out).await
            }
            Self::In(forwarded) => {
                for name in &forwarded.names {
                    if asked::get(forwarded.stream(name).await?, path, out).await? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

impl Forwarded {
    /// A stream to the port on a pod's loopback.
    async fn stream(&self, name: &str) -> Result<Box<dyn Stream>> {
        let doing = format!("forwarding port {} of pod {name}", self.port);
        let forwarding = self.pods.portforward(name, &[self.port]).await;
        let mut forwarding = forwarding.map_err(|error| refused(&doing, &error))?;
        match forwarding.take_stream(self.port) {
            Some(stream) => Ok(Box::new(stream)),
            None => Err(format!("{doing}: the API server gave no stream; try again").into()),
        }
    }
}

/// Says that the operator has no such snapshot, and where to see why.
pub(crate) fn no_snapshot(which: &str, connector: &Connector) -> String {
    let (title, namespace) = (connector.title(), connector.namespace());
    format!(
        "the operator has {which} of {title}: kubectl connector describe {title} -n {namespace} shows its runs"
    )
}

fn path(connector: &Connector, what: &str) -> String {
    let kind = connector.kind.resource.kind.to_lowercase();
    format!("/snapshots/{}/{kind}/{}{what}", connector.namespace(), connector.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_is_at_an_origin() {
        for good in ["http://127.0.0.1:8081", "http://[::1]:8081/", "http://localhost:1"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["127.0.0.1:8081", "https://127.0.0.1:8081", "http://a/b", "http://user@a", ""] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
