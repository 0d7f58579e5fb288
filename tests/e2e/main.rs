//! Every way to install it, with the image, on a real node: real pods of a real kubelet. First the chart, from `helm
//! install` to `helm uninstall`, with what goes wrong in between, and the plugin; then one file, and the overlays. `make e2e`
//! runs it, as root, in namespaces that it makes.

// Clippy takes only functions marked as tests for tests, not what they share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

#[path = "../install/commands.rs"]
#[expect(dead_code, reason = "the other test types more")]
mod commands;
mod flux;
mod git;
mod guide;
mod history;
#[path = "../docs/pages.rs"]
#[expect(dead_code, reason = "the other test reads more of a page")]
mod pages;
mod paths;
mod plugin;
mod pods;
mod stage;
mod upstreams;
mod volume;

use std::time::Duration;

use connector_operator::api::{ConditionType, Phase, Trigger};

use stage::Stage;

/// A Lease lasts 15 s and is looked at every 2 s; a run and a slow machine have the rest.
const TAKEN_OVER: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root and namespaces of its own: make e2e"]
async fn every_path_on_a_real_node() {
    let stage = Stage::set().await;
    is_installed(&stage).await;
    let requests_of_a_run = connects(&stage).await;
    survives_the_death_of_its_leader(&stage, requests_of_a_run).await;
    is_upgraded_in_turn(&stage).await;
    follows_its_secret(&stage).await;
    plugin::tells_what_the_operator_has_read(&stage).await;
    says_that_the_disk_is_full_and_recovers(&stage).await;
    is_uninstalled(&stage).await;
    paths::lead_from_nothing_to_connected(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root, namespaces of its own and Flux's controllers: make gitops"]
async fn the_guide_on_flux_on_a_real_node() {
    let stage = Stage::set().await;
    flux::installs_it_and_keeps_it_so(&stage).await;
}

async fn is_installed(stage: &Stage) {
    stage.helm("install", "0.1.0").await;
    let pods = stage.pods().await;
    assert_eq!(pods.len(), 2, "{pods:?}");
    assert!(pods.iter().all(|pod| pod.restarts == 0), "{pods:?}");
    stage.say(
        "helm install --wait: two replicas are Ready, and the namespace enforces the standard `restricted`",
    );
    let policies =
        stage.cluster.kubectl("get networkpolicy connector-operator -n connector-system -o name").await;
    stage.say(&format!("{} is there; this node's bridge does not enforce it", policies.trim()));
}

/// Gives how many requests a run of the Scalr connector takes.
async fn connects(stage: &Stage) -> u64 {
    let begin = stage.now();
    stage.apply_connectors().await;
    stage.scalr.until("Connected", |status| status.phase == Some(Phase::Connected)).await;
    stage.planetscale.until("Connected", |status| status.phase == Some(Phase::Connected)).await;
    stage.say(&format!("both connectors are Connected, {:.1} s after they were applied", stage.since(begin)));
    stage.say_memory("after the first runs").await;
    stage.upstreams.scalr.stats().total()
}

/// The leader is killed in the middle of a run that somebody asked for. Whoever is first when its Lease has run out
/// leads then: the other pod, or the container that the kubelet has started in place of the one that died.
async fn survives_the_death_of_its_leader(stage: &Stage, requests_of_a_run: u64) {
    let (leader, former) = (stage.leader().await, stage.holder().await);
    let (runs, others) = (stage.scalr.runs(), stage.upstreams.planetscale.stats());
    stage.upstreams.scalr.set_latency(Duration::from_millis(500));
    stage.upstreams.scalr.reset_stats();
    stage.request("before-the-kill").await;
    stage.until("a request upstream", async || stage.upstreams.scalr.stats().in_flight > 0).await;
    let killed = stage.now();
    stage.kill(&leader).await;
    stage.say(&format!("kill -9 of the leader, {leader}, in the middle of a run"));
    stage.until("its connections are closed", async || stage.upstreams.scalr.stats().in_flight == 0).await;
    stage.upstreams.scalr.set_latency(Duration::ZERO);
    stage.upstreams.scalr.reset_stats();

    stage.until("another leads", async || stage.holder().await != former).await;
    stage.say(&format!("{} leads, {:.1} s after the kill", stage.leader().await, stage.since(killed)));
    let done = stage.scalr.until_handled("before-the-kill").await;
    let took = stage.since(killed);
    stage.say(&format!("the run that was cut off is done by it, {took:.1} s after the kill"));
    assert!(took < TAKEN_OVER.as_secs_f64(), "{took} s");
    assert_eq!(done.last_sync.unwrap().trigger, Trigger::Requested);
    assert_eq!(stage.upstreams.scalr.stats().total(), requests_of_a_run, "it was read once, whole");
    assert_eq!(stage.scalr.runs(), runs + 1, "one more run has ended: {:#?}", stage.scalr.seen());
    assert_eq!(stage.upstreams.planetscale.stats(), others, "the other connector was not due");
    stage.until_ready(2).await;
    let restarted = stage.pods().await.into_iter().find(|pod| pod.name == leader).unwrap();
    assert_eq!(restarted.restarts, 1);
    stage.say(&format!("{leader} runs again; {requests_of_a_run} requests upstream, which is one run: none repeated, none lost"));
}

async fn is_upgraded_in_turn(stage: &Stage) {
    let (before, runs) = (stage.pods().await, stage.scalr.runs());
    let asked = stage.upstreams.requests();
    let begin = stage.now();
    stage.helm("upgrade", "next").await;
    stage.say(&format!(
        "helm upgrade --wait to another tag: {:.1} s, one pod after the other",
        stage.since(begin)
    ));
    stage.until_gone(&before).await;
    let after = stage.pods().await;
    assert_eq!(after.len(), 2, "{after:?}");
    assert!(after.iter().all(|pod| pod.image.ends_with(":next") && pod.restarts == 0), "{after:?}");
    assert!(after.iter().all(|pod| before.iter().all(|former| former.name != pod.name)), "{after:?}");
    let leads = async || {
        let leader = stage.leader().await;
        after.iter().any(|pod| pod.name == leader)
    };
    stage.until("one of the new pods leads", leads).await;
    assert_eq!(
        (stage.upstreams.requests(), stage.scalr.runs()),
        (asked, runs),
        "nothing was due, so nothing was read"
    );
    let leader = stage.leader().await;
    stage.say(&format!(
        "{leader} leads, {:.1} s after the upgrade began; nothing was read for it",
        stage.since(begin)
    ));
    stage.request("after-the-upgrade").await;
    stage.scalr.until_handled("after-the-upgrade").await;
    assert_eq!(stage.scalr.runs(), runs + 1);
    stage.say("it reads when it is asked to");
}

async fn follows_its_secret(stage: &Stage) {
    let runs = stage.scalr.runs();
    stage.upstreams.scalr.set_token("another-simulated-token").unwrap();
    let begin = stage.now();
    stage.rotate("another-simulated-token").await;
    let status = stage
        .scalr
        .until("read with the new token", |status| {
            status.phase == Some(Phase::Connected)
                && status.last_sync.as_ref().is_some_and(|sync| {
                    sync.trigger == Trigger::SecretChanged && sync.completion_time.is_some()
                })
        })
        .await;
    assert_eq!(status.consecutive_failures.unwrap_or_default(), 0);
    assert_eq!(stage.scalr.runs(), runs + 1);
    stage.say(&format!(
        "the Secret has another token: read with it {:.1} s later, unasked",
        stage.since(begin)
    ));
}

async fn says_that_the_disk_is_full_and_recovers(stage: &Stage) {
    let published = stage.scalr.now().last_published.unwrap().id;
    stage.volume.fill();
    stage.request("without-room").await;
    let failed = stage.scalr.until("Error", |status| status.phase == Some(Phase::Error)).await;
    let ready = failed.condition(ConditionType::Ready).unwrap();
    assert_eq!(
        (ready.status.as_str(), ready.reason.as_str()),
        ("False", "SnapshotFailed"),
        "{}",
        ready.message
    );
    assert!(ready.message.contains("No space left on device"), "{}", ready.message);
    assert_eq!(failed.last_published.as_ref().unwrap().id, published, "what was published stays");
    stage.say(&format!("the volume is full, and the status says: {}", ready.message));

    stage.volume.make_room();
    let begin = stage.now();
    let healed = stage.scalr.until("Connected", |status| status.phase == Some(Phase::Connected)).await;
    assert_ne!(healed.last_published.unwrap().id, published);
    stage.say(&format!("there is room: Connected by itself, {:.1} s later", stage.since(begin)));
    stage.say_memory("at the end").await;
}

async fn is_uninstalled(stage: &Stage) {
    let begin = stage.now();
    let before = stage.pods().await;
    stage.cluster.helm("uninstall connector-operator -n connector-system --wait").await;
    stage.until_gone(&before).await;
    stage.say(&format!("helm uninstall: the pods are gone after {:.1} s", stage.since(begin)));
    let (namespaced, others) = (
        "deployment,service,networkpolicy,pdb,role,rolebinding,serviceaccount",
        "clusterrole,clusterrolebinding",
    );
    for gone in [format!("{namespaced} -n connector-system"), others.to_owned()] {
        let left = stage
            .cluster
            .kubectl(&format!("get {gone} -l app.kubernetes.io/instance=connector-operator -o name"))
            .await;
        assert_eq!(left, "");
    }
    for kept in [
        "scalr acme -n identity",
        "pscale planetscale -n identity",
        "pvc connector-operator-snapshots -n connector-system",
    ] {
        assert!(stage.cluster.has(kept).await, "{kept} is gone");
    }
    assert!(stage.volume.snapshots() > 0, "the snapshots are left");
    stage.say("the CRDs, the connectors, the claim and the snapshots are left");
}
