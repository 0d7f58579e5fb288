//! What one user asks an API server: told by the server itself, in its audit log, without what was in the requests.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use serde::Deserialize;
use serde_json::json;

use crate::error::{Error, Result};

/// Larger than any log that a test or a bench makes: the server moves a log away that has grown to this, in MiB.
pub(crate) const LARGEST: &str = "100000";

/// Writes the policy by which the server notes what `user` asks, and nobody else.
pub(crate) fn write_policy(path: &Path, user: &str) -> Result<()> {
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata", "users": [user]}, {"level": "None"}],
    });
    fs::write(path, policy.to_string()).map_err(Error::io(format!("writing {}", path.display())))
}

/// A request that was answered, or a watch that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The verb as RBAC has it: get, list, watch, create, update, patch, delete.
    pub verb: String,
    /// The API group; empty for the core.
    pub group: String,
    /// The resource, with its subresource where there is one: `secrets`, `scalrconnectors/status`. Empty for what is
    /// none, such as `/version`.
    pub resource: String,
    /// The object that was named; empty where none was.
    pub name: String,
    /// The HTTP status of the answer.
    pub code: u16,
    /// When it was answered.
    pub answered: MicroTime,
}

impl Asked {
    /// Does it change anything?
    pub fn writes(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }
}

/// An audit log, read as it grows.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    read: u64,
    /// The beginning of a line whose end was not there yet.
    rest: Vec<u8>,
}

impl AuditLog {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, read: 0, rest: Vec::new() }
    }

    /// What was asked since this was called last.
    ///
    /// # Errors
    /// [`Error::Io`] when the log cannot be read or understood.
    pub fn news(&mut self) -> Result<Vec<Asked>> {
        let doing = format!("reading the audit log {}", self.path.display());
        if !self.path.exists() {
            // Made with the first line.
            return Ok(Vec::new());
        }
        let mut read = || {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(self.read))?;
            file.read_to_end(&mut self.rest)
        };
        let read = read().map_err(Error::io(doing.as_str()))?;
        self.read += u64::try_from(read).unwrap_or(u64::MAX);
        let whole = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines: Vec<u8> = self.rest.drain(..whole).collect();
        let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let asked = lines.map(understood).collect::<serde_json::Result<Vec<_>>>();
        let asked = asked.map_err(|error| Error::io(doing)(error.into()))?;
        Ok(asked.into_iter().flatten().collect())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    stage: String,
    verb: String,
    #[serde(default)]
    object_ref: Object,
    #[serde(default)]
    response_status: Status,
    stage_timestamp: MicroTime,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    #[serde(default)]
    api_group: String,
    #[serde(default)]
    resource: String,
    #[serde(default)]
    subresource: String,
    #[serde(default)]
    name: String,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    code: u16,
}

/// Nothing for the end of a watch: its beginning has been told.
fn understood(line: &[u8]) -> serde_json::Result<Option<Asked>> {
    let Line { stage, verb, object_ref, response_status, stage_timestamp } = serde_json::from_slice(line)?;
    let Object { api_group: group, resource, subresource, name } = object_ref;
    let told = if verb == "watch" { "ResponseStarted" } else { "ResponseComplete" };
    let resource = if subresource.is_empty() { resource } else { format!("{resource}/{subresource}") };
    let asked =
        || Asked { verb, group, resource, name, code: response_status.code, answered: stage_timestamp };
    Ok((stage == told).then(asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(stage: &str, verb: &str) -> String {
        json!({
            "stage": stage, "verb": verb, "stageTimestamp": "2026-11-22T10:00:00.000001Z",
            "objectRef": {"resource": "scalrconnectors", "subresource": "status", "name": "acme"},
            "responseStatus": {"code": 200},
        })
        .to_string()
    }

    #[test]
    fn a_watch_counts_when_it_begins_and_anything_else_when_it_is_answered() {
        let of = |stage: &str, verb: &str| understood(line(stage, verb).as_bytes()).unwrap().is_some();
        assert!(of("ResponseStarted", "watch") && !of("ResponseComplete", "watch"));
        assert!(of("ResponseComplete", "patch") && !of("ResponseStarted", "patch"));
    }

    #[test]
    fn a_line_that_is_not_whole_yet_is_read_when_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let mut log = AuditLog::new(path.clone());
        assert_eq!(log.news().unwrap(), []);
        let patched = line("ResponseComplete", "patch");
        let (first, second) = patched.split_at(20);
        fs::write(&path, format!("{patched}\n{first}")).unwrap();
        assert_eq!(log.news().unwrap().len(), 1);
        fs::write(&path, format!("{patched}\n{first}{second}\n")).unwrap();
        let news = log.news().unwrap();
        assert_eq!((news.len(), news[0].resource.as_str()), (1, "scalrconnectors/status"));
        assert!(news[0].writes());
        assert_eq!(log.news().unwrap(), []);
    }
}
