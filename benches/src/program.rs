//! The programs that are compared, and how each is told to read the same data once into a file.

use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::upstream::{Data, PLANETSCALE_TOKEN, SCALR_ACCOUNT, SCALR_TOKEN, Upstream};

/// Where the binaries are.
#[derive(Debug)]
pub(crate) struct Programs {
    /// Ours and the simulators.
    pub(crate) ours: PathBuf,
    /// The connectors on C1's SDK.
    pub(crate) peers: PathBuf,
    pub(crate) baton: PathBuf,
}

/// Which program, and how it is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// connector-operator, as `sync -f` runs it.
    Ours,
    /// A connector on C1's SDK.
    Peer { engine: &'static str, workers: u8 },
}

/// The SDK's own default until lately.
pub(crate) const SQLITE: Program = Program::Peer { engine: "sqlite", workers: 0 };
/// The SDK's default for new files.
pub(crate) const PEBBLE: Program = Program::Peer { engine: "pebble", workers: 0 };
/// As many workers as we have requests in flight.
pub(crate) const PEBBLE_PARALLEL: Program = Program::Peer { engine: "pebble", workers: 4 };

/// The variable for how often ours may ask in a minute; 0 for no limit.
const OUR_LIMIT: &str = "BATON_REQUESTS_PER_MINUTE";

/// How often it may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    None,
    /// Ours alone: what it does unless told otherwise.
    Default,
    PerMinute(u32),
}

impl Program {
    pub(crate) fn title(self) -> String {
        match self {
            Self::Ours => "connector-operator".to_owned(),
            Self::Peer { engine, workers: 0 } => format!("SDK, {engine}"),
            Self::Peer { engine, workers } => format!("SDK, {engine}, {workers} workers"),
        }
    }
}

impl Programs {
    /// How `program` reads `upstream` into a file in the empty folder `folder`; and the file.
    pub(crate) fn command(
        &self,
        program: Program,
        upstream: &Upstream,
        limit: Limit,
        folder: &Path,
    ) -> Result<(Command, PathBuf)> {
        match program {
            Program::Ours => self.ours(upstream, limit, folder, 1),
            Program::Peer { engine, workers } => self.peer(upstream, limit, folder, engine, workers),
        }
    }

    /// How ours reads `upstream` with `connectors` connectors that share one credential; and the first one's file.
    pub(crate) fn ours(
        &self,
        upstream: &Upstream,
        limit: Limit,
        folder: &Path,
        connectors: usize,
    ) -> Result<(Command, PathBuf)> {
        let manifest = folder.join("connectors.yaml");
        fs::write(&manifest, manifests(upstream, connectors)).map_err(writing(&manifest))?;
        let mut command = quiet(&self.ours.join("connector-operator"), folder)?;
        command.arg("sync").arg("-f").arg(manifest).arg("--out").arg(folder);
        match limit {
            Limit::Default => command.env_remove(OUR_LIMIT),
            Limit::None => command.env(OUR_LIMIT, "0"),
            Limit::PerMinute(requests) => command.env(OUR_LIMIT, requests.to_string()),
        };
        let kind = kind_of(upstream.data()).to_lowercase();
        Ok((command, folder.join(format!("{kind}-default-bench-0.c1z"))))
    }

    fn peer(
        &self,
        upstream: &Upstream,
        limit: Limit,
        folder: &Path,
        engine: &str,
        workers: u8,
    ) -> Result<(Command, PathBuf)> {
        let out = folder.join("peer.c1z");
        let origin = upstream.origin();
        let mut command = match upstream.data() {
            Data::PlanetScale { .. } => {
                let mut command = quiet(&self.peers.join("planetscale"), folder)?;
                command.args(["--planetscale-service-token", PLANETSCALE_TOKEN]);
                command.args(["--planetscale-api-url", &origin]);
                command
            }
            Data::Scalr { .. } => {
                let mut command = quiet(&self.peers.join("scalr"), folder)?;
                command.args(["--scalr-account", SCALR_ACCOUNT, "--scalr-api-token", SCALR_TOKEN]);
                command.args(["--scalr-base-url", &origin]);
                command
            }
        };
        command.args(["--storage-engine", engine, "--log-level", "error", "--workers", &workers.to_string()]);
        command.arg("--c1z-temp-dir").arg(folder).arg("--file").arg(&out);
        if let Limit::PerMinute(requests) = limit {
            command.args(["--requests-per-minute", &requests.to_string()]);
        }
        Ok((command, out))
    }

    /// How many of each are in the snapshot, as C1's own program says.
    pub(crate) fn stats(&self, snapshot: &Path) -> Result<serde_json::Value> {
        const COUNTS: [&str; 3] =
            ["resourcesByResourceType", "entitlementsByResourceType", "grantsByResourceType"];
        let failed = |error: &dyn std::fmt::Display| {
            Error::new(format!("baton stats of {}: {error}", snapshot.display()))
        };
        let mut command = Command::new(&self.baton);
        command.arg("stats").arg("-f").arg(snapshot).args(["-o", "json"]);
        let output = command.output().map_err(|error| failed(&error))?;
        if !output.status.success() {
            return Err(failed(&String::from_utf8_lossy(&output.stderr)));
        }
        let run: serde_json::Value =
            serde_json::from_slice(&output.stdout).map_err(|error| failed(&error))?;
        Ok(COUNTS.iter().map(|counts| run.pointer(&format!("/stats/{counts}")).cloned()).collect())
    }
}

fn quiet(program: &Path, folder: &Path) -> Result<Command> {
    let log = folder.join("log");
    let out = File::create(&log).map_err(writing(&log))?;
    let err = out.try_clone().map_err(writing(&log))?;
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null()).stdout(out).stderr(err);
    Ok(command)
}

fn writing(path: &Path) -> impl Fn(std::io::Error) -> Error {
    move |error| Error::new(format!("writing {}: {error}", path.display()))
}

fn kind_of(data: Data) -> &'static str {
    match data {
        Data::PlanetScale { .. } => "PlanetScaleConnector",
        Data::Scalr { .. } => "ScalrConnector",
    }
}

fn manifests(upstream: &Upstream, connectors: usize) -> String {
    let (origin, kind) = (upstream.origin(), kind_of(upstream.data()));
    let (token, spec) = match upstream.data() {
        Data::PlanetScale { .. } => (
            PLANETSCALE_TOKEN,
            format!("apiUrl: {origin}, serviceTokenSecretRef: {{name: bench, key: token}}"),
        ),
        Data::Scalr { .. } => (
            SCALR_TOKEN,
            format!(
                "account: {SCALR_ACCOUNT}, baseUrl: {origin}, apiTokenSecretRef: {{name: bench, key: token}}"
            ),
        ),
    };
    let mut text = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: bench}}\nstringData: {{token: \"{token}\"}}\n"
    );
    for number in 0..connectors {
        let written = write!(
            text,
            "---\napiVersion: connectors.conductorone.com/v1alpha1\nkind: {kind}\n\
             metadata: {{name: bench-{number}}}\nspec: {{{spec}, timeout: 3h}}\n"
        );
        // Writing into a string cannot fail.
        written.unwrap_or_default();
    }
    text
}
