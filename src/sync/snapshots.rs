//! Where a complete run's snapshot goes, and the operator's store as such a place.

use std::path::{Path, PathBuf};

use crate::access::guard::ScopeCounts;
use crate::clock::Clock;
use crate::leadership::Leadership;
use crate::snapshot::{
    CompareError, Finished, Latest, Owner, ReadError, Receipt, Replaces, SelectError, Store, StoreError,
    SyncId, WriteError,
};

use super::baseline::{Baseline, Known, PublishedBefore, Told};

/// Why a complete snapshot was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The records do not hold together, or the scratch file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It could not be cut down to what is wanted of it.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// What was cut down could not be opened again.
    #[error(transparent)]
    Reopen(#[from] ReadError),
    /// It could not be compared.
    #[error("comparing it with the one before: {0}")]
    Compare(#[from] CompareError),
    /// The file could not be written.
    #[error("writing {path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Where a published snapshot is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its address.
    pub uri: String,
    /// The SHA-256 of the file, in lowercase hexadecimal digits.
    pub digest: String,
    /// The size of the file in bytes.
    pub size: u64,
}

/// Where a complete run's snapshot goes. Everything here blocks its thread.
pub trait Destination: Send + Sync {
    /// What the run is compared with. `before` is what is remembered of the last publication elsewhere.
    ///
    /// # Errors
    /// When it cannot be read now, but might be later.
    fn baseline(&self, before: Option<&PublishedBefore>) -> Result<Baseline, PublishError>;

    /// What the run is compared with where the snapshot of [`Destination::baseline`] cannot be.
    ///
    /// # Errors
    /// When what is remembered cannot be read now, but might be later.
    fn lost(&self, before: Option<&PublishedBefore>) -> Result<Baseline, PublishError>;

    /// What people were told of last, where `baseline` is what was published last. `before` is as above.
    ///
    /// # Errors
    /// When it cannot be read now, but might be later.
    fn told(&self, _baseline: &SyncId, _before: Option<&PublishedBefore>) -> Result<Told, PublishError> {
        Ok(Told::Baseline)
    }

    /// Has anything been published here?
    fn has_published(&self) -> bool;

    /// May anything be written here still?
    fn may_write(&self) -> bool {
        true
    }

    /// Where it is kept what the removal guard holds; `None` where nothing is ever held.
    fn holds(&self) -> Option<Holds<'_>>;

    /// Publishes the snapshot: whole, or not at all, and not once `called_off`.
    ///
    /// # Errors
    /// [`PublishError`]; then what was published before stays.
    fn publish(
        &self,
        finished: &Finished,
        receipt: Receipt,
        called_off: &dyn Fn() -> bool,
    ) -> Result<Place, PublishError>;
}

/// Where it is kept what the removal guard holds of one object.
#[derive(Debug, Clone, Copy)]
pub struct Holds<'d> {
    /// The store.
    pub store: &'d Store,
    /// The object.
    pub owner: &'d Owner,
}

/// The operator's store.
#[derive(Debug, Clone)]
pub struct Snapshots {
    store: Store,
    scratch: PathBuf,
    keep: usize,
    leadership: Leadership,
    clock: Clock,
}

impl Snapshots {
    /// The snapshots in `store`, of which each object keeps the last `keep`; scratch files go to `scratch`.
    pub fn new(store: impl Into<Store>, scratch: PathBuf, keep: usize) -> Self {
        Self { store: store.into(), scratch, keep, leadership: Leadership::alone(), clock: Clock::system() }
    }

    /// The same, in which only who leads publishes anything.
    #[must_use]
    pub fn led_by(self, leadership: Leadership) -> Self {
        Self { leadership, ..self }
    }

    /// The same, in which files are as old as this clock says.
    #[must_use]
    pub fn timed_by(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// The store itself.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The folder for scratch files.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// The place of one object's snapshots.
    pub fn of(&self, owner: Owner) -> OwnSnapshots {
        OwnSnapshots { snapshots: self.clone(), owner, term: self.leadership.term() }
    }
}

/// The place of one object's snapshots in the operator's store.
#[derive(Debug, Clone)]
pub struct OwnSnapshots {
    snapshots: Snapshots,
    owner: Owner,
    /// The term in which the run was begun that publishes here; `None` where that was in none.
    term: Option<u64>,
}

fn remembered(latest: Latest) -> PublishedBefore {
    let account_id = latest.account_id.unwrap_or_default();
    PublishedBefore { id: latest.id, account_id, scopes: latest.scopes }
}

impl Destination for OwnSnapshots {
    fn baseline(&self, before: Option<&PublishedBefore>) -> Result<Baseline, PublishError> {
        let Snapshots { store, scratch, clock, .. } = &self.snapshots;
        // Here, since not every run comes to publish.
        if let Err(error) = store.prune_leftovers(&self.owner, clock.now()) {
            tracing::warn!(%error, owner = %self.owner, "Incomplete files could not be removed");
        }
        match store.open_latest(&self.owner, scratch) {
            Ok(None) => self.lost(before),
            Ok(Some((latest, snapshot))) => {
                let replaces = Replaces::Run(latest.id.clone());
                let known = match before {
                    // Older than what was published since: the store comes from a backup.
                    Some(before) if before.id > latest.id => Known::lost(Some(before.clone()), None),
                    _ => {
                        let of_this_run =
                            before.filter(|it| it.id == latest.id).map(|it| it.account_id.clone());
                        let account_id = latest.account_id.or(of_this_run);
                        Known::Snapshot { snapshot: Box::new(snapshot), account_id }
                    }
                };
                Ok(Baseline { known, replaces })
            }
            Err(StoreError::BaselineLost { place, reason }) => {
                tracing::warn!(place, reason, "The snapshot published last is lost");
                self.lost(before)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What `latest.json` says of the snapshot is still something. Without it a snapshot later than what is
    /// remembered may have been published too, and then nobody knows how many there were.
    fn lost(&self, before: Option<&PublishedBefore>) -> Result<Baseline, PublishError> {
        let store = &self.snapshots.store;
        let newest = store.newest(&self.owner)?;
        let (pointer, replaces) = match store.latest(&self.owner) {
            Ok(Some(latest)) => {
                let replaces = Replaces::Run(latest.id.clone());
                (Some(remembered(latest)), replaces)
            }
            Ok(None) => (None, Replaces::Nothing),
            Err(StoreError::BaselineLost { .. }) => (None, Replaces::Anything),
            Err(error) => return Err(error.into()),
        };
        let known = match (pointer, before) {
            (None, None) if newest.is_none() && replaces == Replaces::Nothing => Known::Nothing,
            (None, Some(before)) if newest.as_ref().is_some_and(|newest| *newest > before.id) => {
                let account_only = PublishedBefore { scopes: ScopeCounts::new(), ..before.clone() };
                Known::Lost {
                    lost: newest.map_or_else(String::new, String::from),
                    remembered: Some(account_only),
                }
            }
            (pointer, before) => {
                let candidates = pointer.into_iter().chain(before.cloned());
                Known::lost(candidates.max_by_key(|it| (it.id.clone(), !it.scopes.is_empty())), newest)
            }
        };
        Ok(Baseline { known, replaces })
    }

    fn told(&self, baseline: &SyncId, before: Option<&PublishedBefore>) -> Result<Told, PublishError> {
        let Snapshots { store, scratch, .. } = &self.snapshots;
        match before {
            Some(before) if before.id == *baseline => Ok(Told::Baseline),
            Some(before) => match store.open(&self.owner, &before.id, scratch) {
                Ok(Some(snapshot)) => Ok(Told::Earlier(Box::new(snapshot))),
                Ok(None) => Ok(Told::Nothing),
                Err(StoreError::Read(error)) if error.is_of_the_content() => Ok(Told::Nothing),
                Err(error) => Err(error.into()),
            },
            None => Ok(Told::Nothing),
        }
    }

    fn has_published(&self) -> bool {
        matches!(self.snapshots.store.latest(&self.owner), Ok(Some(_)) | Err(StoreError::BaselineLost { .. }))
    }

    fn may_write(&self) -> bool {
        self.term.is_some_and(|term| self.snapshots.leadership.holds(term))
    }

    fn holds(&self) -> Option<Holds<'_>> {
        Some(Holds { store: &self.snapshots.store, owner: &self.owner })
    }

    fn publish(
        &self,
        finished: &Finished,
        receipt: Receipt,
        called_off: &dyn Fn() -> bool,
    ) -> Result<Place, PublishError> {
        let Snapshots { store, keep, clock, leadership, .. } = &self.snapshots;
        let Some(term) = self.term else { return Err(StoreError::CalledOff.into()) };
        let term = if leadership.is_alone() {
            // Nobody can have overtaken it: its clock was set back since.
            term.max(store.last_term(&self.owner)?)
        } else {
            term
        };
        let receipt = Receipt { lease_transitions: term, ..receipt };
        let latest = store.publish(&self.owner, finished, receipt, called_off)?;
        if let Err(error) = store.prune(&self.owner, *keep, clock.now()) {
            // What is too much now is pruned after the next run.
            tracing::warn!(%error, owner = %self.owner, "Older snapshots could not be pruned");
        }
        let uri = store.uri(&self.owner, &latest.id);
        Ok(Place { uri, digest: latest.digest, size: latest.size })
    }
}

pub(super) fn file_uri(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    url::Url::from_file_path(&absolute).map_or_else(|()| absolute.display().to_string(), String::from)
}
