//! When the loop asks, and how long it waits for what.

use std::time::Duration;

/// The longest time between two heartbeats.
const LONGEST_HEARTBEAT: Duration = Duration::from_secs(5 * 60);

/// When the loop asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The wait after the first failed call; it doubles with each further one.
    pub first_wait: Duration,
    /// What the doubling ends at.
    pub longest_wait: Duration,
    /// The shortest time between two polls, whatever C1 says.
    pub shortest_poll: Duration,
    /// The longest.
    pub longest_poll: Duration,
    /// The wait before C1 is asked again that has said no.
    pub after_refusal: Duration,
    /// How long tasks in hand may take to be given back at the end.
    pub hand_back: Duration,
    /// How long the answer to a call may take. C1 may hold back its answer to a poll for a while.
    pub call: Duration,
    /// The time between two heartbeats where C1 does not say it, and how long the answer to one may take.
    pub usual_heartbeat: Duration,
    /// The shortest time between two heartbeats, whatever C1 says.
    pub shortest_heartbeat: Duration,
    /// How long an upload may make no headway.
    pub stall: Duration,
    /// The wait before an upload or the end of a task is sent to C1 once more; it grows with each try.
    pub again: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(5 * 60),
            shortest_poll: Duration::from_secs(1),
            longest_poll: Duration::from_secs(5 * 60),
            after_refusal: Duration::from_secs(15 * 60),
            hand_back: Duration::from_secs(12),
            call: Duration::from_secs(60),
            usual_heartbeat: Duration::from_secs(30),
            shortest_heartbeat: Duration::from_secs(1),
            stall: Duration::from_secs(2 * 60),
            again: Duration::from_secs(1),
        }
    }
}

impl Pace {
    /// The wait after so many failures in a row, spread over its upper half by `chance`, from 0 to 1: a thousand
    /// connectors must not come back at once.
    pub(super) fn after(&self, failures: u32, chance: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        let full = self.first_wait.saturating_mul(1 << doublings).min(self.longest_wait);
        full.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
    }

    pub(super) fn until_next_poll(&self, asked: Option<prost_types::Duration>) -> Duration {
        let asked = asked.and_then(|asked| Duration::try_from(asked).ok()).unwrap_or_default();
        asked.clamp(self.shortest_poll, self.longest_poll)
    }

    /// When the next heartbeat is due, where C1 says `asked`.
    pub(super) fn until_next_heartbeat(&self, asked: Option<prost_types::Duration>) -> Duration {
        match asked.map(Duration::try_from) {
            Some(Ok(asked)) if !asked.is_zero() => asked.clamp(self.shortest_heartbeat, LONGEST_HEARTBEAT),
            _ => self.usual_heartbeat,
        }
    }

    /// How long a stop waits for C1's answer to an upload that it has all of.
    pub(super) fn last_answer(&self) -> Duration {
        self.hand_back / 4
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn c1_is_asked_again_less_and_less_often_and_never_all_at_once() {
        let pace = Pace::default();
        let latest = |failures| pace.after(failures, 1.0).as_secs();
        assert_eq!([latest(1), latest(2), latest(3), latest(9), latest(1000)], [1, 2, 4, 256, 300]);
        assert_eq!(pace.after(3, 0.0), Duration::from_secs(2));
    }

    #[test]
    fn c1_says_when_it_is_asked_again_within_bounds() {
        let pace = Pace::default();
        let next =
            |seconds| pace.until_next_poll(Some(prost_types::Duration { seconds, nanos: 0 })).as_secs();
        assert_eq!([next(0), next(-1), next(30), next(3600)], [1, 1, 30, 300]);
        assert_eq!(pace.until_next_poll(None).as_secs(), 1);
    }

    #[rstest]
    #[case(None, 30)]
    #[case(Some(0), 30)]
    #[case(Some(-5), 30)]
    #[case(Some(10), 10)]
    #[case(Some(3600), 300)]
    fn the_next_heartbeat_is_due_when_c1_says_within_bounds(
        #[case] asked: Option<i64>,
        #[case] seconds: u64,
    ) {
        let asked = asked.map(|seconds| prost_types::Duration { seconds, nanos: 0 });
        let pace = Pace::default();
        assert_eq!(pace.until_next_heartbeat(asked), Duration::from_secs(seconds));
        let moment = prost_types::Duration { seconds: 0, nanos: 1 };
        assert_eq!(pace.until_next_heartbeat(Some(moment)), pace.shortest_heartbeat);
    }
}
