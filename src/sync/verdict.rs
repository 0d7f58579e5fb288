//! What becomes of a complete reading: it is published, or the removal guard holds it.

mod going;
mod words;

use std::sync::Arc;

use crate::access::ResourceType;
use crate::access::guard::{self, Census, Limits, Removal, Scoping};
use crate::snapshot::{Receipt, StoreError};
use crate::telemetry::TRACED;

use self::going::Going;
use super::baseline::Known;
use super::reading::Reading;
use super::{Destination, Ended, Held, Holds, PublishError, Published};

/// By what a reading is judged.
pub(super) struct Rules {
    pub(super) types: &'static [ResourceType],
    pub(super) scoping: Scoping,
    pub(super) limits: Limits,
    /// The id of a hold whose removals a person has approved.
    pub(super) approved: Option<String>,
}

/// Publishes `reading`, or holds it; neither once `called_off`. Blocks its thread.
///
/// # Errors
/// [`StoreError::CalledOff`] when it was; otherwise when the disk fails.
pub(super) fn conclude(
    reading: &Reading,
    rules: &Rules,
    destination: &Arc<dyn Destination>,
    called_off: &dyn Fn() -> bool,
) -> Result<Ended, PublishError> {
    let census = reading.finished.snapshot().census(rules.scoping, rules.types).map_err(StoreError::from)?;
    if let Some(holds) = destination.holds() {
        let removals = removals(reading, rules, &census);
        if let Some(held) = hold(reading, rules, &census, removals, holds, called_off)? {
            return Ok(Ended::Held(held));
        }
    }
    publish(reading, &census, destination.as_ref(), called_off).map(Ended::Published)
}

/// Whatever must not go without anybody's word.
fn removals(reading: &Reading, rules: &Rules, census: &Census) -> Vec<Removal> {
    let another = another_account(reading, rules.scoping).is_some();
    match &reading.baseline.known {
        Known::Lost { remembered, .. } => {
            let before = remembered.as_ref().map(|it| it.scopes.clone()).unwrap_or_default();
            guard::judge_lost(&before, another, census)
        }
        Known::Snapshot { .. } => guard::judge(&reading.scopes, another, rules.limits),
        Known::Nothing => Vec::new(),
    }
}

/// The account before, where it is another. What has owners is told by them.
fn another_account(reading: &Reading, scoping: Scoping) -> Option<&str> {
    let before = reading.baseline.known.account_id()?;
    (scoping == Scoping::Users && before != reading.upstream.account_id).then_some(before)
}

/// `None` where there is nothing to hold, or a person has approved it.
fn hold(
    reading: &Reading,
    rules: &Rules,
    census: &Census,
    removals: Vec<Removal>,
    holds: Holds<'_>,
    called_off: &dyn Fn() -> bool,
) -> Result<Option<Held>, PublishError> {
    if removals.is_empty() {
        return Ok(None);
    }
    let _guard = tracing::debug_span!(target: TRACED, "guard").entered();
    let going = Going::of(reading, another_account(reading, rules.scoping), census);
    let id = going.id()?;
    if let Some(approved) = &rules.approved
        && (*approved == id || going.is_within(approved, holds)?)
    {
        tracing::info!(approved, "What would go was approved");
        return Ok(None);
    }
    going.keep(&id, holds, called_off)?;
    let lost = matches!(reading.baseline.known, Known::Lost { .. });
    let message = words::message(&removals, rules.limits, lost, &id);
    Ok(Some(Held { id, removals, counts: reading.finished.counts().clone(), message }))
}

fn publish(
    reading: &Reading,
    census: &Census,
    destination: &dyn Destination,
    called_off: &dyn Fn() -> bool,
) -> Result<Published, PublishError> {
    if called_off() {
        return Err(StoreError::CalledOff.into());
    }
    let _publishing = tracing::debug_span!(target: TRACED, "publishing").entered();
    let account_id = reading.upstream.account_id.clone();
    let receipt = Receipt {
        account_id: Some(account_id.clone()),
        scopes: census.remembered(),
        replaces: reading.baseline.replaces.clone(),
        ..Receipt::default()
    };
    let scopes = receipt.scopes.clone();
    let place = destination.publish(&reading.finished, receipt, called_off)?;
    Ok(Published {
        account_id,
        counts: reading.finished.counts().clone(),
        scopes,
        news: reading.news.clone(),
        uri: place.uri,
        digest: format!("sha256:{}", place.digest),
        size: place.size,
    })
}
