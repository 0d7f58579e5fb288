//! The kinds that a server serves.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// Says why an object may not be kept: the new one, and the one that it replaces.
type Refuses = Arc<dyn Fn(&Value, Option<&Value>) -> Option<String> + Send + Sync>;

/// A kind of object.
#[derive(Clone)]
pub struct Kind {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) plural: String,
    /// The status of an object that has none yet, where the kind has a status subresource.
    pub(crate) status: Option<Value>,
    /// Is it a custom resource? Those have generations, and are only replaced where the version is named.
    pub(crate) custom: bool,
    pub(crate) refuses: Option<Refuses>,
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.plural, self.group)
    }
}

impl Kind {
    /// A custom resource in a namespace, with a status subresource; `status` is what the definition's default makes of
    /// one that is absent.
    #[must_use]
    pub fn custom(group: &str, version: &str, kind: &str, plural: &str, status: Value) -> Self {
        Self { status: Some(status), custom: true, ..Self::own(group, version, kind, plural) }
    }

    /// The same, of which no object is kept that `refuses` says something against.
    #[must_use]
    pub fn refusing(
        self,
        refuses: impl Fn(&Value, Option<&Value>) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self { refuses: Some(Arc::new(refuses)), ..self }
    }

    fn own(group: &str, version: &str, kind: &str, plural: &str) -> Self {
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            status: None,
            custom: false,
            refuses: None,
        }
    }

    /// `group/version`, or the version alone of the group without a name.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// What an operator needs of Kubernetes' own.
pub(crate) fn of_kubernetes() -> Vec<Kind> {
    vec![
        Kind::own("", "v1", "Secret", "secrets"),
        Kind::own("", "v1", "ConfigMap", "configmaps"),
        Kind::own("events.k8s.io", "v1", "Event", "events"),
        Kind::own("coordination.k8s.io", "v1", "Lease", "leases"),
    ]
}
