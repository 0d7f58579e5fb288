//! What flags and variables come to: checked, with every default filled in, and secrets out of clap's hands.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use crate::connectors::http::{ClientOptions, RetryPolicy, Timeouts};
use crate::network::HostPolicy;
use crate::snapshot::Selection;
use crate::sync::{Credential, Failure, Settings as Place};

use super::connectors::{OwnFlags, given, given_secret, variable};
use super::flags::{C1Flags, FileFlags, NetworkFlags, WantedFlags};
use super::open::Open;
use super::problem::Problem;

/// As whom to work for C1.
#[derive(Debug)]
pub(super) struct C1Settings {
    pub(super) client_id: String,
    pub(super) client_secret: SecretString,
    pub(super) host_id: String,
    /// The host of C1, where it is another than the client id says.
    pub(super) api_host: Option<String>,
    /// PEM certificates to trust besides the system's.
    pub(super) ca_bundle: Option<Vec<u8>>,
    /// Tasks to do at once.
    pub(super) task_concurrency: u8,
}

/// Where scratch files go, and what the file at the end is.
#[derive(Debug)]
pub(super) struct FileSettings {
    pub(super) path: PathBuf,
    pub(super) scratch: PathBuf,
    pub(super) keeps_previous: bool,
}

/// The credentials for C1; `None` where the connector is to read once.
pub(super) fn c1<C: OwnFlags>(
    flags: C1Flags,
    ca_bundle: Option<Vec<u8>>,
) -> Result<Option<C1Settings>, Problem> {
    let lacks = |given: &str, missing: &str| {
        Err(Problem::usage(format!(
            "--{given} is given without --{missing}: set {} too to deliver to C1, or neither to write a file once",
            variable(missing)
        )))
    };
    match (given(flags.client_id), given_secret(flags.client_secret)) {
        (None, None) => Ok(None),
        (Some(_), None) => lacks("client-id", "client-secret"),
        (None, Some(_)) => lacks("client-secret", "client-id"),
        (Some(client_id), Some(client_secret)) => Ok(Some(C1Settings {
            client_id,
            client_secret,
            host_id: given(flags.host_id).unwrap_or_else(|| C::HOST_ID.to_owned()),
            api_host: given(flags.c1_api_host),
            ca_bundle,
            task_concurrency: flags.task_concurrency,
        })),
    }
}

/// The CA bundle in the file that is named.
pub(super) fn ca_bundle(flags: &NetworkFlags) -> Result<Option<Vec<u8>>, Problem> {
    let Some(path) = &flags.ca_bundle else { return Ok(None) };
    let problem = |error| {
        Problem::usage(format!("--ca-bundle {}: {error}; name a file of PEM certificates", path.display()))
    };
    fs::read(path).map(Some).map_err(problem)
}

/// What opens the connector.
pub(super) fn open<C: OwnFlags>(
    own: C,
    network: &NetworkFlags,
    ca_bundle: Option<Vec<u8>>,
) -> Result<Open<C::Object>, Problem> {
    let (object, token) = own.object().map_err(|missing| not_given::<C>(&missing))?;
    let named = |flag| format!("--{flag} ({})", variable(flag));
    let credential = Credential {
        name: <C::Object as crate::api::ConnectorObject>::CREDENTIAL,
        place: named(C::CREDENTIAL_FLAG),
        address: named(C::address_flag(&object)),
        scope: named(C::SCOPE_FLAG),
        settings: Place::Flags,
    };
    let request = Duration::from_secs(network.http_timeout_seconds);
    let options = ClientOptions {
        ca_bundle,
        allowances: network.asking.allowances(),
        timeouts: Timeouts { request, ..Timeouts::default() },
        retry: patient(request),
        // The host is known only with the object.
        ..ClientOptions::new(HostPolicy::default())
    };
    Ok(Open::new(object, token, credential, options))
}

/// Tries go on for as long as one answer may take.
fn patient(request: Duration) -> RetryPolicy {
    let usual = RetryPolicy::default();
    RetryPolicy { total: usual.total.max(request), ..usual }
}

fn not_given<C: OwnFlags>(missing: &[&str]) -> Problem {
    let wanted = C::REQUIRED.iter().filter(|(flag, _)| missing.contains(flag));
    let all: Vec<String> = wanted
        .map(|(flag, what)| format!("--{flag} is not given: set it, or {}, to {what}", variable(flag)))
        .collect();
    Problem::usage(all.join("; "))
}

/// What of a full reading is written. `types` are those that the connector has.
pub(super) fn selection(flags: &WantedFlags, types: &[&str]) -> Result<Selection, Problem> {
    let wanted = flags.resource_types();
    match wanted.iter().find(|id| !types.contains(&id.as_str())) {
        Some(unknown) => Err(Problem::usage(format!(
            "--sync-resource-types {unknown}: there is no such resource type; there are {}",
            types.join(", ")
        ))),
        None => Ok(Selection::of_task(&wanted, flags.skip_entitlements_and_grants, flags.skip_grants)),
    }
}

/// The folder for scratch files.
pub(super) fn scratch(flags: &FileFlags) -> Result<PathBuf, Problem> {
    for (flag, given) in [("c1z-temp-dir", &flags.c1z_temp_dir), ("tmpdir", &flags.tmpdir)] {
        if let Some(folder) = given {
            let problem = |error| {
                Problem::usage(format!(
                    "--{flag} {}: {error}; name a folder that exists and can be written to",
                    folder.display()
                ))
            };
            return writable(folder).map(|()| folder.clone()).map_err(problem);
        }
    }
    let usual = std::env::temp_dir();
    // In an image with a read-only root and without /tmp, the one place to write to is that of the file.
    Ok(if writable(&usual).is_ok() { usual } else { folder_of(&flags.file).to_owned() })
}

/// The file to write, and that it can be written: nobody waits for a long reading to learn that.
pub(super) fn file(flags: &FileFlags, scratch: PathBuf) -> Result<FileSettings, Problem> {
    let folder = folder_of(&flags.file);
    writable(folder).map_err(|error| {
        let message = format!(
            "the folder {} of --file {} cannot be written to: {error}; name a file in one that can with --file \
             (BATON_FILE)",
            folder.display(),
            flags.file.display()
        );
        Problem::from(Failure::new(crate::api::Reason::SnapshotFailed, message))
    })?;
    if flags.keep_sync_count > 2 {
        tracing::warn!("--keep-sync-count (BATON_KEEP_SYNC_COUNT): the file keeps two runs at most");
    }
    Ok(FileSettings { path: flags.file.clone(), scratch, keeps_previous: flags.keep_sync_count > 1 })
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Can a file be made in `folder`? It goes again at once.
fn writable(folder: &Path) -> std::io::Result<()> {
    fs::metadata(folder)?;
    tempfile::tempfile_in(folder).map(drop)
}

/// What flags and variables come to before anything is asked.
pub(super) struct Resolved<C: OwnFlags> {
    pub(super) open: Open<C::Object>,
    pub(super) c1: Option<C1Settings>,
    pub(super) selection: Selection,
}

impl<C: OwnFlags> Resolved<C> {
    /// Checks all of `own` and `flags` that does not depend on what is done with them.
    pub(super) fn new(
        own: C,
        c1_flags: C1Flags,
        rest: &WantedFlags,
        network: &NetworkFlags,
    ) -> Result<Self, Problem> {
        let ca_bundle = ca_bundle(network)?;
        let c1 = c1::<C>(c1_flags, ca_bundle.clone())?;
        let open = open(own, network, ca_bundle)?;
        let types: Vec<&str> = open.connector()?.resource_types().iter().map(|it| it.id).collect();
        Ok(Self { selection: selection(rest, &types)?, open, c1 })
    }
}
