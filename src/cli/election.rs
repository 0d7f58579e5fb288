//! Whether several operators may run, of which one leads.

use std::sync::Arc;

use clap::{ArgAction, Args};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::leadership::{Candidate, Ended, Leadership, OneLease, Timing};

/// How it is decided who leads.
#[derive(Debug, Args)]
pub(super) struct Election {
    /// Several operators may run, of which one leads: the one that holds a Lease. Without it, there must be only one.
    #[arg(
        long,
        env = "CONNECTOR_LEADER_ELECTION",
        value_name = "BOOL",
        action = ArgAction::Set,
        default_value_t = true,
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true
    )]
    leader_election: bool,
    /// The name of the Lease. connector-operator where it is absent.
    #[arg(long, env = "CONNECTOR_LEASE_NAME")]
    lease_name: Option<String>,
    /// The namespace of the Lease. The operator's own where it is absent.
    #[arg(long, env = "POD_NAMESPACE")]
    lease_namespace: Option<String>,
}

/// An operator's part in the election.
pub(super) struct Campaign {
    /// Whether it leads.
    pub(super) leadership: Leadership,
    standing: Option<Standing>,
}

struct Standing {
    running: JoinHandle<()>,
    written: CancellationToken,
    lost: CancellationToken,
}

/// The name of the Lease where none is given.
const LEASE: &str = "connector-operator";

impl Election {
    /// Would it compete for the same Lease as operators that look after other connectors?
    pub(super) fn has_the_common_lease(&self) -> bool {
        self.leader_election && self.lease_name.is_none()
    }

    /// Stands for election as `instance`; `stop` is cancelled when an election that was won is lost.
    pub(super) fn begin(self, client: &Client, instance: &str, stop: &CancellationToken) -> Campaign {
        if !self.leader_election {
            return Campaign { leadership: Leadership::alone(), standing: None };
        }
        let leases: Api<Lease> = match &self.lease_namespace {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::default_namespaced(client.clone()),
        };
        // A name that nobody has had before, not even in the same pod.
        let identity = format!("{instance}_{:016x}", fastrand::u64(..));
        let leases = Arc::new(OneLease::new(leases, self.lease_name.unwrap_or_else(|| LEASE.to_owned())));
        let (candidate, leadership) = Candidate::new(leases, identity, Timing::default());
        let (stop, written) = (stop.clone(), CancellationToken::new());
        let all_written = written.clone().cancelled_owned();
        let lost = CancellationToken::new();
        let losing = lost.clone();
        let running = tokio::spawn(async move {
            // Whatever ends this ends the operator: nobody else tells it whether it leads.
            let _ends_the_rest = stop.clone().drop_guard();
            if candidate.run(stop, all_written).await == Ended::Lost {
                losing.cancel();
            }
        });
        Campaign { leadership, standing: Some(Standing { running, written, lost }) }
    }
}

impl Campaign {
    /// Has the Lease been lost? Then there is little time before another leads.
    pub(super) fn is_lost(&self) -> bool {
        self.standing.as_ref().is_some_and(|standing| standing.lost.is_cancelled())
    }

    /// Everything is written: the next may lead.
    pub(super) async fn end(self) {
        let Some(Standing { running, written, .. }) = self.standing else { return };
        written.cancel();
        if let Err(error) = running.await {
            tracing::error!(%error, "The election has failed");
        }
    }
}
