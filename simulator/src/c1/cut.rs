//! A connector that crashes in the middle of a call, as C1 sees it: from that call on nobody hears an answer, until the
//! connector is there again.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The calls by which a connector changes anything.
const CHANGES: [&str; 3] = ["Hello", "FinishTask", "UploadAsset"];

type Told = Box<dyn FnOnce() + Send>;

/// When the connector crashes.
#[derive(Default)]
pub(super) struct Cut(Mutex<State>);

#[derive(Default)]
struct State {
    changes: u64,
    planned: Option<Planned>,
    silent: bool,
}

struct Planned {
    number: u64,
    after: bool,
    told: Told,
}

impl fmt::Debug for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cut").field("silent", &self.state().silent).finish_non_exhaustive()
    }
}

impl Cut {
    pub(super) fn plan(&self, number: u64, after: bool, told: Told) {
        self.state().planned = Some(Planned { number, after, told });
    }

    pub(super) fn mend(&self) {
        let mut state = self.state();
        (state.planned, state.silent) = (None, false);
    }

    pub(super) fn changes(&self) -> u64 {
        self.state().changes
    }

    /// A call comes. True where it is never answered, and has no effect.
    pub(super) fn enters(&self, method: &str) -> bool {
        let mut state = self.state();
        if state.silent {
            return true;
        }
        if !CHANGES.contains(&method) {
            return false;
        }
        state.changes += 1;
        state.strike(false)
    }

    /// A call has had its effect.
    pub(super) fn leaves(&self, method: &str) {
        if CHANGES.contains(&method) {
            self.state().strike(true);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn strike(&mut self, after: bool) -> bool {
        let changes = self.changes;
        let Some(planned) = self.planned.take_if(|it| it.number == changes && it.after == after) else {
            return false;
        };
        self.silent = true;
        (planned.told)();
        true
    }
}
