//! The client's part of [`super::super::fuzzing`].

use std::time::Duration;

use jiff::Timestamp;

/// A `Retry-After` at a moment that the first eight bytes choose.
pub(in super::super) fn retry_after(data: &[u8]) {
    let Some((second, value)) = data.split_first_chunk() else { return };
    let Ok(now) = Timestamp::from_second(i64::from_le_bytes(*second)) else { return };
    let Ok(value) = std::str::from_utf8(value) else { return };
    let wait = super::retry::retry_after(value, now);
    assert!(wait.is_none_or(|wait| wait <= Duration::from_secs(3600)), "a wait has no bound");
    let seconds = value.trim().parse::<u64>().ok().filter(|_| !value.trim().starts_with('+'));
    if let Some(seconds) = seconds {
        assert_eq!(wait, Some(Duration::from_secs(seconds.min(3600))));
    }
}
