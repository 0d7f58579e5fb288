//! Snapshots of connectors that are gone: kept for the retention, then removed. Only what a complete list does not
//! know, and the API server does not know either when asked once more.

use std::collections::HashSet;
use std::time::Duration;

use jiff::SignedDuration;
use kube::runtime::reflector::Store;
use kube::{Api, Client, ResourceExt};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::kinds::Kind;
use crate::leadership::Leadership;
use crate::snapshot::{self, Owner, Retired, StoreError};

use super::watch::Scope;

/// How often to look. A deletion that no watch saw is noticed by then.
const EVERY: Duration = Duration::from_secs(15 * 60);

/// Sweeps for one kind.
pub struct Sweep<K: Kind> {
    /// Asked before anything goes.
    pub client: Client,
    /// Nothing is removed that is outside of it.
    pub scope: Scope,
    /// What the watch has listed.
    pub objects: Store<K>,
    /// Where the snapshots are.
    pub snapshots: snapshot::Store,
    /// How long those of a deleted connector are kept.
    pub retention: SignedDuration,
    /// Only who leads removes anything.
    pub leadership: Leadership,
    /// What time it is.
    pub clock: Clock,
}

impl<K: Kind> Sweep<K> {
    /// Sweeps until `stop`, for the first time when the first list is complete, which `listed` says: the store's
    /// own readiness wakes one waiter, and that is the controller.
    pub async fn forever(self, listed: CancellationToken, stop: CancellationToken) {
        let sweeping = async {
            listed.cancelled().await;
            self.leadership.clone().begins().await;
            let mut times = tokio::time::interval(EVERY);
            loop {
                times.tick().await;
                if self.leadership.term().is_none() {
                    continue;
                }
                if let Err(error) = self.once().await {
                    tracing::warn!(kind = K::KIND, %error, "Snapshots of deleted connectors could not be swept");
                }
            }
        };
        tokio::select! {
            () = sweeping => {}
            () = stop.cancelled() => {}
        }
    }

    /// Sweeps once.
    ///
    /// # Errors
    /// When the store fails; what was not reached is for the next time.
    pub async fn once(&self) -> Result<(), StoreError> {
        let mut failed = Ok(());
        let owners = self.owners().await?;
        // After the folders: nobody has one whose object was not listed before.
        let listed: HashSet<String> = self.objects.state().iter().filter_map(|object| object.uid()).collect();
        for owner in owners {
            // One folder that fails does not keep the others.
            failed = failed.and(self.look_at(owner, &listed).await);
        }
        failed
    }

    async fn look_at(&self, owner: Owner, listed: &HashSet<String>) -> Result<(), StoreError> {
        if listed.contains(owner.uid()) {
            return self.blocking(move |store| store.revive(&owner)).await;
        }
        if !self.is_gone(&owner).await {
            return Ok(());
        }
        let (retention, about, now) = (self.retention, owner.to_string(), self.clock.now());
        if self.blocking(move |store| store.retire(&owner, now, retention)).await? == Retired::Removed {
            tracing::info!(owner = about, "Removed the snapshots of a connector that is deleted");
        }
        Ok(())
    }

    async fn owners(&self) -> Result<Vec<Owner>, StoreError> {
        let mut owners = self.blocking(|store| store.owners()).await?;
        let kind = K::KIND.to_ascii_lowercase();
        owners.retain(|owner| owner.kind() == kind && self.scope.covers(owner.namespace()));
        Ok(owners)
    }

    /// Asks the API server: a folder is never retired on the word of a cache. What it can't answer is not gone.
    async fn is_gone(&self, owner: &Owner) -> bool {
        let api: Api<K> = Api::namespaced(self.client.clone(), owner.namespace());
        match api.get_metadata_opt(owner.name()).await {
            Ok(found) => found.and_then(|found| found.metadata.uid).as_deref() != Some(owner.uid()),
            Err(error) => {
                tracing::debug!(%owner, %error, "Whether it is deleted could not be asked");
                false
            }
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&snapshot::Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.snapshots.clone();
        match spawn_blocking(move || work(&store)).await {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}
