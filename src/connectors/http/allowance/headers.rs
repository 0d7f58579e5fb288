//! What the headers of an answer say about what is left of an allowance.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;

/// The spellings in use: the IETF's draft, and what came before it.
const PREFIXES: [&str; 3] = ["ratelimit", "x-ratelimit", "x-rate-limit"];

/// The longest pause that these headers bring about. Both vendors count per minute; after it, one request finds out
/// whether more is needed.
const LONGEST: Duration = Duration::from_secs(60);

/// A `reset` above this is no number of seconds but a time since 1970, in seconds or, above the next, milliseconds.
const EPOCH_SECONDS: i64 = 1_000_000_000;
const EPOCH_MILLISECONDS: i64 = 1_000_000_000_000;

/// How long nothing remains, where the headers say that nothing does and when that changes. Neither vendor documents
/// such headers.
pub(in super::super) fn nothing_left_for(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    PREFIXES.iter().find_map(|prefix| {
        let number = |name: &str| {
            let value = headers.get(format!("{prefix}-{name}"))?.to_str().ok()?;
            value.trim().parse::<i64>().ok()
        };
        let remaining = number("remaining")?;
        (remaining <= 0).then(|| number("reset")).flatten().map(|reset| until(reset, now))
    })
}

fn until(reset: i64, now: Timestamp) -> Duration {
    let milliseconds = match reset {
        EPOCH_MILLISECONDS.. => reset - now.as_millisecond(),
        EPOCH_SECONDS.. => reset * 1000 - now.as_millisecond(),
        _ => reset.saturating_mul(1000),
    };
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::seconds(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "12")], Some(12))]
    #[case::the_drafts_spelling(&[("ratelimit-remaining", "0"), ("ratelimit-reset", "12")], Some(12))]
    #[case::another_spelling(&[("x-rate-limit-remaining", "0"), ("x-rate-limit-reset", " 12 ")], Some(12))]
    #[case::a_time(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225607")], Some(7))]
    #[case::a_finer_time(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225607000")], Some(7))]
    #[case::a_time_that_has_passed(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225000")], Some(0))]
    #[case::a_wrong_clock(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767229999")], Some(60))]
    #[case::overdrawn(&[("x-ratelimit-remaining", "-3"), ("x-ratelimit-reset", "5")], Some(5))]
    #[case::something_left(&[("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", "12")], None)]
    #[case::no_word_of_when(&[("x-ratelimit-remaining", "0")], None)]
    #[case::nonsense(&[("x-ratelimit-remaining", "none"), ("x-ratelimit-reset", "soon")], None)]
    #[case::nothing(&[], None)]
    fn an_allowance_that_is_used_up_is_waited_for(
        #[case] headers: &[(&'static str, &'static str)],
        #[case] seconds: Option<u64>,
    ) {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(nothing_left_for(&headers, now), seconds.map(Duration::from_secs));
    }
}
