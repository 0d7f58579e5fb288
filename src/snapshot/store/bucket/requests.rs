//! One request each, bounded in time, whose errors say what was being done to which object.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use object_store::path::Path as Key;
use object_store::{
    GetResult, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion,
};
use tokio::runtime::{Builder, Runtime};

use super::{BucketAddress, BucketProblem, StoreError};
use crate::snapshot::Owner;

/// How long anything but a file may take, repetitions among it.
pub(super) const WITHIN: Duration = Duration::from_secs(90);
/// The longest text that is read into memory. What is kept beside snapshots has a few hundred bytes, and some more for each
/// organization.
const LONGEST_TEXT: u64 = 16 << 20;

/// Asks the server. Whoever calls waits, on a thread that may block.
pub(super) struct Requests {
    objects: Arc<dyn ObjectStore>,
    address: BucketAddress,
    /// Of its own, so that requests come to an end whatever else is being shut down. `None` once dropped.
    runtime: Option<Runtime>,
}

/// A small object, and what tells it from a later one.
pub(super) struct Text {
    pub(super) text: Vec<u8>,
    pub(super) version: UpdateVersion,
}

/// An object in a folder.
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) modified: Timestamp,
}

impl Drop for Requests {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Requests {
    pub(super) fn new(objects: Arc<dyn ObjectStore>, address: BucketAddress) -> std::io::Result<Self> {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("bucket").enable_all().build()?;
        Ok(Self { objects, address, runtime: Some(runtime) })
    }

    pub(super) fn address(&self) -> &BucketAddress {
        &self.address
    }

    pub(super) fn objects(&self) -> &dyn ObjectStore {
        self.objects.as_ref()
    }

    pub(super) fn failed(&self, doing: &'static str, key: &Key, problem: BucketProblem) -> StoreError {
        StoreError::Bucket { doing, address: self.address.of(key), problem }
    }

    pub(super) fn failed_with<'k>(
        &'k self,
        doing: &'static str,
        key: &'k Key,
    ) -> impl Fn(object_store::Error) -> StoreError + 'k {
        move |error| {
            tracing::debug!(doing, %key, problem = %BucketProblem::of(&error), "A request to the bucket failed");
            self.failed(doing, key, BucketProblem::of(&error))
        }
    }

    /// Waits for what is `doing` something to `key`, this long at most.
    pub(super) fn wait<T>(
        &self,
        doing: &'static str,
        key: &Key,
        within: Duration,
        request: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let late = || BucketProblem::Unreachable(format!("it took longer than {} s", within.as_secs()));
        let Some(runtime) = &self.runtime else { return Err(self.failed(doing, key, late())) };
        let done = runtime.block_on(async { tokio::time::timeout(within, request).await });
        done.unwrap_or_else(|_| Err(self.failed(doing, key, late())))
    }

    /// The small object at `key`; `None` where there is none.
    pub(super) fn read(&self, key: &Key) -> Result<Option<Text>, StoreError> {
        let failed = self.failed_with("reading", key);
        self.wait("reading", key, WITHIN, async {
            let found = match self.objects.get(key).await {
                Ok(found) => found,
                Err(error) if BucketProblem::is_absence(&error) => return Ok(None),
                Err(error) => return Err(failed(error)),
            };
            if found.meta.size > LONGEST_TEXT {
                return Err(self.failed("reading", key, BucketProblem::Altered));
            }
            let version = version_of(&found);
            let text = found.bytes().await.map_err(&failed)?.to_vec();
            Ok(Some(Text { text, version }))
        })
    }

    /// Writes the small object at `key`, whatever is there.
    pub(super) fn write(&self, key: &Key, text: &[u8]) -> Result<(), StoreError> {
        self.put("writing", key, text, PutMode::Overwrite).map(drop).map_err(self.failed_with("writing", key))
    }

    /// Writes the small object at `key` where it is still as it was: of the version `was`, or not there. Says whether it
    /// was.
    ///
    /// An answer may be lost, and the request repeated and refused for what it has done itself: so after any error the
    /// object is looked at. No two writes of one object have the same text, unless they mean the same.
    pub(super) fn write_if(
        &self,
        key: &Key,
        was: Option<UpdateVersion>,
        text: &[u8],
    ) -> Result<bool, StoreError> {
        let Err(error) = self.put("writing", key, text, was.map_or(PutMode::Create, PutMode::Update)) else {
            return Ok(true);
        };
        let failed = self.failed_with("writing", key);
        match self.read(key) {
            Ok(Some(found)) if found.text == text => Ok(true),
            Ok(_) if BucketProblem::is_refusal(&error) => Ok(false),
            _ => Err(failed(error)),
        }
    }

    /// Writes and says what only this library's own errors say.
    pub(super) fn put(
        &self,
        doing: &'static str,
        key: &Key,
        text: &[u8],
        mode: PutMode,
    ) -> object_store::Result<UpdateVersion> {
        let payload = PutPayload::from(text.to_vec());
        let put = async {
            Ok(self.objects.put_opts(key, payload, PutOptions::from(mode)).await.map(UpdateVersion::from))
        };
        self.wait(doing, key, WITHIN, put).unwrap_or_else(|late| {
            Err(object_store::Error::Generic { store: "bucket", source: Box::new(late) })
        })
    }

    /// The size of the object at `key`; `None` where there is none.
    pub(super) fn size(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        let failed = self.failed_with("looking at", key);
        self.wait("looking at", key, WITHIN, async {
            match self.objects.head(key).await {
                Ok(found) => Ok(Some(found.size)),
                Err(error) if BucketProblem::is_absence(&error) => Ok(None),
                Err(error) => Err(failed(error)),
            }
        })
    }

    /// Removes the object at `key`, where there is one.
    pub(super) fn delete(&self, key: &Key) -> Result<(), StoreError> {
        let failed = self.failed_with("removing", key);
        self.wait("removing", key, WITHIN, async {
            match self.objects.delete(key).await {
                Err(error) if !BucketProblem::is_absence(&error) => Err(failed(error)),
                _ => Ok(()),
            }
        })
    }

    /// What is in the folder at `key`.
    pub(super) fn list(&self, key: &Key) -> Result<Vec<Listed>, StoreError> {
        let mut listed = Vec::new();
        self.each(key, |object| {
            let name = object.location.prefix_match(key).and_then(|mut parts| {
                let name = parts.next()?.as_ref().to_owned();
                parts.next().is_none().then_some(name)
            });
            let modified = Timestamp::from_second(object.last_modified.timestamp());
            if let (Some(name), Ok(modified)) = (name, modified) {
                listed.push(Listed { name, size: object.size, modified });
            }
        })?;
        Ok(listed)
    }

    /// All owners of folders below `key`, in order.
    pub(super) fn owners(&self, key: &Key) -> Result<Vec<Owner>, StoreError> {
        let mut owners = BTreeSet::new();
        self.each(key, |object| {
            let Some(parts) = object.location.prefix_match(self.address.prefix()) else { return };
            let parts: Vec<String> = parts.map(|part| part.as_ref().to_owned()).collect();
            if let [namespace, kind, name, uid, _] = parts.as_slice() {
                owners.extend(Owner::new(namespace, kind, name, uid).ok());
            }
        })?;
        Ok(owners.into_iter().collect())
    }

    /// Page by page: never all at once in memory.
    fn each(&self, key: &Key, mut visit: impl FnMut(&ObjectMeta)) -> Result<(), StoreError> {
        let failed = self.failed_with("listing", key);
        let mut objects = self.objects.list(Some(key));
        loop {
            let next =
                self.wait("listing", key, WITHIN, async { objects.try_next().await.map_err(&failed) })?;
            let Some(object) = next else { return Ok(()) };
            visit(&object);
        }
    }

    /// Removes these objects.
    pub(super) fn delete_all(&self, folder: &Key, keys: Vec<Key>) -> Result<(), StoreError> {
        let failed = self.failed_with("removing", folder);
        let keys = futures::stream::iter(keys.into_iter().map(Ok)).boxed();
        let mut removed = self.objects.delete_stream(keys);
        loop {
            let next = self.wait("removing", folder, WITHIN, async { Ok(removed.next().await) })?;
            match next {
                None => return Ok(()),
                Some(Err(error)) if !BucketProblem::is_absence(&error) => return Err(failed(error)),
                Some(_) => {}
            }
        }
    }
}

fn version_of(found: &GetResult) -> UpdateVersion {
    UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() }
}
