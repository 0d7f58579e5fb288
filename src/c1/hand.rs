//! Doing one task, whatever it asks for, and telling C1 how it ended.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::finish::{End, finish};
use super::hello::greeting;
use super::kind::{kind_of, unsupported};
use super::sync_full::sync_full;
use super::{C1Error, Pace, Reader, Service, SyncTask, View};
use crate::proto::c1::connectorapi::baton::v1 as api;

use api::task::TaskType;

/// What every task needs.
pub(super) struct Hand {
    pub(super) service: Service,
    pub(super) reader: Arc<dyn Reader>,
    pub(super) view: watch::Sender<View>,
    pub(super) pace: Pace,
    pub(super) stop: CancellationToken,
}

impl Hand {
    pub(super) fn answered(&self) {
        if self.view.send_if_modified(View::answered) {
            tracing::info!("Connected to C1 at {}; waiting for tasks", self.service.host());
        }
    }

    pub(super) fn failed(&self, error: &C1Error, wait: Duration) {
        self.view.send_modify(|view| view.failed(error.clone()));
        tracing::warn!("{error}. C1 is asked again in {} s", wait.as_secs_f64().ceil());
    }

    /// The greeting that answers the hello task `task_id`, or none where that is empty.
    pub(super) fn greeting(&self, task_id: &str) -> api::BatonServiceHelloRequest {
        greeting(self.service.host_id(), task_id, &self.reader.about())
    }

    /// Does a task. What is returned is what C1 has not heard of its end, and is to be told if it asks again.
    pub(super) async fn handle(
        &self,
        id: &str,
        task: Option<TaskType>,
        first_heartbeat: Duration,
    ) -> Option<End> {
        let kind = kind_of(task.as_ref());
        tracing::info!(kind, "A task has come from C1");
        if let Some(TaskType::Hello(_)) = task {
            self.greet_again(id).await;
            return None;
        }
        self.view.send_modify(|view| view.began(id, kind, Timestamp::now()));
        let end = match task {
            Some(TaskType::SyncFull(task)) => match SyncTask::new(id, &task) {
                Ok(task) => sync_full(self, &task, first_heartbeat).await,
                Err(refused) => Err(refused),
            },
            task => Err(unsupported(kind, task.as_ref())),
        };
        self.end(id, end).await
    }

    async fn greet_again(&self, id: &str) {
        let greeting = self.greeting(id);
        let answer = tokio::select! {
            answer = self.service.hello(&greeting) => answer,
            () = self.stop.cancelled() => return,
        };
        match answer {
            Ok(()) => tracing::info!("C1 is greeted once more, as it asked"),
            // One that C1 has not heard is asked for again.
            Err(error) => tracing::warn!(%error, "A greeting that C1 asked for was not taken"),
        }
    }

    /// Tells C1 that a task has ended so. What is returned is what it has not heard.
    pub(super) async fn end(&self, id: &str, end: End) -> Option<End> {
        match &end {
            Ok(()) => tracing::info!("The task is done"),
            Err(refused) => {
                tracing::warn!(code = ?refused.code, "The task has failed: {}", refused.message)
            }
        }
        let told = finish(&self.service, id, &end, self.pace.again).await;
        self.view.send_modify(|view| view.ended(id, (&end).into(), Timestamp::now()));
        let Err(error) = told else { return None };
        tracing::warn!(%error, "C1 could not be told that the task has ended; it will give it out again");
        // What was called off has come to nothing: whoever asks for it again wants it done.
        let called_off = end.as_ref().is_err_and(|refused| refused.code == Code::Cancelled);
        (!called_off).then_some(end)
    }
}
