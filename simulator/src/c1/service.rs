//! The service that connectors call. What it demands of messages is in `rules`, how it hands tasks out in `poll`, how
//! it receives files in `upload`.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::ConnectInfo;
use c1_protocol::c1::connectorapi::baton::v1::baton_service_server::BatonService;
use c1_protocol::c1::connectorapi::baton::v1::{
    BatonServiceFinishTaskRequest, BatonServiceFinishTaskResponse, BatonServiceGetTaskRequest,
    BatonServiceGetTaskResponse, BatonServiceGetTasksRequest, BatonServiceGetTasksResponse,
    BatonServiceHeartbeatRequest, BatonServiceHeartbeatResponse, BatonServiceHelloRequest,
    BatonServiceHelloResponse, BatonServiceUploadAssetRequest, BatonServiceUploadAssetResponse,
    StartDebuggingRequest, StartDebuggingResponse,
};
use tonic::{Request, Response, Status, Streaming};

use super::Hello;
use super::call::Call;
use super::faults::C1Fault;
use super::spec::TaskSpec;
use super::state::C1State;
use super::tasks::{Finished, GivenTask, Progress, TaskId};
use super::{poll, rules, upload};
use crate::server::Reset;

/// The service of one simulated C1.
pub(super) struct Service(pub(super) Arc<C1State>);

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl BatonService for Service {
    async fn hello(&self, request: Request<BatonServiceHelloRequest>) -> Answered<BatonServiceHelloResponse> {
        let (metadata, _, message) = request.into_parts();
        let call = Call::enter(&self.0, "Hello", &metadata, &message.host_id).await?;
        let user_agent = metadata.get("user-agent").and_then(|value| value.to_str().ok());
        let answer = greeted(&call, message, user_agent.unwrap_or_default());
        call.leave(answer)
    }

    async fn get_task(
        &self,
        request: Request<BatonServiceGetTaskRequest>,
    ) -> Answered<BatonServiceGetTaskResponse> {
        let (metadata, _, message) = request.into_parts();
        let call = Call::enter(&self.0, "GetTask", &metadata, &message.host_id).await?;
        let answer = poll::one(&call, &message).await;
        call.leave(answer)
    }

    async fn get_tasks(
        &self,
        request: Request<BatonServiceGetTasksRequest>,
    ) -> Answered<BatonServiceGetTasksResponse> {
        let (metadata, _, message) = request.into_parts();
        let call = Call::enter(&self.0, "GetTasks", &metadata, &message.host_id).await?;
        let answer = poll::several(&call, &message).await;
        call.leave(answer)
    }

    async fn heartbeat(
        &self,
        request: Request<BatonServiceHeartbeatRequest>,
    ) -> Answered<BatonServiceHeartbeatResponse> {
        let (metadata, _, message) = request.into_parts();
        let call = Call::enter(&self.0, "Heartbeat", &metadata, &message.host_id).await?;
        let answer = heard(&call, &message);
        call.leave(answer)
    }

    async fn finish_task(
        &self,
        request: Request<BatonServiceFinishTaskRequest>,
    ) -> Answered<BatonServiceFinishTaskResponse> {
        let (metadata, _, message) = request.into_parts();
        let call = Call::enter(&self.0, "FinishTask", &metadata, &message.host_id).await?;
        let answer = finished(&call, &message);
        call.leave(answer)
    }

    async fn upload_asset(
        &self,
        request: Request<Streaming<BatonServiceUploadAssetRequest>>,
    ) -> Answered<BatonServiceUploadAssetResponse> {
        let (metadata, extensions, mut parts) = request.into_parts();
        let reset = extensions.get::<ConnectInfo<Reset>>().map(|ConnectInfo(reset)| reset.clone());
        let mut call = Call::enter(&self.0, "UploadAsset", &metadata, "").await?;
        let answer = upload::receive(&mut call, &mut parts, reset.as_ref()).await;
        call.leave(answer)
    }

    async fn start_debugging(
        &self,
        request: Request<StartDebuggingRequest>,
    ) -> Answered<StartDebuggingResponse> {
        let call = Call::enter(&self.0, "StartDebugging", request.metadata(), "").await?;
        call.leave(Ok((StartDebuggingResponse { status: false }, "not wanted".to_owned())))
    }
}

/// That a task is not in this host's hand: somebody else's, finished, or never heard of.
pub(super) fn not_in_hand(id: &str) -> Status {
    Status::not_found(format!("this host has no task {id} in hand"))
}

fn greeted(
    call: &Call,
    request: BatonServiceHelloRequest,
    user_agent: &str,
) -> Result<(BatonServiceHelloResponse, String), Status> {
    if call.state.faults.strike(C1Fault::HelloRefused) {
        return Err(Status::permission_denied("refused on purpose"));
    }
    rules::hello(&request)?;
    let mut world = call.state.world();
    if !request.task_id.is_empty() {
        let task = world.tasks.in_hand(call.client, &request.host_id, &request.task_id);
        let hello = task.filter(|task| task.spec == TaskSpec::Hello);
        hello.ok_or_else(|| not_in_hand(&request.task_id))?.progress = Progress::Finished(Finished::Success);
    }
    world.greeted.insert((call.client, request.host_id.clone()));
    let answers = if request.task_id.is_empty() { "" } else { " answers task " };
    let name = request.connector_metadata.as_ref().map(|metadata| metadata.display_name.as_str());
    let text = format!("{}{answers}{}", name.unwrap_or_default(), request.task_id);
    let task = (!request.task_id.is_empty()).then(|| TaskId::from(request.task_id.as_str()));
    let client = call.client_name().to_owned();
    let user_agent = user_agent.to_owned();
    world.hellos.push(Hello { at: call.state.at(), client, task, user_agent, request });
    Ok((BatonServiceHelloResponse::default(), text))
}

fn heard(
    call: &Call,
    request: &BatonServiceHeartbeatRequest,
) -> Result<(BatonServiceHeartbeatResponse, String), Status> {
    rules::heartbeat(request)?;
    if call.state.faults.strike(C1Fault::HeartbeatFails) {
        return Err(Status::unavailable("unavailable on purpose"));
    }
    if call.state.faults.strike(C1Fault::HeartbeatNotFound) {
        return Err(Status::not_found("not found on purpose"));
    }
    let mut world = call.state.world();
    let one = Some(&request.task_id).filter(|id| !id.is_empty());
    let mut cancelled = Vec::new();
    for id in one.into_iter().chain(&request.task_ids) {
        let task = world.tasks.in_hand(call.client, &request.host_id, id).ok_or_else(|| not_in_hand(id))?;
        if !is_still_wanted(call, task) {
            cancelled.push(id.clone());
        }
    }
    let text = match (one, cancelled.is_empty()) {
        (Some(id), true) => id.clone(),
        (Some(id), false) => format!("{id} cancelled"),
        (None, true) => format!("{} tasks", request.task_ids.len()),
        (None, false) => format!("{} tasks, cancelled: {}", request.task_ids.len(), cancelled.join(", ")),
    };
    let answer = BatonServiceHeartbeatResponse {
        next_heartbeat: Some(poll::next_heartbeat(call)),
        cancelled: one.is_some_and(|id| cancelled.contains(id)),
        annotations: Vec::new(),
        cancelled_task_ids: cancelled.into_iter().filter(|id| request.task_ids.contains(id)).collect(),
    };
    Ok((answer, text))
}

/// Writes down that the host still has the task.
fn is_still_wanted(call: &Call, task: &mut GivenTask) -> bool {
    if let Progress::InHand { heard, .. } = &mut task.progress {
        *heard = Instant::now();
    }
    task.heartbeats += 1;
    if task.heartbeats > 1 && !task.cancelled {
        task.cancelled = call.state.faults.strike(C1Fault::CancelWhileReading);
    }
    !task.cancelled
}

fn finished(
    call: &Call,
    request: &BatonServiceFinishTaskRequest,
) -> Result<(BatonServiceFinishTaskResponse, String), Status> {
    let finished = rules::finish_task(request)?;
    if call.state.faults.strike(C1Fault::FinishUnavailable) {
        return Err(Status::unavailable("unavailable on purpose"));
    }
    let mut world = call.state.world();
    let task = world.tasks.in_hand(call.client, &request.host_id, &request.task_id);
    let task = task.ok_or_else(|| not_in_hand(&request.task_id))?;
    let text = format!("{} {} {finished}", task.spec, task.id);
    task.progress = Progress::Finished(finished);
    Ok((BatonServiceFinishTaskResponse::default(), text))
}
