//! One client's connection: what it sees of the server, what it has asked, and what goes wrong with it on purpose.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request as HttpRequest, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::Client;
use kube::client::Body;
use serde_json::Value;
use tokio::sync::watch;
use tower_service::Service;

use crate::request::{Request, Verb, refused};
use crate::watching::Watch;
use crate::{Answer, ApiServer};

type Answered = Response<UnsyncBoxBody<Bytes, Infallible>>;
type Broken = Box<dyn std::error::Error + Send + Sync>;

/// When a fault comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before the write takes effect.
    Before,
    /// After it has.
    After,
}

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The client ends there: nothing that it asks takes effect any more, and nothing is answered.
    Crash,
    /// The connection breaks.
    Reset,
    /// The server answers with this HTTP status.
    Status(u16),
    /// The answer comes so late.
    Delay(Duration),
}

/// What a connection's lists and watches show.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    /// Nothing later than this version.
    pub(crate) up_to: Option<u64>,
    /// Not these changes.
    pub(crate) hidden: Arc<BTreeSet<u64>>,
    /// How many times all watches were dropped.
    pub(crate) drops: u64,
    /// How many times all watches had a Status object in between.
    pub(crate) statuses: u64,
}

/// A client's connection, for whoever tests the client. Clones are of the same.
#[derive(Clone)]
pub struct Connection(Arc<Shared>);

struct Shared {
    view: watch::Sender<View>,
    state: watch::Sender<State>,
    faults: Mutex<BTreeMap<u64, (When, Fault)>>,
    counts: Mutex<BTreeMap<(&'static str, String), u64>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct State {
    /// Nothing has any effect any more.
    severed: bool,
    /// Every request fails so.
    away: bool,
    /// How many mutating requests have come.
    mutations: u64,
    /// Requests that are being answered, but for watches.
    in_flight: u64,
}

pub(crate) fn connect(server: &ApiServer, namespace: &str) -> (Client, Connection) {
    let connection = Connection(Arc::new(Shared {
        view: watch::channel(View::default()).0,
        state: watch::channel(State::default()).0,
        faults: Mutex::default(),
        counts: Mutex::default(),
    }));
    let wire = Wire { server: server.clone(), connection: connection.clone() };
    (Client::new(wire, namespace), connection)
}

impl Connection {
    /// The `number`th mutating request, counted from 1, goes wrong so.
    pub fn fail(&self, number: u64, when: When, fault: Fault) {
        self.faults().insert(number, (when, fault));
    }

    /// How many mutating requests have come.
    #[must_use]
    pub fn mutations(&self) -> u64 {
        self.0.state.borrow().mutations
    }

    /// Requests so far, by verb and plural.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<(&'static str, String), u64> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Nothing that the client asks has any effect any more, nor any answer.
    pub fn sever(&self) {
        self.show_up_to(0);
        self.0.state.send_modify(|state| state.severed = true);
    }

    /// Was it severed, by hand or by a [`Fault::Crash`]?
    #[must_use]
    pub fn is_severed(&self) -> bool {
        self.0.state.borrow().severed
    }

    /// Resolves when it is severed.
    pub async fn until_severed(&self) {
        // The sender is in here.
        let _ = self.0.state.subscribe().wait_for(|state| state.severed).await;
    }

    /// The server is away: watches end, and every request fails, until it is not.
    pub fn set_away(&self, away: bool) {
        self.0.state.send_modify(|state| state.away = away);
        if away {
            self.drop_watches();
        }
    }

    /// How many requests are being answered, but for watches.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.0.state.borrow().in_flight
    }

    /// Lists and watches show nothing later than this version from now on.
    pub fn show_up_to(&self, version: u64) {
        self.0.view.send_modify(|view| view.up_to = Some(version));
    }

    /// Lists and watches catch up; watches never show the changes that made these versions.
    pub fn show_all_but(&self, hidden: BTreeSet<u64>) {
        self.0.view.send_modify(|view| {
            view.up_to = None;
            view.hidden = Arc::new(hidden);
        });
    }

    /// Ends all watches, as a connection does that is dropped.
    pub fn drop_watches(&self) {
        self.0.view.send_modify(|view| view.drops += 1);
    }

    /// Puts a Status object, which is no event, into all watches.
    pub fn say_a_status_in_mid_watch(&self) {
        self.0.view.send_modify(|view| view.statuses += 1);
    }

    fn faults(&self) -> MutexGuard<'_, BTreeMap<u64, (When, Fault)>> {
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, request: &Request) {
        let mut counts = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((request.verb.as_str(), request.asked.plural.clone())).or_default() += 1;
    }

    /// The fault of the request that comes now.
    fn arrives(&self, request: &Request) -> Option<(When, Fault)> {
        self.count(request);
        if !request.verb.mutates() {
            return None;
        }
        let mut number = 0;
        self.0.state.send_modify(|state| {
            state.mutations += 1;
            number = state.mutations;
        });
        self.faults().remove(&number)
    }
}

/// Counts a request as under way until it is dropped.
struct UnderWay(Connection);

impl UnderWay {
    fn of(connection: &Connection) -> Self {
        connection.0.state.send_modify(|state| state.in_flight += 1);
        Self(connection.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.state.send_modify(|state| state.in_flight -= 1);
    }
}

/// What a client sends its requests into.
#[derive(Clone)]
struct Wire {
    server: ApiServer,
    connection: Connection,
}

impl Service<HttpRequest<Body>> for Wire {
    type Response = Answered;
    type Error = Broken;
    type Future = BoxFuture<'static, Result<Answered, Broken>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest<Body>) -> Self::Future {
        let wire = self.clone();
        Box::pin(async move { wire.carry(request).await })
    }
}

impl Wire {
    async fn carry(self, request: HttpRequest<Body>) -> Result<Answered, Broken> {
        let request = match understand(request).await? {
            Ok(request) => request,
            Err(refusal) => return Ok(whole(&refusal)),
        };
        self.stop_if_severed().await;
        let _under_way = (request.verb != Verb::Watch).then(|| UnderWay::of(&self.connection));
        if self.connection.0.state.borrow().away {
            self.connection.count(&request);
            return Err("connection refused".into());
        }
        let fault = self.connection.arrives(&request);
        if let Some((When::Before, fault)) = fault
            && let Some(answer) = self.strike(fault).await?
        {
            return Ok(answer);
        }
        let answer = self.answer(&request);
        if let Some((When::After, fault)) = fault
            && let Some(answer) = self.strike(fault).await?
        {
            return Ok(answer);
        }
        Ok(answer)
    }

    async fn stop_if_severed(&self) {
        if self.connection.is_severed() {
            std::future::pending::<()>().await;
        }
    }

    async fn strike(&self, fault: Fault) -> Result<Option<Answered>, Broken> {
        match fault {
            Fault::Crash => {
                self.connection.sever();
                std::future::pending().await
            }
            Fault::Reset => Err("connection reset by peer".into()),
            Fault::Status(code) => Ok(Some(whole(&refused(code, "InternalError", "on purpose")))),
            Fault::Delay(delay) => {
                tokio::time::sleep(delay).await;
                self.stop_if_severed().await;
                Ok(None)
            }
        }
    }

    fn answer(&self, request: &Request) -> Answered {
        let up_to = self.connection.0.view.borrow().up_to;
        match (request.verb, up_to) {
            (Verb::Watch, _) => self.watch(request),
            (Verb::List, Some(version)) => whole(&self.server.list_as_of(&request.asked, version)),
            _ => whole(&self.server.answer(request)),
        }
    }

    fn watch(&self, request: &Request) -> Answered {
        if let Err(refusal) = self.server.store().serves(&request.asked) {
            return whole(&refusal);
        }
        let view = self.connection.0.view.subscribe();
        let watch = Watch::begin(self.server.clone(), request.asked.clone(), view);
        response(200, StreamBody::new(watch.frames()).boxed_unsync())
    }
}

async fn understand(request: HttpRequest<Body>) -> Result<Result<Request, Answer>, Broken> {
    let (parts, body) = request.into_parts();
    let text = |name| parts.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let kinds = format!("{} {}", text(header::ACCEPT), text(header::CONTENT_TYPE));
    let target = parts.uri.path_and_query().map_or("/", |it| it.as_str());
    let bytes = body.collect().await?.to_bytes();
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? };
    Ok(Request::understand(parts.method.as_str(), target, &kinds, body))
}

fn whole(answer: &Answer) -> Answered {
    response(answer.code, Full::new(Bytes::from(answer.body.to_string())).boxed_unsync())
}

fn response(code: u16, body: UnsyncBoxBody<Bytes, Infallible>) -> Answered {
    let mut response = Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or_default();
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}
