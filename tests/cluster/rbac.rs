//! The rights that people deploy are the rights that the operator has in these tests, so that one that is missing
//! fails a test. Here: that there is none too many.

use crate::operator::{kubectl, shared_control_plane};

/// The namespace of the operator's ServiceAccount.
pub(crate) const NAMESPACE: &str = "connector-system";
/// The name of the operator's ServiceAccount.
pub(crate) const ACCOUNT: &str = "connector-operator";

/// ServiceAccount, ClusterRole and binding, as they are deployed.
pub(crate) const RULES: &str = include_str!("../../deploy/rbac.yaml");

#[tokio::test]
async fn the_operator_may_change_nothing_but_status_and_events() {
    let control_plane = shared_control_plane().await;
    let who = format!("--as=system:serviceaccount:{NAMESPACE}:{ACCOUNT}");
    let list = kubectl(control_plane, &["auth", "can-i", "--list", "--no-headers", &who], None).await;
    // What every ServiceAccount may: ask who it is, what it may, what the API serves, whom to trust.
    let granted_to_all =
        |line: &str| ["selfsubject", "clustertrustbundles"].iter().any(|it| line.contains(it));
    let own = |line: &&str| !granted_to_all(line) && !line.starts_with(' ');
    let mut rights: Vec<String> = list.lines().filter(own).map(squeezed).collect();
    rights.sort();
    assert_eq!(
        rights,
        [
            "configmaps [] [] [get]",
            "events.events.k8s.io [] [] [create]",
            "planetscaleconnectors.connectors.conductorone.com [] [] [get list watch]",
            "planetscaleconnectors.connectors.conductorone.com/status [] [] [patch]",
            "scalrconnectors.connectors.conductorone.com [] [] [get list watch]",
            "scalrconnectors.connectors.conductorone.com/status [] [] [patch]",
            "secrets [] [] [get list watch]",
        ]
    );
}

fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
