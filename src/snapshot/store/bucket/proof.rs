//! Whether the server keeps to conditions of writes, on which everything here rests: shown on an object of its own before
//! anything is published.

use object_store::path::Path as Key;
use object_store::{PutMode, UpdateVersion};

use super::{BucketProblem, BucketStore, StoreError};

/// Where the objects are on which it is shown. No namespace is called so.
const PROBES: &str = ".probe";

impl BucketStore {
    /// Shows that the server keeps to conditions, and that the credentials are good for all that the store does. Once
    /// shown, it is not asked again.
    ///
    /// # Errors
    /// [`BucketProblem::Unconditional`] where it does not; otherwise when the server cannot be asked.
    pub fn prove(&self) -> Result<(), StoreError> {
        if self.proven.get().is_some() {
            return Ok(());
        }
        let name = format!("{:032x}", fastrand::u128(..));
        let folder = self.requests.address().prefix().clone().join(PROBES);
        let key = folder.clone().join(name.as_str());
        let shown = self.show_conditions(&key).and_then(|()| self.show_listing(&folder, &name));
        let removed = self.requests.delete(&key);
        shown.and(removed)?;
        // Somebody else may have shown it meanwhile.
        self.proven.get_or_init(|| ());
        Ok(())
    }

    fn show_conditions(&self, key: &Key) -> Result<(), StoreError> {
        let first = self.must_take(key, "1", PutMode::Create)?;
        self.must_refuse(
            key,
            PutMode::Create,
            "it wrote over an object that it was to make anew (If-None-Match)",
        )?;
        let second = self.must_take(key, "2", PutMode::Update(first.clone()))?;
        if second == first {
            return Err(self.unconditional(key, "two versions of an object have the same ETag"));
        }
        let stale = "it wrote over an object that was no longer what it was to be (If-Match)";
        self.must_refuse(key, PutMode::Update(first), stale)?;
        match self.requests.read(key)? {
            Some(found) if found.text == b"2" => {
                self.must_take(key, "3", PutMode::Update(found.version)).map(drop)
            }
            _ => Err(self.unconditional(key, "an object that was written cannot be read")),
        }
    }

    fn show_listing(&self, folder: &Key, name: &str) -> Result<(), StoreError> {
        if self.requests.list(folder)?.iter().any(|object| object.name == name) {
            return Ok(());
        }
        Err(self.unconditional(folder, "an object that was written is not listed"))
    }

    fn must_take(&self, key: &Key, text: &str, mode: PutMode) -> Result<UpdateVersion, StoreError> {
        match self.requests.put("trying", key, text.as_bytes(), mode) {
            Ok(version) => Ok(version),
            Err(error) if BucketProblem::is_refusal(&error) => {
                Err(self.unconditional(key, "it refused a write whose condition holds"))
            }
            Err(error) => Err(self.failed_probe(key, &error)),
        }
    }

    fn must_refuse(&self, key: &Key, mode: PutMode, otherwise: &'static str) -> Result<(), StoreError> {
        match self.requests.put("trying", key, b"0", mode) {
            Ok(_) => Err(self.unconditional(key, otherwise)),
            Err(error) if BucketProblem::is_refusal(&error) => Ok(()),
            Err(error) => Err(self.failed_probe(key, &error)),
        }
    }

    fn failed_probe(&self, key: &Key, error: &object_store::Error) -> StoreError {
        match BucketProblem::of(error) {
            BucketProblem::Answer(said) if said.starts_with("501") => {
                self.unconditional(key, "it has no conditional writes")
            }
            problem => self.requests.failed("trying", key, problem),
        }
    }

    fn unconditional(&self, key: &Key, why: &'static str) -> StoreError {
        self.requests.failed("trying", key, BucketProblem::Unconditional(why))
    }
}
