//! Where snapshots are kept, as flags.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::snapshot::{BucketAddress, BucketStore, DirectoryStore, InvalidBucket, Store};
use crate::sync::in_background;

use super::{Failed, WRITABLE};

/// How long the operator's start waits for a bucket: health is not told of before.
const PROVE_WITHIN: Duration = Duration::from_secs(15);

#[derive(Debug, Args)]
pub(super) struct Storage {
    /// The folder that keeps the snapshots.
    #[arg(long, env = "CONNECTOR_SNAPSHOT_DIR", default_value = "/var/lib/connector-operator/snapshots")]
    snapshot_dir: PathBuf,
    /// The bucket that keeps the snapshots in place of a folder: s3://BUCKET, gs://BUCKET or az://CONTAINER, with a /PREFIX
    /// where that is wanted. Credentials, region and endpoint come from the variables that the cloud's own tools have.
    #[arg(long, env = "CONNECTOR_SNAPSHOT_BUCKET", value_name = "ADDRESS", value_parser = address)]
    snapshot_bucket: Option<BucketAddress>,
}

fn address(text: &str) -> Result<BucketAddress, String> {
    text.parse().map_err(|error: InvalidBucket| error.to_string())
}

impl Storage {
    /// The scratch folder where none is set: beside the snapshots, or with the system's own temporary files.
    pub(super) fn default_scratch(&self) -> PathBuf {
        match self.snapshot_bucket {
            Some(_) => std::env::temp_dir().join("connector-operator"),
            None => self.snapshot_dir.join(".scratch"),
        }
    }

    /// The store, whose folder is made where it is not there. Blocks its thread.
    pub(super) fn open(&self, scratch: &Path) -> Result<Store, Failed> {
        match &self.snapshot_bucket {
            Some(address) => Ok(self.bucket(address, scratch)?.into()),
            None => {
                let folder = &self.snapshot_dir;
                std::fs::create_dir_all(folder)
                    .map_err(|error| format!("--snapshot-dir {}: {error}; {WRITABLE}", folder.display()))?;
                Ok(DirectoryStore::new(folder).into())
            }
        }
    }

    /// The store that must be there. Blocks its thread.
    pub(super) fn open_existing(&self, scratch: &Path) -> Result<Store, Failed> {
        match &self.snapshot_bucket {
            Some(address) => Ok(self.bucket(address, scratch)?.into()),
            // A folder that is not there is a mistyped one, not an empty store.
            None if !self.snapshot_dir.is_dir() => Err(format!(
                "--snapshot-dir {}: there is no such folder; name the one that the operator writes to",
                self.snapshot_dir.display()
            )
            .into()),
            None => Ok(DirectoryStore::new(&self.snapshot_dir).into()),
        }
    }

    fn bucket(&self, address: &BucketAddress, scratch: &Path) -> Result<BucketStore, Failed> {
        let store = BucketStore::connect(address.clone(), scratch.to_owned());
        Ok(store.map_err(|error| format!("--snapshot-bucket {error}"))?)
    }
}

/// A bucket that cannot be used ends the operator at once. One that does not answer may do so later: nothing is published
/// until it was shown to be safe.
pub(super) async fn prove(store: &Store) -> Result<(), Failed> {
    let Store::Bucket(bucket) = store.clone() else { return Ok(()) };
    let Ok(shown) = tokio::time::timeout(PROVE_WITHIN, in_background(move || bucket.prove())).await else {
        tracing::warn!("The bucket for snapshots does not answer yet; nothing is published until it does");
        return Ok(());
    };
    match shown? {
        Ok(()) => Ok(()),
        Err(error) => match error.bucket_problem() {
            Some(problem) if problem.may_pass() => {
                tracing::warn!(%error, "The bucket for snapshots cannot be used yet; nothing is published until it can");
                Ok(())
            }
            Some(problem) => Err(format!("--snapshot-bucket: {error}. {}", problem.remedy()).into()),
            None => Err(error.into()),
        },
    }
}
