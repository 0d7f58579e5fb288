//! Whether what a reading lacks is really gone. Totals cannot see a balanced drift (one deleted, one slid over the edge
//! of a page, one added), so whatever was published and is missing now is asked for by itself, or, where that cannot be
//! done, has to be missing from a second reading too.

use crate::access::RecordId;
use crate::connectors::{LookUp, ReadError};
use crate::snapshot::Missing;

use super::Failure;
use super::reading::{READINGS, Reader, Reading, blocking};

/// The most that is asked for one by one. Beyond it reading everything once more costs less.
pub(super) const LOOKED_UP: u64 = 100;

/// Is what a reading lacks really gone?
pub(super) enum Confirmation {
    /// Yes.
    Given,
    /// No: the listing lied.
    Refused(ReadError),
    /// Another reading has to say so too.
    Open(Missing),
}

impl Reader<'_> {
    /// Confirms what `reading` lacks. `unconfirmed` is what the one before lacked, where that is not refuted.
    pub(super) async fn confirm(
        &self,
        reading: Reading,
        missing: Missing,
        unconfirmed: Option<Missing>,
    ) -> Result<(Reading, Confirmation), Failure> {
        let twice_missing = unconfirmed.is_some_and(|before| before.digest == missing.digest);
        if missing.count == 0 || twice_missing {
            return Ok((reading, Confirmation::Given));
        }
        let Some(records) = &missing.records else { return Ok((reading, Confirmation::Open(missing))) };
        match self.connector.look_up(records).await {
            Ok(LookUp::Found(found)) => self.check(reading, &missing, found).await,
            Ok(LookUp::Impossible) => Ok((reading, Confirmation::Open(missing))),
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

impl Missing {
    /// Nobody has said yet that it is really gone.
    pub(super) fn unconfirmed(&self) -> ReadError {
        changed(format!(
            "{} users, grants or other records that were published are missing, and no two of up to {READINGS} readings \
            miss the same",
            self.count
        ))
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
