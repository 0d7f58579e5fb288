//! What can be granted, kept in memory until the run ends: there is little of it, and every grant repeats it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::access::{EntitlementId, ResourceId};
use crate::snapshot::encode;

/// What has come so far.
#[derive(Debug, Default)]
pub(super) struct Grantable {
    /// The resources that may have entitlements, encoded.
    pub(super) resources: HashMap<ResourceId, Box<[u8]>>,
    pub(super) entitlements: HashSet<EntitlementId>,
    last: Option<Granted>,
}

/// What the grants of one entitlement have in common.
#[derive(Debug)]
pub(super) struct Granted {
    entitlement: Arc<EntitlementId>,
    /// The entitlement's id as text.
    pub(super) id: String,
    /// What the encoded grants begin with.
    pub(super) prefix: Vec<u8>,
}

impl Grantable {
    /// What the grants of `entitlement` have in common; `None` when it has not come. Grants of the same one mostly
    /// come together.
    pub(super) fn granted(&mut self, entitlement: &Arc<EntitlementId>) -> Option<&Granted> {
        let again = self.last.as_ref().is_some_and(|last| {
            Arc::ptr_eq(&last.entitlement, entitlement) || last.entitlement == *entitlement
        });
        if !again {
            let known = self.entitlements.contains(&**entitlement);
            let resource = self.resources.get(&entitlement.resource).filter(|_| known)?;
            let prefix = encode::grant_prefix(entitlement, resource);
            let (entitlement, id) = (Arc::clone(entitlement), entitlement.to_string());
            self.last = Some(Granted { entitlement, id, prefix });
        }
        self.last.as_ref()
    }
}
