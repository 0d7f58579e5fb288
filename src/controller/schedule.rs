//! When the next run is due. Whole seconds, since that is what a status can hold.

use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::api::{Class, CommonSpec, InvalidDuration, Schedule, SpecDuration};

/// The first wait after a failure; each further one doubles it.
const FIRST_RETRY: Duration = Duration::from_secs(30);
/// No wait for a retry is longer.
const LONGEST_RETRY: Duration = Duration::from_secs(15 * 60);
/// Runs at an interval are spread over this part of it.
const JITTER: f64 = 0.10;
/// What stands for never.
const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

/// What the operator fills in where a spec is silent.
#[derive(Debug, Clone, Copy)]
pub struct Defaults {
    /// Where a spec has neither an interval nor a cron pattern.
    pub interval: Duration,
    /// No interval is shorter, and no two moments of a cron pattern nearer to each other.
    pub min_interval: Duration,
    /// Where a spec has no timeout.
    pub timeout: Duration,
}

/// When one connector reads.
#[derive(Debug, Clone)]
pub struct Timing {
    /// When the next run begins after one that has.
    pub cadence: Cadence,
    /// How long one run may take.
    pub timeout: Duration,
    /// This connector's place within the spread, from 0 to 1: the same for as long as it lives.
    pub place: f64,
}

/// When the next run begins after one that has.
#[derive(Debug, Clone)]
pub enum Cadence {
    /// So long after its start.
    Every(Duration),
    /// At the next moment that fits.
    Cron {
        /// What fits.
        pattern: Box<Cron>,
        /// Where the clock is.
        zone: TimeZone,
        /// What fits sooner than so long after the start of the last run is left out.
        floor: Duration,
    },
}

/// Why there is no telling when to read. The API server lets in nothing that looks so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTiming {
    /// The interval or the timeout is no duration.
    #[error("{field} {problem}")]
    Duration {
        /// Which of the two.
        field: &'static str,
        /// What is wrong with it.
        problem: InvalidDuration,
    },
    /// The pattern is none.
    #[error("spec.schedule.cron {pattern:?} cannot be understood: {problem}")]
    Cron {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No moment fits the pattern.
    #[error("spec.schedule.cron {pattern:?} fits no day of any year")]
    Never {
        /// The pattern.
        pattern: String,
    },
    /// There is no such time zone.
    #[error("spec.schedule.timeZone {name:?} is not in the IANA database; names are such as Europe/Prague")]
    TimeZone {
        /// The name.
        name: String,
    },
}

impl Timing {
    /// The timing that `spec` asks for, for the object with this uid.
    ///
    /// # Errors
    /// [`InvalidTiming`] where that cannot be understood.
    pub fn of(spec: &CommonSpec, uid: &str, defaults: &Defaults) -> Result<Self, InvalidTiming> {
        let timeout = duration("spec.timeout", spec.timeout.as_ref(), defaults.timeout)?;
        Ok(Self {
            cadence: Cadence::of(spec.schedule.as_ref(), defaults)?,
            timeout: timeout.max(Duration::from_secs(1)),
            place: place(uid),
        })
    }

    /// The timing of a connector whose own cannot be understood.
    pub(super) fn fallback(defaults: &Defaults) -> Self {
        Self { cadence: Cadence::Every(defaults.interval), timeout: defaults.timeout, place: 0.5 }
    }

    /// When the next periodic run is due: the cadence counts from starts, and never overtakes an end.
    pub fn after_success(&self, started: Timestamp, ended: Timestamp) -> Timestamp {
        match &self.cadence {
            Cadence::Every(interval) => {
                let spread = interval.mul_f64(1.0 + JITTER * (self.place - 0.5));
                later(started, spread).max(later(ended, spread / 10))
            }
            Cadence::Cron { pattern, zone, floor } => {
                // From the minute in which it was due: a run begins a moment after that.
                let minute = Timestamp::from_second(started.as_second().div_euclid(60) * 60);
                let due = from(pattern, zone, later(minute.unwrap_or(started), *floor));
                if due > ended { due } else { next(pattern, zone, ended) }
            }
        }
    }

    /// When to try again after the `failures`th failure in a row.
    pub fn after_failure(
        &self,
        class: Class,
        failures: i32,
        retry_after: Option<Duration>,
        ended: Timestamp,
    ) -> Timestamp {
        let asked = retry_after.unwrap_or_default().min(LONGEST_RETRY);
        match class {
            Class::WaitForChange => self.slowly(ended).max(later(ended, asked)),
            Class::Retry | Class::WaitForSecret => later(ended, self.backoff(failures, ended).max(asked)),
        }
    }

    /// Nothing will change by itself: at the next moment that is due, and not within a quarter of an hour.
    fn slowly(&self, ended: Timestamp) -> Timestamp {
        let earliest = later(ended, LONGEST_RETRY);
        match &self.cadence {
            Cadence::Every(interval) => later(ended, *interval).max(earliest),
            Cadence::Cron { pattern, zone, .. } => next(pattern, zone, earliest),
        }
    }

    /// 30 s, 60 s, 2 min … 15 min, and never later than what is due anyway; spread over its upper half.
    fn backoff(&self, failures: i32, ended: Timestamp) -> Duration {
        let doublings = u32::try_from(failures.clamp(1, 16) - 1).unwrap_or(0);
        let due = match &self.cadence {
            Cadence::Every(interval) => *interval,
            Cadence::Cron { pattern, zone, .. } => {
                let due = next(pattern, zone, ended).duration_since(ended);
                Duration::try_from(due).unwrap_or_default().max(FIRST_RETRY)
            }
        };
        let full = FIRST_RETRY.saturating_mul(1 << doublings).min(LONGEST_RETRY).min(due);
        full.mul_f64(0.5 + 0.5 * self.place)
    }
}

impl Cadence {
    fn of(schedule: Option<&Schedule>, defaults: &Defaults) -> Result<Self, InvalidTiming> {
        let Some(pattern) = schedule.and_then(|schedule| schedule.cron.as_ref()) else {
            let asked = schedule.and_then(|schedule| schedule.interval.as_ref());
            let interval = duration("spec.schedule.interval", asked, defaults.interval)?;
            return Ok(Self::Every(interval.max(defaults.min_interval)));
        };
        let name = schedule.and_then(|schedule| schedule.time_zone.as_deref()).unwrap_or("UTC");
        let zone = TimeZone::get(name).map_err(|_| InvalidTiming::TimeZone { name: name.to_owned() })?;
        let cron = parsed(pattern)?;
        if cron.find_next_occurrence(&Timestamp::now().to_zoned(zone.clone()), false).is_err() {
            return Err(InvalidTiming::Never { pattern: pattern.clone() });
        }
        Ok(Self::Cron { pattern: Box::new(cron), zone, floor: defaults.min_interval })
    }
}

fn duration(
    field: &'static str,
    asked: Option<&SpecDuration>,
    default: Duration,
) -> Result<Duration, InvalidTiming> {
    let Some(asked) = asked else { return Ok(default) };
    asked.get().map_err(|problem| InvalidTiming::Duration { field, problem })
}

fn parsed(pattern: &str) -> Result<Cron, InvalidTiming> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser
        .parse(pattern)
        .map_err(|error| InvalidTiming::Cron { pattern: pattern.to_owned(), problem: error.to_string() })
}

/// The first moment after `time` that fits. What a clock that is put forward leaves out is made up for after the gap; what
/// one that is put back has twice is once.
fn next(pattern: &Cron, zone: &TimeZone, time: Timestamp) -> Timestamp {
    found(pattern, zone, time, false)
}

/// The same, where `time` itself may fit.
fn from(pattern: &Cron, zone: &TimeZone, time: Timestamp) -> Timestamp {
    found(pattern, zone, time, true)
}

fn found(pattern: &Cron, zone: &TimeZone, time: Timestamp, inclusive: bool) -> Timestamp {
    let found = pattern.find_next_occurrence(&time.to_zoned(zone.clone()), inclusive);
    // A pattern that fits nothing any more is not let in.
    found.map_or_else(|_| later(time, YEAR), |found| found.timestamp())
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
    use rstest::rstest;

    use super::*;

    const DEFAULTS: Defaults = Defaults {
        interval: Duration::from_secs(3600),
        min_interval: Duration::from_secs(60),
        timeout: Duration::from_secs(1800),
    };

    fn every(interval: &str) -> CommonSpec {
        let schedule = Schedule { interval: Some(SpecDuration(interval.into())), ..Schedule::default() };
        CommonSpec { schedule: Some(schedule), ..CommonSpec::default() }
    }

    #[test]
    fn a_silent_spec_is_read_at_the_operators_default() {
        let timing = Timing::of(&CommonSpec::default(), "uid", &DEFAULTS).unwrap();
        assert!(matches!(timing.cadence, Cadence::Every(interval) if interval == DEFAULTS.interval));
        assert_eq!(timing.timeout, DEFAULTS.timeout);
    }

    #[test]
    fn no_interval_is_shorter_than_the_floor() {
        let timing = Timing::of(&every("1s"), "uid", &DEFAULTS).unwrap();
        assert!(matches!(timing.cadence, Cadence::Every(interval) if interval == DEFAULTS.min_interval));
    }

    fn cron(pattern: &str, zone: Option<&str>) -> CommonSpec {
        let schedule =
            Schedule { cron: Some(pattern.into()), time_zone: zone.map(str::to_owned), interval: None };
        CommonSpec { schedule: Some(schedule), ..CommonSpec::default() }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// The moments after `start` at which runs of a second each begin.
    fn moments(spec: &CommonSpec, start: &str, count: usize) -> Vec<String> {
        let timing = Timing::of(spec, "uid", &DEFAULTS).unwrap();
        let mut time = at(start);
        let mut moments = Vec::new();
        for _ in 0..count {
            time = timing.after_success(time, time + Duration::from_secs(1));
            moments.push(time.to_string());
        }
        moments
    }

    #[test]
    fn a_cron_pattern_means_the_clock_of_its_zone() {
        let weekdays = cron("0 6 * * 1-5", Some("Europe/Prague"));
        let expected = ["2026-11-20T05:00:00Z", "2026-11-23T05:00:00Z", "2026-11-24T05:00:00Z"];
        assert_eq!(moments(&weekdays, "2026-11-19T12:00:00Z", 3), expected);
        assert_eq!(moments(&cron("0 6 * * *", None), "2026-11-19T12:00:00Z", 1), ["2026-11-20T06:00:00Z"]);
    }

    #[test]
    fn what_the_clock_leaves_out_in_spring_is_made_up_for_after_the_gap_and_autumn_has_it_once() {
        let night = cron("30 2 * * *", Some("Europe/Prague"));
        let spring = moments(&night, "2026-03-27T12:00:00Z", 3);
        assert_eq!(spring, ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
        let autumn = moments(&night, "2026-10-23T12:00:00Z", 3);
        assert_eq!(autumn, ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    }

    #[test]
    fn moments_that_pass_during_a_run_are_left_out_and_an_outage_is_made_up_for_once() {
        let timing = Timing::of(&cron("*/5 * * * *", None), "uid", &DEFAULTS).unwrap();
        let next = timing.after_success(at("2026-11-20T06:00:00Z"), at("2026-11-20T06:12:00Z"));
        assert_eq!(next, at("2026-11-20T06:15:00Z"));
        let after_an_outage = timing.after_success(at("2026-11-21T09:01:00Z"), at("2026-11-21T09:01:30Z"));
        assert_eq!(after_an_outage, at("2026-11-21T09:05:00Z"));
    }

    #[test]
    fn the_floor_holds_for_cron_too() {
        let defaults = Defaults { min_interval: Duration::from_secs(600), ..DEFAULTS };
        let timing = Timing::of(&cron("* * * * *", None), "uid", &defaults).unwrap();
        let start = at("2026-11-20T06:00:00Z");
        assert_eq!(timing.after_success(start, start), at("2026-11-20T06:10:00Z"));
        let every_minute = Timing::of(&cron("* * * * *", None), "uid", &DEFAULTS).unwrap();
        let late = at("2026-11-20T06:00:07Z");
        assert_eq!(every_minute.after_success(late, late), at("2026-11-20T06:01:00Z"));
    }

    #[test]
    fn a_day_that_comes_every_four_years_is_waited_for() {
        let leap_day = cron("0 0 29 2 *", None);
        assert_eq!(moments(&leap_day, "2028-02-29T00:00:00Z", 1), ["2032-02-29T00:00:00Z"]);
        assert_eq!(moments(&cron("0 0 1 1 *", None), "2028-01-01T00:00:00Z", 1), ["2029-01-01T00:00:00Z"]);
    }

    #[test]
    fn a_failure_is_tried_again_soon_and_what_waits_for_a_change_at_the_next_moment() {
        let timing = Timing::of(&cron("0 6 * * *", None), "uid", &DEFAULTS).unwrap();
        let ended = at("2026-11-20T06:00:10Z");
        let retry = timing.after_failure(Class::Retry, 1, None, ended);
        assert!(retry <= at("2026-11-20T06:00:41Z"), "{retry}");
        let waits = timing.after_failure(Class::WaitForChange, 1, None, ended);
        assert_eq!(waits, at("2026-11-21T06:00:00Z"));
    }

    #[rstest]
    #[case("61 * * * *", None, "spec.schedule.cron \"61 * * * *\" cannot be understood")]
    #[case("0 0 31 2 *", None, "fits no day of any year")]
    #[case("* * * * * *", None, "cannot be understood")]
    #[case(
        "0 6 * * *",
        Some("Europe/Atlantis"),
        "spec.schedule.timeZone \"Europe/Atlantis\" is not in the IANA database"
    )]
    fn a_schedule_that_means_nothing_is_refused_in_words(
        #[case] pattern: &str,
        #[case] zone: Option<&str>,
        #[case] because: &str,
    ) {
        let error = Timing::of(&cron(pattern, zone), "uid", &DEFAULTS).unwrap_err().to_string();
        assert!(error.contains(because), "{error}");
    }

    #[test]
    fn a_duration_that_is_none_is_named_by_its_field() {
        let told = |spec: &CommonSpec| Timing::of(spec, "uid", &DEFAULTS).unwrap_err().to_string();
        let none = "is not a duration such as 30m or 1h30m";
        assert_eq!(told(&every("soon")), format!("spec.schedule.interval \"soon\" {none}"));
        let timeout = CommonSpec { timeout: Some(SpecDuration("soon".into())), ..CommonSpec::default() };
        assert_eq!(told(&timeout), format!("spec.timeout \"soon\" {none}"));
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
            let waits: Vec<Duration> = (1..40).map(|n| timing.backoff(n, Timestamp::UNIX_EPOCH)).collect();
            prop_assert!(waits.is_sorted());
            prop_assert!(waits[0] >= FIRST_RETRY / 2);
            prop_assert!(waits[38] <= LONGEST_RETRY);
        }

        #[test]
        fn the_next_moment_of_cron_is_later_fits_and_is_the_same_each_time(
            minute in 0_u8..60, hour in 0_u8..24, start in 1_700_000_000_i64..2_000_000_000, took in 0_i64..100_000,
        ) {
            let spec = cron(&format!("{minute} {hour} * * *"), Some("America/New_York"));
            let timing = Timing::of(&spec, "uid", &DEFAULTS).unwrap();
            let (start, end) = (Timestamp::from_second(start).unwrap(), Timestamp::from_second(start + took).unwrap());
            let next = timing.after_success(start, end);
            prop_assert!(next > end);
            prop_assert!(next.duration_since(end).as_hours() <= 26);
            prop_assert_eq!(next, timing.after_success(start, end));
        }
    }
}
