//! The demo in a cluster that is not its own: it shows everything there, and leaves nothing behind.
//!
//! It runs the operator and the simulators from the folder that it is in itself, where building the workspace puts them.

use std::net::TcpListener;
use std::process::Stdio;

use testbed::ControlPlane;
use tokio::process::Command;

#[tokio::test]
async fn a_cluster_that_is_given_is_used_and_left_as_it_was() {
    let given = ControlPlane::builder().controller_manager(true).start().await.unwrap();
    // Whether this takes the port or somebody else has it already, the demo must do with another one.
    let _taken = TcpListener::bind("127.0.0.1:8181");
    let everything = ["get", "crds,namespaces,clusterroles,clusterrolebindings", "-o", "name"];
    let before = given.kubectl(&everything, None).await.unwrap().stdout;

    let demo = Command::new(env!("CARGO_BIN_EXE_demo"))
        .arg("--once")
        .env("KUBECONFIG", given.admin_kubeconfig())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let shown = String::from_utf8_lossy(&demo.stdout);
    assert!(demo.status.success(), "{shown}");
    assert!(shown.contains(&given.url()), "{shown}");
    assert!(shown.contains("sed s/:8181/"), "{shown}");
    assert!(shown.contains("The cluster is as it was"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "colour without a terminal: {shown}");

    let after = given.kubectl(&everything, None).await.unwrap().stdout;
    assert_eq!(String::from_utf8_lossy(&before), String::from_utf8_lossy(&after));
}
