//! What whoever holds a simulated C1 can do with it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Hello;
use super::credentials::C1Client;
use super::faults::{C1Fault, C1SwitchedOn};
use super::spec::TaskSpec;
use super::state::C1State;
use super::tasks::{Finished, GivenTask, Progress, TaskId};
use super::transcript::{self, Entry};
use super::upload::ReceivedFile;
use crate::error::Error;

/// A handle on a simulated C1. Clones share it.
#[derive(Clone, Debug)]
pub struct C1 {
    host: Arc<str>,
    authority: Arc<str>,
    state: Arc<C1State>,
}

impl C1 {
    pub(super) fn new(address: SocketAddr, authority: Arc<str>, state: Arc<C1State>) -> Self {
        Self { host: address.to_string().into(), authority, state }
    }

    /// Where it listens, such as `127.0.0.1:8183`: what `BATON_C1_API_HOST` takes.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The certificate of the authority behind the server's own, as PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.authority
    }

    /// The credentials of a client; 0 is the first.
    #[must_use]
    pub fn client(&self, index: usize) -> Option<C1Client> {
        self.state.world().clients.get(index).map(|registered| registered.client.clone())
    }

    /// The credentials of all clients.
    #[must_use]
    pub fn clients(&self) -> Vec<C1Client> {
        self.state.world().clients.iter().map(|registered| registered.client.clone()).collect()
    }

    /// Makes another client.
    ///
    /// # Errors
    /// When there is one of that name, or the name cannot be part of a client id.
    pub fn add_client(&self, name: &str) -> Result<C1Client, Error> {
        self.state.register(name)
    }

    /// Ends all tokens, although their lifetimes are not over.
    pub fn end_tokens(&self) {
        self.state.world().tokens.end_all();
    }

    /// Gives a client something to do. It is handed to whoever polls with the client's credentials.
    ///
    /// # Errors
    /// When there is no such client.
    pub fn give(&self, client: usize, task: TaskSpec) -> Result<TaskId, Error> {
        let mut world = self.state.world();
        if client >= world.clients.len() {
            return Err(Error::unknown("client", &client.to_string()));
        }
        Ok(world.tasks.give(client, task))
    }

    /// Says that a task is no longer wanted: it is not handed out any more, and its next heartbeat hears of it.
    ///
    /// # Errors
    /// When there is no such task.
    pub fn cancel(&self, task: &TaskId) -> Result<(), Error> {
        let mut world = self.state.world();
        let task = world.tasks.get_mut(task).ok_or_else(|| Error::unknown("task", task.as_str()))?;
        task.cancelled = true;
        Ok(())
    }

    /// A task, and what has become of it.
    #[must_use]
    pub fn task(&self, task: &TaskId) -> Option<GivenTask> {
        self.state.world().tasks.get(task).cloned()
    }

    /// All tasks, in the order in which they were given.
    #[must_use]
    pub fn tasks(&self) -> Vec<GivenTask> {
        self.state.world().tasks.all().to_vec()
    }

    /// How a task ended; `None` before a connector has said so.
    #[must_use]
    pub fn finished(&self, task: &TaskId) -> Option<Finished> {
        match self.task(task)?.progress {
            Progress::Finished(finished) => Some(finished),
            Progress::Waiting | Progress::InHand { .. } => None,
        }
    }

    /// The files that arrived whole for a task, in the order in which they did.
    #[must_use]
    pub fn files(&self, task: &TaskId) -> Vec<ReceivedFile> {
        self.state.world().files.iter().filter(|file| file.task == *task).cloned().collect()
    }

    /// The files that arrived whole for any task.
    #[must_use]
    pub fn all_files(&self) -> Vec<ReceivedFile> {
        self.state.world().files.clone()
    }

    /// The hellos that were accepted.
    #[must_use]
    pub fn hellos(&self) -> Vec<Hello> {
        self.state.world().hellos.clone()
    }

    /// What was asked and answered.
    #[must_use]
    pub fn transcript(&self) -> Vec<Entry> {
        self.state.world().transcript.clone()
    }

    /// Waits until the task has ended.
    ///
    /// # Errors
    /// When it has not within that time; the error has the transcript.
    pub async fn until_finished(&self, task: &TaskId, within: Duration) -> Result<Finished, Error> {
        let mut end = None;
        let ended = |_: &[Entry]| {
            end = self.finished(task);
            end.is_some()
        };
        let waited = self.wait(within, ended).await;
        end.filter(|_| waited).ok_or_else(|| self.timed_out(&format!("task {task} has not ended"), within))
    }

    /// Waits until `condition` holds for the transcript. It is looked at after every answer.
    ///
    /// # Errors
    /// When it does not within that time; the error has the transcript.
    pub async fn until(
        &self,
        within: Duration,
        condition: impl FnMut(&[Entry]) -> bool,
    ) -> Result<(), Error> {
        let waited = self.wait(within, condition).await;
        waited.then_some(()).ok_or_else(|| self.timed_out("what was waited for has not happened", within))
    }

    async fn wait(&self, within: Duration, mut condition: impl FnMut(&[Entry]) -> bool) -> bool {
        let mut changes = self.state.changes();
        let holds = async {
            loop {
                // A copy, so that the condition may ask the handle for more.
                if condition(&self.transcript()) {
                    return true;
                }
                if changes.changed().await.is_err() {
                    return false;
                }
            }
        };
        tokio::time::timeout(within, holds).await.unwrap_or(false)
    }

    fn timed_out(&self, what: &str, within: Duration) -> Error {
        let transcript = transcript::listed(&self.transcript());
        Error::TimedOut { what: what.to_owned(), within, transcript }
    }

    /// The connector crashes at the `number`th call by which it changes anything, counted from the start: before the
    /// call has any effect, or after. `crashes` is called then, and from there on nobody hears an answer, until
    /// [`C1::mend`].
    pub fn cut(&self, number: u64, after: bool, crashes: impl FnOnce() + Send + 'static) {
        self.state.cut.plan(number, after, Box::new(crashes));
    }

    /// The connector is there again.
    pub fn mend(&self) {
        self.state.cut.mend();
    }

    /// How many calls have come by which a connector changes anything: greetings, uploads, ends of tasks.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.state.cut.changes()
    }

    /// Does something wrong from now on, every time or so many times, in place of what was set for the same fault.
    pub fn switch_on(&self, fault: C1Fault, times: Option<u32>) {
        self.state.faults.switch_on(fault, times);
    }

    /// Does it right again.
    pub fn switch_off(&self, fault: C1Fault) {
        self.state.faults.switch_off(fault);
    }

    /// Does everything right again.
    pub fn switch_all_off(&self) {
        self.state.faults.switch_all_off();
    }

    /// What it does wrong now.
    #[must_use]
    pub fn faults(&self) -> Vec<C1SwitchedOn> {
        self.state.faults.list()
    }
}
