//! What every call goes through: who calls, what goes wrong with every call, and the line in the transcript.

use std::future;
use std::sync::Arc;
use std::time::Instant;

use tonic::metadata::MetadataMap;
use tonic::{Code, Response, Status};

use super::faults::C1Fault;
use super::state::C1State;
use super::transcript::{Answer, Who};

/// A call that is being answered. Where it is dropped before, the client has given up, and that is written down.
pub(super) struct Call {
    pub(super) state: Arc<C1State>,
    /// The index of the client whose token the call came with.
    pub(super) client: usize,
    who: Who,
    method: &'static str,
    answered: bool,
}

impl Call {
    /// Lets a call in whose token is good.
    pub(super) async fn enter(
        state: &Arc<C1State>,
        method: &'static str,
        metadata: &MetadataMap,
        host_id: &str,
    ) -> Result<Self, Status> {
        let owner = owner(state, metadata);
        let client = owner.as_ref().map_or_else(|_| String::new(), |(_, name)| name.clone());
        let who = Who { client, host_id: host_id.to_owned() };
        let client = owner.as_ref().map_or(usize::MAX, |(client, _)| *client);
        let call = Self { state: Arc::clone(state), client, who, method, answered: false };
        if state.cut.enters(method) || state.faults.strike(C1Fault::Hang) {
            future::pending::<()>().await;
        }
        if state.faults.strike(C1Fault::Unavailable) {
            return call.refuse(Status::unavailable("unavailable on purpose"));
        }
        if let Err(refusal) = owner {
            return call.refuse(refusal);
        }
        if state.faults.strike(C1Fault::UnauthenticatedOnce) {
            return call.refuse(Status::unauthenticated("unauthenticated on purpose"));
        }
        Ok(call)
    }

    /// Which host calls, where it was not known before.
    pub(super) fn is_of_host(&mut self, host_id: &str) {
        host_id.clone_into(&mut self.who.host_id);
    }

    pub(super) fn host_id(&self) -> &str {
        &self.who.host_id
    }

    /// The client's name.
    pub(super) fn client_name(&self) -> &str {
        &self.who.client
    }

    /// Answers, and writes down what came of it.
    pub(super) fn leave<T>(self, answer: Result<(T, String), Status>) -> Result<Response<T>, Status> {
        match answer {
            Ok((message, text)) => {
                self.answered(&text, Code::Ok);
                Ok(Response::new(message))
            }
            Err(refusal) => self.refuse(refusal),
        }
    }

    fn refuse<T>(self, refusal: Status) -> Result<T, Status> {
        self.answered(refusal.message(), refusal.code());
        Err(refusal)
    }

    fn answered(mut self, text: &str, code: Code) {
        self.answered = true;
        self.state.cut.leaves(self.method);
        self.state.tell(&self.who, self.method, text, Answer::Rpc(code));
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.answered {
            self.state.tell(&self.who, self.method, "the client gave up", Answer::Rpc(Code::Cancelled));
        }
    }
}

/// The index and the name of the client whose token came with a call.
fn owner(state: &C1State, metadata: &MetadataMap) -> Result<(usize, String), Status> {
    let missing = || Status::unauthenticated("there is no authorization: Bearer <token>");
    let value = metadata.get("authorization").and_then(|value| value.to_str().ok()).ok_or_else(missing)?;
    let (scheme, token) = value.split_once(' ').ok_or_else(missing)?;
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(missing());
    }
    let world = state.world();
    let owner = world.tokens.owner(token, Instant::now());
    let client = owner.and_then(|owner| world.clients.get(owner));
    let client = client.ok_or_else(|| Status::unauthenticated("the token is not good, or no longer"))?;
    Ok((client.client.index, client.client.name.clone()))
}
