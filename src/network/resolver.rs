//! Name resolution that looks at each address before a connection is made to it, so that a listed name cannot
//! be pointed at the machine, at its cloud's metadata service or into the cluster (decision 9 of the design).

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use hyper_util::client::legacy::connect::dns;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tower_service::Service;

use super::HostPolicy;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Every address behind the host is one that nothing is sent to.
#[derive(Debug, thiserror::Error)]
#[error("its name leads to {address}, where this operator sends nothing")]
pub(crate) struct AddressRefused {
    address: String,
}

/// Resolves the one host of a client under its policy. Any other name is that of the proxy which the
/// administrator has configured, and is left alone.
#[derive(Debug, Clone)]
pub(crate) struct GuardedResolver {
    pub(crate) host: String,
    pub(crate) policy: HostPolicy,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move { Ok(Box::new(guard.addresses(name.as_str()).await?.into_iter()) as Addrs) })
    }
}

impl Service<dns::Name> for GuardedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Failed;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: dns::Name) -> Self::Future {
        let guard = self.clone();
        Box::pin(async move { Ok(guard.addresses(name.as_str()).await?.into_iter()) })
    }
}

impl GuardedResolver {
    async fn addresses(&self, name: &str) -> Result<Vec<SocketAddr>, Failed> {
        let found = tokio::net::lookup_host((name, 0)).await?.collect();
        if name == self.host { self.permitted(found) } else { Ok(found) }
    }

    fn permitted(&self, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Failed> {
        let refused = found.first().map(|address| address.ip().to_string());
        let kept: Vec<_> =
            found.into_iter().filter(|address| self.policy.permits(&self.host, address.ip())).collect();
        match refused {
            None => Err(io::Error::new(io::ErrorKind::NotFound, "its name has no address").into()),
            Some(address) if kept.is_empty() => Err(AddressRefused { address }.into()),
            Some(_) => Ok(kept),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(policy: HostPolicy) -> GuardedResolver {
        GuardedResolver { host: "localhost".to_owned(), policy }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_the_machine_itself_is_refused() {
        let refused = guard(HostPolicy::default()).resolve("localhost".parse().unwrap()).await;
        assert!(refused.err().unwrap().is::<AddressRefused>());
        assert!(
            guard(HostPolicy::default().with_loopback(true))
                .resolve("localhost".parse().unwrap())
                .await
                .is_ok()
        );
    }

    #[test]
    fn a_name_that_changes_its_answer_is_looked_at_for_each_connection() {
        let policy = HostPolicy::new(["*.scalr.io"]).unwrap();
        let guard = GuardedResolver { host: "acme.scalr.io".to_owned(), policy };
        let to = |address: &str| vec![SocketAddr::new(address.parse().unwrap(), 443)];
        assert_eq!(guard.permitted(to("34.1.2.3")).unwrap(), to("34.1.2.3"));
        for inside in ["169.254.169.254", "100.100.100.200", "fd00:ec2::254", "10.0.0.1", "127.0.0.1", "::1"]
        {
            assert!(guard.permitted(to(inside)).unwrap_err().is::<AddressRefused>(), "{inside}");
            let both = [to(inside), to("34.1.2.3")].concat();
            assert_eq!(guard.permitted(both).unwrap(), to("34.1.2.3"), "{inside}");
        }
    }

    #[tokio::test]
    async fn the_address_of_a_proxy_is_the_administrators_own_choice() {
        let guard = GuardedResolver { host: "acme.scalr.io".to_owned(), policy: HostPolicy::default() };
        assert!(guard.resolve("localhost".parse().unwrap()).await.is_ok());
    }
}
