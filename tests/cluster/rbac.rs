//! The rights that the operator runs with in these tests: no more than it needs, or a test would not notice one that
//! is missing from what people deploy.

use crate::operator::{kubectl, shared_control_plane};

/// The namespace of the operator's ServiceAccount.
pub(crate) const NAMESPACE: &str = "connector-operator";
/// The name of the operator's ServiceAccount.
pub(crate) const ACCOUNT: &str = "connector-operator";

/// ServiceAccount, ClusterRole and binding.
pub(crate) const RULES: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: connector-operator}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: connector-operator, namespace: connector-operator}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: connector-operator}
rules:
- {apiGroups: [connectors.conductorone.com], resources: [scalrconnectors, planetscaleconnectors], verbs: [get, list, watch]}
- {apiGroups: [connectors.conductorone.com], resources: [scalrconnectors/status, planetscaleconnectors/status], verbs: [patch]}
- {apiGroups: [""], resources: [secrets], verbs: [get, list, watch]}
- {apiGroups: [""], resources: [configmaps], verbs: [get]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: connector-operator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: connector-operator}
subjects:
- {kind: ServiceAccount, name: connector-operator, namespace: connector-operator}
"#;

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
