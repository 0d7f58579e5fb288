//! Files on their way: up in parts, down in a stream, neither of them whole in memory.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use futures::TryStreamExt;
use object_store::path::Path as Key;
use object_store::{
    Attribute, Attributes, GetResult, MultipartUpload, ObjectStoreExt, PutMode, PutMultipartOptions,
    PutOptions, PutPayload,
};
use tempfile::{NamedTempFile, TempPath};

use super::requests::{Requests, WITHIN};
use super::{BucketProblem, StoreError};
use crate::snapshot::Packed;
use crate::snapshot::container::Hashing;
use crate::snapshot::store::directory::failed;

/// What goes up at once: the least that S3 takes.
const PART: u64 = 5 << 20;
/// The slowest that a file may go, in bytes a second, after a start.
const SLOWEST: u64 = 256 << 10;
/// Under which name the digest of a file is kept with it.
const DIGEST: Attribute = Attribute::Metadata(std::borrow::Cow::Borrowed("sha256"));

/// A file that came down.
pub(super) struct Fetched {
    pub(super) file: TempPath,
    /// The SHA-256 of what came, in lowercase hexadecimal digits.
    pub(super) digest: String,
    /// That of what went up, where it was kept.
    pub(super) recorded: Option<String>,
}

impl Requests {
    /// Puts a file at `key`, where there is nothing.
    pub(super) fn upload(&self, key: &Key, packed: &Packed) -> Result<(), StoreError> {
        let attributes = Attributes::from_iter([(DIGEST, packed.digest.clone())]);
        self.wait("uploading", key, within(packed.size), async {
            if packed.size <= PART {
                self.put_whole(key, packed, attributes).await
            } else {
                self.put_in_parts(key, packed, attributes).await
            }
        })
    }

    async fn put_whole(&self, key: &Key, packed: &Packed, attributes: Attributes) -> Result<(), StoreError> {
        let bytes = std::fs::read(&packed.path).map_err(failed("reading", &packed.path))?;
        let options = PutOptions { attributes, ..PutOptions::from(PutMode::Create) };
        let put = self.objects().put_opts(key, bytes.into(), options).await;
        match put {
            // It was repeated, its answer having been lost. Nobody else writes here.
            Err(error) if BucketProblem::is_refusal(&error) => Ok(()),
            put => put.map(drop).map_err(self.failed_with("uploading", key)),
        }
    }

    async fn put_in_parts(
        &self,
        key: &Key,
        packed: &Packed,
        attributes: Attributes,
    ) -> Result<(), StoreError> {
        let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
        let upload = self.objects().put_multipart_opts(key, options).await;
        let mut upload = upload.map_err(self.failed_with("uploading", key))?;
        let sent = self.send_parts(upload.as_mut(), key, packed).await;
        if sent.is_err()
            && let Err(error) = upload.abort().await
        {
            let problem = BucketProblem::of(&error);
            tracing::warn!(%key, %problem, "The parts of an upload that failed could not be removed");
        }
        sent
    }

    /// One after the other: there is one in memory.
    async fn send_parts(
        &self,
        upload: &mut dyn MultipartUpload,
        key: &Key,
        packed: &Packed,
    ) -> Result<(), StoreError> {
        let failed_here = self.failed_with("uploading", key);
        let file = File::open(&packed.path).map_err(failed("reading", &packed.path))?;
        loop {
            let mut part = Vec::with_capacity(usize::try_from(PART).unwrap_or_default());
            let read = (&file).take(PART).read_to_end(&mut part);
            if read.map_err(failed("reading", &packed.path))? == 0 {
                break;
            }
            upload.put_part(PutPayload::from(part)).await.map_err(&failed_here)?;
        }
        upload.complete().await.map(drop).map_err(&failed_here)
    }

    /// Puts a file at `key`, whatever is there.
    pub(super) fn replace(&self, key: &Key, file: &Path) -> Result<(), StoreError> {
        let size = file.metadata().map_err(failed("reading", file))?.len();
        let packed = Packed { path: file.to_owned(), digest: String::new(), size };
        self.wait("uploading", key, within(size), async {
            if size > PART {
                return self.put_in_parts(key, &packed, Attributes::default()).await;
            }
            let bytes = std::fs::read(file).map_err(failed("reading", file))?;
            self.objects().put(key, bytes.into()).await.map(drop).map_err(self.failed_with("uploading", key))
        })
    }

    /// Fetches the file at `key` into `scratch`, for its owner alone to read; `None` where there is none. One of another
    /// size than `size` is not fetched: nothing is as good as its digest.
    pub(super) fn download(
        &self,
        key: &Key,
        scratch: &Path,
        size: Option<u64>,
    ) -> Result<Option<Fetched>, StoreError> {
        let failed_here = self.failed_with("fetching", key);
        let found = self.wait("fetching", key, WITHIN, async {
            match self.objects().get(key).await {
                Ok(found) => Ok(Some(found)),
                Err(error) if BucketProblem::is_absence(&error) => Ok(None),
                Err(error) => Err(failed_here(error)),
            }
        })?;
        let Some(found) = found else { return Ok(None) };
        let file = tempfile::Builder::new().prefix("fetched-").suffix(".c1z").tempfile_in(scratch);
        let file = file.map_err(failed("making a file in", scratch))?;
        let recorded = found.attributes.get(&DIGEST).map(|digest| digest.as_ref().to_owned());
        if size.is_some_and(|size| size != found.meta.size) {
            return Ok(Some(Fetched { file: file.into_temp_path(), digest: String::new(), recorded }));
        }
        let (file, digest) =
            self.wait("fetching", key, within(found.meta.size), self.receive(key, found, file))?;
        Ok(Some(Fetched { file, digest, recorded }))
    }

    async fn receive(
        &self,
        key: &Key,
        found: GetResult,
        file: NamedTempFile,
    ) -> Result<(TempPath, String), StoreError> {
        let size = found.meta.size;
        let (file, path) = file.into_parts();
        let mut hashing = Hashing::new(file);
        let mut chunks = found.into_stream();
        while let Some(chunk) = chunks.try_next().await.map_err(self.failed_with("fetching", key))? {
            hashing.write_all(&chunk).map_err(failed("writing", &path))?;
        }
        let (digest, received) = hashing.finish();
        if received != size {
            let problem = BucketProblem::Unreachable(format!("only {received} of {size} bytes came"));
            return Err(self.failed("fetching", key, problem));
        }
        Ok((path, digest))
    }
}

/// How long a file of `size` bytes may take.
fn within(size: u64) -> Duration {
    WITHIN + Duration::from_secs(size / SLOWEST)
}
