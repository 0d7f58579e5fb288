//! What the endpoints of one simulated C1 share, and whoever drives it.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::C1Config;
use super::credentials::Registered;
use super::cut::Cut;
use super::faults::Switches;
use super::tasks::Tasks;
use super::token::Tokens;
use super::transcript::{Answer, Entry, Who};
use super::{Hello, ReceivedFile};
use crate::error::Error;

/// One simulated C1.
#[derive(Debug)]
pub(super) struct C1State {
    pub(super) config: C1Config,
    pub(super) faults: Switches,
    pub(super) cut: Cut,
    started: Instant,
    world: Mutex<World>,
    changed: watch::Sender<()>,
}

/// What changes.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) clients: Vec<Registered>,
    pub(super) tokens: Tokens,
    /// The hosts of clients that have said hello.
    pub(super) greeted: BTreeSet<(usize, String)>,
    pub(super) hellos: Vec<Hello>,
    pub(super) tasks: Tasks,
    pub(super) files: Vec<ReceivedFile>,
    pub(super) transcript: Vec<Entry>,
    /// Did the last task go to somebody else who has the same credentials?
    pub(super) went_elsewhere: bool,
}

impl C1State {
    pub(super) fn new(config: C1Config) -> Result<Self, Error> {
        let state = Self {
            faults: Switches::default(),
            cut: Cut::default(),
            started: Instant::now(),
            world: Mutex::default(),
            changed: watch::Sender::new(()),
            config,
        };
        for name in &state.config.clients {
            state.register(name)?;
        }
        Ok(state)
    }

    pub(super) fn register(&self, name: &str) -> Result<super::C1Client, Error> {
        let mut world = self.world();
        if world.clients.iter().any(|known| known.client.name == name) {
            return Err(Error::exists("client", name));
        }
        let index = world.clients.len();
        let registered = Registered::new(self.config.seed, &self.config.tenant_host, name, index)?;
        let client = registered.client.clone();
        world.clients.push(registered);
        Ok(client)
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time since the start.
    pub(super) fn at(&self) -> Duration {
        self.started.elapsed()
    }

    /// Writes down what was asked and answered, and wakes who waits for something.
    pub(super) fn tell(&self, who: &Who, method: &'static str, text: &str, answer: Answer) {
        let entry = Entry {
            at: self.at(),
            client: on_one_line(&who.client),
            host_id: on_one_line(&who.host_id),
            method,
            text: on_one_line(text),
            answer,
        };
        tracing::debug!(%entry, "the simulated C1 answered");
        self.world().transcript.push(entry);
        self.changed.send_replace(());
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

/// What clients send reaches people's terminals.
fn on_one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}
