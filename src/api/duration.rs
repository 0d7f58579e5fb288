//! Durations as Flux and Go write them: `30m`, `1h30m`, `500ms`.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest that a duration may be: a year. Longer ones are cut to it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// A duration as a person writes it in a spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transparent)]
pub struct SpecDuration(pub String);

/// The text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration such as 30m or 1h30m")]
pub struct InvalidDuration(String);

impl SpecDuration {
    /// The duration meant, a year at most.
    ///
    /// # Errors
    /// [`InvalidDuration`] where the text is none; the API server lets no such text in.
    pub fn get(&self) -> Result<Duration, InvalidDuration> {
        parse(&self.0).ok_or_else(|| InvalidDuration(self.0.clone()))
    }
}

impl fmt::Display for SpecDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, after) = tail.split_at(unit_end);
        if !number.starts_with(|c: char| c.is_ascii_digit()) || number.ends_with('.') {
            return None;
        }
        seconds += number.parse::<f64>().ok()? * unit_seconds(unit)?;
        rest = after;
    }
    if text.is_empty() { None } else { Some(Duration::from_secs_f64(seconds.min(LONGEST.as_secs_f64()))) }
}

fn unit_seconds(unit: &str) -> Option<f64> {
    match unit {
        "ms" => Some(0.001),
        "s" => Some(1.0),
        "m" => Some(60.0),
        "h" => Some(3600.0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("30m", 1_800_000)]
    #[case("1h30m", 5_400_000)]
    #[case("0.5h", 1_800_000)]
    #[case("500ms", 500)]
    #[case("1m1s1ms", 61_001)]
    fn durations_are_read_as_go_reads_them(#[case] text: &str, #[case] millis: u128) {
        assert_eq!(parse(text).unwrap().as_millis(), millis);
    }

    #[rstest]
    #[case("")]
    #[case("30")]
    #[case("m")]
    #[case("1d")]
    #[case("-1h")]
    #[case("1.h")]
    #[case(".5h")]
    #[case("1..5h")]
    #[case("1h 30m")]
    fn what_is_no_duration_is_refused(#[case] text: &str) {
        assert_eq!(parse(text), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "\\PC{0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn whole_units_add_up(h in 0u64..1000, m in 0u64..1000, s in 0u64..1000) {
            let parsed = parse(&format!("{h}h{m}m{s}s")).unwrap();
            prop_assert_eq!(parsed.as_secs(), h * 3600 + m * 60 + s);
        }

        #[test]
        fn the_longest_is_a_year(h in 8760u64..u64::MAX) {
            prop_assert_eq!(parse(&format!("{h}h")).unwrap(), LONGEST);
        }
    }
}
