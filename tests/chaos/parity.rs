//! The API server in memory does as the real one does: the same cases, with the same assertions, on both.

use std::pin::pin;
use std::time::Duration;

use connector_operator::api::{ConnectorObject, ScalrConnector};
use futures::TryStreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, WatchParams,
};
use kube::core::WatchEvent;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use testbed::ControlPlane;

use crate::world::World;

const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
const SOON: Duration = Duration::from_secs(20);

/// One API server, and a namespace of a case's own on it.
struct Place {
    client: Client,
    namespace: String,
}

impl Place {
    fn connectors(&self) -> Api<DynamicObject> {
        let kind = ApiResource::erase::<ScalrConnector>(&());
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind)
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    async fn made(&self, name: &str) -> DynamicObject {
        self.connectors().create(&PostParams::default(), &connector(name)).await.unwrap()
    }

    async fn applies_status(&self, manager: &str, name: &str, status: Value) -> kube::Result<DynamicObject> {
        let params = PatchParams::apply(manager).force();
        self.connectors().patch_status(name, &params, &Patch::Apply(of_status(name, json!({}), status))).await
    }
}

fn of_status(name: &str, metadata: Value, status: Value) -> Value {
    let mut object = json!({
        "apiVersion": "connectors.conductorone.com/v1alpha1", "kind": ScalrConnector::KIND, "metadata": metadata, "status": status,
    });
    object["metadata"]["name"] = name.into();
    object
}

fn connector(name: &str) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "connectors.conductorone.com/v1alpha1", "kind": ScalrConnector::KIND, "metadata": { "name": name },
        "spec": { "account": "acme", "apiTokenSecretRef": { "name": "scalr" } },
        "status": { "observedGeneration": 7 },
    }))
    .unwrap()
}

fn secret(name: &str) -> Secret {
    serde_json::from_value(json!({ "metadata": { "name": name }, "data": { "api-token": "YQ==" } })).unwrap()
}

fn condition(type_: &str, status: &str) -> Value {
    json!({
        "type": type_, "status": status, "reason": "Because", "message": "", "observedGeneration": 1,
        "lastTransitionTime": "2026-11-22T10:00:00Z",
    })
}

fn types(object: &DynamicObject) -> Vec<String> {
    let conditions = object.data["status"]["conditions"].as_array().unwrap();
    let mut types: Vec<String> =
        conditions.iter().map(|it| it["type"].as_str().unwrap().to_owned()).collect();
    types.sort();
    types
}

fn version(object: &impl ResourceExt) -> u64 {
    object.resource_version().unwrap().parse().unwrap()
}

fn refused<T>(answer: kube::Result<T>) -> (u16, String) {
    match answer {
        Err(kube::Error::Api(status)) => (status.code, status.reason.clone()),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was not refused"),
    }
}

async fn a_fresh_object_has_a_uid_a_generation_and_no_status_of_its_makers(at: Place) {
    let made = at.made("acme").await;
    assert_eq!(made.data["status"], json!({ "observedGeneration": -1 }));
    assert_eq!(made.metadata.generation, Some(1));
    assert!(made.uid().is_some() && made.creation_timestamp().is_some());
    let again = at.connectors().create(&PostParams::default(), &connector("acme")).await;
    assert_eq!(refused(again), (409, "AlreadyExists".to_owned()));
    at.connectors().delete("acme", &DeleteParams::default()).await.unwrap();
    assert_ne!(at.made("acme").await.uid(), made.uid(), "another object of the same name");
}

async fn the_generation_moves_with_the_spec_alone(at: Place) {
    let made = at.made("acme").await;
    let merge = async |patch: Value| {
        at.connectors().patch("acme", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap()
    };
    let annotated = merge(json!({ "metadata": { "annotations": { "a": "b" } } })).await;
    assert_eq!((annotated.metadata.generation, version(&annotated) > version(&made)), (Some(1), true));
    let edited = merge(json!({ "spec": { "suspend": true } })).await;
    assert_eq!(edited.metadata.generation, Some(2));
    let status = merge(json!({ "status": { "observedGeneration": 2 } })).await;
    assert_eq!(
        (status.data["status"]["observedGeneration"].clone(), version(&status)),
        (json!(-1), version(&edited))
    );
    let same = merge(json!({ "spec": { "suspend": true } })).await;
    assert_eq!(version(&same), version(&edited), "what changes nothing is not written");
    let removed =
        merge(json!({ "spec": { "suspend": null }, "metadata": { "annotations": { "a": null } } })).await;
    assert_eq!((removed.metadata.generation, removed.annotations().len()), (Some(3), 0));
}

async fn an_applied_status_has_what_is_applied_and_nothing_that_no_longer_is(at: Place) {
    let made = at.made("acme").await;
    let both = json!({
        "observedGeneration": 1, "phase": "Syncing",
        "conditions": [condition("Ready", "Unknown"), condition("Reconciling", "True")],
    });
    let first = at.applies_status("us", "acme", both.clone()).await.unwrap();
    assert_eq!(
        (first.metadata.generation, types(&first)),
        (Some(1), vec!["Ready".into(), "Reconciling".into()])
    );
    assert_eq!(first.data["spec"], made.data["spec"]);
    let again = at.applies_status("us", "acme", both).await.unwrap();
    assert_eq!(version(&again), version(&first), "what is equal is not written");
    at.applies_status(
        "them",
        "acme",
        json!({ "observedGeneration": 1, "conditions": [condition("Theirs", "True")] }),
    )
    .await
    .unwrap();
    let one = json!({ "observedGeneration": 1, "conditions": [condition("Ready", "True")] });
    let second = at.applies_status("us", "acme", one).await.unwrap();
    assert_eq!(types(&second), ["Ready", "Theirs"]);
    assert_eq!(second.data["status"]["phase"], Value::Null);
    assert_eq!(second.data["status"]["conditions"][0]["status"], "True");
}

async fn what_another_owns_is_only_taken_by_force(at: Place) {
    at.made("acme").await;
    at.applies_status("them", "acme", json!({ "observedGeneration": 1, "phase": "Error" })).await.unwrap();
    let ours = of_status("acme", json!({}), json!({ "observedGeneration": 1, "phase": "Connected" }));
    let gently = at.connectors().patch_status("acme", &PatchParams::apply("us"), &Patch::Apply(&ours)).await;
    assert_eq!(refused(gently), (409, "Conflict".to_owned()));
    let by_force =
        at.connectors().patch_status("acme", &PatchParams::apply("us").force(), &Patch::Apply(&ours)).await;
    assert_eq!(by_force.unwrap().data["status"]["phase"], "Connected");
}

async fn a_status_is_only_applied_to_the_version_that_it_names(at: Place) {
    let made = at.made("acme").await;
    let status = json!({ "observedGeneration": 1 });
    let write = async |metadata: Value| {
        let patch = of_status("acme", metadata, status.clone());
        at.connectors().patch_status("acme", &PatchParams::apply("us").force(), &Patch::Apply(&patch)).await
    };
    let another = json!({ "uid": "00000000-0000-4000-8000-00000000abcd" });
    // The uid is no precondition of a status: what keeps it from an object made anew under the name is the version.
    write(another).await.unwrap();
    let made = at.connectors().get(&made.name_any()).await.unwrap();
    let of_now = json!({ "uid": made.uid(), "resourceVersion": made.resource_version() });
    at.connectors()
        .patch("acme", &PatchParams::default(), &Patch::Merge(json!({ "spec": { "suspend": true } })))
        .await
        .unwrap();
    assert_eq!(refused(write(of_now).await), (409, "Conflict".to_owned()));
    let nobody = at.applies_status("us", "nobody", status.clone()).await;
    assert_eq!(refused(nobody), (404, "NotFound".to_owned()));
}

async fn a_lease_is_replaced_only_by_who_saw_its_last_version(at: Place) {
    let leases: Api<Lease> = Api::namespaced(at.client.clone(), &at.namespace);
    let lease: Lease =
        serde_json::from_value(json!({ "metadata": { "name": "lead" }, "spec": { "holderIdentity": "a" } }))
            .unwrap();
    let made = leases.create(&PostParams::default(), &lease).await.unwrap();
    let replaced = leases.replace("lead", &PostParams::default(), &made).await.unwrap();
    let mut by_b = made.clone();
    by_b.spec.as_mut().unwrap().holder_identity = Some("b".to_owned());
    let taken = leases.replace("lead", &PostParams::default(), &by_b).await.unwrap();
    assert!(version(&taken) > version(&replaced));
    assert_eq!(
        refused(leases.replace("lead", &PostParams::default(), &made).await),
        (409, "Conflict".to_owned())
    );
    assert_eq!(refused(leases.get("nobody").await), (404, "NotFound".to_owned()));
}

async fn a_list_comes_in_pages_of_one_moment(at: Place) {
    for name in ["a", "b", "c", "d", "e"] {
        at.made(name).await;
    }
    let names = |list: &kube::core::ObjectList<DynamicObject>| {
        list.items.iter().map(|it| it.name_any()).collect::<Vec<_>>()
    };
    let first = at.connectors().list(&ListParams::default().limit(2)).await.unwrap();
    assert_eq!(names(&first), ["a", "b"]);
    at.connectors().delete("c", &DeleteParams::default()).await.unwrap();
    let token = first.metadata.continue_.clone().unwrap();
    let second = at.connectors().list(&ListParams::default().limit(2).continue_token(&token)).await.unwrap();
    assert_eq!(names(&second), ["c", "d"], "as it was when the list began");
    assert_eq!(second.metadata.resource_version, first.metadata.resource_version);
    let token = second.metadata.continue_.clone().unwrap();
    let third = at.connectors().list(&ListParams::default().limit(2).continue_token(&token)).await.unwrap();
    assert_eq!(
        (names(&third), third.metadata.continue_.unwrap_or_default()),
        (vec!["e".to_owned()], String::new())
    );
    assert_eq!(names(&at.connectors().list(&ListParams::default()).await.unwrap()), ["a", "b", "d", "e"]);
}

async fn a_watch_tells_what_came_after_a_version_in_order(at: Place) {
    let made = at.made("acme").await;
    let since = made.resource_version().unwrap();
    at.applies_status("us", "acme", json!({ "observedGeneration": 1 })).await.unwrap();
    at.made("other").await;
    at.connectors().delete("acme", &DeleteParams::default()).await.unwrap();
    let connectors = at.connectors();
    let events = connectors.watch(&WatchParams::default(), &since).await.unwrap();
    let mut events = pin!(events);
    let mut told = Vec::new();
    let mut last = 0;
    while told.len() < 3 {
        let event = tokio::time::timeout(SOON, events.try_next()).await.unwrap().unwrap().unwrap();
        let (what, object) = match event {
            WatchEvent::Added(object) => ("added", object),
            WatchEvent::Modified(object) => ("modified", object),
            WatchEvent::Deleted(object) => ("deleted", object),
            _ => continue,
        };
        assert!(version(&object) > last);
        last = version(&object);
        told.push(format!("{what} {}", object.name_any()));
    }
    assert_eq!(told, ["modified acme", "added other", "deleted acme"]);
}

async fn of_secrets_names_and_versions_can_be_had_alone(at: Place) {
    let made = at.secrets().create(&PostParams::default(), &secret("scalr")).await.unwrap();
    let listed = at.secrets().list_metadata(&ListParams::default()).await.unwrap();
    let listed: Vec<_> = listed.items.iter().filter(|it| it.name_any() == "scalr").collect();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].resource_version(), made.resource_version());
    assert!(!serde_json::to_string(&listed[0]).unwrap().contains("YQ=="));
    let secrets = at.secrets();
    let events =
        secrets.watch_metadata(&WatchParams::default(), &made.resource_version().unwrap()).await.unwrap();
    let mut events = pin!(events);
    let patch = json!({ "data": { "api-token": "Yg==" } });
    let rotated = at.secrets().patch("scalr", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    let event = tokio::time::timeout(SOON, events.try_next()).await.unwrap().unwrap().unwrap();
    let WatchEvent::Modified(seen) = event else { panic!("{event:?}") };
    assert_eq!((seen.name_any(), seen.resource_version()), ("scalr".to_owned(), rotated.resource_version()));
    assert_eq!(rotated.metadata.generation, None);
}

async fn an_event_is_made_once(at: Place) {
    let events: Api<Event> = Api::namespaced(at.client.clone(), &at.namespace);
    let event: Event = serde_json::from_value(json!({
        "metadata": { "name": "acme.1" }, "action": "Sync", "eventTime": "2026-11-22T10:00:00.000000Z", "reason": "Connected",
        "note": "Read 48 users.", "type": "Normal", "reportingController": "us", "reportingInstance": "us-0",
        "regarding": { "kind": "ScalrConnector", "name": "acme", "namespace": at.namespace },
    }))
    .unwrap();
    events.create(&PostParams::default(), &event).await.unwrap();
    assert_eq!(
        refused(events.create(&PostParams::default(), &event).await),
        (409, "AlreadyExists".to_owned())
    );
}

async fn what_has_a_finalizer_goes_only_without_it(at: Place) {
    let mut object = connector("acme");
    object.metadata.finalizers = Some(vec!["example.com/waits".to_owned()]);
    at.connectors().create(&PostParams::default(), &object).await.unwrap();
    at.connectors().delete("acme", &DeleteParams::default()).await.unwrap();
    let going = at.connectors().get("acme").await.unwrap();
    assert!(going.metadata.deletion_timestamp.is_some());
    assert_eq!(going.metadata.generation, Some(2));
    let patch = json!({ "metadata": { "finalizers": null } });
    at.connectors().patch("acme", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    assert_eq!(refused(at.connectors().get("acme").await), (404, "NotFound".to_owned()));
}

/// A test of each case on each server.
macro_rules! on_both {
    ($($case:ident),* $(,)?) => {
        mod in_memory {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::in_memory(stringify!($case))).await;
            })*
        }
        mod real {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::real(stringify!($case)).await).await;
            })*
        }
    };
}

on_both! {
    a_fresh_object_has_a_uid_a_generation_and_no_status_of_its_makers,
    the_generation_moves_with_the_spec_alone,
    an_applied_status_has_what_is_applied_and_nothing_that_no_longer_is,
    what_another_owns_is_only_taken_by_force,
    a_status_is_only_applied_to_the_version_that_it_names,
    a_lease_is_replaced_only_by_who_saw_its_last_version,
    a_list_comes_in_pages_of_one_moment,
    a_watch_tells_what_came_after_a_version_in_order,
    of_secrets_names_and_versions_can_be_had_alone,
    an_event_is_made_once,
    what_has_a_finalizer_goes_only_without_it,
}

/// A name that no two cases share, of what may be in one.
fn namespace(case: &str) -> String {
    case.replace('_', "-").chars().take(60).collect::<String>().trim_end_matches('-').to_owned()
}

fn in_memory(case: &str) -> Place {
    let (client, _) = World::api_server().connect("default");
    Place { client, namespace: namespace(case) }
}

async fn real(case: &str) -> Place {
    let control_plane = ControlPlane::shared().await.unwrap();
    static PREPARED: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    PREPARED
        .get_or_init(async || {
            kubectl(control_plane, &["apply", "-f", CRDS, "--server-side"]).await;
            kubectl(control_plane, &["wait", "--for=condition=Established", "crd", "--all"]).await;
        })
        .await;
    let namespace = namespace(case);
    kubectl(control_plane, &["create", "namespace", &namespace]).await;
    Place { client: control_plane.admin_client().unwrap(), namespace }
}

async fn kubectl(control_plane: &ControlPlane, arguments: &[&str]) {
    let output = control_plane.kubectl(arguments, None).await.unwrap();
    assert!(output.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
