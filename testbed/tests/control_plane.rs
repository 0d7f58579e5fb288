//! The control plane as its users see it: a real one, which keeps to RBAC, and which is gone without
//! a trace afterwards.

// Clippy takes only functions marked as tests for tests, not what they share.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::{Api, ObjectMeta, PostParams};
use testbed::ControlPlane;

fn named<K: Default>(name: &str, set: impl FnOnce(&mut K, ObjectMeta)) -> K {
    let mut object = K::default();
    set(&mut object, ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() });
    object
}

async fn create_namespace(control_plane: &ControlPlane, name: &str) {
    let namespaces: Api<Namespace> = Api::all(control_plane.admin_client().unwrap());
    let namespace = named(name, |namespace: &mut Namespace, metadata| namespace.metadata = metadata);
    namespaces.create(&PostParams::default(), &namespace).await.unwrap();
}

async fn namespaces(control_plane: &ControlPlane) -> Vec<String> {
    let namespaces: Api<Namespace> = Api::all(control_plane.admin_client().unwrap());
    let list = namespaces.list(&Default::default()).await.unwrap();
    list.into_iter().filter_map(|namespace| namespace.metadata.name).collect()
}

/// The command lines of running processes that mention `text`.
fn processes_with(text: &str) -> Vec<String> {
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(text))
        .collect()
}

fn becomes_true(condition: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    condition()
}

#[tokio::test]
async fn it_serves_the_administrator() {
    let control_plane = ControlPlane::shared().await.unwrap();
    create_namespace(control_plane, "made-by-a-client").await;
    let names = namespaces(control_plane).await;
    assert!(names.contains(&"default".to_owned()), "{names:?}");
    assert!(names.contains(&"made-by-a-client".to_owned()), "{names:?}");
}

#[tokio::test]
async fn a_service_account_without_a_role_may_not_list_secrets() {
    let control_plane = ControlPlane::shared().await.unwrap();
    create_namespace(control_plane, "tokens").await;
    let accounts: Api<ServiceAccount> = Api::namespaced(control_plane.admin_client().unwrap(), "tokens");
    let account = named("reader", |account: &mut ServiceAccount, metadata| account.metadata = metadata);
    accounts.create(&PostParams::default(), &account).await.unwrap();

    let kubeconfig = control_plane.kubeconfig_for_service_account("tokens", "reader").await.unwrap();
    assert_eq!(std::fs::metadata(&kubeconfig).unwrap().permissions().mode() & 0o777, 0o600);
    let client = control_plane.client_from(&kubeconfig).await.unwrap();
    client.apiserver_version().await.unwrap();
    let secrets: Api<Secret> = Api::namespaced(client, "tokens");
    let refusal = secrets.list(&Default::default()).await.unwrap_err();
    let kube::Error::Api(status) = refusal else { panic!("{refusal}") };
    assert!(status.is_forbidden(), "{status:?}");
    assert!(status.message.contains("system:serviceaccount:tokens:reader"), "{status:?}");
}

#[tokio::test]
async fn a_token_for_a_service_account_that_does_not_exist_is_an_error() {
    let control_plane = ControlPlane::shared().await.unwrap();
    let error = control_plane.kubeconfig_for_service_account("default", "nobody").await.unwrap_err();
    assert!(error.to_string().contains("service account default/nobody"), "{error}");
}

#[tokio::test]
async fn kubectl_reads_its_stdin_and_reports_failures() {
    let control_plane = ControlPlane::shared().await.unwrap();
    let manifest = "apiVersion: v1\nkind: Namespace\nmetadata: {name: made-by-kubectl}\n";
    let applied = control_plane.kubectl(&["apply", "-f", "-"], Some(manifest)).await.unwrap();
    assert!(applied.status.success(), "{applied:?}");
    assert_eq!(applied.stdout, b"namespace/made-by-kubectl created\n");
    let missing = control_plane.kubectl(&["get", "namespace", "missing"], None).await.unwrap();
    assert!(String::from_utf8_lossy(&missing.stderr).contains("NotFound"), "{missing:?}");
}

#[tokio::test]
async fn two_side_by_side_know_nothing_of_each_other_and_leave_nothing_behind() {
    let (first, second) = tokio::join!(ControlPlane::start(), ControlPlane::start());
    let (first, second) = (first.unwrap(), second.unwrap());
    create_namespace(&first, "only-in-the-first").await;
    assert!(!namespaces(&second).await.contains(&"only-in-the-first".to_owned()));

    let folder = first.logs().parent().unwrap().to_owned();
    let pids = first.pids();
    assert_eq!(pids.len(), 2);
    drop(first);
    let left: Vec<_> = pids.iter().filter(|pid| Path::new(&format!("/proc/{pid}")).exists()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(processes_with(folder.to_str().unwrap()), Vec::<String>::new());
    assert!(!folder.exists());
    assert!(namespaces(&second).await.contains(&"default".to_owned()));
}

#[tokio::test]
async fn a_kept_folder_is_gone_on_from_and_the_controller_manager_makes_service_accounts() {
    let folder = tempfile::tempdir().unwrap();
    let control_plane = ControlPlane::builder().persist_dir(folder.path()).start().await.unwrap();
    create_namespace(&control_plane, "kept").await;
    drop(control_plane);

    let builder = ControlPlane::builder().persist_dir(folder.path()).controller_manager(true);
    let control_plane = builder.start().await.unwrap();
    assert_eq!(control_plane.pids().len(), 3);
    assert!(namespaces(&control_plane).await.contains(&"kept".to_owned()));
    control_plane.kubeconfig_for_service_account("default", "default").await.unwrap();
}

/// The other half of the test below: run by it, in a process of its own.
#[tokio::test]
#[ignore = "run by another test, in a process of its own"]
async fn helper_that_ends_without_dropping_the_shared_one() {
    let control_plane = ControlPlane::shared().await.unwrap();
    println!("folder={}", control_plane.logs().parent().unwrap().display());
}

#[test]
fn a_shared_one_goes_with_the_process_although_nothing_drops_it() {
    let helper = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "helper_that_ends_without_dropping_the_shared_one", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    assert!(helper.status.success(), "{helper:?}");
    let stdout = String::from_utf8(helper.stdout).unwrap();
    let folder = stdout.lines().find_map(|line| Some(PathBuf::from(line.split_once("folder=")?.1))).unwrap();
    assert!(becomes_true(|| processes_with(folder.to_str().unwrap()).is_empty()));
    assert!(becomes_true(|| !folder.exists()));
}
