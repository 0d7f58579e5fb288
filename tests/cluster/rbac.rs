//! The rights that people deploy are the rights that the operator has in these tests, so that one that is missing
//! fails a test. Here: that there is none too many, by the API server's own audit of what the operator asks for.

mod audit;

use std::path::Path;
use std::time::{Duration, Instant};

use connector_operator::api::{ConditionType, PlanetScaleConnector, ScalrConnector};
use connector_simulator::{
    C1Config, C1Simulator, PlanetScaleConfig, PlanetScaleSimulator, ScalrConfig, ScalrSimulator, TaskSpec,
};
use serde_json::{Value, json};
use testbed::ControlPlane;

use self::audit::{Audit, granted, table};
use crate::c1::{C1_SECRET, for_c1, secret_of, trust, until_delivering};
use crate::operator::{Operator, SOON, kubectl, prepare, shared_control_plane};
use crate::place::{Place, is_held};
use crate::upstream::{PLANETSCALE_SECRET, SCALR_SECRET, planetscale_spec, scalr_spec, with};

/// The namespace of the operator's ServiceAccount.
pub(crate) const NAMESPACE: &str = "connector-system";
/// The name of the operator's ServiceAccount.
pub(crate) const ACCOUNT: &str = "connector-operator";

/// ServiceAccount, ClusterRole and binding, as they are deployed.
pub(crate) const RULES: &str = include_str!("../../deploy/cluster-wide/rbac.yaml");

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

/// An operator that leads, with what it may write kept in this folder.
async fn leading_operator(control_plane: &ControlPlane, folder: &Path, c1: &C1Simulator) -> Operator {
    let flags = [
        "--leader-election=true".to_owned(),
        format!("--lease-namespace={NAMESPACE}"),
        format!("--c1-api-host={}", c1.host()),
    ];
    Operator::start_with(control_plane, folder, &flags).await
}

/// Everything that an operator does: leading, first runs, a failure, a CA bundle from either kind of object, C1, a hold,
/// a changed Secret, a suspension, a deletion.
async fn a_full_life(place: &Place<'_>, c1: &C1Simulator) {
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let planetscale = PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap();
    let client = c1.client(0).unwrap();
    trust(place, c1).await;
    place.put_secret("ca-in-a-secret", "ca.crt", c1.ca_pem()).await;
    place.put_secret_of(C1_SECRET, &secret_of(&client)).await;
    place.put_secret(PLANETSCALE_SECRET.0, PLANETSCALE_SECRET.1, &planetscale.token()).await;

    place.apply::<ScalrConnector>("acme", &for_c1(scalr_spec(&scalr), C1_SECRET)).await;
    place.until_condition::<ScalrConnector>("acme", ConditionType::Ready, "False/SecretNotFound").await;
    place.put_secret(SCALR_SECRET.0, SCALR_SECRET.1, &scalr.token()).await;
    let acme = until_delivering::<ScalrConnector>(place, "acme").await;
    let task = c1.give(client.index, TaskSpec::sync_full()).unwrap();
    c1.until_finished(&task, SOON).await.unwrap();
    for user in scalr.truth().users.iter().take(30) {
        scalr.remove_user(&user.email).unwrap();
    }
    place.request::<ScalrConnector>("acme", "now").await;
    place.until::<ScalrConnector>("acme", "Held", is_held).await;
    place.until_told(&acme, "RemovalsHeld").await;

    let bundle: Value = json!({ "caBundleRef": { "kind": "Secret", "name": "ca-in-a-secret" } });
    let spec = with(planetscale_spec(&planetscale), bundle);
    place.apply::<PlanetScaleConnector>("all", &spec).await;
    place.until_connected::<PlanetScaleConnector>("all").await;
    place.apply::<PlanetScaleConnector>("all", &with(spec, json!({ "suspend": true }))).await;
    place.until_condition::<PlanetScaleConnector>("all", ConditionType::Syncing, "False/Suspended").await;
    place.delete::<ScalrConnector>("acme").await;
    place.delete::<PlanetScaleConnector>("all").await;
}

/// The API server was asked whether so many connectors are gone, and they are.
async fn until_found_deleted(operator: &Operator, connectors: usize) {
    let deadline = Instant::now() + SOON;
    let marked = || operator.files().iter().filter(|file| file.ends_with("deleted-since")).count();
    while marked() < connectors {
        assert!(Instant::now() < deadline, "{:#?}", operator.files());
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

#[tokio::test]
async fn every_right_is_used_and_every_use_is_granted() {
    let user = format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}");
    let control_plane = ControlPlane::builder().audited(user).start().await.unwrap();
    prepare(&control_plane).await;
    let c1 = C1Simulator::start(C1Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let operator = leading_operator(&control_plane, folder.path(), &c1).await;
    let place = Place::on(&control_plane, "identity").await;
    a_full_life(&place, &c1).await;
    // Another that takes over, and finds snapshots whose connectors are gone.
    assert!(operator.terminate().await.success());
    let operator = leading_operator(&control_plane, folder.path(), &c1).await;
    until_found_deleted(&operator, 2).await;
    assert!(operator.terminate().await.success());

    let audit = Audit::of(&control_plane.audit_log().unwrap().news().unwrap());
    let granted = granted(RULES);
    println!("{}", table(&granted, &audit.used));
    assert_eq!(audit.refused, Vec::<String>::new(), "nothing was refused");
    assert_eq!(audit.used.keys().collect::<Vec<_>>(), granted.iter().collect::<Vec<_>>());
}
