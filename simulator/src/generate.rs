//! Where invented data comes from: a seed, a kind of thing and a number always give the same id, name and time.
//!
//! Nothing here reads a clock or a random source, and nothing looks like a real person.

use std::fmt;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// What an id is drawn for, so that the seventh user and the seventh team do not share one.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Account = 1,
    IdentityProvider,
    User,
    Relation,
    ServiceAccount,
    Organization,
    Membership,
    Team,
    TeamMembership,
    Database,
    Password,
    Created,
    LastLogin,
    Updated,
}

/// The beginning of everything that is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    /// 64 bits for the `number`th thing of a kind.
    pub(crate) fn draw(self, kind: Kind, number: u64) -> u64 {
        mix(mix(self.0.wrapping_add((kind as u64) << 56)).wrapping_add(number))
    }

    fn draw_wide(self, kind: Kind, number: u64) -> u128 {
        let high = self.draw(kind, number);
        (u128::from(high) << 64) | u128::from(mix(high))
    }

    /// A Scalr id such as `user-v0` and 15 lower-case letters and digits.
    pub(crate) fn scalr_id(self, prefix: &str, kind: Kind, number: u64) -> String {
        let tail = base36::<15>(self.draw_wide(kind, number));
        format!("{prefix}-v0{}", String::from_utf8_lossy(&tail))
    }

    /// A UUID of version 4, the shape that Scalr's account-users ids have.
    pub(crate) fn uuid(self, kind: Kind, number: u64) -> String {
        const VERSION: u128 = 0xf << 76;
        const VARIANT: u128 = 0b11 << 62;
        let bits = (self.draw_wide(kind, number) & !VERSION & !VARIANT) | (4 << 76) | (0b10 << 62);
        let hex = format!("{bits:032x}");
        let part = |from, to| hex.get(from..to).unwrap_or_default();
        format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
    }

    /// A time in the three years and a half before [`EPOCH_END`].
    pub(crate) fn time(self, kind: Kind, number: u64) -> Timestamp {
        Self::between(EPOCH_START, EPOCH_END, self.draw(kind, number))
    }

    /// A time between `earliest` and [`EPOCH_END`].
    pub(crate) fn time_after(self, earliest: Timestamp, kind: Kind, number: u64) -> Timestamp {
        Self::between(earliest.as_millisecond(), EPOCH_END, self.draw(kind, number))
    }

    fn between(earliest: i64, latest: i64, draw: u64) -> Timestamp {
        let span = u64::try_from(latest.saturating_sub(earliest)).unwrap_or_default().max(1);
        let offset = i64::try_from(draw % span).unwrap_or_default();
        Timestamp::from_millisecond(earliest.saturating_add(offset)).unwrap_or_default()
    }
}

/// 2023-01-05T09:00:00Z, before which nothing in the simulated data happened.
const EPOCH_START: i64 = 1_672_909_200_000;
/// 2026-08-01T00:00:00Z, after which nothing in the simulated data happened.
const EPOCH_END: i64 = 1_785_542_400_000;

/// SplitMix64's finalizer (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn base36<const N: usize>(mut value: u128) -> [u8; N] {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        let rest = u8::try_from(value % 36).unwrap_or_default();
        *digit = if rest < 10 { b'0' + rest } else { b'a' + rest - 10 };
        value /= 36;
    }
    digits
}

/// An id of PlanetScale's: twelve lower-case letters and digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId([u8; 12]);

impl ObjectId {
    pub(crate) fn drawn(seed: Seed, kind: Kind, number: u64) -> Self {
        Self(base36(seed.draw_wide(kind, number)))
    }

    /// The id of something that has no life of its own, such as a password of a team membership.
    pub(crate) fn derived(self, kind: Kind, number: u64) -> Self {
        let bits = self.0.iter().fold(0_u64, |bits, byte| bits.rotate_left(5) ^ u64::from(*byte));
        Self::drawn(Seed(bits), kind, number)
    }

    /// The id as it is written in paths and bodies.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl Serialize for ObjectId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

const FIRST_NAMES: [&str; 16] = [
    "Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gail", "Hugo", "Iris", "Jack", "Kira", "Liam", "Mona",
    "Nils", "Olga", "Paul",
];

/// The first name that goes with a number.
pub(crate) fn first_name(number: u64) -> &'static str {
    let index = usize::try_from(number % 16).unwrap_or_default();
    FIRST_NAMES.get(index).copied().unwrap_or("Ada")
}

/// `Ada Example 123`.
pub(crate) fn full_name(number: u64) -> String {
    format!("{} Example {number}", first_name(number))
}

/// `user-000123@example.com`.
pub(crate) fn email(number: u64) -> String {
    format!("user-{number:06}@example.com")
}

/// `2026-07-30T08:11:02Z`, as Scalr writes times.
pub(crate) struct InSeconds(pub(crate) Timestamp);

impl Serialize for InSeconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.0}", self.0))
    }
}

/// `2025-04-23T20:36:11.503Z`, as PlanetScale writes times.
pub(crate) struct InMillis(pub(crate) Timestamp);

impl Serialize for InMillis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_shapes_of_the_vendors() {
        let seed = Seed(1);
        assert_eq!(ObjectId::drawn(seed, Kind::User, 7).as_str().len(), 12);
        assert!(seed.scalr_id("user", Kind::User, 7).starts_with("user-v0"));
        let uuid = seed.uuid(Kind::Relation, 7);
        assert_eq!(uuid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_eq!(&uuid[14..15], "4");
        assert!(["8", "9", "a", "b"].contains(&&uuid[19..20]));
    }

    #[test]
    fn times_are_written_to_the_second_or_to_the_millisecond() {
        let time = "2025-04-23T20:36:11.503Z".parse().unwrap();
        assert_eq!(serde_json::to_string(&InMillis(time)).unwrap(), "\"2025-04-23T20:36:11.503Z\"");
        assert_eq!(serde_json::to_string(&InSeconds(time)).unwrap(), "\"2025-04-23T20:36:11Z\"");
        let whole = "2025-04-23T20:36:11Z".parse().unwrap();
        assert_eq!(serde_json::to_string(&InMillis(whole)).unwrap(), "\"2025-04-23T20:36:11.000Z\"");
    }

    #[test]
    fn a_hundred_thousand_ids_are_all_different() {
        let ids: std::collections::BTreeSet<_> =
            (0..100_000).map(|number| ObjectId::drawn(Seed(1), Kind::User, number)).collect();
        assert_eq!(ids.len(), 100_000);
    }
}
