//! What a request asks: the parts of its path and query, and its body.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Answer;

/// What is asked of which objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
    pub(crate) query: BTreeMap<String, String>,
    /// Only the metadata is wanted.
    pub(crate) metadata_only: bool,
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) verb: Verb,
    pub(crate) asked: Asked,
    pub(crate) body: Value,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Replace,
    Merge,
    Apply,
    Delete,
}

impl Verb {
    /// The word for it, as rights name it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Replace => "update",
            Self::Merge | Self::Apply => "patch",
            Self::Delete => "delete",
        }
    }

    pub(crate) fn mutates(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Watch)
    }
}

impl Request {
    /// `kinds` are the values of the headers accept and content-type, in one.
    pub(crate) fn understand(method: &str, target: &str, kinds: &str, body: Value) -> Result<Self, Answer> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let mut asked =
            of_path(path).ok_or_else(|| refused(404, "NotFound", "the server has no such path"))?;
        asked.query = query;
        asked.metadata_only = kinds.contains("as=PartialObjectMetadata");
        let watches = matches!(asked.query.get("watch").map(String::as_str), Some("true" | "1"));
        let verb = match (method, &asked.name) {
            ("GET", Some(_)) => Verb::Get,
            ("GET", None) if watches => Verb::Watch,
            ("GET", None) => Verb::List,
            ("POST", None) => Verb::Create,
            ("PUT", Some(_)) => Verb::Replace,
            // A patch of a person's hand names its manager too, so it is the media type that tells.
            ("PATCH", Some(_)) if kinds.contains("apply-patch") => Verb::Apply,
            ("PATCH", Some(_)) if kinds.is_empty() && asked.query.contains_key("fieldManager") => Verb::Apply,
            ("PATCH", Some(_)) => Verb::Merge,
            ("DELETE", Some(_)) => Verb::Delete,
            _ => return Err(refused(405, "MethodNotAllowed", "it cannot be asked so")),
        };
        Ok(Self { verb, asked, body })
    }
}

/// `/api/v1/…` or `/apis/<group>/<version>/…`, then `[namespaces/<namespace>/]<plural>[/<name>[/<subresource>]]`.
fn of_path(path: &str) -> Option<Asked> {
    let mut parts = path.split('/').filter(|part| !part.is_empty()).map(str::to_owned);
    let group = match parts.next()?.as_str() {
        "api" => String::new(),
        "apis" => parts.next()?,
        _ => return None,
    };
    let version = parts.next()?;
    let mut next = parts.next()?;
    let mut namespace = None;
    if next == "namespaces" {
        namespace = Some(parts.next()?);
        next = parts.next()?;
    }
    let (name, subresource) = (parts.next(), parts.next());
    Some(Asked { group, version, plural: next, namespace, name, subresource, ..Asked::default() })
}

/// A refusal, as the API server words one.
pub(crate) fn refused(code: u16, reason: &str, message: &str) -> Answer {
    Answer { code, body: status(code, reason, message) }
}

/// A Status object that tells of a failure.
pub(crate) fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
}
