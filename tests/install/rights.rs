//! What an installation lets whom do.

use crate::charts::{INSTALL, UPGRADE};
use crate::commands::Cluster;

const OPERATOR: &str = "system:serviceaccount:connector-system:connector-operator";

impl Cluster {
    async fn may(&self, who: &str, what: &str) -> bool {
        let said = self.try_kubectl(&format!("auth can-i {what} --as={who}"), None).await;
        said.stdout.starts_with(b"yes")
    }

    /// What an account may in a namespace, a line for each resource, without what every account may.
    async fn rights(&self, who: &str, namespace: &str) -> Vec<String> {
        let list = self.kubectl(&format!("auth can-i --list --no-headers -n {namespace} --as={who}")).await;
        let to_all = ["selfsubject", "clustertrustbundles"];
        let mut rights: Vec<String> = list
            .lines()
            .filter(|line| !line.starts_with(' ') && !to_all.iter().any(|it| line.contains(it)))
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        rights.sort();
        rights
    }
}

#[tokio::test]
async fn rights_follow_the_values() {
    let cluster = Cluster::start().await;
    for namespace in ["identity", "elsewhere"] {
        cluster.namespace(namespace).await;
    }
    cluster.helm(INSTALL).await;
    let everywhere = cluster.rights(OPERATOR, "elsewhere").await;
    let of_connectors = [
        "configmaps [] [] [get]",
        "events.events.k8s.io [] [] [create]",
        "planetscaleconnectors.connectors.conductorone.com [] [] [get list watch]",
        "planetscaleconnectors.connectors.conductorone.com/status [] [] [patch]",
        "scalrconnectors.connectors.conductorone.com [] [] [get list watch]",
        "scalrconnectors.connectors.conductorone.com/status [] [] [patch]",
    ];
    assert_eq!(everywhere, [&of_connectors[..], &["secrets [] [] [get list watch]"]].concat());

    let narrowed =
        "--set watchNamespaces={identity},leaderElection.enabled=false --set-string secretWatch=off";
    cluster.helm(&format!("{UPGRADE} {narrowed}")).await;
    assert_eq!(
        cluster.rights(OPERATOR, "identity").await,
        [&of_connectors[..], &["secrets [] [] [get]"]].concat()
    );
    assert_eq!(cluster.rights(OPERATOR, "elsewhere").await, Vec::<String>::new());
    assert_eq!(cluster.rights(OPERATOR, "connector-system").await, Vec::<String>::new(), "no Lease either");
}

#[tokio::test]
async fn those_who_edit_a_namespace_edit_its_connectors_and_those_who_view_it_see_them() {
    // Aggregating is the controller manager's.
    let cluster = Cluster::start_whole().await;
    cluster.helm(INSTALL).await;
    cluster.namespace("identity").await;
    for (role, who) in [("view", "grace"), ("edit", "ada")] {
        cluster
            .kubectl(&format!("create rolebinding {role} -n identity --clusterrole={role} --user={who}"))
            .await;
    }
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !(cluster.may("grace", "list scalrconnectors -n identity").await
        && cluster.may("ada", "create planetscaleconnectors -n identity").await)
    {
        assert!(std::time::Instant::now() < deadline, "nothing was aggregated");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(!cluster.may("grace", "update scalrconnectors -n identity").await);
    assert!(!cluster.may("ada", "patch scalrconnectors --subresource=status -n identity").await);
    assert!(!cluster.may("ada", "list scalrconnectors -n connector-system").await);
}
