//! How tasks are handed out.

use std::time::Instant;

use c1_protocol::c1::connectorapi::baton::v1::{
    BatonServiceGetTaskRequest, BatonServiceGetTaskResponse, BatonServiceGetTasksRequest,
    BatonServiceGetTasksResponse, Task,
};
use prost_types::Duration;
use tonic::Status;

use super::call::Call;
use super::faults::C1Fault;
use super::rules;
use super::spec::TaskSpec;
use super::state::World;
use super::tasks::{Poll, TaskId};

/// The host that takes tasks away from others with the same credentials.
const ELSEWHERE: &str = "another-host";

pub(super) async fn one(
    call: &Call,
    request: &BatonServiceGetTaskRequest,
) -> Result<(BatonServiceGetTaskResponse, String), Status> {
    rules::host_id(&request.host_id)?;
    let (tasks, text) = handed_out(call, &[], 1).await?;
    let answer = BatonServiceGetTaskResponse {
        task: tasks.into_iter().next(),
        next_poll: Some(next_poll(call)),
        next_heartbeat: Some(next_heartbeat(call)),
        annotations: Vec::new(),
    };
    Ok((answer, text))
}

pub(super) async fn several(
    call: &Call,
    request: &BatonServiceGetTasksRequest,
) -> Result<(BatonServiceGetTasksResponse, String), Status> {
    rules::get_tasks(request)?;
    let most = usize::try_from(request.page_size).unwrap_or_default();
    let (tasks, text) = handed_out(call, &request.known_task_ids, most).await?;
    let answer = BatonServiceGetTasksResponse {
        tasks,
        next_poll: Some(next_poll(call)),
        next_heartbeat: Some(next_heartbeat(call)),
        annotations: Vec::new(),
    };
    Ok((answer, text))
}

pub(super) fn next_heartbeat(call: &Call) -> Duration {
    Duration::try_from(call.state.config.next_heartbeat).unwrap_or_default()
}

fn next_poll(call: &Call) -> Duration {
    if call.state.faults.strike(C1Fault::NextPollZero) {
        return Duration::default();
    }
    Duration::try_from(call.state.config.next_poll).unwrap_or_default()
}

/// What a poll is given, and how that reads.
async fn handed_out(call: &Call, known: &[String], most: usize) -> Result<(Vec<Task>, String), Status> {
    let state = &call.state;
    if state.faults.strike(C1Fault::PollRefused) {
        return Err(Status::permission_denied("refused on purpose"));
    }
    if state.faults.strike(C1Fault::SlowPoll) {
        tokio::time::sleep(state.config.slow_poll).await;
    }
    let mut world = state.world();
    if !world.greeted.contains(&(call.client, call.host_id().to_owned())) {
        return Err(Status::failed_precondition("this host has not said hello"));
    }
    if state.faults.strike(C1Fault::UnknownTask) {
        world.tasks.give(call.client, TaskSpec::Unknown);
    }
    let poll = Poll {
        client: call.client,
        host: call.host_id(),
        now: Instant::now(),
        patience: state.config.heartbeat_timeout,
    };
    if let Some(task) = again(call, &mut world) {
        return Ok(said(&world, vec![task]));
    }
    if goes_elsewhere(call, &mut world, poll) {
        let taken = world.tasks.hand_out(Poll { host: ELSEWHERE, ..poll }, known, 1);
        let (_, text) = said(&world, taken);
        return Ok((Vec::new(), format!("nothing; {text} went to {ELSEWHERE}")));
    }
    let tasks = world.tasks.hand_out(poll, known, most);
    Ok(said(&world, tasks))
}

/// A task that this host has in hand already, where it shall get it twice.
fn again(call: &Call, world: &mut World) -> Option<Task> {
    let faults = &call.state.faults;
    let task =
        faults.is_on(C1Fault::DuplicateTask).then(|| world.tasks.again(call.client, call.host_id()))??;
    faults.strike(C1Fault::DuplicateTask).then_some(task)
}

/// Does what would be handed out now go to another host instead?
fn goes_elsewhere(call: &Call, world: &mut World, poll: Poll<'_>) -> bool {
    let faults = &call.state.faults;
    if !faults.is_on(C1Fault::SharedCredentials) {
        world.went_elsewhere = false;
    } else if world.tasks.has_for(poll) {
        world.went_elsewhere = !world.went_elsewhere && faults.strike(C1Fault::SharedCredentials);
        return world.went_elsewhere;
    }
    false
}

fn said(world: &World, tasks: Vec<Task>) -> (Vec<Task>, String) {
    let name = |task: &Task| {
        let given = world.tasks.get(&TaskId::from(task.id.as_str()));
        given.map(|given| format!("{} {}", given.spec, given.id)).unwrap_or_default()
    };
    let names: Vec<_> = tasks.iter().map(name).collect();
    let text = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    (tasks, text)
}
