//! The operator's parts under test: everything but the watches, with a simulated Scalr.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use connector_operator::access::guard::Limits;
use connector_operator::api::{ConnectorStatus, ScalrConnector};
use connector_operator::clock::Clock;
use connector_operator::connectors::http::ClientOptions;
use connector_operator::controller::{
    self, Context, Defaults, Deliveries, Error, Scope, SecretIndex, Shared,
};
use connector_operator::leadership::Leadership;
use connector_operator::network::HostPolicy;
use connector_operator::server::Metrics;
use connector_operator::snapshot::DirectoryStore;
use connector_operator::sync::{
    Class, CredentialKey, Ended, Failure, NewRun, ObjectKey, Outcome, Queue, RunView, SecretSeen, Snapshots,
};
use connector_simulator::{ScalrConfig, ScalrSimulator};
use futures::FutureExt;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::ResourceExt;
use kube::runtime::controller::Action;
use kube::runtime::reflector::store::Writer;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

use super::api_server::ApiServer;

pub const OBJECT: &str =
    "/apis/connectors.conductorone.com/v1alpha1/namespaces/identity/scalrconnectors/acme";
pub const STATUS: &str =
    "/apis/connectors.conductorone.com/v1alpha1/namespaces/identity/scalrconnectors/acme/status";

pub struct Operator {
    context: Arc<Context>,
    queue: Queue,
    metrics: Metrics,
    reports: Mutex<UnboundedReceiver<ObjectKey>>,
    scalr: ScalrSimulator,
    token: String,
    snapshots: TempDir,
}

impl Operator {
    pub async fn start() -> (Self, ApiServer) {
        let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
        Self::on(scalr, tempfile::tempdir().unwrap())
    }

    /// The operator as it is after a restart: it knows what it is shown, and what it has stored.
    pub fn restarted(self) -> (Self, ApiServer) {
        Self::on(self.scalr, self.snapshots)
    }

    fn on(scalr: ScalrSimulator, folder: TempDir) -> (Self, ApiServer) {
        let (client, api) = ApiServer::start();
        let store = DirectoryStore::new(folder.path());
        let queue = Queue::new(CancellationToken::new());
        let metrics = Metrics::default();
        let reports = Mutex::new(queue.reports("ScalrConnector"));
        let deliveries = Deliveries::new(
            client.clone(),
            HostPolicy::default().with_loopback(true),
            None,
            Leadership::alone(),
            metrics.clone(),
            CancellationToken::new(),
        );
        let context = Context::new(Shared {
            client,
            deliveries,
            leadership: Leadership::alone(),
            scope: Scope::default(),
            names_in_events: false,
            instance: "test".to_owned(),
            queue: queue.clone(),
            snapshots: Snapshots::new(store, folder.path().to_owned(), 5),
            retention: Duration::from_secs(3600),
            upstream: ClientOptions::new(HostPolicy::default().with_loopback(true)),
            defaults: Defaults {
                interval: Duration::from_secs(3600),
                min_interval: Duration::from_secs(60),
                timeout: Duration::from_secs(60),
            },
            highest_limits: Limits { max_percent: 50, min_removed: 10 },
            secrets: Arc::new(SecretIndex::default()),
            metrics: metrics.clone(),
            clock: Clock::system(),
        });
        tokio::spawn(queue.clone().work(0));
        let token = scalr.token();
        let context = Arc::new(context);
        (Self { context, queue, metrics, reports, scalr, token, snapshots: folder }, api)
    }

    pub fn upstream(&self) -> String {
        self.scalr.base_url().to_owned()
    }

    pub fn token(&self) -> &str {
        &self.token
    }

    /// The users that a complete reading finds, people and programs.
    pub fn users(&self) -> u64 {
        let truth = self.scalr.truth();
        (truth.users.len() + truth.service_accounts.len()) as u64
    }

    /// Reconciles, and then publishes the events that this tells.
    pub async fn reconcile(&self, object: &Arc<ScalrConnector>) -> Result<Action, Error> {
        self.reconcile_where(object, &Writer::default()).await
    }

    /// The same, where the watch shows by now what this has.
    pub async fn reconcile_where(
        &self,
        object: &Arc<ScalrConnector>,
        shown: &Writer<ScalrConnector>,
    ) -> Result<Action, Error> {
        let context = Arc::clone(&self.context);
        let done = controller::reconcile(Arc::clone(object), shown.as_reader(), context).await;
        let complete = CancellationToken::new();
        complete.cancel();
        self.context.publish_events(&complete).await;
        done
    }

    /// Lets the one run in the queue go to its end, while `api_server` answers what it asks of Kubernetes.
    pub async fn work_one(&self, api_server: impl Future<Output = ()>) {
        let worker = tokio::spawn(self.queue.clone().work(1));
        let ended = async {
            let mut reports = self.reports.lock().await;
            for _begun_and_ended in 0..2 {
                reports.recv().await.unwrap();
            }
        };
        tokio::join!(api_server, ended);
        worker.abort();
    }

    /// Ends the one run in the queue in this way, without reading anything.
    pub async fn end_run(&self, object: &ScalrConnector, result: Result<Ended, Failure>) {
        let key = ObjectKey {
            kind: "ScalrConnector",
            namespace: object.namespace().unwrap(),
            name: object.name_any(),
            uid: object.uid().unwrap(),
        };
        let run = self.queue.view(&key).unwrap();
        let outcome = Outcome {
            id: run.id.clone(),
            generation: run.generation,
            trigger: run.trigger,
            requested_at: None,
            approved: run.approved.clone(),
            secret: SecretSeen::Version("7".to_owned()),
            started: Timestamp::now(),
            completed: Timestamp::now(),
            result,
        };
        let job = Box::new(|_| async { Some(outcome) }.boxed());
        let credential = CredentialKey {
            namespace: key.namespace.clone(),
            secret: object.spec.api_token_secret_ref.name.clone(),
            key: "api-token".to_owned(),
        };
        let RunView { id, generation, trigger, approved, .. } = run;
        self.queue.submit(key, NewRun { id, generation, trigger, approved, credential }, job);
        self.work_one(async {}).await;
    }

    /// What it answers to `GET /metrics` once the watch shows this object.
    pub fn metrics(&self, shown: &Arc<ScalrConnector>) -> String {
        let shown = Arc::clone(shown);
        let objects = move |visit: &mut dyn FnMut(&ObjectMeta, &ConnectorStatus)| {
            visit(&shown.metadata, shown.status.as_ref().unwrap());
        };
        self.metrics.shows("ScalrConnector", Box::new(objects));
        self.metrics.exposition()
    }

    /// Waiting and running runs.
    pub fn queued(&self) -> usize {
        self.queue.depth(Class::Prompt) + self.queue.depth(Class::Periodic)
    }

    /// The object as a watch shows it that has not caught up.
    pub fn unseen(&self, object: &Arc<ScalrConnector>) -> Arc<ScalrConnector> {
        Arc::clone(object)
    }

    /// An object whose first run has ended well.
    pub async fn settled(&self, api: &mut ApiServer) -> Arc<ScalrConnector> {
        let begun = super::begin(self, api).await;
        let secret = secret("7", self.token());
        self.work_one(async { api.expect("GET", super::SECRET).await.answer(&secret) }).await;
        let (done, settled) = tokio::join!(self.reconcile(&begun), async {
            let status = api.expect("PATCH", STATUS).await;
            let settled = with_status(&begun, &status.body["status"]);
            status.echo();
            api.expect("POST", super::EVENTS).await.echo();
            settled
        });
        done.unwrap();
        settled
    }
}

pub fn await_change() -> Action {
    Action::await_change()
}

pub fn some_time() -> Time {
    Time(Timestamp::UNIX_EPOCH)
}

pub fn connector(base_url: &str) -> Arc<ScalrConnector> {
    let object = json!({
        "apiVersion": "connectors.conductorone.com/v1alpha1",
        "kind": "ScalrConnector",
        "metadata": { "name": "acme", "namespace": "identity", "uid": "uid-1", "generation": 1 },
        "spec": { "account": "acme", "baseUrl": base_url, "apiTokenSecretRef": { "name": "scalr-acme" } },
        "status": { "observedGeneration": -1 },
    });
    Arc::new(serde_json::from_value(object).unwrap())
}

pub fn with_status(object: &Arc<ScalrConnector>, status: &Value) -> Arc<ScalrConnector> {
    let status: ConnectorStatus = serde_json::from_value(status.clone()).unwrap();
    let mut object = object.as_ref().clone();
    object.status = Some(status);
    Arc::new(object)
}

pub fn secret(version: &str, token: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": "scalr-acme", "namespace": "identity", "resourceVersion": version },
        "data": { "api-token": k8s_openapi::ByteString(token.as_bytes().to_vec()) },
    })
}
