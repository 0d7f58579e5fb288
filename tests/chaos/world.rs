//! What outlives an operator: the API server, the folder of snapshots, the upstreams, C1, the time; and what people do.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use connector_operator::api::{
    ACCEPT_REMOVALS, ConnectorObject, PlanetScaleConnector, REQUESTED_AT, ScalrConnector,
};
use connector_simulator::c1::{GivenTask, Progress};
use connector_simulator::{
    C1Config, C1Simulator, OrganizationSize, PlanetScaleConfig, PlanetScaleSimulator, ScalrConfig,
    ScalrSimulator,
};
use in_memory_api_server::{ApiServer, Kind};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::schema;
use crate::time::Wall;

/// All kinds, by the plural names of their objects.
pub const KINDS: [(&str, &str); 2] =
    [("scalrconnectors", ScalrConnector::KIND), ("planetscaleconnectors", PlanetScaleConnector::KIND)];
/// Where all connectors are.
pub const NAMESPACE: &str = "identity";

const SCALR_TOKEN: &str = "scalr-token-canary";
const PLANETSCALE_TOKEN: &str = "canary:pscale_tkn_canary";

/// Where upstreams and C1 run, on the real clock.
static SIMULATORS: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
});

/// What outlives an operator.
pub struct World {
    pub api: ApiServer,
    pub wall: Wall,
    pub scalr: ScalrSimulator,
    pub hanging: Option<ScalrSimulator>,
    pub planetscale: Option<PlanetScaleSimulator>,
    pub c1: Option<C1Simulator>,
    pub retention: Duration,
    folder: TempDir,
}

/// What a world has besides a Scalr.
#[derive(Debug, Clone, Copy, Default)]
pub struct Furniture {
    pub planetscale: bool,
    pub c1: bool,
    /// A Scalr that never answers.
    pub hanging: bool,
}

impl World {
    pub fn new(furniture: Furniture) -> Self {
        let world = Self::furnished(furniture);
        world.serve_kinds();
        world
    }

    /// One whose API server does not know our kinds yet.
    pub fn without_kinds() -> Self {
        Self::furnished(Furniture::default())
    }

    pub fn serve_kinds(&self) {
        kinds().into_iter().for_each(|kind| self.api.serve(kind));
    }

    fn furnished(furniture: Furniture) -> Self {
        // `RUST_LOG` shows what the operator says.
        let off = EnvFilter::builder().with_default_directive(LevelFilter::OFF.into()).from_env_lossy();
        let _ = tracing_subscriber::fmt().with_env_filter(off).try_init();
        let wall = Wall::new();
        let clock = wall.clone();
        let api = ApiServer::new([], move || clock.now());
        let scalr = ScalrConfig {
            token: SCALR_TOKEN.to_owned(),
            users: 7,
            service_accounts: 1,
            ..ScalrConfig::default()
        };
        let planetscale = PlanetScaleConfig {
            token: PLANETSCALE_TOKEN.to_owned(),
            organizations: OrganizationSize::several(1, 5, 1, 2),
            ..PlanetScaleConfig::default()
        };
        let c1 = C1Config {
            next_poll: Duration::from_millis(500),
            next_heartbeat: Duration::from_millis(100),
            heartbeat_timeout: Duration::from_secs(1),
            ..C1Config::default()
        };
        SIMULATORS.block_on(async move {
            Self {
                api,
                wall,
                hanging: match furniture.hanging {
                    true => {
                        let latency = Duration::from_secs(24 * 3600);
                        Some(ScalrSimulator::start(ScalrConfig { latency, ..scalr.clone() }).await.unwrap())
                    }
                    false => None,
                },
                scalr: ScalrSimulator::start(scalr).await.unwrap(),
                planetscale: match furniture.planetscale {
                    true => Some(PlanetScaleSimulator::start(planetscale).await.unwrap()),
                    false => None,
                },
                c1: match furniture.c1 {
                    true => Some(C1Simulator::start(c1).await.unwrap()),
                    false => None,
                },
                retention: Duration::from_secs(7 * 24 * 3600),
                folder: folder(),
            }
        })
    }

    /// An API server that knows our kinds, on the real clock.
    pub fn api_server() -> ApiServer {
        ApiServer::new(kinds(), Timestamp::now)
    }

    pub fn store_folder(&self) -> PathBuf {
        self.folder.path().join("snapshots")
    }

    /// The scratch folder of an operator that starts: without what a former one left there.
    pub fn scratch(&self, instance: &str) -> PathBuf {
        let scratch = self.folder.path().join("scratch").join(instance);
        if scratch.exists() {
            std::fs::remove_dir_all(&scratch).unwrap();
        }
        std::fs::create_dir_all(&scratch).unwrap();
        scratch
    }

    pub fn c1_host(&self) -> Option<String> {
        self.c1.as_ref().map(|c1| c1.host().to_owned())
    }

    /// How often somebody has begun to read the Scalr account.
    pub fn readings(&self) -> u64 {
        self.scalr.stats().on("/api/iacp/v3/accounts")
    }

    /// The path of one object, or of its status.
    pub fn path(kind: &str, name: &str) -> String {
        let plural = KINDS.iter().find(|it| it.1 == kind).map(|it| it.0).unwrap();
        format!("/apis/connectors.conductorone.com/v1alpha1/namespaces/{NAMESPACE}/{plural}/{name}")
    }

    pub fn get(&self, kind: &str, name: &str) -> Option<Value> {
        let answer = self.api.ask("GET", &Self::path(kind, name), &Value::Null);
        answer.is_ok().then_some(answer.body)
    }

    /// Applies a connector as somebody with a manifest does. False where the API server does not take it.
    pub fn apply(&self, kind: &str, name: &str, spec: &Value) -> bool {
        let object = json!({ "metadata": { "name": name }, "spec": spec });
        let target = format!("{}?fieldManager=somebody&force=true", Self::path(kind, name));
        self.api.ask("PATCH", &target, &object).is_ok()
    }

    pub fn patch(&self, kind: &str, name: &str, patch: &Value) -> bool {
        self.api.ask("PATCH", &Self::path(kind, name), patch).is_ok()
    }

    pub fn annotate(&self, kind: &str, name: &str, annotation: &str, value: Option<&str>) {
        self.patch(kind, name, &json!({ "metadata": { "annotations": { annotation: value } } }));
    }

    pub fn request(&self, kind: &str, name: &str, value: &str) {
        self.annotate(kind, name, REQUESTED_AT, Some(value));
    }

    /// Accepts what is held.
    pub fn accept(&self, kind: &str, name: &str) {
        let held = self.get(kind, name).and_then(|it| it["status"]["held"]["id"].as_str().map(str::to_owned));
        self.annotate(kind, name, ACCEPT_REMOVALS, held.as_deref());
    }

    pub fn delete(&self, kind: &str, name: &str) {
        let _ = self.api.ask("DELETE", &Self::path(kind, name), &Value::Null);
    }

    /// Makes a Secret with these keys, or changes it.
    pub fn put_secret(&self, name: &str, content: &[(&str, &[u8])]) {
        let data: serde_json::Map<_, _> = content
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(ByteString(value.to_vec()))))
            .collect();
        let secret = json!({ "metadata": { "name": name }, "data": data });
        let folder = format!("/api/v1/namespaces/{NAMESPACE}/secrets");
        if !self.api.ask("POST", &folder, &secret).is_ok() {
            assert!(self.api.ask("PUT", &format!("{folder}/{name}"), &secret).is_ok());
        }
    }

    pub fn delete_secret(&self, name: &str) {
        let _ =
            self.api.ask("DELETE", &format!("/api/v1/namespaces/{NAMESPACE}/secrets/{name}"), &Value::Null);
    }

    fn secret_version(&self, name: &str) -> Option<String> {
        let answer =
            self.api.ask("GET", &format!("/api/v1/namespaces/{NAMESPACE}/secrets/{name}"), &Value::Null);
        answer.body["metadata"]["resourceVersion"].as_str().map(str::to_owned)
    }

    /// The Secret with the token that the upstream of this kind accepts.
    pub fn good_secret(&self, kind: &str) {
        match kind {
            ScalrConnector::KIND => self.put_secret("scalr", &[("api-token", SCALR_TOKEN.as_bytes())]),
            _ => self.put_secret("planetscale", &[("service-token", PLANETSCALE_TOKEN.as_bytes())]),
        }
    }

    /// The spec of a connector that reads the upstream of this kind.
    pub fn good_spec(&self, kind: &str) -> Value {
        match kind {
            ScalrConnector::KIND => json!({
                "account": "acme", "baseUrl": self.scalr.base_url(), "apiTokenSecretRef": { "name": "scalr" },
            }),
            _ => json!({
                "apiUrl": self.planetscale.as_ref().unwrap().base_url(),
                "serviceTokenSecretRef": { "name": "planetscale" },
            }),
        }
    }

    /// The Secret with the credentials of C1 and what trusts it, and what a spec says to deliver there.
    pub fn c1_spec(&self, kind: &str) -> Value {
        let c1 = self.c1.as_ref().unwrap();
        let client = c1.client(0).unwrap();
        self.put_secret(
            "c1",
            &[
                ("client-id", client.client_id.as_bytes()),
                ("client-secret", client.client_secret.as_bytes()),
                ("ca.crt", c1.ca_pem().as_bytes()),
            ],
        );
        let mut spec = self.good_spec(kind);
        spec["c1"] = json!({ "credentialsSecretRef": { "name": "c1" } });
        spec["caBundleRef"] = json!({ "kind": "Secret", "name": "c1", "key": "ca.crt" });
        spec
    }

    /// Does the status say all that spec, Secret and annotations ask for?
    pub fn is_settled(&self, kind: &str, object: &Value) -> bool {
        let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
        if metadata["deletionTimestamp"].is_string() {
            return true;
        }
        if status["observedGeneration"] != metadata["generation"] {
            return false;
        }
        if spec["c1"].is_object() && !matches!(condition(status, "C1Connected"), Some("True" | "False")) {
            return false;
        }
        let is_over = |task: &GivenTask| task.cancelled || matches!(task.progress, Progress::Finished(_));
        if spec["c1"].is_object() && self.c1.as_ref().is_some_and(|c1| !c1.tasks().iter().all(is_over)) {
            return false;
        }
        if spec["suspend"] == true {
            return status["phase"] == "Suspended";
        }
        let annotation = |name: &str| metadata["annotations"][name].clone();
        let due = status["nextSyncTime"].as_str().and_then(|it| it.parse::<Timestamp>().ok());
        status["lastSync"]["completionTime"].is_string()
            && due.is_some_and(|due| due > self.wall.now())
            && (annotation(REQUESTED_AT).is_null()
                || annotation(REQUESTED_AT) == status["lastHandledReconcileAt"])
            && annotation(ACCEPT_REMOVALS) == status["lastHandledApproval"]
            && self.has_seen_its_secret(kind, spec, status)
    }

    fn has_seen_its_secret(&self, kind: &str, spec: &Value, status: &Value) -> bool {
        let field = if kind == ScalrConnector::KIND { "apiTokenSecretRef" } else { "serviceTokenSecretRef" };
        let version = spec[field]["name"].as_str().and_then(|name| self.secret_version(name));
        version.as_deref() == status["observedSecretVersion"].as_str()
    }

    /// All connectors with their statuses, for whoever looks into a failure.
    pub fn told(&self) -> String {
        let objects = KINDS.iter().flat_map(|(plural, _)| self.api.objects(plural).into_values());
        objects.map(|object| format!("{object:#}\n")).collect()
    }
}

/// The status of a condition.
pub fn condition<'s>(status: &'s Value, of_type: &str) -> Option<&'s str> {
    let conditions = status["conditions"].as_array()?;
    conditions.iter().find(|it| it["type"] == of_type)?["status"].as_str()
}

/// In memory where there is such a place: histories write much, and wait for every byte to be safe.
fn folder() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn kinds() -> Vec<Kind> {
    fn kind<K: ConnectorObject>() -> Kind {
        let fresh = json!({ "observedGeneration": -1 });
        let kind = Kind::custom(&K::group(&()), &K::version(&()), K::KIND, &K::plural(&()), fresh);
        kind.refusing(|object, before| {
            let account = |object: &Value| object["spec"]["account"].clone();
            let moves = before.is_some_and(|before| account(before) != account(object));
            schema::refusal(K::KIND, object).or_else(|| moves.then(|| "account cannot be changed".to_owned()))
        })
    }
    vec![kind::<ScalrConnector>(), kind::<PlanetScaleConnector>()]
}
