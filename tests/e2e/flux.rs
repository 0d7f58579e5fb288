//! Flux, as its guide says: the real source-controller, helm-controller and kustomize-controller install the operator and its
//! connectors from two Git repositories, and then do what a commit or somebody's hand asks for. `make gitops` runs it.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};
use testbed::{Managed, probe, tools};

use crate::commands::ROOT;
use crate::git::{GitServer, Repository};
use crate::guide::Guide;
use crate::paths::{authorities, connectors, file};
use crate::stage::{SOON, Stage, variable};

/// Its controllers, with the port of each one's metrics; that of its health is one more.
const CONTROLLERS: [(&str, u16); 3] =
    [("source-controller", 9800), ("kustomize-controller", 9810), ("helm-controller", 9820)];
/// How somebody tells Flux to look now, and not at the end of its interval.
const LOOK: &str = "reconcile.fluxcd.io/requestedAt";
const OPERATOR: &str = "helmrelease/connector-operator";
const CONNECTORS: &str = "kustomization/connectors";

/// All that plays a part besides the stage.
struct Flux<'a> {
    stage: &'a Stage,
    /// A copy of this repository, for the operator.
    ours: Repository,
    /// The reader's own, for the connectors.
    access: Repository,
    _controllers: Vec<Managed>,
}

pub(crate) async fn installs_it_and_keeps_it_so(stage: &Stage) {
    let flux = Flux::start(stage).await;
    let begin = stage.now();
    flux.installs_the_operator().await;
    flux.makes_the_connectors().await;
    stage.say(&format!("from nothing to both Connected by Flux: {:.1} s", stage.since(begin)));
    flux.follows_a_commit().await;
    flux.puts_right_what_somebody_changed().await;
    flux.fails_with_a_wrong_token().await;
    flux.prunes_what_a_commit_removes().await;
    flux.removes_it_all().await;
}

impl<'a> Flux<'a> {
    async fn start(stage: &'a Stage) -> Self {
        for folder in variable("E2E_FLUX_CRDS").split(':') {
            stage.cluster.kubectl(&format!("apply --server-side -f {folder}")).await;
        }
        stage.cluster.until_served().await;
        stage.cluster.kubectl("create namespace flux-system").await;
        let mut controllers = Vec::new();
        for (name, port) in CONTROLLERS {
            controllers.push(controller(stage, name, port).await);
        }
        let server = GitServer::start(&stage.folder.join("git"), stage.upstreams.hosts[0]).await;
        let [ours, access] = ["connector-operator", "access"].map(|name| server.repository(name));
        ours.copy(&Path::new(ROOT).join("charts"));
        ours.commit("A version");
        stage.say(&format!("Flux runs: {}", variable("E2E_FLUX_VERSIONS")));
        Self { stage, ours, access, _controllers: controllers }
    }

    /// By the file that the guide has one copy, with what it says to edit.
    async fn installs_the_operator(&self) {
        let mut objects = documents("operator.yaml");
        let [source, release] = objects.as_mut_slice() else { panic!("{objects:#?}") };
        source["spec"]["url"] = self.ours.url.as_str().into();
        release["spec"]["values"]["allowedHosts"] = json!({ "upstream": self.stage.upstreams.hosts });
        let begin = self.stage.now();
        self.apply(&objects).await;
        self.until(OPERATOR, "condition=Ready").await;
        let took = self.stage.since(begin);
        self.stage
            .say(&format!("{OPERATOR} is Ready {took:.1} s after it and its GitRepository were applied"));
    }

    async fn makes_the_connectors(&self) {
        let namespace =
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "identity" } });
        let bundles = authorities(self.stage);
        self.access.write("connectors/identity.yaml", &file(&[&namespace, &bundles[0], &bundles[1]]));
        let [scalr, planetscale] = self.connectors().await;
        self.access.write("connectors/acme.yaml", &file(&[&scalr, &self.token("scalr-acme", "api-token")]));
        let token = self.token("planetscale", "service-token");
        self.access.write("connectors/planetscale.yaml", &file(&[&planetscale, &token]));
        let revision = self.access.commit("Two connectors");
        let source = json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
            "metadata": { "name": "access", "namespace": "flux-system" },
            "spec": { "interval": "10m", "url": self.access.url, "ref": { "branch": "main" } },
        });
        let begin = self.stage.now();
        self.apply(&[source, kustomization()]).await;
        self.until_applied(&revision).await;
        // Flux has waited for this, so nobody else needs to.
        assert_eq!(
            [self.phase("scalr acme").await, self.phase("pscale planetscale").await],
            ["Connected"; 2]
        );
        let took = self.stage.since(begin);
        self.stage.say(&format!(
            "{CONNECTORS} is Ready {took:.1} s after it was applied, and both connectors are Connected"
        ));
    }

    async fn follows_a_commit(&self) {
        let [mut scalr, _] = self.connectors().await;
        scalr["spec"]["schedule"] = json!({ "cron": "0 6 * * 1-5", "timeZone": "Europe/Prague" });
        self.access.write("connectors/acme.yaml", &file(&[&scalr, &self.token("scalr-acme", "api-token")]));
        let took = self.commit("Scalr is read on weekdays").await;
        let object = self.stage.cluster.get("scalr acme -n identity").await;
        assert_eq!(object["spec"]["schedule"], scalr["spec"]["schedule"]);
        assert_eq!(object["status"]["observedGeneration"], object["metadata"]["generation"]);
        assert_eq!(object["status"]["phase"], "Connected");
        self.stage.say(&format!("a commit with another schedule: applied and healthy {took:.1} s later"));
    }

    async fn puts_right_what_somebody_changed(&self) {
        let patch = json!({ "spec": { "owner": "eve@example.com" } }).to_string();
        self.stage.cluster.kubectl(&format!("patch scalr acme -n identity --type=merge -p {patch}")).await;
        self.stage
            .cluster
            .kubectl("scale deployment connector-operator -n connector-system --replicas=0")
            .await;
        let begin = self.stage.now();
        for object in [CONNECTORS, OPERATOR] {
            self.look(object, "somebody-changed-something").await;
        }
        self.until_in("identity", "scalr/acme", "jsonpath={.spec.owner}=ada@example.com").await;
        self.stage.say(&format!(
            "spec.owner, set by hand, is what Git says {:.1} s later",
            self.stage.since(begin)
        ));
        self.until_in("connector-system", "deployment/connector-operator", "jsonpath={.spec.replicas}=1")
            .await;
        let rollout = "rollout status deployment/connector-operator -n connector-system --timeout=90s";
        self.stage.cluster.kubectl(rollout).await;
        let took = self.stage.since(begin);
        self.stage.say(&format!("the Deployment, scaled to 0 by hand, is available again after {took:.1} s"));
    }

    async fn fails_with_a_wrong_token(&self) {
        let [mut scalr, _] = self.connectors().await;
        scalr["spec"]["apiTokenSecretRef"]["name"] = "scalr-acme-next".into();
        let secret = secret("scalr-acme-next", "api-token", "a-token-that-scalr-does-not-know");
        self.access.write("connectors/acme.yaml", &file(&[&scalr, &secret]));
        let revision = self.access.commit("Another token");
        let begin = self.stage.now();
        self.look("gitrepository/access", &revision).await;
        self.until(CONNECTORS, &format!("jsonpath={{.status.lastAttemptedRevision}}={revision}")).await;
        self.until(
            CONNECTORS,
            "jsonpath={.status.conditions[?(@.type==\"Ready\")].reason}=HealthCheckFailed",
        )
        .await;
        let took = self.stage.since(begin);
        let of_flux = self.message("kustomization connectors -n flux-system").await;
        assert!(of_flux.contains("ScalrConnector/identity/acme status: 'Failed'"), "{of_flux}");
        let of_ours = self.message("scalr acme -n identity").await;
        assert!(of_ours.contains("401"), "{of_ours}");
        self.stage
            .say(&format!("a commit with a wrong token: {CONNECTORS} says after {took:.1} s: {of_flux}"));
        self.stage.say(&format!("and the connector: {of_ours}"));

        let [scalr, _] = self.connectors().await;
        self.access.write("connectors/acme.yaml", &file(&[&scalr, &self.token("scalr-acme", "api-token")]));
        let took = self.commit("The token from before").await;
        assert_eq!(self.phase("scalr acme").await, "Connected");
        self.stage.say(&format!("it is reverted: healthy {took:.1} s later"));
    }

    async fn prunes_what_a_commit_removes(&self) {
        let mut kustomization = kustomization();
        kustomization["spec"]["healthChecks"].as_array_mut().unwrap().retain(|it| it["name"] == "acme");
        self.apply(&[kustomization]).await;
        self.access.remove("connectors/planetscale.yaml");
        let took = self.commit("PlanetScale is not read any more").await;
        assert!(!self.stage.cluster.has("pscale planetscale -n identity").await);
        assert!(!self.stage.cluster.has("secret planetscale -n identity").await);
        assert_eq!(self.phase("scalr acme").await, "Connected");
        self.stage.say(&format!(
            "a commit without the other connector: it and its Secret are pruned {took:.1} s later"
        ));
    }

    async fn removes_it_all(&self) {
        let begin = self.stage.now();
        for object in [CONNECTORS, OPERATOR] {
            self.stage.cluster.kubectl(&format!("delete {object} -n flux-system --timeout=90s")).await;
        }
        assert!(!self.stage.cluster.has("scalr -n identity").await);
        assert!(!self.stage.cluster.has("deployment -n connector-system").await);
        let took = self.stage.since(begin);
        self.stage.say(&format!("both are deleted: connectors and operator are gone after {took:.1} s"));
    }

    async fn connectors(&self) -> [Value; 2] {
        connectors(self.stage, &Guide::open(self.stage, "kubectl").await)
    }

    /// The Secret of a connector, with the token that is right.
    fn token(&self, name: &str, key: &str) -> Value {
        let upstreams = &self.stage.upstreams;
        let token = if key == "api-token" { upstreams.scalr.token() } else { upstreams.planetscale.token() };
        secret(name, key, &token)
    }

    async fn apply(&self, objects: &[Value]) {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        self.stage.cluster.feed("apply --server-side -f -", Some(&list.to_string())).await;
    }

    /// Commits, has Flux look, and gives how long it was until that was applied and healthy.
    async fn commit(&self, message: &str) -> f64 {
        let revision = self.access.commit(message);
        let begin = self.stage.now();
        self.look("gitrepository/access", &revision).await;
        self.until_applied(&revision).await;
        self.stage.since(begin)
    }

    /// What `flux reconcile` does.
    async fn look(&self, object: &str, value: &str) {
        self.stage
            .cluster
            .kubectl(&format!("annotate {object} -n flux-system --overwrite {LOOK}={value}"))
            .await;
    }

    async fn until_applied(&self, revision: &str) {
        self.until(CONNECTORS, &format!("jsonpath={{.status.lastAppliedRevision}}={revision}")).await;
    }

    async fn until(&self, object: &str, so: &str) {
        self.until_in("flux-system", object, so).await;
    }

    async fn until_in(&self, namespace: &str, object: &str, so: &str) {
        self.stage.cluster.kubectl(&format!("wait {object} -n {namespace} --for={so} --timeout=90s")).await;
    }

    async fn phase(&self, connector: &str) -> String {
        self.stage
            .cluster
            .kubectl(&format!("get {connector} -n identity -o jsonpath={{.status.phase}}"))
            .await
    }

    /// What Ready says.
    async fn message(&self, object: &str) -> String {
        let jsonpath = "jsonpath={.status.conditions[?(@.type==\"Ready\")].message}";
        self.stage.cluster.kubectl(&format!("get {object} -o {jsonpath}")).await
    }
}

fn secret(name: &str, key: &str, value: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": { key: value } })
}

/// The connectors' Kustomization as the guide has it, without SOPS, since nothing here is encrypted.
fn kustomization() -> Value {
    let mut kustomization = documents("connectors.yaml").remove(0);
    kustomization["spec"].as_object_mut().unwrap().remove("decryption");
    kustomization
}

/// The objects in a file that the guide has one copy.
fn documents(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(format!("{ROOT}/deploy/gitops/flux/{file}")).unwrap();
    let documents = serde_yaml::Deserializer::from_str(&text).map(|it| Value::deserialize(it).unwrap());
    documents.filter(|document| !document.is_null()).collect()
}

async fn controller(stage: &Stage, name: &'static str, port: u16) -> Managed {
    let program = tools::locate_async(name).await.unwrap();
    let folder: PathBuf = stage.folder.join("flux").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let control_plane = &stage.cluster.control_plane;
    let mut process =
        Managed::spawn(name, &program, &control_plane.logs().join(format!("{name}.log")), |command| {
            command
                .env("KUBECONFIG", control_plane.admin_kubeconfig())
                .env("RUNTIME_NAMESPACE", "flux-system")
                .env("HOME", &folder)
                .arg(format!("--metrics-addr=127.0.0.1:{port}"))
                .arg(format!("--health-addr=127.0.0.1:{}", port + 1));
            if name == "source-controller" {
                command
                    .arg(format!("--storage-path={}", folder.display()))
                    .args(["--storage-addr=127.0.0.1:9790", "--storage-adv-addr=127.0.0.1:9790"]);
            }
        })
        .unwrap();
    let health = (Ipv4Addr::LOCALHOST, port + 1).into();
    process.wait_until("ready", SOON, || probe::answers_ok(health, "/readyz")).await.unwrap();
    process
}
