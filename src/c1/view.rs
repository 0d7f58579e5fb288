//! What can be seen of the work for C1 from outside.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tonic::Code;

use super::C1Error;

/// How it stands between a connector and C1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Has C1 answered since the work began?
    pub connected: bool,
    /// Why C1 cannot be asked now.
    pub trouble: Option<Trouble>,
    /// The task that came last and is more than a greeting.
    pub last_task: Option<LastTask>,
    /// The last file that C1 has taken.
    pub last_upload: Option<LastUpload>,
    /// How many tasks have ended, by what they asked for and by result: OK, or the gRPC status code that C1 was told.
    pub tasks_ended: BTreeMap<(&'static str, String), u64>,
    /// How many bytes C1 has taken.
    pub uploaded_bytes: u64,
    /// What the tasks in hand ask for, by their ids.
    in_hand: BTreeMap<String, &'static str>,
}

/// Why C1 cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// How often in a row.
    pub failures: u32,
    /// Why, the last time.
    pub error: C1Error,
}

/// A task that came from C1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastTask {
    /// Its id.
    pub id: String,
    /// What it asked for, such as `sync_full`.
    pub kind: &'static str,
    /// When it came.
    pub received: Timestamp,
    /// When and how it ended; `None` while it is in hand.
    pub ended: Option<(Timestamp, TaskEnd)>,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskEnd {
    /// Well.
    Succeeded,
    /// Not well.
    Failed {
        /// The gRPC status code that C1 was told.
        code: Code,
        /// The sentence.
        message: String,
    },
}

impl TaskEnd {
    /// OK, or the gRPC status code that C1 was told.
    pub fn result(&self) -> String {
        match self {
            Self::Succeeded => "OK".to_owned(),
            Self::Failed { code, .. } => format!("{code:?}"),
        }
    }
}

/// A file that C1 has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUpload {
    /// For which task.
    pub task_id: String,
    /// Of which run.
    pub sync_id: String,
    /// The SHA-256 of the file, in lowercase hexadecimal digits.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
    /// When.
    pub time: Timestamp,
}

impl View {
    pub(super) fn answered(&mut self) -> bool {
        let changed = !self.connected || self.trouble.is_some();
        self.connected = true;
        self.trouble = None;
        changed
    }

    pub(super) fn failed(&mut self, error: C1Error) {
        let failures = self.trouble.as_ref().map_or(0, |trouble| trouble.failures).saturating_add(1);
        self.trouble = Some(Trouble { failures, error });
    }

    pub(super) fn uploaded(&mut self, upload: LastUpload) {
        self.uploaded_bytes = self.uploaded_bytes.saturating_add(upload.size);
        self.last_upload = Some(upload);
    }

    pub(super) fn began(&mut self, id: &str, kind: &'static str, now: Timestamp) {
        self.in_hand.insert(id.to_owned(), kind);
        self.last_task = Some(LastTask { id: id.to_owned(), kind, received: now, ended: None });
    }

    pub(super) fn ended(&mut self, id: &str, end: TaskEnd, now: Timestamp) {
        if let Some(kind) = self.in_hand.remove(id) {
            *self.tasks_ended.entry((kind, end.result())).or_default() += 1;
        }
        if let Some(task) = self.last_task.as_mut().filter(|task| task.id == id) {
            task.ended = Some((now, end));
        }
    }
}
