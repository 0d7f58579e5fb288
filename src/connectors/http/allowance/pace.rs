//! When the next request may go. Arithmetic over instants alone, so that every rule can be tested without a clock.
//!
//! Requests are spaced as the generic cell rate algorithm does it: one instant says when a steady asker would be
//! due, and nobody may be ahead of it by more than the burst.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

/// The part of a minute's requests that may go at once. With half of a vendor's allowance as the limit, no minute
/// sees more than 60 % of it.
const BURST_PART: u32 = 5;

/// How often the pace is halved at most.
const MOST_HALVINGS: u32 = 3;

/// What may be asked in a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    /// Time from one request to the next, in the long run.
    interval: Duration,
    /// How far ahead of that requests may be.
    burst: Duration,
}

impl Rate {
    /// `requests` a minute.
    pub(super) fn per_minute(requests: NonZeroU32) -> Self {
        let nanoseconds = MINUTE.as_nanos().div_ceil(u128::from(requests.get()));
        let interval = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        Self { interval, burst: interval * (requests.get() / BURST_PART).saturating_sub(1) }
    }
}

/// How fast one credential asks, and what it has used up.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Rate,
    /// Does `rate` hold only after the vendor has refused a request?
    only_after_refusal: bool,
    /// When a steady asker would ask next.
    due: Instant,
    /// Nothing is asked before.
    resumes: Instant,
    /// How often the pace was halved, and since when it recovers.
    halvings: u32,
    recovers: Instant,
}

impl Pace {
    /// At `rate`, always or only after the vendor has refused a request.
    pub(super) fn new(rate: Rate, only_after_refusal: bool, now: Instant) -> Self {
        Self { rate, only_after_refusal, due: now, resumes: now, halvings: 0, recovers: now }
    }

    /// Takes one request, or says how long to wait before the next attempt.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let ahead = self.due.saturating_duration_since(now);
        let wait = self.paused(now).max(ahead.saturating_sub(self.rate.burst));
        if !wait.is_zero() {
            return Err(wait);
        }
        self.due = self.due.max(now) + self.interval(now);
        Ok(())
    }

    /// How long nothing may be asked, whatever was used up.
    pub(super) fn paused(&self, now: Instant) -> Duration {
        self.resumes.saturating_duration_since(now)
    }

    /// Nothing is asked for `wait`.
    pub(super) fn pause(&mut self, wait: Duration, now: Instant) {
        self.resumes = self.resumes.max(now + wait);
    }

    /// The vendor has refused a request as one too many: nothing is asked for `wait`, nothing is saved up for
    /// afterwards, and the pace is halved. Refusals during a pause are those of requests sent before it.
    pub(super) fn refuse(&mut self, wait: Duration, now: Instant) {
        if self.paused(now).is_zero() {
            self.halvings = (self.halvings_left(now) + 1).min(MOST_HALVINGS);
        }
        self.pause(wait, now);
        self.recovers = self.resumes;
        self.due = self.due.max(self.resumes + self.rate.burst);
    }

    /// Is there nothing about it that a new one would not have?
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.due <= now && self.resumes <= now && self.halvings_left(now) == 0
    }

    fn interval(&self, now: Instant) -> Duration {
        match self.halvings_left(now) {
            0 if self.only_after_refusal => Duration::ZERO,
            halvings => self.rate.interval * (1 << halvings),
        }
    }

    /// A minute without a refusal takes one back.
    fn halvings_left(&self, now: Instant) -> u32 {
        let minutes = now.saturating_duration_since(self.recovers).as_secs() / MINUTE.as_secs();
        self.halvings.saturating_sub(u32::try_from(minutes).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn per_minute(requests: u32) -> Rate {
        Rate::per_minute(NonZeroU32::new(requests).unwrap())
    }

    /// How many requests go in `time` when there is always one waiting.
    fn asked_in(pace: &mut Pace, begin: Instant, time: Duration) -> usize {
        let mut now = begin;
        let mut asked = 0;
        while now < begin + time {
            match pace.take(now) {
                Ok(()) => asked += 1,
                Err(wait) => now += wait,
            }
        }
        asked
    }

    #[test]
    fn a_small_account_is_read_without_delay_and_a_large_one_at_the_limit() {
        let now = Instant::now();
        let mut pace = Pace::new(per_minute(250), false, now);
        assert_eq!(asked_in(&mut pace, now, Duration::from_nanos(1)), 50);
        assert_eq!(asked_in(&mut pace, now + MINUTE, MINUTE), 299);
        assert_eq!(asked_in(&mut pace, now + 2 * MINUTE, MINUTE), 250);
    }

    #[test]
    fn a_refusal_stops_everything_then_halves_the_pace_which_recovers() {
        let begin = Instant::now();
        let mut pace = Pace::new(per_minute(60), false, begin);
        pace.take(begin).unwrap();
        pace.refuse(Duration::from_secs(20), begin);
        pace.refuse(Duration::from_secs(5), begin + Duration::from_secs(1));
        assert_eq!(pace.take(begin + Duration::from_secs(8)), Err(Duration::from_secs(12)));
        let resumed = begin + Duration::from_secs(20);
        assert_eq!(asked_in(&mut pace, resumed, MINUTE), 30, "one halving, and nothing saved up");
        assert_eq!(asked_in(&mut pace, resumed + MINUTE, MINUTE), 60);
    }

    #[test]
    fn without_a_limit_the_vendors_word_counts_all_the_same() {
        let begin = Instant::now();
        let mut pace = Pace::new(per_minute(60), true, begin);
        assert!((0..1000).all(|_| pace.take(begin).is_ok()));
        pace.refuse(Duration::from_secs(20), begin);
        assert_eq!(pace.take(begin), Err(Duration::from_secs(20)));
        assert_eq!(asked_in(&mut pace, begin + Duration::from_secs(20), MINUTE), 30);
        let later = begin + Duration::from_secs(20) + 3 * MINUTE;
        assert!((0..1000).all(|_| pace.take(later).is_ok()));
    }

    #[test]
    fn what_has_recovered_is_as_new() {
        let begin = Instant::now();
        let mut pace = Pace::new(per_minute(60), false, begin);
        assert!(pace.is_fresh(begin));
        pace.take(begin).unwrap();
        assert!(!pace.is_fresh(begin));
        pace.refuse(Duration::ZERO, begin);
        assert!(!pace.is_fresh(begin + Duration::from_secs(30)));
        assert!(pace.is_fresh(begin + MINUTE));
    }

    #[derive(Debug, Clone)]
    enum Event {
        Ask,
        Pass(u64),
        Refuse(u64),
        Pause(u64),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            20 => Just(Event::Ask),
            4 => (0_u64..5_000).prop_map(Event::Pass),
            1 => (0_u64..30_000).prop_map(Event::Refuse),
            1 => (0_u64..30_000).prop_map(Event::Pause),
        ]
    }

    proptest! {
        #[test]
        fn no_minute_sees_more_than_the_limit_and_the_burst(
            limit in 1_u32..40,
            events in prop::collection::vec(event(), 1..600),
        ) {
            let begin = Instant::now();
            let mut pace = Pace::new(per_minute(limit), false, begin);
            let (mut now, mut resumes) = (begin, begin);
            let mut asked = Vec::new();
            for event in events {
                match event {
                    Event::Pass(time) => now += Duration::from_millis(time),
                    Event::Refuse(time) => {
                        pace.refuse(Duration::from_millis(time), now);
                        resumes = resumes.max(now + Duration::from_millis(time));
                    }
                    Event::Pause(time) => {
                        pace.pause(Duration::from_millis(time), now);
                        resumes = resumes.max(now + Duration::from_millis(time));
                    }
                    Event::Ask => {
                        if let Err(wait) = pace.take(now) {
                            now += wait;
                            prop_assert_eq!(pace.take(now), Ok(()), "the wait was too short");
                        }
                        prop_assert!(now >= resumes);
                        asked.push(now);
                    }
                }
            }
            let most = (limit + (limit / BURST_PART).max(1)) as usize;
            for (index, first) in asked.iter().enumerate() {
                let in_a_minute = asked.iter().skip(index).take_while(|at| **at < *first + MINUTE).count();
                prop_assert!(in_a_minute <= most, "{in_a_minute} in a minute, where {limit} are the limit");
            }
        }
    }
}
