//! Which of the operator's pods lead. Several may: each shard has its own leader, and without leader election each pod is
//! one.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use crate::Result;
use crate::cluster::{Cluster, refused};

/// The pods of the operator, and the names of those that lead. `otherwise` is the flag for an operator that is no pod.
pub(super) async fn leaders(
    cluster: &Cluster,
    namespace: &str,
    selector: &str,
    otherwise: &str,
) -> Result<(Api<Pod>, Vec<String>)> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
    let listed = pods.list(&ListParams::default().labels(selector)).await;
    let listed =
        listed.map_err(|error| refused(&format!("listing pods in namespace {namespace}"), &error))?;
    let running: Vec<String> = listed.items.iter().filter(|pod| is_running(pod)).map(Pod::name_any).collect();
    if running.is_empty() {
        return Err(format!(
            "no pod of the operator runs in namespace {namespace} with the labels {selector}: say where it is with \
             --operator-namespace and --operator-selector, or by {otherwise} where it is no pod"
        )
        .into());
    }
    let leases: Api<Lease> = Api::namespaced(cluster.client.clone(), namespace);
    match leases.list(&ListParams::default()).await {
        Ok(leases) => Ok((pods, leading(running, &leases.items))),
        // Where there is one, it need not be asked who leads.
        Err(_) if running.len() == 1 => Ok((pods, running)),
        Err(error) => Err(refused(&format!("listing leases in namespace {namespace}"), &error)),
    }
}

/// Those of `running` that hold a Lease; all where none does.
fn leading(running: Vec<String>, leases: &[Lease]) -> Vec<String> {
    let holders: Vec<&str> = leases
        .iter()
        .filter_map(|lease| lease.spec.as_ref()?.holder_identity.as_deref())
        // The pod, and what tells its lives apart.
        .filter_map(|holder| Some(holder.rsplit_once('_')?.0))
        .collect();
    let leads = |name: &String| holders.contains(&name.as_str());
    if running.iter().any(leads) { running.into_iter().filter(leads).collect() } else { running }
}

fn is_running(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    phase == Some("Running") && pod.metadata.deletion_timestamp.is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lease(holder: &str) -> Lease {
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": "connector-operator" },
            "spec": { "holderIdentity": holder },
        });
        serde_json::from_value(lease).unwrap()
    }

    fn pods(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn whoever_holds_a_lease_leads() {
        let running = || pods(&["operator-a", "operator-b", "shard-c"]);
        assert_eq!(leading(running(), &[lease("operator-b_0123456789abcdef")]), ["operator-b"]);
        let both = [lease("operator-a_0123456789abcdef"), lease("shard-c_0123456789abcdef")];
        assert_eq!(leading(running(), &both), ["operator-a", "shard-c"]);
    }

    #[test]
    fn without_a_leader_each_may_have_it() {
        assert_eq!(
            leading(pods(&["operator-a", "operator-b"]), &[lease("somebody-else")]),
            ["operator-a", "operator-b"]
        );
        assert_eq!(leading(pods(&["operator-a"]), &[]), ["operator-a"]);
    }
}
