//! Whether what a reading lacks is really gone. Totals cannot see a balanced drift (one deleted, one slid over the edge
//! of a page, one added), so whatever was published and is missing now is asked for by itself, or, where that cannot be
//! done, has to be missing from a second reading too. Where nothing is there to compare it with, although there should
//! be, a second reading has to show the same.

use crate::access::RecordId;
use crate::connectors::{LookUp, ReadError};
use crate::snapshot::Missing;

use super::Failure;
use super::reading::{READINGS, Reader, Reading, blocking};

/// The most that is asked for one by one. Beyond it reading everything once more costs less.
pub(super) const LOOKED_UP: u64 = 100;

/// What of a reading has to be confirmed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Nothing.
    Nothing,
    /// That these are gone.
    Missing(Missing),
    /// All of it: what was published before is lost.
    All {
        /// The SHA-256 of the ids of all that was read.
        digest: String,
    },
}

/// Is what a reading lacks really gone?
pub(super) enum Confirmation {
    /// Yes.
    Given,
    /// No: the listing lied.
    Refused(ReadError),
    /// Another reading has to say so too.
    Open(Doubt),
}

impl Reader<'_> {
    /// Confirms what is in `doubt` of `reading`. `unconfirmed` is what was of the one before, where that is not refuted.
    pub(super) async fn confirm(
        &self,
        reading: Reading,
        doubt: Doubt,
        unconfirmed: Option<Doubt>,
    ) -> Result<(Reading, Confirmation), Failure> {
        if doubt == Doubt::Nothing || unconfirmed.is_some_and(|before| before == doubt) {
            return Ok((reading, Confirmation::Given));
        }
        let Doubt::Missing(missing @ Missing { records: Some(records), .. }) = &doubt else {
            return Ok((reading, Confirmation::Open(doubt)));
        };
        match self.connector.look_up(records).await {
            Ok(LookUp::Found(found)) => self.check(reading, missing, found).await,
            Ok(LookUp::Impossible) => Ok((reading, Confirmation::Open(doubt))),
            Err(error @ ReadError::ListingChanged { .. }) => Ok((reading, Confirmation::Refused(error))),
            Err(error) => Err(Failure::read(&error, self.credential)),
        }
    }

    /// Whatever is there has to be in what was read.
    async fn check(
        &self,
        reading: Reading,
        missing: &Missing,
        found: Vec<RecordId>,
    ) -> Result<(Reading, Confirmation), Failure> {
        let (reading, lacking) = blocking(move || {
            let mut lacking = 0;
            if let Some(difference) = &reading.difference {
                for record in &found {
                    lacking += u64::from(difference.lacks(record)?);
                }
            }
            Ok((reading, lacking))
        })
        .await?;
        let confirmation = match lacking {
            0 => Confirmation::Given,
            lacking => Confirmation::Refused(refuted(lacking, missing.count)),
        };
        Ok((reading, confirmation))
    }
}

impl Doubt {
    /// Nobody has confirmed it yet.
    pub(super) fn unconfirmed(&self) -> ReadError {
        changed(match self {
            Self::Missing(missing) => format!(
                "{} users, grants or other records that were published are missing, and no two of up to {READINGS} \
                readings miss the same",
                missing.count
            ),
            Self::Nothing | Self::All { .. } => format!(
                "what was published before is lost, and no two of up to {READINGS} readings show the same users, grants \
                and other records"
            ),
        })
    }
}

fn refuted(lacking: u64, missing: u64) -> ReadError {
    changed(format!(
        "{missing} users, grants or other records that were published are missing from it, and {lacking} that belong \
        there are found when they are asked for one by one"
    ))
}

fn changed(problem: String) -> ReadError {
    ReadError::ListingChanged { listing: "the account".to_owned(), problem }
}
