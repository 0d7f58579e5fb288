//! What a simulated server can be made to do wrong, by name. The server behind stays truthful: a fault stands
//! before it and changes what goes in or comes out, so that each lie is told in one place.
//!
//! This is the list. [`Switches`] knows which faults are on and which request each strikes; `answers` gives whole
//! answers that are wrong, `pages` makes a listing contradict itself, `people` makes its items strange.

pub(crate) mod answers;
pub(crate) mod document;
mod named;
pub(crate) mod pages;
pub(crate) mod people;
mod switches;

use std::fmt;

use serde::Serialize;

pub(crate) use named::faults;
pub use people::{LONG_NAME_TAIL, UNKNOWN_ROLE, UNKNOWN_STATUS, is_one_of_a_few};
pub(crate) use switches::{Asked, Switches};
pub use switches::{Extent, SwitchedOn};

/// Whose API a server simulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    /// Scalr's.
    Scalr,
    /// PlanetScale's.
    PlanetScale,
}

impl Vendor {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Scalr, Self::PlanetScale];
}

impl fmt::Display for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scalr => "Scalr",
            Self::PlanetScale => "PlanetScale",
        })
    }
}

faults! {
    /// Something that a simulated server can be made to do wrong.
    Fault:

    /// The listing answers 500 once.
    "http-500-once" Http500Once,
    /// The listing answers 503 with the HTML page of a proxy.
    "http-503" Http503,
    /// The listing answers 429 without Retry-After.
    "429-storm" Storm,
    /// The listing answers 429 with a Retry-After of one second.
    "429-storm-retry-after" StormRetryAfter,
    /// The listing's answers end in the middle of their JSON, as if that were all.
    "truncated-body" TruncatedBody,
    /// The listing answers 200 with the HTML of a login page.
    "html-200" Html200,
    /// The listing's JSON says that it is plain text.
    "wrong-content-type" WrongContentType,
    /// The listing redirects to a login page on another host.
    "redirect-other-host" RedirectOtherHost,
    /// The listing's second page is empty, although more pages follow.
    "empty-middle-page" EmptyMiddlePage,
    /// The listing's pages after the first show what the page before them had.
    "repeating-page" RepeatingPage,
    /// The listing's second page names the first as the next.
    "page-goes-back" PageGoesBack,
    /// The listing's pages have their first item twice, and lack the second.
    "duplicate-ids" DuplicateIds,
    /// The listing's pages do not say which they are, what follows, or how many items there are.
    "missing-meta" MissingMeta,
    /// The listing's pages after the first say one item more than the first.
    "total-changes" TotalChanges,
    /// The names of users are 4 KiB longer than they are.
    "huge-field" HugeField,
    /// The listing answers with a gibibyte.
    "huge-body" HugeBody,
    /// The listing answers with a mebibyte of gzip that unfolds to a gibibyte.
    "gzip-bomb" GzipBomb,
    /// The first item of the listing's pages is a hundred thousand objects within each other.
    "deep-json" DeepJson,
    /// Users have no name of any kind.
    "null-name" NullName,
    /// A few ordinary members have a role that nobody has heard of.
    "unknown-role" UnknownRole,
    /// A few active users have a status that nobody has heard of.
    "unknown-status" UnknownStatus,
    /// The names of users have line breaks, a bell and a change of text direction around them.
    "control-characters" ControlCharacters,
    /// The listing's answers come one byte every hundred milliseconds.
    "slow-drip" SlowDrip,
    /// The listing never answers.
    "hang" Hang,
    /// The connection is reset in the middle of the listing's answers.
    "reset" Reset,
    /// The token is of another account: the same people, but the account (the organizations) has another id.
    "wrong-account" WrongAccount,
    /// Fields, types and values that are not documented appear, and fields that nobody needs change their type.
    "schema-drift" SchemaDrift,
    /// The token lacks the right to read who is there.
    "missing-grant" MissingGrant,
    /// The token is no longer accepted.
    "expired-token" ExpiredToken,
    /// The organization whose members are asked for is deleted just before.
    "org-vanishes" OrgVanishes,
    /// After the first page, one who was on it is deleted and one is added at the end, so that somebody slides over
    /// the page's edge unseen and the totals agree.
    "insert-and-delete-between-pages" InsertAndDelete,
    /// The listing's pages begin with somebody of another account, as if the filter were not there.
    "filter-ignored" FilterIgnored,
    /// The listing leaves out every second user whom it was asked to include.
    "included-missing" IncludedMissing,
    /// The certificate is for another host.
    "tls-wrong-host" TlsWrongHost,
    /// The certificate has expired.
    "tls-expired" TlsExpired,
}

impl Fault {
    /// Why a vendor's server cannot do this wrong; `None` where it can.
    #[must_use]
    pub fn senseless_for(self, vendor: Vendor) -> Option<&'static str> {
        match (self, vendor) {
            (Self::UnknownRole, Vendor::Scalr) => Some("a Scalr account's users have no roles"),
            (Self::OrgVanishes, Vendor::Scalr) => Some("a Scalr server has one account and no organizations"),
            (Self::UnknownStatus, Vendor::PlanetScale) => Some("PlanetScale's users have no status"),
            (Self::FilterIgnored, Vendor::PlanetScale) => Some("PlanetScale's listings have no filter"),
            (Self::IncludedMissing, Vendor::PlanetScale) => Some("PlanetScale's listings include nothing"),
            _ => None,
        }
    }

    /// Whether it shows before a request can be sent, in the server's certificate.
    #[must_use]
    pub fn is_of_tls(self) -> bool {
        matches!(self, Self::TlsWrongHost | Self::TlsExpired)
    }
}

/// All faults with what they do, a paragraph each, as the program's help has them.
#[must_use]
pub fn listed() -> String {
    let mut list = String::from("Faults:\n");
    for fault in Fault::ALL {
        list.push_str(&format!("\n  {fault}\n      {}", fault.does()));
        for vendor in Vendor::ALL {
            if let Some(reason) = fault.senseless_for(vendor) {
                list.push_str(&format!(" Not for {vendor}: {reason}."));
            }
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_documented_with_its_own_sentence() {
        let page = include_str!("../../../docs/simulator.md");
        for fault in Fault::ALL {
            let servers: Vec<_> =
                Vendor::ALL.iter().filter(|vendor| fault.senseless_for(**vendor).is_none()).collect();
            let servers = if let [only] = servers[..] { only.to_string() } else { "both".to_owned() };
            let row = format!("| `{fault}` | {servers} | {} |", fault.does());
            assert!(page.contains(&row), "docs/simulator.md has no line {row}");
        }
    }

    #[test]
    fn every_fault_is_found_by_its_name_and_says_what_it_does_in_a_sentence() {
        for fault in Fault::ALL {
            assert_eq!(fault.name().parse::<Fault>().unwrap(), *fault);
            assert!(fault.does().ends_with('.') && fault.does().matches(". ").count() == 0, "{fault}");
        }
        assert!("no-such-fault".parse::<Fault>().is_err());
    }
}
