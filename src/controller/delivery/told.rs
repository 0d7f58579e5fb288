//! What the status says of the delivery to C1: the condition `C1Connected`, the last task and the last upload, and where
//! C1 does not get what it is to get, that the connector is not Ready.
//!
//! It lies over what the runs say. A connector that is Connected by its runs is Ready by them too, so whatever else a
//! Connected one says about Ready is from here, and is taken off again before anything else looks at the status.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::access::in_words;
use crate::api::{C1Status, C1Task, C1Upload, Class, ConditionType, ConnectorStatus, Phase, Reason};
use crate::c1::{LastTask, LastUpload, TaskEnd, Trouble, View};
use crate::sync::{Failure, ObjectKey};

use super::worker::{Standing, class_of};

/// So many failed tries in a row are no accident.
const TRIES: u32 = 3;

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
    let is_of_c1 = |status: &ConnectorStatus| {
        status.phase == Some(Phase::Connected)
            && status.condition(ConditionType::Ready).is_some_and(|ready| ready.status == "False")
    };
    if is_of_c1(status) {
        let counts = status.last_published.as_ref().map(|it| it.counts.clone()).unwrap_or_default();
        let message = format!("Read {}.", in_words(&counts));
        runs.set_condition(ConditionType::Ready, "True", Reason::Succeeded, &message, now);
        runs.remove_condition(ConditionType::Reconciling);
        runs.remove_condition(ConditionType::Stalled);
    }
    runs
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
        if let Some(class) = says.class.filter(|_| ready && runs.phase == Some(Phase::Connected)) {
            status.set_condition(ConditionType::Ready, "False", says.reason, &says.message, now);
            let pair = match class {
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
            Standing::Starting => unknown("C1 has not been asked yet."),
            Standing::Silent => Says {
                status: "False",
                reason: Reason::Suspended,
                message: "Suspended by spec.suspend; C1 is not asked for tasks.".to_owned(),
                class: None,
            },
            Standing::Failed(failure) => failed(failure),
            Standing::Shared(by) => shared(key, by),
            Standing::Working => match &self.view.trouble {
                Some(trouble) if trouble.error.lasts() || trouble.failures >= TRIES => in_trouble(trouble),
                Some(_) => kept(runs).unwrap_or_else(|| unknown("C1 has not answered yet.")),
                None if self.view.connected => Says {
                    status: "True",
                    reason: Reason::Succeeded,
                    message: "C1 accepts the credentials, and is asked for tasks.".to_owned(),
                    class: None,
                },
                None => unknown("C1 has not answered yet."),
            },
        }
    }

    fn remember(&self, status: &mut ConnectorStatus) {
        let task = self.view.last_task.as_ref().and_then(ended_task);
        let upload = self.view.last_upload.as_ref().map(upload);
        if task.is_none() && upload.is_none() {
            return;
        }
        let c1 = status.c1.get_or_insert_with(C1Status::default);
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
            "{other} is older and has the same C1 client id, so C1 would mix the two up. Give this connector \
             credentials of its own in spec.c1."
        ),
        class: Some(Class::WaitForChange),
    }
}

fn in_trouble(trouble: &Trouble) -> Says {
    let (reason, remedy) = if trouble.error.lasts() {
        (Reason::C1Refused, "Check the client id and secret that spec.c1 names, and the connector in C1.")
    } else {
        (Reason::C1Unavailable, "It is tried again; check DNS, proxy and network policy if it stays.")
    };
    let failure = Failure::sentence(reason, &trouble.error.to_string(), remedy);
    failed(&failure)
}

/// One failed try is no news.
fn kept(runs: &ConnectorStatus) -> Option<Says> {
    let condition = runs.condition(ConditionType::C1Connected)?;
    (condition.status == "True").then(|| Says {
        status: "True",
        reason: Reason::Succeeded,
        message: condition.message.clone(),
        class: None,
    })
}

fn ended_task(task: &LastTask) -> Option<C1Task> {
    let (completed, end) = task.ended.as_ref()?;
    let (result, message) = match end {
        TaskEnd::Succeeded => ("OK".to_owned(), None),
        TaskEnd::Failed { code, message } => (format!("{code:?}"), Some(message.clone())),
    };
    Some(C1Task {
        id: task.id.clone(),
        r#type: task.kind.to_owned(),
        received_time: whole_seconds(task.received),
        completion_time: whole_seconds(*completed),
        result,
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
