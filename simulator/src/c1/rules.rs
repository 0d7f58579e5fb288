//! What C1 demands of a connector's messages (`buf.validate` of its protocol, and of older servers, which are the
//! stricter ones).

use c1_protocol::c1::connector::v2::ConnectorMetadata;
use c1_protocol::c1::connectorapi::baton::v1::baton_service_finish_task_request::FinalState;
use c1_protocol::c1::connectorapi::baton::v1::{
    BatonServiceFinishTaskRequest, BatonServiceGetTasksRequest, BatonServiceHeartbeatRequest,
    BatonServiceHelloRequest,
};
use prost_types::Any;
use tonic::{Code, Status};

use super::tasks::Finished;

const MOST_ANNOTATIONS: usize = 16;
const MOST_TASKS: usize = 100;

fn invalid(text: impl Into<String>) -> Status {
    Status::invalid_argument(text)
}

fn length(text: &str, what: &str, least: usize, most: usize) -> Result<(), Status> {
    let length = text.chars().count();
    if (least..=most).contains(&length) {
        return Ok(());
    }
    Err(invalid(format!("{what} has {length} characters instead of {least} to {most}")))
}

pub(super) fn host_id(id: &str) -> Result<(), Status> {
    length(id, "host_id", 1, 256)
}

pub(super) fn task_id(id: &str) -> Result<(), Status> {
    if id.len() == 27 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err(invalid("task_id is not 27 letters and digits"))
}

pub(super) fn annotations(annotations: &[Any]) -> Result<(), Status> {
    if annotations.len() <= MOST_ANNOTATIONS {
        return Ok(());
    }
    Err(invalid(format!(
        "there are {} annotations, which is more than {MOST_ANNOTATIONS}",
        annotations.len()
    )))
}

pub(super) fn hello(request: &BatonServiceHelloRequest) -> Result<(), Status> {
    host_id(&request.host_id)?;
    if !request.task_id.is_empty() {
        task_id(&request.task_id)?;
    }
    annotations(&request.annotations)?;
    let build = request.build_info.as_ref().ok_or_else(|| invalid("build_info is missing"))?;
    let os = request.os_info.as_ref().ok_or_else(|| invalid("os_info is missing"))?;
    let texts = [
        ("build_info.lang_version", &build.lang_version),
        ("build_info.package", &build.package),
        ("build_info.package_version", &build.package_version),
        ("os_info.hostname", &os.hostname),
        ("os_info.os", &os.os),
        ("os_info.platform", &os.platform),
        ("os_info.platform_version", &os.platform_version),
        ("os_info.platform_family", &os.platform_family),
        ("os_info.kernel_version", &os.kernel_version),
        ("os_info.kernel_arch", &os.kernel_arch),
        ("os_info.virtualization_system", &os.virtualization_system),
    ];
    texts.iter().try_for_each(|(what, text)| length(text, what, 1, 256))?;
    let metadata = request.connector_metadata.as_ref();
    metadata_is_right(metadata.ok_or_else(|| invalid("connector_metadata is missing"))?)
}

fn metadata_is_right(metadata: &ConnectorMetadata) -> Result<(), Status> {
    length(&metadata.display_name, "connector_metadata.display_name", 1, 1024)?;
    length(&metadata.help_url, "connector_metadata.help_url", 0, 1024)?;
    length(&metadata.description, "connector_metadata.description", 0, 4096)?;
    if !metadata.help_url.is_empty() && !metadata.help_url.starts_with("https://") {
        return Err(invalid("connector_metadata.help_url is not https"));
    }
    annotations(&metadata.annotations)
}

pub(super) fn get_tasks(request: &BatonServiceGetTasksRequest) -> Result<(), Status> {
    host_id(&request.host_id)?;
    annotations(&request.annotations)?;
    if !(1..=100).contains(&request.page_size) {
        return Err(invalid(format!("page_size is {} instead of 1 to 100", request.page_size)));
    }
    request.known_task_ids.iter().try_for_each(|id| task_id(id))
}

pub(super) fn heartbeat(request: &BatonServiceHeartbeatRequest) -> Result<(), Status> {
    host_id(&request.host_id)?;
    annotations(&request.annotations)?;
    if request.task_id.is_empty() && request.task_ids.is_empty() {
        return Err(invalid("a heartbeat names no task"));
    }
    if !request.task_id.is_empty() {
        task_id(&request.task_id)?;
    }
    if request.task_ids.len() > MOST_TASKS {
        return Err(invalid(format!(
            "there are {} task_ids, which is more than {MOST_TASKS}",
            request.task_ids.len()
        )));
    }
    request.task_ids.iter().try_for_each(|id| task_id(id))
}

/// How the task ended, if that is said in a way that can be believed.
pub(super) fn finish_task(request: &BatonServiceFinishTaskRequest) -> Result<Finished, Status> {
    host_id(&request.host_id)?;
    task_id(&request.task_id)?;
    match (&request.final_state, &request.status) {
        (None, _) => Err(invalid("final_state is missing")),
        (Some(FinalState::Success(_)), Some(_)) => Err(invalid("a success has a status")),
        (Some(FinalState::Success(success)), None) => {
            annotations(&success.annotations)?;
            Ok(Finished::Success)
        }
        (Some(FinalState::Error(_)), None) => Err(invalid("an error has no status")),
        (Some(FinalState::Error(error)), Some(status)) => {
            annotations(&error.annotations)?;
            let code = Code::from(status.code);
            if code == Code::Ok {
                return Err(invalid("an error has the status OK"));
            }
            Ok(Finished::Error { code, message: status.message.clone(), non_retryable: error.non_retryable })
        }
    }
}
