//! Whoever types has their own rights, and is told which one is missing.

use crate::place::{Place, said_by};
use crate::stage::kubectl;

/// What the chart adds to the role `view` where it aggregates.
const VIEW: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: plugin-view}
rules:
  - {apiGroups: [connectors.conductorone.com], resources: [scalrconnectors, planetscaleconnectors], verbs: [get, list, watch]}
";

#[tokio::test]
async fn whoever_may_only_look_looks_and_changes_nothing() {
    let place = Place::new("viewed").await;
    let _scalr = place.scalr().await;
    kubectl(place.control_plane(), &["apply", "-f", "-"], Some(VIEW)).await;
    let kubeconfig = place.account("grace", "plugin-view").await;
    let typed = async |words: &str| {
        let mut command = place.command(&kubeconfig);
        command.args(["-n", "viewed"]).args(words.split(' '));
        said_by(command, "").await
    };
    assert!(typed("get").await.good().contains("Connected"));
    // Events are not among the rights: the page is there without them.
    let page = typed("describe acme").await.good();
    assert!(page.contains("Connected") && !page.contains("Events"), "{page}");
    for (words, doing) in [
        ("sync acme", "asking scalr/acme to read"),
        ("suspend acme", "suspending scalr/acme"),
        ("create scalr --account other", "creating scalr/other in namespace viewed"),
        ("get -A", "listing scalr connectors"),
        ("get -n elsewhere", "listing scalr connectors"),
    ] {
        let sentence = typed(words).await.bad();
        assert!(sentence.starts_with(&format!("{doing}: you may not: ")), "{words}: {sentence}");
        assert!(sentence.contains("system:serviceaccount:viewed:grace"), "{sentence}");
    }
    // Without the operator's address it takes a port-forward, which is a right of its own.
    let mut command = place.command(&kubeconfig);
    command.env_remove("CONNECTOR_OPERATOR_URL").args(["-n", "viewed", "users", "acme"]);
    let sentence = said_by(command, "").await.bad();
    assert!(sentence.starts_with("listing pods in namespace connector-system: you may not: "), "{sentence}");
}

#[tokio::test]
async fn an_administrator_may_type_as_somebody_else() {
    let place = Place::new("impersonated").await;
    let _scalr = place.scalr().await;
    kubectl(place.control_plane(), &["apply", "-f", "-"], Some(VIEW)).await;
    place.kubectl("create rolebinding viewers --clusterrole=plugin-view --group=viewers").await;
    let nobody = place.plugin("get --as heidi").await.bad();
    assert!(nobody.contains("User \"heidi\" cannot list"), "{nobody}");
    assert!(place.plugin("get --as heidi --as-group viewers").await.good().contains("acme"));
    assert_eq!(
        place.plugin("get --as-group viewers").await.bad(),
        "--as-group needs --as: the user to act as"
    );
}

#[tokio::test]
async fn a_kubeconfig_is_used_as_kubectl_uses_it() {
    let place = Place::new("kubeconfigs").await;
    let _scalr = place.scalr().await;
    let admin = place.control_plane().admin_kubeconfig().display().to_string();
    let plugin = async |kubeconfig: &str, words: &str| {
        let mut command = place.command(std::path::Path::new(kubeconfig));
        command.args(words.split(' '));
        said_by(command, "").await
    };
    // Named by a flag; merged from several; a token from a file, and from a program.
    plugin("", &format!("get acme -n kubeconfigs --kubeconfig {admin}")).await.good();
    plugin(&format!("{admin}:/no/such/file"), "get acme -n kubeconfigs").await.good();
    let folder = tempfile::tempdir().unwrap();
    let view = place.account("grace", "cluster-admin").await;
    let text = std::fs::read_to_string(&view).unwrap();
    let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
    let token = whole["users"][0]["user"]["token"].as_str().unwrap().to_owned();
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, &token).unwrap();
    let credential = serde_json::json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": { "token": token },
    });
    let program = folder.path().join("credential");
    std::fs::write(&program, format!("#!/bin/sh\necho '{credential}'\n")).unwrap();
    let exec = serde_json::json!({
        "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
        "command": "/bin/sh", "args": [program],
    });
    for user in [serde_json::json!({ "tokenFile": token_file }), serde_json::json!({ "exec": exec })] {
        let mut kubeconfig = whole.clone();
        kubeconfig["users"][0]["user"] = user;
        kubeconfig["contexts"][0]["context"]["namespace"] = "kubeconfigs".into();
        let path = folder.path().join("kubeconfig");
        std::fs::write(&path, kubeconfig.to_string()).unwrap();
        let said = plugin(&path.display().to_string(), "get acme").await;
        assert!(said.good().contains("Connected"), "{kubeconfig:#}");
    }
    let context = plugin(&admin, "get --context nowhere").await.bad();
    assert!(
        context.starts_with("the kubeconfig cannot be used: ") && context.contains("nowhere"),
        "{context}"
    );
    let user = plugin(&admin, "get --user nobody").await.bad();
    assert_eq!(
        user,
        "the kubeconfig cannot be used: it has no user nobody; kubectl config get-users lists them"
    );
    let none = plugin("/no/such/file", "get").await.bad();
    assert_eq!(none, "no kubeconfig was found: set KUBECONFIG, or name one with --kubeconfig");
}
