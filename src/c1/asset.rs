//! What a task asks for, who does it, and what comes of it: a file to upload, or the reason why there is none.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use tempfile::TempPath;
use tonic::Code;
use tracing::Span;

use super::About;
use crate::proto::c1::connectorapi::baton::v1::task::SyncFullTask;
use crate::snapshot::Selection;

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// Reads for C1.
#[async_trait]
pub trait Reader: Send + Sync {
    /// What C1 is told of the connector.
    fn about(&self) -> About;

    /// Reads everything, by a run that begins only now, and gives what the task wants of it. Whoever drops the future
    /// no longer wants it.
    ///
    /// # Errors
    /// [`Refused`] where nothing was published, as C1 is to be told.
    async fn read(&self, task: &SyncTask) -> Result<Asset, Refused>;
}

/// A task to read everything, and how much of it to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncTask {
    /// Its id.
    pub id: String,
    /// What of it is wanted.
    pub selection: Selection,
}

impl SyncTask {
    /// The task `id` that says this.
    ///
    /// # Errors
    /// [`Refused`] where it wants single resources, which no connector here says that it can.
    pub(super) fn new(id: &str, task: &SyncFullTask) -> Result<Self, Refused> {
        if !task.targeted_sync_resources.is_empty() {
            return Err(Refused {
                code: Code::Unimplemented,
                message: "This connector cannot sync single resources: ask for a full sync.".to_owned(),
                non_retryable: true,
            });
        }
        let selection = Selection::of_task(
            &task.sync_resource_type_ids,
            task.skip_entitlements_and_grants,
            task.skip_grants,
        );
        Ok(Self { id: id.to_owned(), selection })
    }
}

/// Why there is nothing to upload, as C1 is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The gRPC status code.
    pub code: Code,
    /// The sentence for people.
    pub message: String,
    /// Would it be the same if C1 asked again?
    pub non_retryable: bool,
}

/// A file to upload. It is open, so that it may be removed meanwhile.
#[derive(Debug)]
pub struct Asset {
    pub(super) file: Arc<File>,
    pub(super) sha256: [u8; 32],
    pub(super) size: u64,
    /// The run that it is of.
    pub(super) sync_id: String,
    /// The span that it was opened in: that run's.
    pub(super) run: Span,
    // Where it is a copy: it goes when this does.
    _copy: Option<TempPath>,
}

impl Asset {
    /// The file at `path`, of the run `sync_id`. Blocks its thread.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path, sync_id: &str) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let (mut digest, mut size) = (Sha256::new(), 0);
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = file.read(&mut chunk)?;
            if read == 0 {
                break;
            }
            digest.update(chunk.get(..read).unwrap_or_default());
            size += read as u64;
        }
        let sha256 = digest.finalize().into();
        let (file, sync_id, run) = (Arc::new(file), sync_id.to_owned(), Span::current());
        Ok(Self { file, sha256, size, sync_id, run, _copy: None })
    }

    /// The SHA-256 of the file, in lowercase hexadecimal digits.
    pub fn digest(&self) -> String {
        self.sha256.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The same of a copy, which is removed afterwards.
    ///
    /// # Errors
    /// What the system says.
    pub fn open_copy(copy: TempPath, sync_id: &str) -> io::Result<Self> {
        let mut asset = Self::open(&copy, sync_id)?;
        asset._copy = Some(copy);
        Ok(asset)
    }
}
