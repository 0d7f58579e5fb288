//! The ids that C1 keeps its own configuration under. Their spelling never changes: it is the joining with `:`,
//! without escaping, that C1's SDK uses.

use std::fmt;

/// A resource: its type's id and the vendor's own stable id, never a name or an email.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId {
    /// The id of a [`super::ResourceType`], such as `user`.
    pub resource_type: &'static str,
    /// The vendor's stable id, opaque to us.
    pub id: String,
}

impl ResourceId {
    /// The resource of type `resource_type` that the vendor calls `id`.
    pub fn new(resource_type: &'static str, id: impl Into<String>) -> Self {
        Self { resource_type, id: id.into() }
    }
}

/// `<resource type>:<resource id>`
impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.resource_type, self.id)
    }
}

/// An entitlement: the resource it is about and the slug of what may be granted on it, such as `member`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntitlementId {
    /// The resource that the entitlement gives access to.
    pub resource: ResourceId,
    /// What is granted on the resource, such as `member` or `admin`.
    pub slug: String,
}

impl EntitlementId {
    /// The entitlement `slug` on `resource`.
    pub fn new(resource: ResourceId, slug: impl Into<String>) -> Self {
        Self { resource, slug: slug.into() }
    }
}

/// `<resource type>:<resource id>:<slug>`
impl fmt::Display for EntitlementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.resource, self.slug)
    }
}

/// One thing that a snapshot holds, by its id alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordId {
    /// A resource.
    Resource(ResourceId),
    /// That somebody has something.
    Grant {
        /// What is held.
        entitlement: EntitlementId,
        /// Who holds it.
        principal: ResourceId,
    },
}

/// As the snapshot spells it: a grant is `<entitlement>:<principal>`.
impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource(id) => write!(f, "{id}"),
            Self::Grant { entitlement, principal } => write!(f, "{entitlement}:{principal}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_joined_by_colons_without_escaping() {
        let team = ResourceId::new("team", "t1t1t1t1t1t1");
        assert_eq!(team.to_string(), "team:t1t1t1t1t1t1");
        assert_eq!(EntitlementId::new(team, "member").to_string(), "team:t1t1t1t1t1t1:member");
    }
}
