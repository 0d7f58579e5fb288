//! An API server that is a script: each request must be the one expected.

use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::timeout;
use tower_test::mock::{Handle, SendResponse, pair};

/// How long an expected request may take. A request that never comes fails the test rather than hanging it.
const SOON: Duration = Duration::from_secs(10);

pub struct ApiServer {
    handle: Handle<Request<Body>, Response<Body>>,
}

/// A request that came, which wants an answer.
pub struct Exchange {
    pub query: String,
    pub body: Value,
    reply: SendResponse<Response<Body>>,
}

impl ApiServer {
    pub fn start() -> (Client, Self) {
        let (service, handle) = pair::<Request<Body>, Response<Body>>();
        (Client::new(service, "default"), Self { handle })
    }

    pub async fn expect(&mut self, method: &str, path: &str) -> Exchange {
        let next = timeout(SOON, self.handle.next_request());
        let (request, reply) = next.await.expect("the request in time").expect("a request");
        assert_eq!((request.method().as_str(), request.uri().path()), (method, path));
        let query = request.uri().query().unwrap_or_default().trim_start_matches('&').to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        Exchange { query, body, reply }
    }

    /// Every reconcile has returned, so whatever it sent has come.
    pub async fn expect_nothing(&mut self) {
        let next = timeout(Duration::from_millis(50), self.handle.next_request()).await;
        if let Ok(Some((request, _))) = next {
            panic!("an unexpected {} {}", request.method(), request.uri());
        }
    }
}

impl Exchange {
    pub fn phase(&self) -> &str {
        self.body["status"]["phase"].as_str().unwrap()
    }

    /// The conditions as `Type=Status`, in order.
    pub fn conditions(&self) -> Vec<String> {
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        let conditions = self.body["status"]["conditions"].as_array().unwrap();
        conditions.iter().map(|it| format!("{}={}", word(&it["type"]), word(&it["status"]))).collect()
    }

    pub fn answer(self, body: &Value) {
        self.send(StatusCode::OK, body);
    }

    /// Answers with what was sent, completed to a whole object.
    pub fn echo(self) {
        let mut body = self.body.clone();
        if body.get("spec").is_none() && body["kind"] == "ScalrConnector" {
            body["spec"] = json!({ "account": "acme", "apiTokenSecretRef": { "name": "scalr-acme" } });
        }
        self.send(StatusCode::OK, &body);
    }

    pub fn not_found(self) {
        self.fail(StatusCode::NOT_FOUND, "NotFound");
    }

    pub fn conflict(self) {
        self.fail(StatusCode::CONFLICT, "Conflict");
    }

    fn fail(self, code: StatusCode, reason: &str) {
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": reason, "reason": reason, "code": code.as_u16(),
        });
        self.send(code, &status);
    }

    fn send(self, code: StatusCode, body: &Value) {
        let body = Body::from(serde_json::to_vec(body).unwrap());
        self.reply.send_response(Response::builder().status(code).body(body).unwrap());
    }
}
