//! Whether this process may still publish, and the versions that say so at the very moment of the switch.

use object_store::UpdateVersion;

use super::BucketStore;
use crate::snapshot::Owner;
use crate::snapshot::store::{FENCE, LATEST, Latest, Receipt, Replaces, StoreError, fence_of};

/// How often the fence is tried to be raised where others do so at the same time.
const TRIES: usize = 3;

/// What was published last.
pub(super) struct Last {
    /// `None` where nobody can tell.
    latest: Option<Replaces>,
    /// In which term.
    term: u64,
    /// The version of `latest.json`, where there is one.
    pub(super) pointer: Option<UpdateVersion>,
    pub(super) fence: Fence,
}

/// The lease transitions of the last who published.
pub(super) struct Fence {
    term: u64,
    version: Option<UpdateVersion>,
}

impl Last {
    pub(super) fn check(&self, owner: &Owner, receipt: &Receipt) -> Result<(), StoreError> {
        receipt.check(owner, self.latest.as_ref(), self.term)
    }
}

impl BucketStore {
    pub(in crate::snapshot::store) fn last_term(&self, owner: &Owner) -> Result<u64, StoreError> {
        Ok(self.last_published(owner)?.term)
    }

    pub(super) fn last_published(&self, owner: &Owner) -> Result<Last, StoreError> {
        let fence = self.fence(owner)?;
        let Some(pointer) = self.requests.read(&self.key(owner, LATEST))? else {
            return Ok(Last { latest: Some(Replaces::Nothing), term: fence.term, pointer: None, fence });
        };
        // One that makes no sense is no use for anything else either; it may be replaced all the same.
        let latest: Option<Latest> = serde_json::from_slice(&pointer.text).ok();
        let term = latest.as_ref().map_or(0, |it| it.lease_transitions).max(fence.term);
        let latest = latest.map(|it| Replaces::Run(it.id));
        Ok(Last { latest, term, pointer: Some(pointer.version), fence })
    }

    /// Keeps former leaders out, even where `latest.json` is damaged later.
    pub(super) fn raise_fence(&self, owner: &Owner, term: u64, mut fence: Fence) -> Result<(), StoreError> {
        let key = self.key(owner, FENCE);
        for _ in 0..TRIES {
            if fence.term > term {
                return Err(StoreError::Fenced {
                    owner: Box::new(owner.clone()),
                    stored: fence.term,
                    ours: term,
                });
            }
            if fence.term == term
                || self.requests.write_if(&key, fence.version, format!("{term}\n").as_bytes())?
            {
                return Ok(());
            }
            fence = self.fence(owner)?;
        }
        Err(StoreError::Overtaken { owner: Box::new(owner.clone()) })
    }

    fn fence(&self, owner: &Owner) -> Result<Fence, StoreError> {
        let key = self.key(owner, FENCE);
        let Some(found) = self.requests.read(&key)? else { return Ok(Fence { term: 0, version: None }) };
        match fence_of(&String::from_utf8_lossy(&found.text)) {
            Ok(term) => Ok(Fence { term, version: Some(found.version) }),
            Err(reason) => Err(StoreError::Unreadable { place: self.requests.address().of(&key), reason }),
        }
    }
}
