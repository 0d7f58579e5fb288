//! Which objects this operator looks after: those of the whole cluster or of some namespaces, and of those the ones that
//! a label selector picks.

use std::collections::BTreeSet;

use k8s_openapi::NamespaceResourceScope;
use kube::runtime::watcher;
use kube::{Api, Client, Resource};

/// As many objects are listed at once. All of a page is in memory together, with much that nobody keeps.
const PAGE: u32 = 100;

/// What to ask for all objects, page by page.
pub(super) fn paged() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

/// Which objects this operator looks after.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    namespaces: BTreeSet<String>,
    selector: Option<String>,
}

impl Scope {
    /// Those in `namespaces`, or in the whole cluster where it names none, with labels as `selector` wants them.
    pub fn new(namespaces: impl IntoIterator<Item = String>, selector: Option<String>) -> Self {
        Self { namespaces: namespaces.into_iter().collect(), selector }
    }

    /// Are objects of this namespace looked at?
    pub(in crate::controller) fn covers(&self, namespace: &str) -> bool {
        self.namespaces.is_empty() || self.namespaces.contains(namespace)
    }

    /// What to ask for objects that follow the label selector, and for those they refer to, which need not.
    pub(super) fn config(&self) -> watcher::Config {
        let all = paged();
        match &self.selector {
            Some(selector) => all.labels(selector),
            None => all,
        }
    }

    /// Whom to ask: each namespace by itself, with its name, or the whole cluster.
    pub(super) fn apis<K>(&self, client: &Client) -> Vec<(String, Api<K>)>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        if self.namespaces.is_empty() {
            return vec![(String::new(), Api::all(client.clone()))];
        }
        let namespaced = |name: &String| (name.clone(), Api::namespaced(client.clone(), name));
        self.namespaces.iter().map(namespaced).collect()
    }
}
