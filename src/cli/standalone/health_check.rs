//! `--health-check` of a connector, and `health-check`, which asks the one that runs.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use clap::{Args, ValueEnum};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::kinds::Kind;
use crate::server::{Health, serve_health};

use super::flags::HealthFlags;
use super::open::Open;
use super::problem::Problem;

/// More than any answer has, in bytes.
const ANSWER: usize = 64 << 10;

/// Asks a running connector how it is; exits with 0 where it is well
#[derive(Debug, Args)]
pub(super) struct HealthCheck {
    /// What to ask: health (does the credential work?), ready or live.
    #[arg(long, value_enum, default_value_t = Endpoint::Health)]
    endpoint: Endpoint,
    /// How long to wait.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Endpoint {
    Health,
    Ready,
    Live,
}

/// Said where nothing listens.
const NOBODY: &str =
    "no connector answers there; is one running with --health-check (BATON_HEALTH_CHECK=true), on that port?";

impl HealthCheck {
    /// Asks where `flags` say. The error is a sentence.
    pub(super) async fn ask(&self, flags: &HealthFlags) -> Result<(), String> {
        let path = match self.endpoint {
            Endpoint::Health => "health",
            Endpoint::Ready => "ready",
            Endpoint::Live => "live",
        };
        let address = format!("http://{}:{}/{path}", reachable(flags), flags.health_check_port);
        let failed = |error: &dyn std::fmt::Display| format!("{address}: {error}");
        let uri = address.parse().map_err(|error: axum::http::uri::InvalidUri| failed(&error))?;
        let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
        let asking = async {
            let answer = client.get(uri).await.map_err(|_| NOBODY.to_owned())?;
            let status = answer.status();
            let body = to_bytes(Body::new(answer.into_body()), ANSWER).await.unwrap_or_default();
            match status.is_success() {
                true => Ok(()),
                false => Err(format!("answered {status} {}", String::from_utf8_lossy(&body).trim())),
            }
        };
        match tokio::time::timeout(Duration::from_secs(self.timeout), asking).await {
            Ok(asked) => asked.map_err(|error| failed(&error)),
            Err(_) => Err(failed(&format!("no answer within {} s; --timeout gives it longer", self.timeout))),
        }
    }
}

/// The address to ask; one that stands for all of the machine's is asked on its own.
fn reachable(flags: &HealthFlags) -> String {
    let given = flags.health_check_bind_address.trim_matches(['[', ']']);
    match given.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) if address.is_unspecified() => "127.0.0.1".to_owned(),
        Ok(IpAddr::V6(address)) if address.is_unspecified() => "[::1]".to_owned(),
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        _ => given.to_owned(),
    }
}

/// Begins to answer where `flags` say, if they do, until `stop`.
pub(super) async fn begin<K: Kind>(
    flags: &HealthFlags,
    open: &Open<K>,
    stop: &CancellationToken,
) -> Result<Option<Arc<Health>>, Problem> {
    if !flags.health_check {
        return Ok(None);
    }
    let host = flags.health_check_bind_address.trim_matches(['[', ']']);
    let listener = TcpListener::bind((host, flags.health_check_port)).await.map_err(|error| {
        Problem::usage(format!(
            "--health-check-bind-address {host} --health-check-port {}: {error}; name an address of this machine and a \
             port that is free",
            flags.health_check_port
        ))
    })?;
    let health = Arc::new(Health::new(open.probe()?));
    let serving = serve_health(listener, Arc::clone(&health), stop.clone().cancelled_owned());
    tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "Health is no longer served");
        }
    });
    Ok(Some(health))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("127.0.0.1", "127.0.0.1")]
    #[case("0.0.0.0", "127.0.0.1")]
    #[case("::", "[::1]")]
    #[case("[fd00::1]", "[fd00::1]")]
    #[case("localhost", "localhost")]
    fn a_connector_that_listens_everywhere_is_asked_on_this_machine(
        #[case] bound: &str,
        #[case] asked: &str,
    ) {
        let flags = HealthFlags {
            health_check: true,
            health_check_port: 8081,
            health_check_bind_address: bound.to_owned(),
        };
        assert_eq!(reachable(&flags), asked);
    }
}
