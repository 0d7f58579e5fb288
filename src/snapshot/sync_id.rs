//! The id of a run, which is also the name of the snapshot that it left.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use svix_ksuid::{KSUID_EPOCH, KsuidMs};

/// Characters of a KSUID as text.
const LENGTH: usize = 27;

/// The id of a run: a KSUID, as everywhere in C1. Later ids sort after earlier ones, to about four milliseconds.
///
/// It is safe as the name of a file: 27 letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SyncId(String);

impl SyncId {
    /// A new id for a run that starts at `started_at`. Two calls with the same time give two ids.
    pub fn new(started_at: Timestamp) -> Self {
        // A KSUID cannot tell times before May 2014 or after 2150: a broken clock must not wrap around. The parser
        // refuses ids with a leading zero byte, which ends in November 2014.
        let earliest = (KSUID_EPOCH + (1 << 24)) * 1000;
        let latest = (KSUID_EPOCH + i64::from(u32::MAX)) * 1000;
        let millis = started_at.as_millisecond().clamp(earliest, latest);
        Self(KsuidMs::from_millis(Some(millis), None).to_string())
    }

    /// The last of all ids, which no run has.
    pub fn last() -> Self {
        Self("aWgEPTl1tmebfsQzFP4bxwgy80V".to_owned())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SyncId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not the id of a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the id of a run: it should be 27 letters and digits")]
pub struct InvalidSyncId(String);

impl FromStr for SyncId {
    type Err = InvalidSyncId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let well_formed = text.len() == LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        // The round trip refuses those 27 characters that are more than 20 bytes.
        match KsuidMs::from_str(text) {
            Ok(id) if well_formed && id.to_string() == text => Ok(Self(text.to_owned())),
            _ => Err(InvalidSyncId(text.to_owned())),
        }
    }
}

impl TryFrom<String> for SyncId {
    type Error = InvalidSyncId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SyncId> for String {
    fn from(id: SyncId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_the_time_they_were_made_at() {
        let first: Timestamp = "2026-09-04T10:00:00.000Z".parse().unwrap();
        let later: Timestamp = "2026-09-04T10:00:00.004Z".parse().unwrap();
        assert!(SyncId::new(first) < SyncId::new(later));
    }

    #[test]
    fn two_runs_of_the_same_moment_have_two_ids() {
        assert_ne!(SyncId::new(Timestamp::UNIX_EPOCH), SyncId::new(Timestamp::UNIX_EPOCH));
    }

    #[test]
    fn a_clock_out_of_range_still_gives_an_id() {
        for clock in [Timestamp::MIN, Timestamp::MAX] {
            let id = SyncId::new(clock);
            assert_eq!(id.as_str().parse(), Ok(id));
        }
    }

    #[test]
    fn the_last_id_is_one_and_comes_after_all_others() {
        let last = SyncId::last();
        assert_eq!(last.as_str().parse(), Ok(last.clone()));
        assert!(SyncId::new(Timestamp::MAX) < last);
    }

    #[test]
    fn only_ids_are_ids() {
        let id = SyncId::new("2026-09-04T10:00:00Z".parse().unwrap());
        assert_eq!(id.to_string().parse::<SyncId>().unwrap(), id);
        let too_large = "z".repeat(LENGTH);
        for other in
            ["", "../../etc/passwd", "1srOrx2ZWZBpBUvZwXKQmoEYga", "1srOrx2ZWZBpBUvZwXKQmoEYg/a", &too_large]
        {
            assert!(other.parse::<SyncId>().is_err(), "{other}");
        }
    }
}
