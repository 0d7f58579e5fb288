//! What a run gives to C1: of a snapshot that was published, as much as the task wants of it; of any other end, the
//! reason why there is nothing.

use std::path::Path;

use tonic::Code;

use crate::api::{Class, Reason};
use crate::c1::{Asset, Refused};
use crate::snapshot::{LocalFile, SelectError, Selection, Snapshot, StoreError, select};

use super::{Ended, Failure, Outcome};

/// What of `outcome` goes to C1. `published` finds the snapshot that it published; a copy with less goes to `scratch`.
/// Blocks its thread.
///
/// # Errors
/// What C1 is to be told instead.
pub fn deliver(
    outcome: &Outcome,
    selection: &Selection,
    published: impl FnOnce() -> Result<Option<LocalFile>, StoreError>,
    scratch: &Path,
) -> Result<Asset, Refused> {
    match &outcome.result {
        Ok(Ended::Published(it)) => match published() {
            Ok(Some(file)) => asset(&outcome.id, selection, &file, &it.digest, scratch),
            Ok(None) => Err(unreadable(&std::io::Error::from(std::io::ErrorKind::NotFound))),
            Err(error) => Err(unreadable(&error)),
        },
        // Asking again would change nothing: a person has to look.
        Ok(Ended::Held(held)) => {
            let whys = held.removals.iter().map(|removal| removal.why.into());
            Err(refused(Reason::of_hold(whys), held.message.clone(), true))
        }
        Err(failure) => Err(of_failure(failure)),
    }
}

/// The run was called off before it came to an end.
pub fn called_off() -> Refused {
    Refused {
        code: Code::Aborted,
        message: "The run was called off before everything was read.".to_owned(),
        non_retryable: false,
    }
}

fn unreadable(error: &dyn std::error::Error) -> Refused {
    let message = format!("The snapshot could not be prepared for C1: {error}.");
    refused(Reason::SnapshotFailed, message, false)
}

fn asset(
    id: &str,
    selection: &Selection,
    published: &Path,
    digest: &str,
    scratch: &Path,
) -> Result<Asset, Refused> {
    let whole = Asset::open(published, id).map_err(|error| unreadable(&error))?;
    if digest != format!("sha256:{}", whole.digest()) {
        return Err(unreadable(&std::io::Error::other("it is no longer the file that was published")));
    }
    if selection.is_everything() {
        return Ok(whole);
    }
    let snapshot =
        Snapshot::open(published, scratch).map_err(|error| unreadable(&StoreError::from(error)))?;
    let copy = tempfile::Builder::new().prefix("for-c1-").suffix(".c1z").tempfile_in(scratch);
    let copy = copy.map_err(|error| unreadable(&error))?.into_temp_path();
    match select(&snapshot, selection, &copy, scratch) {
        Ok(_) => Asset::open_copy(copy, id).map_err(|error| unreadable(&error)),
        Err(error @ SelectError::UnknownResourceType { .. }) => Err(Refused {
            code: Code::InvalidArgument,
            message: format!("The task cannot be done: {error}."),
            non_retryable: true,
        }),
        Err(error) => Err(unreadable(&error)),
    }
}

/// What waits for somebody to change something does not pass when C1 asks again.
fn of_failure(failure: &Failure) -> Refused {
    let waits = !matches!(failure.reason.class(), Some(Class::Retry));
    refused(failure.reason, failure.message.clone(), waits)
}

fn refused(reason: Reason, message: String, non_retryable: bool) -> Refused {
    Refused { code: reason.grpc_code(), message, non_retryable }
}
