//! When the next try begins: full jitter, or what the vendor's `Retry-After` asks for, within a bound.

use std::time::Duration;

use backon::ExponentialBuilder;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::failure::Failure;
use super::options::RetryPolicy;

/// The longest `Retry-After` that is believed. A date far off is a wrong clock.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// What `Retry-After` asks for: seconds, or a date (RFC 9110, section 10.2.3). At most an hour.
pub(super) fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let asked = if value.bytes().all(|byte| byte.is_ascii_digit()) && !value.is_empty() {
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let date = DateTimeParser::new().parse_timestamp(value).ok()?;
        Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO)
    };
    Some(asked.min(LONGEST_RETRY_AFTER))
}

/// The longest wait before each try, doubling.
pub(super) fn ceilings(policy: &RetryPolicy) -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_min_delay(policy.first_wait)
        .with_max_delay(policy.longest_wait)
        .with_max_times(policy.tries.saturating_sub(1))
}

/// How long to wait after `failure`, when tries and waits have taken `elapsed`, where `ceiling` is the longest wait
/// that the backoff foresees and `chance` is between 0 and 1. `None` ends the request.
pub(super) fn wait(
    policy: &RetryPolicy,
    failure: &Failure,
    ceiling: Option<Duration>,
    elapsed: Duration,
    chance: f32,
) -> Option<Duration> {
    let jittered = ceiling.filter(|_| failure.transient)?.mul_f32(chance);
    let wait = match failure.retry_after {
        Some(asked) => asked.saturating_add(jittered),
        None if failure.is_rate_limit() => policy.rate_limit_wait.saturating_add(jittered),
        None => jittered,
    };
    (elapsed.saturating_add(wait) <= policy.total).then_some(wait)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::connectors::ReadError;

    #[rstest]
    #[case("0", Some(0))]
    #[case("7", Some(7))]
    #[case(" 120 ", Some(120))]
    #[case("86400", Some(3600))]
    #[case("99999999999999999999999", Some(3600))]
    #[case("Sun, 06 Nov 1994 08:49:37 GMT", Some(37))]
    #[case("Sun, 06 Nov 1994 08:48:37 GMT", Some(0))]
    #[case("Sun, 06 Nov 2044 08:49:37 GMT", Some(3600))]
    #[case("-1", None)]
    #[case("", None)]
    #[case("soon", None)]
    fn retry_after_is_seconds_or_a_date_and_never_more_than_an_hour(
        #[case] value: &str,
        #[case] seconds: Option<u64>,
    ) {
        let now = "1994-11-06T08:49:00Z".parse().unwrap();
        assert_eq!(retry_after(value, now), seconds.map(Duration::from_secs));
    }

    fn failure(status: u16, retry_after: Option<u64>) -> Failure {
        let error = match status {
            429 => ReadError::RateLimited {
                vendor: "Scalr",
                request: String::new(),
                detail: String::new(),
                retry_after: None,
            },
            _ => ReadError::EmptyAccount(String::new()),
        };
        let transient = status >= 429;
        Failure { error, transient, retry_after: retry_after.map(Duration::from_secs), broken: None }
    }

    #[rstest]
    #[case::jitter_is_full(failure(503, None), 8, 0, 0.25, Some(2))]
    #[case::a_429_without_a_word_waits_for_the_vendors_minute(failure(429, None), 8, 0, 0.5, Some(19))]
    #[case::a_429_is_obeyed(failure(429, Some(30)), 8, 0, 0.5, Some(34))]
    #[case::a_503_may_ask_too(failure(503, Some(30)), 8, 0, 0.5, Some(34))]
    #[case::a_refusal_is_final(failure(403, None), 8, 0, 0.5, None)]
    #[case::more_than_the_rest_of_the_time_ends_it(failure(429, Some(170)), 8, 20, 0.0, None)]
    fn the_wait_is_what_the_vendor_asks_or_a_random_part_of_the_backoff(
        #[case] failure: Failure,
        #[case] ceiling: u64,
        #[case] elapsed: u64,
        #[case] chance: f32,
        #[case] expected: Option<u64>,
    ) {
        let wait = wait(
            &RetryPolicy::default(),
            &failure,
            Some(Duration::from_secs(ceiling)),
            Duration::from_secs(elapsed),
            chance,
        );
        assert_eq!(wait, expected.map(Duration::from_secs));
    }
}
