//! What the status says of the delivery to C1: the condition `C1Connected`, the last task and the last upload, and where
//! C1 does not get what it is to get, that the connector is not Ready.
//!
//! It lies over what the runs say. By those a connector is not Ready only where the last one failed, or something is
//! held, so whatever else says that it is not is from here, and is taken off again before anything else looks at the
//! status.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::access::in_words;
use crate::api::{C1Task, C1Upload, Class, ConditionType, ConnectorStatus, Phase, Reason};
use crate::c1::{LastTask, LastUpload, TaskEnd, Trouble, View};
use crate::sync::{Failure, ObjectKey};

use super::worker::{Standing, TRIES, class_of};

/// How it stands with an object's work for C1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::controller) struct Told {
    pub(super) standing: Standing,
    pub(super) view: View,
}

/// The condition `C1Connected`.
struct Says {
    status: &'static str,
    reason: Reason,
    message: String,
    /// What it means that it is not True.
    class: Option<Class>,
}

/// `status` as the runs alone would have it.
pub(in crate::controller) fn without(status: &ConnectorStatus, now: Timestamp) -> ConnectorStatus {
    let mut runs = status.clone();
    let not_ready = status.condition(ConditionType::Ready).is_some_and(|ready| ready.status == "False");
    if not_ready && status.consecutive_failures.is_none() && status.held.is_none() {
        let counts = status.last_published.iter().flat_map(|it| &it.counts);
        let message = format!("Read {}.", in_words(counts));
        runs.set_condition(ConditionType::Ready, "True", Reason::Succeeded, &message, now);
        if !is_syncing(status) {
            runs.remove_condition(ConditionType::Reconciling);
            runs.remove_condition(ConditionType::Stalled);
        }
    }
    runs
}

/// Then Reconciling is that of the run, for which somebody waits.
fn is_syncing(status: &ConnectorStatus) -> bool {
    status.phase == Some(Phase::Syncing)
}

impl Told {
    /// Lays it over what the runs say.
    pub(in crate::controller) fn over(
        &self,
        key: &ObjectKey,
        runs: &ConnectorStatus,
        now: Timestamp,
    ) -> ConnectorStatus {
        let mut status = runs.clone();
        let says = self.says(key, runs);
        status.set_condition(ConditionType::C1Connected, says.status, says.reason, &says.message, now);
        self.remember(&mut status);
        let ready = runs.condition(ConditionType::Ready).is_some_and(|ready| ready.status == "True");
        // What is switched off lacks nothing.
        let wants = ready && runs.phase != Some(Phase::Suspended);
        if let Some(class) = says.class.filter(|_| wants) {
            status.set_condition(ConditionType::Ready, "False", says.reason, &says.message, now);
            let pair = match class {
                _ if is_syncing(runs) => None,
                Class::WaitForChange => Some(ConditionType::Stalled),
                Class::WaitForSecret => Some(ConditionType::Reconciling),
                Class::Retry => None,
            };
            if let Some(type_) = pair {
                status.set_condition(type_, "True", says.reason, &says.message, now);
            }
        }
        status
    }

    fn says(&self, key: &ObjectKey, runs: &ConnectorStatus) -> Says {
        let unknown = |message: &str| Says {
            status: "Unknown",
            reason: Reason::Progressing,
            message: message.to_owned(),
            class: None,
        };
        match &self.standing {
            Standing::Starting => kept(runs).unwrap_or_else(|| unknown("C1 has not been asked yet.")),
            Standing::Silent => Says {
                status: "False",
                reason: Reason::Suspended,
                message: "Suspended: C1 is not asked for tasks while spec.suspend is true.".to_owned(),
                class: None,
            },
            Standing::Failed(failure) => failed(failure),
            Standing::Shared(by) => shared(key, by),
            Standing::Working => match &self.view.trouble {
                Some(trouble) if self.is_told(trouble) => in_trouble(trouble),
                _ if self.view.connected => Says {
                    status: "True",
                    reason: Reason::Succeeded,
                    message: "C1 accepts the credentials, and is asked for tasks.".to_owned(),
                    class: None,
                },
                _ => kept(runs).unwrap_or_else(|| unknown("C1 has not answered yet.")),
            },
        }
    }

    /// One failed try is no news. Nor is it where C1 says no for the first time: it may only have forgotten that it
    /// was greeted.
    fn is_told(&self, trouble: &Trouble) -> bool {
        let said_no = trouble.error.lasts() && (trouble.failures > 1 || !self.view.connected);
        said_no || trouble.failures >= TRIES
    }

    fn remember(&self, status: &mut ConnectorStatus) {
        let task = self.view.last_task.as_ref().and_then(ended_task);
        let upload = self.view.last_upload.as_ref().map(upload);
        if task.is_none() && upload.is_none() {
            return;
        }
        let c1 = status.c1.get_or_insert_default();
        c1.last_task = task.or_else(|| c1.last_task.take());
        c1.last_upload = upload.or_else(|| c1.last_upload.take());
    }
}

fn failed(failure: &Failure) -> Says {
    Says {
        status: "False",
        reason: failure.reason,
        message: failure.message.clone(),
        class: Some(class_of(failure)),
    }
}

/// What another namespace has is not said.
fn shared(key: &ObjectKey, by: &ObjectKey) -> Says {
    let other = if by.namespace == key.namespace {
        format!("{} {}", by.kind, by.name)
    } else {
        "A connector in another namespace".to_owned()
    };
    Says {
        status: "False",
        reason: Reason::CredentialsShared,
        message: format!(
            "{other} is older and has the same C1 client id, so C1 would mix the two up. Put credentials of its \
             own into the Secret that spec.c1.credentialsSecretRef names."
        ),
        class: Some(Class::WaitForChange),
    }
}

fn in_trouble(trouble: &Trouble) -> Says {
    let (reason, remedy) = if trouble.error.lasts() {
        (
            Reason::C1Refused,
            "Check the Secret that spec.c1.credentialsSecretRef names, and the connector in C1.",
        )
    } else {
        (Reason::C1Unavailable, "It is tried again; check DNS, proxy and network policy if it stays.")
    };
    let failure = Failure::sentence(reason, &trouble.error.to_string(), remedy);
    failed(&failure)
}

/// What is known from before, by another worker or before a restart, until there is something new to say. Of another
/// generation it is not known.
fn kept(runs: &ConnectorStatus) -> Option<Says> {
    let condition = runs.condition(ConditionType::C1Connected)?;
    let reason = Reason::of_word(&condition.reason)?;
    let (status, class) = match condition.status.as_str() {
        "True" => ("True", None),
        "False" => ("False", Some(reason.class()?)),
        _ => return None,
    };
    let known = condition.observed_generation == Some(runs.observed_generation);
    known.then(|| Says { status, reason, message: condition.message.clone(), class })
}

fn ended_task(task: &LastTask) -> Option<C1Task> {
    let (completed, end) = task.ended.as_ref()?;
    let message = match end {
        TaskEnd::Succeeded => None,
        TaskEnd::Failed { message, .. } => Some(message.clone()),
    };
    Some(C1Task {
        id: task.id.clone(),
        r#type: task.kind.to_owned(),
        received_time: whole_seconds(task.received),
        completion_time: whole_seconds(*completed),
        result: end.result(),
        message,
    })
}

fn upload(upload: &LastUpload) -> C1Upload {
    C1Upload {
        task_id: upload.task_id.clone(),
        sync_id: upload.sync_id.clone(),
        digest: format!("sha256:{}", upload.digest),
        size: upload.size,
        time: whole_seconds(upload.time),
    }
}

fn whole_seconds(moment: Timestamp) -> Time {
    Time(Timestamp::from_second(moment.as_second()).unwrap_or(moment))
}

#[cfg(test)]
mod tests;
