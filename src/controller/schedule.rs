//! When the next run is due. Whole seconds, since that is what a status can hold.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::{Class, CommonSpec, InvalidDuration};

/// The first wait after a failure; each further one doubles it.
const FIRST_RETRY: Duration = Duration::from_secs(30);
/// No wait for a retry is longer.
const LONGEST_RETRY: Duration = Duration::from_secs(15 * 60);
/// Periodic runs are spread over this part of their interval.
const JITTER: f64 = 0.10;

/// What the operator fills in where a spec is silent.
#[derive(Debug, Clone, Copy)]
pub struct Defaults {
    /// Where a spec has no interval.
    pub interval: Duration,
    /// No interval is shorter.
    pub min_interval: Duration,
    /// Where a spec has no timeout.
    pub timeout: Duration,
}

/// When one connector reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// Time between the starts of two runs.
    pub interval: Duration,
    /// How long one run may take.
    pub timeout: Duration,
    /// This connector's place within the spread, from 0 to 1: the same for as long as it lives.
    pub place: f64,
}

impl Timing {
    /// The timing that `spec` asks for, for the object with this uid.
    ///
    /// # Errors
    /// [`InvalidDuration`] where a duration is none, which the API server does not let in.
    pub fn of(spec: &CommonSpec, uid: &str, defaults: &Defaults) -> Result<Self, InvalidDuration> {
        let asked = spec.schedule.as_ref().and_then(|schedule| schedule.interval.as_ref());
        let interval = asked.map_or(Ok(defaults.interval), |interval| interval.get())?;
        let timeout = spec.timeout.as_ref().map_or(Ok(defaults.timeout), |timeout| timeout.get())?;
        Ok(Self {
            interval: interval.max(defaults.min_interval),
            timeout: timeout.max(Duration::from_secs(1)),
            place: place(uid),
        })
    }

    /// When the next periodic run is due: the cadence counts from starts, and never overtakes an end.
    pub fn after_success(&self, started: Timestamp, ended: Timestamp) -> Timestamp {
        let interval = self.interval.mul_f64(1.0 + JITTER * (self.place - 0.5));
        later(started, interval).max(later(ended, interval / 10))
    }

    /// When to try again after the `failures`th failure in a row.
    pub fn after_failure(
        &self,
        class: Class,
        failures: i32,
        retry_after: Option<Duration>,
        ended: Timestamp,
    ) -> Timestamp {
        let wait = match class {
            Class::WaitForChange => self.interval.max(LONGEST_RETRY),
            Class::Retry | Class::WaitForSecret => self.backoff(failures),
        };
        later(ended, wait.max(retry_after.unwrap_or_default().min(LONGEST_RETRY)))
    }

    /// 30 s, 60 s, 2 min … 15 min, and never longer than the interval; spread over its upper half.
    fn backoff(&self, failures: i32) -> Duration {
        let doublings = u32::try_from(failures.clamp(1, 16) - 1).unwrap_or(0);
        let full = FIRST_RETRY.saturating_mul(1 << doublings).min(LONGEST_RETRY).min(self.interval);
        full.mul_f64(0.5 + 0.5 * self.place)
    }
}

fn later(start: Timestamp, wait: Duration) -> Timestamp {
    let seconds = i64::try_from(wait.as_secs_f64().ceil() as u64).unwrap_or(i64::MAX);
    Timestamp::from_second(start.as_second().saturating_add(seconds)).unwrap_or(Timestamp::MAX)
}

/// A number from 0 to 1 that depends on the uid alone (FNV-1a, so that it is the same in every release).
fn place(uid: &str) -> f64 {
    let hash = uid.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::{Schedule, SpecDuration};

    const DEFAULTS: Defaults = Defaults {
        interval: Duration::from_secs(3600),
        min_interval: Duration::from_secs(60),
        timeout: Duration::from_secs(1800),
    };

    fn every(interval: &str) -> CommonSpec {
        let schedule = Schedule { interval: Some(SpecDuration(interval.into())) };
        CommonSpec { schedule: Some(schedule), ..CommonSpec::default() }
    }

    #[test]
    fn a_silent_spec_is_read_at_the_operators_default() {
        let timing = Timing::of(&CommonSpec::default(), "uid", &DEFAULTS).unwrap();
        assert_eq!((timing.interval, timing.timeout), (DEFAULTS.interval, DEFAULTS.timeout));
    }

    #[test]
    fn no_interval_is_shorter_than_the_floor() {
        let timing = Timing::of(&every("1s"), "uid", &DEFAULTS).unwrap();
        assert_eq!(timing.interval, DEFAULTS.min_interval);
    }

    proptest! {
        #[test]
        fn the_next_run_is_due_within_five_percent_of_the_interval(uid in "\\PC{0,40}", start in 0i64..4_000_000_000) {
            let timing = Timing::of(&CommonSpec::default(), &uid, &DEFAULTS).unwrap();
            let start = Timestamp::from_second(start).unwrap();
            let wait = timing.after_success(start, start).as_second() - start.as_second();
            prop_assert!((3420..=3780).contains(&wait), "{}", wait);
        }

        #[test]
        fn a_run_longer_than_its_interval_leaves_a_pause(uid in "\\PC{0,40}", took in 3600i64..100_000) {
            let timing = Timing::of(&CommonSpec::default(), &uid, &DEFAULTS).unwrap();
            let start = Timestamp::from_second(1_000_000).unwrap();
            let end = Timestamp::from_second(1_000_000 + took).unwrap();
            prop_assert!(timing.after_success(start, end) > end);
        }

        #[test]
        fn retries_come_less_and_less_often_and_within_bounds(uid in "\\PC{0,40}") {
            let timing = Timing::of(&CommonSpec::default(), &uid, &DEFAULTS).unwrap();
            let waits: Vec<Duration> = (1..40).map(|n| timing.backoff(n)).collect();
            prop_assert!(waits.is_sorted());
            prop_assert!(waits[0] >= FIRST_RETRY / 2);
            prop_assert!(waits[38] <= LONGEST_RETRY);
        }
    }
}
