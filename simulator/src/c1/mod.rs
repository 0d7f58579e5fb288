//! A simulated C1: the token endpoint and the service that connectors call, on one listener with TLS, with a queue of
//! tasks that whoever holds it fills.
//!
//! It demands what C1 demands (assertions, tokens, the rules of its messages, the order of an upload), keeps the files
//! that it is given, and writes down what was asked. What it does wrong on purpose is in [`C1Fault`].

mod assertion;
mod call;
mod config;
mod credentials;
mod cut;
mod drive;
mod faults;
mod poll;
mod rules;
mod service;
mod spec;
mod state;
mod tasks;
mod token;
mod transcript;
mod upload;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use c1_protocol::c1::connectorapi::baton::v1::BatonServiceHelloRequest;
use c1_protocol::c1::connectorapi::baton::v1::baton_service_server::BatonServiceServer;
use tonic::service::Routes;

use crate::error::Error;
use crate::server::{Bound, Running};
use crate::tls::Certificates;
use service::Service;
use state::C1State;

pub use config::C1Config;
pub use credentials::C1Client;
pub use drive::C1;
pub use faults::{C1Fault, C1SwitchedOn, listed as listed_faults};
pub use spec::{SyncFull, Target, TaskSpec};
pub use tasks::{Finished, GivenTask, Progress, TaskId};
pub use transcript::{Answer, Entry, listed as listed_transcript};
pub use upload::ReceivedFile;

/// A hello that was accepted.
#[derive(Clone, Debug)]
pub struct Hello {
    /// When it came, counted from the server's start.
    pub at: Duration,
    /// The client's name.
    pub client: String,
    /// The hello task that it answers.
    pub task: Option<TaskId>,
    /// The header `user-agent` of the call.
    pub user_agent: String,
    /// All that it says.
    pub request: BatonServiceHelloRequest,
}

/// A running simulated C1. It stops when this is dropped; everything else is done through its handle, [`C1`].
#[derive(Debug)]
pub struct C1Simulator {
    handle: C1,
    server: Running,
}

impl C1Simulator {
    /// Listens, and makes the clients that the configuration names.
    ///
    /// # Errors
    /// When the address cannot be bound, a client's name cannot be part of an id, or a certificate or a key cannot be
    /// made.
    pub async fn start(config: C1Config) -> Result<Self, Error> {
        let bound = Bound::to(config.listen).await?;
        let address = bound.address();
        let certificates = Arc::new(Certificates::new(address.ip())?);
        let state = Arc::new(C1State::new(config)?);
        let service = BatonServiceServer::new(Service(Arc::clone(&state)));
        let routes = Routes::new(service).into_axum_router().merge(token::router(Arc::clone(&state)));
        let acceptor = Arc::clone(&certificates).acceptor_of_grpc()?;
        let handle = C1::new(address, certificates.authority.as_str().into(), state);
        Ok(Self { handle, server: bound.serve(routes, Some(acceptor)) })
    }

    /// Stops, and returns when the calls in flight are answered.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

impl Deref for C1Simulator {
    type Target = C1;

    fn deref(&self) -> &C1 {
        &self.handle
    }
}
