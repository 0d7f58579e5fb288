//! Text from upstream: borrowed from the page it came in, checked where it identifies something, and cleaned
//! before a person, a log or C1 sees it.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

pub(super) use crate::network::clean;

/// The longest name that C1 takes, in bytes (`Resource.display_name`, `Status.details`).
pub(super) const NAME_BYTES: usize = 1024;

/// The longest description that C1 takes, in bytes (`Resource.description`).
pub(super) const DESCRIPTION_BYTES: usize = 2048;

/// The longest email address (RFC 5321, section 4.5.3.1: 64 bytes, `@`, 255 bytes).
const EMAIL_BYTES: usize = 320;

/// The longest id taken from upstream. Both vendors' are under 40 bytes.
const ID_BYTES: usize = 128;

/// The longest text that is taken at all, in bytes. What is longer is no name, however it might be cut.
const TEXT_BYTES: usize = 64 << 10;

/// A JSON string of bounded length, borrowed where it has no escapes. (serde borrows a bare `Cow`, but not one inside
/// an `Option`.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded;
        impl<'de> Visitor<'de> for Bounded {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                bounded(text)?;
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                bounded(text)?;
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Bounded)
    }
}

fn bounded<E: Error>(text: &str) -> Result<(), E> {
    if text.len() <= TEXT_BYTES {
        return Ok(());
    }
    Err(E::custom(format_args!("a text has {} bytes, more than the {TEXT_BYTES} that are taken", text.len())))
}

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Is this an id that a path and C1's colon-joined ids can carry? Both vendors use fewer characters still.
pub(super) fn is_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= ID_BYTES
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
}

/// `text` cleaned, where anything is left of it.
pub(super) fn clean_some(text: Option<&str>, max: usize) -> Option<String> {
    text.map(|text| clean(text, max)).filter(|text| !text.is_empty())
}

/// The email address in `text`, where there is one: cleaned, but never cut, for half an address is somebody else's.
pub(super) fn email(text: Option<&str>) -> Option<String> {
    clean_some(text, EMAIL_BYTES + 1).filter(|email| email.len() <= EMAIL_BYTES)
}

/// The time in `text`, where it is one (RFC 3339, with or without fractions). No person's access hangs on it, so
/// anything else is no time rather than an error.
pub(super) fn time(text: Option<&str>) -> Option<Timestamp> {
    text.and_then(|text| text.trim().parse().ok())
}

/// First and last name, where a full name shows which is which: the last word is the last name, unless a comma
/// says otherwise (`Lovelace, Ada`). A single word or an email address is neither.
pub(super) fn split_name(full_name: &str) -> Option<(&str, &str)> {
    let full_name = full_name.trim();
    if full_name.contains('@') {
        return None;
    }
    let (first, last) = match full_name.split_once(',') {
        Some((last, first)) => (first, last),
        None => full_name.rsplit_once(char::is_whitespace)?,
    };
    let (first, last) = (first.trim(), last.trim());
    let whole = !first.is_empty() && !last.is_empty() && !first.contains(',');
    whole.then_some((first, last))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("Ada Lovelace", Some(("Ada", "Lovelace")))]
    #[case("Ludwig van Beethoven", Some(("Ludwig van", "Beethoven")))]
    #[case("Lovelace, Ada", Some(("Ada", "Lovelace")))]
    #[case("  Ada   Lovelace ", Some(("Ada", "Lovelace")))]
    #[case("Ada", None)]
    #[case("", None)]
    #[case("Lovelace,", None)]
    #[case("Lovelace, Ada, Countess", None)]
    #[case("ada lovelace@example.com", None)]
    fn a_full_name_is_split_only_where_it_shows_which_is_which(
        #[case] full_name: &str,
        #[case] expected: Option<(&str, &str)>,
    ) {
        assert_eq!(split_name(full_name), expected);
    }

    #[rstest]
    #[case("2026-07-30T08:11:02Z", true)]
    #[case("2025-04-23T20:36:11.503Z", true)]
    #[case("2026-07-30T10:11:02+02:00", true)]
    #[case("yesterday", false)]
    #[case("", false)]
    fn a_time_is_read_where_it_is_one(#[case] text: &str, #[case] read: bool) {
        assert_eq!(time(Some(text)).is_some(), read);
    }

    #[rstest]
    #[case("user-v0example00000001", true)]
    #[case("5b0f6c1e-3f0a-4b0e-9a53-0f5f2a5e7c11", true)]
    #[case("", false)]
    #[case("a:b", false)]
    #[case("a/b", false)]
    #[case("a b", false)]
    #[case("a\n", false)]
    fn an_id_has_no_character_that_a_path_or_a_joined_id_would_stumble_on(
        #[case] id: &str,
        #[case] good: bool,
    ) {
        assert_eq!(is_id(id), good);
    }

    #[test]
    fn an_email_is_never_cut() {
        assert_eq!(email(Some(" ada@example.com\n")).as_deref(), Some("ada@example.com"));
        assert_eq!(email(Some(&"a".repeat(320))).map(|email| email.len()), Some(320));
        assert_eq!(email(Some(&"a".repeat(321))), None);
        assert_eq!(email(Some(" ")), None);
        assert_eq!(email(None), None);
    }

    #[test]
    fn text_is_borrowed_from_the_page_even_where_it_may_be_absent() {
        #[derive(Deserialize)]
        struct Row<'a> {
            #[serde(borrow)]
            name: Option<Text<'a>>,
        }
        let row: Row = serde_json::from_str(r#"{"name": "Ada"}"#).unwrap();
        assert!(matches!(row.name, Some(Text(Cow::Borrowed("Ada")))));
        let row: Row = serde_json::from_str(r#"{"name": "A\u0064a"}"#).unwrap();
        assert_eq!(&*row.name.unwrap(), "Ada");
    }

    #[test]
    fn a_text_longer_than_any_name_is_refused_with_and_without_escapes() {
        for (letter, taken) in [("a", true), ("\\u0061", true), ("a", false), ("\\u0061", false)] {
            let text = letter.repeat(if taken { TEXT_BYTES } else { TEXT_BYTES + 1 });
            let text = format!("\"{text}\"");
            let read = serde_json::from_str::<Text<'_>>(&text);
            assert_eq!(read.is_ok(), taken);
            let Err(error) = read else { continue };
            let expected = "a text has 65537 bytes, more than the 65536 that are taken";
            assert!(error.to_string().starts_with(expected), "{error}");
        }
    }
}
