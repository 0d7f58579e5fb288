//! Where the image comes from: an in-toto statement with SLSA provenance (slsa.dev/spec/v1.0/provenance), without a signature.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::error::{Error, failed};
use crate::layer::digest;

/// What an image is made of, and with.
#[derive(Debug)]
pub(crate) struct Origin<'a> {
    /// What the image is called.
    pub(crate) name: &'a str,
    /// The digest of the index over all platforms.
    pub(crate) index: &'a str,
    /// The revision of the source.
    pub(crate) revision: &'a str,
    /// When that was made.
    pub(crate) created: Timestamp,
    /// The lock file, which has a digest of each dependency.
    pub(crate) lock: &'a Path,
    /// Compilers, as `name=version`.
    pub(crate) tools: &'a [String],
}

impl Origin<'_> {
    /// Writes the statement to `path`.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        let lock = std::fs::read(self.lock).map_err(failed("reading", self.lock))?;
        let text = format!("{:#}\n", self.statement(&digest(&lock)));
        std::fs::write(path, text).map_err(failed("writing", path))
    }

    fn statement(&self, lock: &str) -> Value {
        let repository = env!("CARGO_PKG_REPOSITORY");
        let tool = |tool: &String| {
            let (name, version) = tool.split_once('=').unwrap_or((tool, ""));
            (name.to_owned(), Value::from(version))
        };
        json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "name": self.name, "digest": { "sha256": hex(self.index) } }],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {
                "buildDefinition": {
                    "buildType": format!("{repository}/blob/main/tools/image"),
                    "externalParameters": {
                        "revision": self.revision, "sourceDateEpoch": self.created.as_second(),
                    },
                    "resolvedDependencies": [
                        { "uri": format!("git+{repository}"), "digest": { "gitCommit": self.revision } },
                        { "name": "Cargo.lock", "digest": { "sha256": hex(lock) } },
                    ],
                },
                "runDetails": {
                    "builder": {
                        "id": format!("{repository}/blob/main/tools/image"),
                        "version": self.tools.iter().map(tool).collect::<serde_json::Map<_, _>>(),
                    },
                },
            },
        })
    }
}

fn hex(digest: &str) -> &str {
    digest.trim_start_matches("sha256:")
}
