//! Connectors of whichever kind, as the API server has them.

use std::sync::Arc;

use connector_operator::api::{self, CommonSpec, ConnectorStatus};
use connector_operator::kinds::{self, Kind, Visitor};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::{ApiResource, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::Value;

use crate::cluster::{Cluster, refused};
use crate::{FIELD_MANAGER, Result};

/// A kind of connector.
#[derive(Debug)]
pub(crate) struct KindOf {
    /// The word that people type, such as `scalr`.
    pub(crate) word: String,
    pub(crate) resource: ApiResource,
    /// Everything that it may be called before the `/`, in lower case.
    names: Vec<String>,
    read: fn(&Value) -> serde_json::Result<Facts>,
}

/// What of an object depends on its kind.
#[derive(Debug)]
struct Facts {
    common: CommonSpec,
    status: ConnectorStatus,
    scope: String,
    what: String,
    origin: String,
    credential: Credential,
}

/// Where a connector's credential is.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    /// The name of the Secret.
    pub(crate) secret: String,
    /// Its key.
    pub(crate) key: String,
}

/// A connector.
#[derive(Debug)]
pub(crate) struct Connector {
    pub(crate) kind: Arc<KindOf>,
    pub(crate) meta: ObjectMeta,
    pub(crate) common: CommonSpec,
    pub(crate) status: ConnectorStatus,
    /// The account, or how many organizations.
    pub(crate) scope: String,
    /// What it reads, as a sentence says it.
    pub(crate) what: String,
    /// The host that is asked.
    pub(crate) origin: String,
    pub(crate) credential: Credential,
    /// The object as the API server gave it, without the fields that nobody wants to see.
    pub(crate) object: Value,
}

/// All kinds, in the order in which people see them.
pub(crate) fn kinds() -> Vec<Arc<KindOf>> {
    struct Kinds;
    impl Visitor for Kinds {
        type Output = Arc<KindOf>;
        fn visit<K: Kind>(&mut self) -> Self::Output {
            Arc::new(KindOf::new::<K>())
        }
    }
    kinds::for_each(&mut Kinds)
}

impl KindOf {
    fn new<K: Kind>() -> Self {
        let names = api::crd::<K>().spec.names;
        let word = K::VENDOR.to_lowercase();
        let mut all = vec![word.clone(), names.kind.to_lowercase(), names.plural];
        all.extend(names.singular);
        all.extend(names.short_names.into_iter().flatten());
        all.sort();
        all.dedup();
        Self { word, resource: ApiResource::erase::<K>(&()), names: all, read: facts::<K> }
    }

    /// Is it called so? As with kubectl, its version and group may follow.
    pub(crate) fn is_called(&self, word: &str) -> bool {
        let word = word.to_lowercase();
        let bare = word
            .strip_suffix(&format!(".{}", api::GROUP))
            .map(|name| name.strip_suffix(&format!(".{}", api::VERSION)).unwrap_or(name));
        self.names.iter().any(|name| name == bare.unwrap_or(&word))
    }

    /// The connectors of this kind in `namespace`, or in all.
    pub(crate) fn api(&self, cluster: &Cluster, namespace: Option<&str>) -> Api<DynamicObject> {
        match namespace {
            Some(namespace) => Api::namespaced_with(cluster.client.clone(), namespace, &self.resource),
            None => Api::all_with(cluster.client.clone(), &self.resource),
        }
    }
}

fn facts<K: Kind>(object: &Value) -> serde_json::Result<Facts> {
    let object: K = serde_json::from_value(object.clone())?;
    let status = object.status().cloned().unwrap_or_default();
    let published = status.last_published.as_ref();
    let organizations = published.and_then(|published| published.counts.get("organizations")).copied();
    let (heading, scope) = object.scope_column(organizations);
    let is_number = !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_digit());
    Ok(Facts {
        common: object.common().clone(),
        // A number alone says nothing beside the name of an account.
        scope: if is_number { format!("{scope} {}", heading.to_lowercase()) } else { scope },
        what: object.what(),
        origin: object.origin().map(|origin| origin.origin().ascii_serialization()).unwrap_or_default(),
        credential: Credential {
            secret: object.credential_ref().name.clone(),
            key: object.credential_key().to_owned(),
        },
        status,
    })
}

impl Connector {
    /// The connector in an object of the API server.
    pub(crate) fn of(kind: &Arc<KindOf>, object: DynamicObject) -> Result<Self> {
        let mut object = object;
        object.types = Some(kube::api::TypeMeta {
            api_version: kind.resource.api_version.clone(),
            kind: kind.resource.kind.clone(),
        });
        let title = format!("{}/{}", kind.word, object.name_any());
        object.metadata.managed_fields = None;
        let meta = object.metadata.clone();
        let object = serde_json::to_value(object)?;
        let facts = (kind.read)(&object).map_err(|error| {
            format!("{title} cannot be understood: {error}; is this plugin older than the operator?")
        })?;
        let Facts { common, status, scope, what, origin, credential } = facts;
        let kind = Arc::clone(kind);
        Ok(Self { kind, meta, common, status, scope, what, origin, credential, object })
    }

    /// As people name it: `scalr/acme`.
    pub(crate) fn title(&self) -> String {
        format!("{}/{}", self.kind.word, self.name())
    }

    /// As kubectl names it with `-o name`.
    pub(crate) fn full_name(&self) -> String {
        let kind = self.kind.resource.kind.to_lowercase();
        format!("{kind}.{}/{}", self.kind.resource.group, self.name())
    }

    pub(crate) fn name(&self) -> &str {
        self.meta.name.as_deref().unwrap_or_default()
    }

    pub(crate) fn namespace(&self) -> &str {
        self.meta.namespace.as_deref().unwrap_or_default()
    }

    /// The label a person reads; nothing where the operator has not seen it yet.
    pub(crate) fn phase(&self) -> String {
        self.status.phase.map(|phase| phase.to_string()).unwrap_or_default()
    }

    pub(crate) fn is_suspended(&self) -> bool {
        self.common.suspend.unwrap_or_default()
    }

    /// The value of an annotation.
    pub(crate) fn annotation(&self, name: &str) -> Option<&str> {
        self.meta.annotations.as_ref()?.get(name).map(String::as_str)
    }

    /// Changes the object by a merge patch, and gives what it is then.
    pub(crate) async fn patch(&self, cluster: &Cluster, doing: &str, patch: &Value) -> Result<Self> {
        let api = self.kind.api(cluster, Some(self.namespace()));
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patched = api.patch(self.name(), &params, &Patch::Merge(patch)).await;
        Self::of(&self.kind, patched.map_err(|error| refused(doing, &error))?)
    }
}

/// The connectors in `namespace`, or in all, with such labels.
pub(crate) async fn list(
    cluster: &Cluster,
    namespace: Option<&str>,
    selector: Option<&str>,
) -> Result<Vec<Connector>> {
    let params = selector.map_or_else(ListParams::default, |it| ListParams::default().labels(it));
    let mut connectors = Vec::new();
    for kind in kinds() {
        let listed = kind.api(cluster, namespace).list(&params).await;
        let doing = format!("listing {} connectors", kind.word);
        for object in listed.map_err(|error| refused(&doing, &error))?.items {
            connectors.push(Connector::of(&kind, object)?);
        }
    }
    // By namespace first, as kubectl does; within one, the kinds keep their order.
    connectors.sort_by(|a, b| a.namespace().cmp(b.namespace()));
    Ok(connectors)
}

/// The connector of kind `kind` called `name`, where there is one.
pub(crate) async fn find(cluster: &Cluster, kind: &Arc<KindOf>, name: &str) -> Result<Option<Connector>> {
    let api = kind.api(cluster, Some(&cluster.namespace));
    let found = api.get_opt(name).await;
    let doing = || format!("looking for {}/{name} in namespace {}", kind.word, cluster.namespace);
    let found: Option<DynamicObject> = found.map_err(|error| refused(&doing(), &error))?;
    found.map(|object| Connector::of(kind, object)).transpose()
}

/// Who has set `spec.<field>`, other than this program.
pub(crate) async fn manager_of(
    cluster: &Cluster,
    connector: &Connector,
    field: &str,
) -> Result<Option<String>> {
    let api = connector.kind.api(cluster, Some(connector.namespace()));
    let object = api.get_metadata(connector.name()).await;
    let object = object.map_err(|error| refused(&format!("looking at {}", connector.title()), &error))?;
    let path = format!("/f:spec/f:{field}");
    let sets = |entry: &&ManagedFieldsEntry| {
        entry.fields_v1.as_ref().is_some_and(|fields| fields.0.pointer(&path).is_some())
    };
    let managers = object.managed_fields().iter().filter(sets);
    let mut others = managers.filter_map(|entry| entry.manager.clone()).filter(|it| it != FIELD_MANAGER);
    Ok(others.next_back())
}
