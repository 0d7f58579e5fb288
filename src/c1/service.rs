//! C1's service, called on behalf of one client: each call has a token and a limit in time, and is repeated once with
//! a new token where C1 did not take the first.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use super::channel::Link;
use super::token::Tokens;
use super::{C1Error, Channels, ClientId, Credentials, Pace};
use crate::proto::c1::connectorapi::baton::v1 as api;
use api::baton_service_client::BatonServiceClient;

/// How long one upload may take.
const UPLOAD: Duration = Duration::from_secs(30 * 60);

/// What makes the metadata of a call: the token.
pub(super) type Authorization = AsciiMetadataValue;
/// What calls go through.
pub(super) type Client = BatonServiceClient<Channel>;

/// Says before each call whether it may still be made.
pub type Permit = Arc<dyn Fn() -> bool + Send + Sync>;

/// C1's service, on behalf of one client at one host.
#[derive(Clone)]
pub struct Service {
    link: Arc<Link>,
    tokens: Arc<Tokens>,
    permit: Permit,
    host_id: String,
    /// How long one call may take.
    limit: Duration,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("client", &self.tokens.credentials().id()).finish_non_exhaustive()
    }
}

impl Service {
    /// The service for these credentials, over a connection of `channels`: to the host that the client id names, or to
    /// `api_host`, `<host>[:<port>]`, instead. `host_id` says from where. Nothing is sent yet.
    ///
    /// # Errors
    /// When that host is not allowed, or the CA bundle cannot be used.
    pub fn new(
        channels: &Channels,
        credentials: impl Into<Arc<Credentials>>,
        api_host: Option<&str>,
        ca_bundle: Option<&[u8]>,
        host_id: &str,
    ) -> Result<Self, C1Error> {
        let credentials = credentials.into();
        let link = channels.to(api_host.unwrap_or_else(|| credentials.id().authority()), ca_bundle)?;
        let tokens = Arc::new(Tokens::new(credentials));
        let permit: Permit = Arc::new(|| true);
        Ok(Self { link, tokens, permit, host_id: host_id.to_owned(), limit: Pace::default().call })
    }

    /// The same, which sends nothing once `permit` says no: neither a call, nor another part of a file.
    pub fn only_while(self, permit: Permit) -> Self {
        Self { permit, ..self }
    }

    /// Whose service this is.
    pub fn client_id(&self) -> &ClientId {
        self.tokens.credentials().id()
    }

    /// The same, where a call may take so long.
    pub(super) fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Where C1 is: the host, with its port where it is not the usual one.
    pub fn host(&self) -> &str {
        &self.link.host
    }

    /// What the place is called where this runs.
    pub(super) fn host_id(&self) -> String {
        self.host_id.clone()
    }

    /// Says hello. Only so many do at once: when a program with a thousand connectors starts, neither it nor C1 should
    /// have to hold all of that at the same time. Those who wait do so for as long as it takes.
    pub(super) async fn hello(&self, request: &api::BatonServiceHelloRequest) -> Result<(), C1Error> {
        let _turn = self.link.greetings.acquire().await;
        let send = |mut client: Client, token| {
            let request = with(token, request.clone());
            async move { client.hello(request).await }
        };
        self.call("Hello", self.limit, send).await.map(|_| ())
    }

    pub(super) async fn get_task(&self) -> Result<api::BatonServiceGetTaskResponse, C1Error> {
        let send = |mut client: Client, token| {
            let request = with(token, api::BatonServiceGetTaskRequest { host_id: self.host_id() });
            async move { client.get_task(request).await }
        };
        self.call("GetTask", self.limit, send).await
    }

    pub(super) async fn heartbeat(
        &self,
        task_id: &str,
        limit: Duration,
    ) -> Result<api::BatonServiceHeartbeatResponse, C1Error> {
        let send = |mut client: Client, token| {
            let message = api::BatonServiceHeartbeatRequest {
                host_id: self.host_id(),
                task_id: task_id.to_owned(),
                ..Default::default()
            };
            let request = with(token, message);
            async move { client.heartbeat(request).await }
        };
        self.call("Heartbeat", limit.min(self.limit), send).await
    }

    pub(super) async fn finish_task(
        &self,
        request: &api::BatonServiceFinishTaskRequest,
    ) -> Result<(), C1Error> {
        let send = |mut client: Client, token| {
            let request = with(token, request.clone());
            async move { client.finish_task(request).await }
        };
        self.call("FinishTask", self.limit, send).await.map(|_| ())
    }

    /// Uploads what `messages` makes, anew for each try.
    pub(super) async fn upload<S>(&self, messages: impl Fn() -> S) -> Result<(), C1Error>
    where
        S: Stream<Item = api::BatonServiceUploadAssetRequest> + Send + 'static,
    {
        let send = |mut client: Client, token| {
            let messages = Permitted { messages: Box::pin(messages()), permit: Arc::clone(&self.permit) };
            let request = with(token, messages);
            async move { client.upload_asset(request).await }
        };
        self.call("UploadAsset", UPLOAD, send).await.map(|_| ())
    }

    async fn call<T, F>(
        &self,
        method: &'static str,
        limit: Duration,
        send: impl Fn(Client, Authorization) -> F,
    ) -> Result<T, C1Error>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        // The token's time is part of it: whoever waits for an answer does not care what for. In a box, so that a
        // connector is small while it waits for the next call.
        let answered = tokio::time::timeout(limit, Box::pin(self.send(method, send))).await;
        answered.unwrap_or(Err(C1Error::Late { method, seconds: limit.as_secs() }))
    }

    async fn send<T, F>(
        &self,
        method: &'static str,
        send: impl Fn(Client, Authorization) -> F,
    ) -> Result<T, C1Error>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let mut renewed = false;
        loop {
            if !(self.permit)() {
                return Err(C1Error::Deposed);
            }
            let token = self.tokens.get(&self.link).await?;
            let status = match send(self.client(), token.header.clone()).await {
                Ok(response) => return Ok(response.into_inner()),
                Err(status) => status,
            };
            if status.code() == Code::Unauthenticated && !renewed {
                // It may have been ended early, which nobody tells beforehand.
                self.tokens.reject(&token).await;
                renewed = true;
                continue;
            }
            return Err(C1Error::of_status(method, &self.link.host, &status, &token.redaction));
        }
    }

    fn client(&self) -> Client {
        BatonServiceClient::new(self.link.grpc.clone())
    }
}

/// What is left of a stream once it may no longer be sent is not sent. Without its end, C1 takes no file.
struct Permitted<S> {
    messages: Pin<Box<S>>,
    permit: Permit,
}

impl<S: Stream> Stream for Permitted<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        if (self.permit)() { self.messages.as_mut().poll_next(context) } else { Poll::Ready(None) }
    }
}

fn with<T>(token: Authorization, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", token);
    request
}
