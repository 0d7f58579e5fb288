//! Who reads, in tests: gives a file that was there before, and does as it is told.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use connector_operator::c1::{About, Asset, Reader, Refused, SyncTask};
use connector_operator::connectors::scalr;
use connector_operator::snapshot::{Selection, SnapshotWriter, SyncId};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::stage::SOON;

/// What has become of the reads of one task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    pub(crate) begun: usize,
    /// Those that came to an end by themselves.
    pub(crate) ended: usize,
    /// Those that nobody wanted any more.
    pub(crate) dropped: usize,
}

impl Reads {
    pub(crate) fn running(&self) -> usize {
        self.begun - self.ended - self.dropped
    }
}

/// Gives the same file for each task.
pub(crate) struct FakeReader {
    folder: TempDir,
    run: String,
    /// Whether reads come to an end, or wait until they may.
    open: watch::Sender<bool>,
    refusals: Mutex<VecDeque<Refused>>,
    asked: Mutex<Vec<Selection>>,
    reads: watch::Sender<BTreeMap<String, Reads>>,
}

impl FakeReader {
    /// A reader of an empty snapshot.
    pub(crate) fn of_a_snapshot() -> Arc<Self> {
        let now = Timestamp::now();
        let scratch = tempfile::tempdir().unwrap();
        let id = SyncId::new(now);
        let writer = SnapshotWriter::create(scratch.path(), &[scalr::USER], id.clone(), now).unwrap();
        let finished = writer.finish(now).unwrap();
        Self::new(id.to_string(), |path| drop(finished.pack(path).unwrap()))
    }

    /// A reader of these bytes.
    pub(crate) fn of(bytes: &[u8]) -> Arc<Self> {
        Self::new("a-run".to_owned(), |path| std::fs::write(path, bytes).unwrap())
    }

    fn new(run: String, write: impl FnOnce(&Path)) -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("file.c1z"));
        Arc::new(Self {
            folder,
            run,
            open: watch::Sender::new(true),
            refusals: Mutex::default(),
            asked: Mutex::default(),
            reads: watch::Sender::default(),
        })
    }

    /// What it gives.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("file.c1z")).unwrap()
    }

    pub(crate) fn run(&self) -> &str {
        &self.run
    }

    /// Reads wait from now on, until they are let go.
    pub(crate) fn hold(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn let_go(&self) {
        self.open.send_replace(true);
    }

    /// The next read that is not waited for any more is refused so.
    pub(crate) fn refuse(&self, refused: Refused) {
        self.refusals.lock().unwrap().push_back(refused);
    }

    /// What the tasks wanted.
    pub(crate) fn asked(&self) -> Vec<Selection> {
        self.asked.lock().unwrap().clone()
    }

    /// The reads of all tasks.
    pub(crate) fn reads(&self) -> Reads {
        sum(&self.reads.borrow())
    }

    pub(crate) fn reads_of(&self, task: &str) -> Reads {
        self.reads.borrow().get(task).copied().unwrap_or_default()
    }

    /// Waits until it holds for the reads of all tasks.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Reads) -> bool) {
        let mut reads = self.reads.subscribe();
        let waiting = reads.wait_for(|reads| holds(&sum(reads)));
        let waited = tokio::time::timeout(SOON, waiting).await.is_ok();
        assert!(waited, "{what}: {:?}", self.reads());
    }
}

fn sum(reads: &BTreeMap<String, Reads>) -> Reads {
    reads.values().fold(Reads::default(), |sum, reads| Reads {
        begun: sum.begun + reads.begun,
        ended: sum.ended + reads.ended,
        dropped: sum.dropped + reads.dropped,
    })
}

/// Notices when a read is over, in whichever way.
struct Reading<'r> {
    reader: &'r FakeReader,
    task: String,
    ended: bool,
}

impl<'r> Reading<'r> {
    fn begin(reader: &'r FakeReader, task: &str) -> Self {
        let reading = Self { reader, task: task.to_owned(), ended: false };
        reading.count(|reads| reads.begun += 1);
        reading
    }

    fn count(&self, change: impl FnOnce(&mut Reads)) {
        self.reader.reads.send_modify(|reads| change(reads.entry(self.task.clone()).or_default()));
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let ended = self.ended;
        self.count(|reads| if ended { reads.ended += 1 } else { reads.dropped += 1 });
    }
}

#[async_trait]
impl Reader for FakeReader {
    fn about(&self) -> About {
        About { display_name: "Scalr", description: "Reads who has access.", resource_types: &[scalr::USER] }
    }

    async fn read(&self, task: &SyncTask) -> Result<Asset, Refused> {
        let mut reading = Reading::begin(self, &task.id);
        self.asked.lock().unwrap().push(task.selection.clone());
        self.open.subscribe().wait_for(|open| *open).await.unwrap();
        reading.ended = true;
        match self.refusals.lock().unwrap().pop_front() {
            Some(refused) => Err(refused),
            None => Ok(Asset::open(&self.folder.path().join("file.c1z"), &self.run).unwrap()),
        }
    }
}
