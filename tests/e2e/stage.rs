//! All that plays a part: the node, the cluster, the upstreams, the volume; and the log of what happens.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use connector_operator::api::{PlanetScaleConnector, REQUESTED_AT, ScalrConnector};
use serde_json::{Value, json};
use testbed::ControlPlane;
use testbed::node::{Bridge, Node, Settings};

use crate::commands::Cluster;
use crate::history::History;
use crate::pods::{Pod, memory};
use crate::upstreams::Upstreams;
use crate::volume::Volume;

pub(crate) const SOON: Duration = Duration::from_secs(90);
const IMAGE: &str = "docker.io/library/connector-operator:0.1.0";
/// Where the pages have the image.
const REGISTRY: &str = "registry.corp.example";
const PODS: &str = "-n connector-system -l app.kubernetes.io/name=connector-operator";

/// All that plays a part.
pub(crate) struct Stage {
    begin: Instant,
    pub(crate) cluster: Cluster,
    node: Node,
    pub(crate) upstreams: Upstreams,
    pub(crate) volume: Volume,
    pub(crate) scalr: History,
    pub(crate) planetscale: History,
    pub(crate) folder: PathBuf,
}

/// What `tools/e2e` says of this machine.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `make e2e` or `make gitops`"))
}

impl Stage {
    /// A cluster with one node that is Ready, the image on it, and nothing installed.
    pub(crate) async fn set() -> Self {
        let begin = Instant::now();
        let folder = std::env::temp_dir();
        let image = PathBuf::from(variable("E2E_IMAGE"));
        let bridge = Bridge::create().unwrap();
        let upstreams = Upstreams::start(&bridge).await;
        let builder = ControlPlane::builder().address(bridge.address()).controller_manager(true);
        let control_plane = builder.start().await.unwrap();
        let settings = Settings {
            cgroup: variable("E2E_CGROUP"),
            sandbox: (variable("E2E_SANDBOX").into(), "docker.io/library/sandbox:1".to_owned()),
        };
        let node = Node::start(&control_plane, &bridge, &settings).await.unwrap();
        node.import(&image).await.unwrap();
        for name in [IMAGE.replace(":0.1.0", ":next"), IMAGE.replace("docker.io/library", REGISTRY)] {
            node.tag(IMAGE, &name).await.unwrap();
        }
        let client = || control_plane.admin_client().unwrap();
        let stage = Self {
            begin,
            scalr: History::of::<ScalrConnector>(client(), "acme"),
            planetscale: History::of::<PlanetScaleConnector>(client(), "planetscale"),
            cluster: Cluster { control_plane },
            node,
            upstreams,
            volume: Volume::mount(&folder),
            folder,
        };
        stage.say(&format!("a node is Ready: {}", stage.versions().await));
        stage.say(&format!("the image is {:.1} MB compressed", image_size(&image)));
        stage.prepare().await;
        stage
    }

    /// What exists before somebody installs: a namespace that lets in nothing but restricted pods, and a volume.
    async fn prepare(&self) {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": "connector-system", "labels": { "pod-security.kubernetes.io/enforce": "restricted" } },
        });
        let objects =
            json!({ "apiVersion": "v1", "kind": "List", "items": [namespace, self.volume.object()] });
        self.cluster.feed("apply -f -", Some(&objects.to_string())).await;
    }

    async fn versions(&self) -> String {
        let node = self.cluster.get("node node").await;
        let info = &node["status"]["nodeInfo"];
        let [kubelet, runtime, kernel] = ["kubeletVersion", "containerRuntimeVersion", "kernelVersion"]
            .map(|name| info[name].as_str().unwrap().to_owned());
        format!("kubelet {kubelet}, {runtime}, kernel {kernel}")
    }

    /// Says what has happened, and when.
    pub(crate) fn say(&self, what: &str) {
        println!("{:7.1} s  {what}", self.begin.elapsed().as_secs_f64());
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::now()
    }

    /// Seconds since then.
    pub(crate) fn since(&self, then: Instant) -> f64 {
        then.elapsed().as_secs_f64()
    }

    /// `helm install` or `helm upgrade` of the operator with the image of this tag, until all is ready.
    pub(crate) async fn helm(&self, verb: &str, tag: &str) {
        let values = json!({
            "replicaCount": 2,
            "image": { "pullPolicy": "Never", "tag": tag },
            "snapshots": { "persistentVolumeClaim": { "accessModes": ["ReadWriteMany"], "storageClassName": "" } },
            "allowedHosts": { "upstream": self.upstreams.hosts },
        });
        let file = self.write("values.json", &values);
        self.cluster
            .helm(&format!(
                "{verb} connector-operator charts/connector-operator -n connector-system --wait --timeout 120s -f {}",
                file.display()
            ))
            .await;
    }

    /// Installs the chart of connectors with one for each upstream.
    pub(crate) async fn apply_connectors(&self) {
        let file = self.write("connectors.json", &self.upstreams.connectors());
        let file = file.display();
        self.cluster
            .helm(&format!("install connectors charts/connectors -n identity --create-namespace -f {file}"))
            .await;
    }

    fn write(&self, name: &str, values: &Value) -> PathBuf {
        let file = self.folder.join(name);
        std::fs::write(&file, values.to_string()).unwrap();
        file
    }

    /// Asks for a run of the Scalr connector.
    pub(crate) async fn request(&self, value: &str) {
        self.cluster
            .kubectl(&format!("annotate scalr acme -n identity --overwrite {REQUESTED_AT}={value}"))
            .await;
    }

    /// Puts another token into the Secret of the Scalr connector.
    pub(crate) async fn rotate(&self, token: &str) {
        let patch = json!({ "stringData": { "api-token": token } }).to_string();
        self.cluster.kubectl(&format!("patch secret scalr-acme -n identity -p {patch}")).await;
    }

    /// The operator's pods, without those that are ending.
    pub(crate) async fn pods(&self) -> Vec<Pod> {
        Pod::all(&self.cluster.get(&format!("pods {PODS}")).await)
    }

    /// Who holds the Lease: the name of its pod, and what tells it from what ran in that pod before.
    pub(crate) async fn holder(&self) -> String {
        let lease = self.cluster.get("lease connector-operator -n connector-system").await;
        lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
    }

    /// Which pod leads.
    pub(crate) async fn leader(&self) -> String {
        self.holder().await.rsplit_once('_').map(|(pod, _)| pod.to_owned()).unwrap_or_default()
    }

    /// Ends the operator in a pod as the kernel does when there is no memory.
    pub(crate) async fn kill(&self, pod: &str) {
        let process = self.process_in(pod).await;
        let killed = std::process::Command::new("kill").args(["-KILL", &process.to_string()]).status();
        assert!(killed.unwrap().success());
    }

    async fn process_in(&self, pod: &str) -> i32 {
        let pod = self.pods().await.into_iter().find(|it| it.name == pod).unwrap();
        self.node.process_of(&pod.container).await.unwrap()
    }

    /// Says what the cgroups of the pods count.
    pub(crate) async fn say_memory(&self, when: &str) {
        let leader = self.leader().await;
        for pod in self.pods().await {
            let [all, most, own] = memory(self.process_in(&pod.name).await);
            let role = if pod.name == leader { "leader" } else { "follower" };
            self.say(&format!("memory of the {role} {when}: {own:.1} MiB its own, {all:.1} MiB with files, {most:.1} MiB at most"));
        }
    }

    /// Waits until it is so.
    pub(crate) async fn until(&self, what: &str, so: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + SOON;
        while !so().await {
            assert!(Instant::now() < deadline, "in time: {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until so many pods are ready.
    pub(crate) async fn until_ready(&self, count: usize) {
        let ready = async || self.pods().await.iter().filter(|pod| pod.ready).count() == count;
        self.until("all pods are ready", ready).await;
    }

    /// A Secret of connectors.
    pub(crate) async fn secret(&self, name: &str, key: &str, value: &str) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name, "namespace": "identity" },
            "stringData": { key: value },
        });
        self.cluster.feed("apply -f -", Some(&secret.to_string())).await;
    }

    /// Waits until both connectors are Connected, on a server that knows nothing of them from before.
    pub(crate) async fn until_both_are_connected(&self) {
        for connector in ["scalr/acme", "pscale/planetscale"] {
            self.cluster
                .kubectl(&format!(
                    "wait -n identity {connector} --for=jsonpath={{.status.phase}}=Connected --timeout=90s"
                ))
                .await;
        }
    }

    /// Removes what `helm uninstall` leaves.
    pub(crate) async fn remove_what_helm_leaves(&self) {
        let crds =
            "scalrconnectors.connectors.conductorone.com planetscaleconnectors.connectors.conductorone.com";
        self.cluster.kubectl(&format!("delete crd {crds}")).await;
        self.remove("namespace connector-system").await;
    }

    /// Removes what was installed, and the namespace of the connectors; then nothing is left, and the volume is as new.
    pub(crate) async fn remove(&self, what: &str) {
        let begin = Instant::now();
        let delete = format!("delete {what}");
        tokio::join!(self.cluster.kubectl(&delete), self.cluster.kubectl("delete namespace identity"));
        let left = self
            .cluster
            .kubectl(
                "get crd,clusterrole,clusterrolebinding -l app.kubernetes.io/name=connector-operator -o name",
            )
            .await;
        assert_eq!(left, "");
        assert!(!self.cluster.has("namespace connector-system").await);
        self.say(&format!("removed by kubectl delete: nothing is left after {:.1} s", self.since(begin)));
        self.cluster.kubectl("delete pv snapshots").await;
        self.volume.clear();
        self.cluster.feed("apply -f -", Some(&self.volume.object().to_string())).await;
    }

    /// Waits until these pods are gone altogether.
    pub(crate) async fn until_gone(&self, pods: &[Pod]) {
        for pod in pods {
            self.cluster
                .kubectl(&format!("wait pod/{} -n connector-system --for=delete --timeout=60s", pod.name))
                .await;
        }
    }
}

/// Of all that is fetched for an image, in MB: what the layout beside its archive has.
fn image_size(archive: &Path) -> f64 {
    let blobs = std::fs::read_dir(archive.with_file_name("oci/blobs/sha256")).unwrap();
    blobs.map(|blob| blob.unwrap().metadata().unwrap().len()).sum::<u64>() as f64 / 1e6
}

impl Drop for Stage {
    /// What the pods and the kubelet said goes with the namespaces, so it is shown where it is needed.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let logs = self.cluster.control_plane.logs();
            let _ = std::process::Command::new("sh")
                .args(["-c", "tail -n 15 \"$0\"/kubelet.log \"$0\"/containerd.log; tail -n 40 \"$0\"/../node/pod-logs/*/*/*.log"])
                .arg(logs)
                .status();
        }
    }
}
