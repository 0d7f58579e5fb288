//! The bounded way of the records from a connector, which waits for the network, to the snapshot, which waits
//! for the disk. Nothing but the pages in flight is ever held.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::Record;

/// Pages under way between reader and writer: enough that neither waits for the other's hiccups.
const PAGES_IN_FLIGHT: usize = 4;

/// Nobody takes the records any more: the snapshot's writer has failed, and its error says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the snapshot no longer takes records")]
pub struct SinkClosed;

/// How far a run has come. Shared by the one who reads and those who look on.
#[derive(Debug, Default)]
pub struct Progress {
    pages: AtomicU64,
    records: AtomicU64,
    expected: AtomicU64,
}

impl Progress {
    /// Pages read so far.
    pub fn pages(&self) -> u64 {
        self.pages.load(Ordering::Relaxed)
    }

    /// Records read so far.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Upstream items that the listings begun so far say they have; 0 where none has said.
    pub fn expected(&self) -> u64 {
        self.expected.load(Ordering::Relaxed)
    }

    /// One more page has come.
    pub fn page_read(&self) {
        self.pages.fetch_add(1, Ordering::Relaxed);
    }

    /// A listing says how many items it has.
    pub fn expect(&self, items: u64) {
        self.expected.fetch_add(items, Ordering::Relaxed);
    }
}

/// Where a connector puts what it reads.
#[derive(Debug, Clone)]
pub struct RecordSender {
    pages: mpsc::Sender<Vec<Record>>,
    progress: Arc<Progress>,
}

impl RecordSender {
    /// Hands over the records of one page, waiting while the writer is behind.
    ///
    /// # Errors
    /// [`SinkClosed`] when the writer has stopped.
    pub async fn send(&self, page: Vec<Record>) -> Result<(), SinkClosed> {
        let records = page.len() as u64;
        self.pages.send(page).await.map_err(|_| SinkClosed)?;
        self.progress.records.fetch_add(records, Ordering::Relaxed);
        Ok(())
    }

    /// How far the run has come.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }
}

/// Where the snapshot takes records from.
#[derive(Debug)]
pub struct RecordReceiver {
    pages: mpsc::Receiver<Vec<Record>>,
}

impl RecordReceiver {
    /// The next page; `None` when the connector has sent all. Blocks its thread.
    pub fn blocking_next(&mut self) -> Option<Vec<Record>> {
        self.pages.blocking_recv()
    }

    /// The next page; `None` when the connector has sent all.
    pub async fn next(&mut self) -> Option<Vec<Record>> {
        self.pages.recv().await
    }
}

/// A new way, and the progress made on it.
pub fn channel() -> (RecordSender, RecordReceiver) {
    let (sender, receiver) = mpsc::channel(PAGES_IN_FLIGHT);
    (
        RecordSender { pages: sender, progress: Arc::new(Progress::default()) },
        RecordReceiver { pages: receiver },
    )
}
