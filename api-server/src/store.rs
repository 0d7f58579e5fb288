//! The objects, their history, and what can be seen of them, now and at any moment before.

mod writing;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::Answer;
use crate::apply::Owners;
use crate::kind::Kind;
use crate::object::{named, shown};
use crate::request::{Asked, Request, Verb, refused};
use crate::selector::selects;

/// Where versions begin: a fresh cluster's are no small numbers either.
const FIRST_VERSION: u64 = 1000;

/// Namespace and name.
type Name = (String, String);

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeType {
    /// It was made.
    Added,
    /// It was changed.
    Modified,
    /// It was deleted.
    Deleted,
}

impl ChangeType {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// One change.
#[derive(Debug, Clone)]
pub struct Change {
    /// The resourceVersion that it made.
    pub version: u64,
    /// What became of the object.
    pub change: ChangeType,
    /// The object as it was then.
    pub object: Arc<Value>,
    pub(crate) plural: Arc<str>,
}

#[derive(Clone)]
struct Stored {
    object: Arc<Value>,
    owners: Owners,
    owners_of_status: Owners,
}

pub(crate) struct Store {
    kinds: BTreeMap<String, Kind>,
    objects: BTreeMap<String, BTreeMap<Name, Stored>>,
    history: Vec<Change>,
    version: u64,
    /// What is older is forgotten.
    compacted: u64,
    uids: u64,
}

/// What a change makes of an object, before its rules are applied.
struct Next {
    object: Value,
    owners: Owners,
    owners_of_status: Owners,
}

impl Store {
    pub(crate) fn new(kinds: impl IntoIterator<Item = Kind>) -> Self {
        let mut store = Self {
            kinds: BTreeMap::new(),
            objects: BTreeMap::new(),
            history: Vec::new(),
            version: FIRST_VERSION,
            compacted: 0,
            uids: 0,
        };
        kinds.into_iter().for_each(|kind| store.serve(kind));
        store
    }

    pub(crate) fn serve(&mut self, kind: Kind) {
        self.kinds.insert(kind.plural.clone(), kind);
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn compact(&mut self) {
        self.compacted = self.version;
    }

    pub(crate) fn compacted(&self) -> u64 {
        self.compacted
    }

    pub(crate) fn history(&self, plural: &str) -> Vec<Change> {
        self.history.iter().filter(|change| &*change.plural == plural).cloned().collect()
    }

    /// The changes of these objects after one version and up to another.
    pub(crate) fn changes(&self, asked: &Asked, after: u64, up_to: u64) -> Vec<Change> {
        let begin = self.history.partition_point(|change| change.version <= after);
        let later = self.history.get(begin..).unwrap_or_default().iter();
        later
            .take_while(|change| change.version <= up_to)
            .filter(|change| *change.plural == *asked.plural && is_asked(asked, &change.object))
            .cloned()
            .collect()
    }

    pub(crate) fn objects(&self, plural: &str) -> BTreeMap<Name, Value> {
        let objects = self.objects.get(plural).into_iter().flatten();
        objects.map(|(name, stored)| (name.clone(), Value::clone(&stored.object))).collect()
    }

    pub(crate) fn serves(&self, asked: &Asked) -> Result<&Kind, Answer> {
        let kind = self.kinds.get(&asked.plural).filter(|kind| kind.group == asked.group);
        kind.ok_or_else(|| refused(404, "NotFound", "the server could not find the requested resource"))
    }

    pub(crate) fn answer(&mut self, request: &Request, now: Timestamp) -> Answer {
        let Request { verb, asked, body } = request;
        let done = match verb {
            Verb::List | Verb::Watch => return self.list(asked, None),
            Verb::Get => self.get(asked),
            Verb::Create => self.create(asked, body.clone(), now),
            Verb::Replace => self.replace(asked, body),
            Verb::Merge => self.merge(asked, body),
            Verb::Apply => self.apply(asked, body, now),
            Verb::Delete => self.delete(asked, body, now),
        };
        match done {
            Ok((code, object)) => Answer { code, body: shown(asked, &object) },
            Err(refusal) => refusal,
        }
    }

    fn get(&self, asked: &Asked) -> Result<(u16, Arc<Value>), Answer> {
        Ok((200, Arc::clone(&self.stored(asked)?.object)))
    }

    fn stored(&self, asked: &Asked) -> Result<&Stored, Answer> {
        self.serves(asked)?;
        let found = self.objects.get(&asked.plural).and_then(|objects| objects.get(&name_of(asked)));
        found.ok_or_else(|| missing(asked))
    }

    /// The objects as they are, or were at `version`, in pages.
    pub(crate) fn list(&self, asked: &Asked, version: Option<u64>) -> Answer {
        let kind = match self.serves(asked) {
            Ok(kind) => kind,
            Err(refusal) => return refusal,
        };
        let (version, from) = match asked.query.get("continue").and_then(|token| continued(token)) {
            Some((version, _)) if version < self.compacted => {
                let message =
                    "The provided continue parameter is too old to display a consistent list result.";
                return refused(410, "Expired", message);
            }
            Some(place) => place,
            None => (version.unwrap_or(self.version), 0),
        };
        let all = self.as_of(asked, version);
        let limit = asked.query.get("limit").and_then(|limit| limit.parse().ok()).filter(|limit| *limit > 0);
        let page = limit.unwrap_or(usize::MAX);
        let items: Vec<Value> = all.iter().skip(from).take(page).map(|it| shown(asked, it)).collect();
        let next = from + items.len();
        let metadata = match all.len().saturating_sub(next) {
            0 => json!({ "resourceVersion": version.to_string() }),
            left => json!({
                "resourceVersion": version.to_string(),
                "continue": format!("{version}.{next}"),
                "remainingItemCount": left,
            }),
        };
        let (api_version, list) = if asked.metadata_only {
            ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadataList".to_owned())
        } else {
            (kind.api_version(), format!("{}List", kind.kind))
        };
        let body = json!({ "apiVersion": api_version, "kind": list, "metadata": metadata, "items": items });
        Answer { code: 200, body }
    }

    fn as_of(&self, asked: &Asked, version: u64) -> Vec<Arc<Value>> {
        let mut objects: BTreeMap<Name, Arc<Value>> = BTreeMap::new();
        if version >= self.version {
            let present = self.objects.get(&asked.plural).into_iter().flatten();
            objects.extend(present.map(|(name, stored)| (name.clone(), Arc::clone(&stored.object))));
        } else {
            let of_kind = self.history.iter().filter(|change| *change.plural == *asked.plural);
            for change in of_kind.take_while(|change| change.version <= version) {
                match change.change {
                    ChangeType::Deleted => objects.remove(&named(&change.object)),
                    _ => objects.insert(named(&change.object), Arc::clone(&change.object)),
                };
            }
        }
        objects.into_values().filter(|object| is_asked(asked, object)).collect()
    }
}

fn missing(asked: &Asked) -> Answer {
    refused(404, "NotFound", &format!("{} \"{}\" not found", about(asked), name_of(asked).1))
}

fn about(asked: &Asked) -> String {
    if asked.group.is_empty() { asked.plural.clone() } else { format!("{}.{}", asked.plural, asked.group) }
}

fn name_of(asked: &Asked) -> Name {
    (asked.namespace.clone().unwrap_or_default(), asked.name.clone().unwrap_or_default())
}

pub(crate) fn is_asked(asked: &Asked, object: &Value) -> bool {
    asked.namespace.as_ref().is_none_or(|namespace| *namespace == named(object).0) && selects(asked, object)
}

fn continued(token: &str) -> Option<(u64, usize)> {
    let (version, from) = token.split_once('.')?;
    Some((version.parse().ok()?, from.parse().ok()?))
}
