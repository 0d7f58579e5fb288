//! The table: for each fault and connector, the end.
//!
//! What is harmless passes: names that are missing, long or ugly, roles, statuses and fields that nobody knows.
//! What may be bad luck is asked again. What makes the listing doubtful is read again as a whole, and believed when it
//! agrees with itself and with what was known before. What stays doubtful fails, with the last good snapshot in place.

use std::fmt;
use std::ops::RangeInclusive;

use connector_simulator::fault::{Extent, Fault, Vendor};

use self::End::{Completes, Fails, Held};

/// What is said of JSON that is none of the API's.
const JSON: &str = "its JSON is not as expected";

/// How a run must end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// A snapshot is published, and it is the truth.
    Completes,
    /// Nothing is published, for this reason and with these words in the message.
    Fails(&'static str, &'static str),
    /// Nothing is published before somebody says so, since the removal guard finds this in it.
    Held(&'static str),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Completes => f.write_str("completes"),
            Fails(reason, _) => f.write_str(reason),
            Held(_) => f.write_str("is held"),
        }
    }
}

/// A fault, a connector that meets it, and the end.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) fault: Fault,
    pub(crate) extent: Extent,
    pub(crate) vendor: Vendor,
    pub(crate) end: End,
    /// How many requests may be made of the upstream.
    pub(crate) requests: RangeInclusive<u64>,
}

impl Row {
    /// The fault, and how often where not every time.
    pub(crate) fn name(&self) -> String {
        let times = self.extent.times.map(|times| format!(" x{times}")).unwrap_or_default();
        format!("{}{times}", self.fault)
    }

    /// The connector, and the listing where it is not the usual one.
    pub(crate) fn place(&self) -> String {
        let listing = self.extent.listing.as_deref().map(|listing| format!(" {listing}")).unwrap_or_default();
        format!("{}{listing}", self.vendor)
    }
}

/// The requests of one reading of all that there is: one account, three pages of users, one of service accounts; two
/// organizations with four pages of members, two of teams, five of teams' members, and the organizations once more.
fn reading(vendor: Vendor) -> u64 {
    match vendor {
        Vendor::Scalr => 5,
        Vendor::PlanetScale => 13,
    }
}

/// Tries of each request.
pub(crate) const TRIES: u64 = 3;

/// Readings of a run, where the first ones contradict themselves.
const READINGS: u64 = 3;

/// Single questions about who disappeared, in a reading that lost some.
const QUESTIONS: u64 = 8;

/// A fault that goes on and on.
fn always() -> Extent {
    Extent::default()
}

fn row(vendor: Vendor, fault: Fault, extent: Extent, end: End, requests: RangeInclusive<u64>) -> Row {
    Row { fault, extent, vendor, end, requests }
}

fn both(fault: Fault, extent: Extent, end: End, requests: impl Fn(u64) -> RangeInclusive<u64>) -> [Row; 2] {
    Vendor::ALL.map(|vendor| row(vendor, fault, extent.clone(), end, requests(reading(vendor))))
}

/// Harmless: read as if nothing were, in as many requests.
fn passes(fault: Fault) -> Vec<Row> {
    let possible = Vendor::ALL.into_iter().filter(|vendor| fault.senseless_for(*vendor).is_none());
    let one = |vendor| row(vendor, fault, always(), Completes, reading(vendor)..=reading(vendor));
    possible.map(one).collect()
}

/// Bad luck: one request is asked so many times more.
fn asked_again(fault: Fault, times: u64) -> [Row; 2] {
    both(fault, Extent::times(times), Completes, |reading| reading + times..=reading + times)
}

/// Bad luck that costs time. On a busy machine the short patience of these rows may run out once more.
fn waited_for(fault: Fault) -> [Row; 2] {
    both(fault, Extent::times(1), Completes, |reading| reading + 1..=reading + TRIES)
}

/// Bad luck without an end: one request is tried a few times. Whatever came before it is one request.
fn given_up(fault: Fault, reason: &'static str, words: &'static str) -> [Row; 2] {
    both(fault, always(), Fails(reason, words), |_| 1 + TRIES..=1 + TRIES)
}

/// What no second try could help with, on the first page of the listing.
fn at_once(fault: Fault, reason: &'static str, words: &'static str) -> [Row; 2] {
    both(fault, always(), Fails(reason, words), |_| 2..=2)
}

/// The same, on a later page. Pages after it may have been asked for ahead.
fn on_a_later_page(fault: Fault, reason: &'static str, words: &'static str) -> [Row; 2] {
    both(fault, always(), Fails(reason, words), |reading| 3..=reading)
}

/// A listing that contradicts itself: everything is read again, and again, and then given up.
fn drifts_on(fault: Fault, words: &'static str) -> [Row; 2] {
    both(fault, always(), Fails("ListingChanged", words), |reading| {
        2 * READINGS..=READINGS * (reading + QUESTIONS)
    })
}

/// A listing that contradicts itself once: everything is read again, and holds.
fn drifts_once(fault: Fault) -> [Row; 2] {
    both(fault, Extent::times(1), Completes, |reading| reading + 2..=2 * (reading + QUESTIONS))
}

/// What is checked of every listing, not only of the usual one.
fn in_other_listings() -> Vec<Row> {
    let scalr = ["accounts", "service-accounts"].map(|listing| (Vendor::Scalr, listing));
    let planetscale =
        ["organizations", "teams", "team-members"].map(|listing| (Vendor::PlanetScale, listing));
    let mut rows = Vec::new();
    for (vendor, listing) in scalr.into_iter().chain(planetscale) {
        let (reading, extent) = (reading(vendor), always().on(listing));
        let once_more = reading + 1..=reading + 1;
        rows.push(row(vendor, Fault::Http500Once, extent.clone(), Completes, once_more));
        let unexpected = Fails("UnexpectedResponse", JSON);
        rows.push(row(vendor, Fault::MissingMeta, extent.clone(), unexpected, 1..=reading));
        // There is only one account, and so none to have twice.
        if listing != "accounts" {
            let changed = Fails("ListingChanged", "page 1 has an item that came before");
            let requests = READINGS..=READINGS * (reading + QUESTIONS);
            rows.push(row(vendor, Fault::DuplicateIds, extent, changed, requests));
        }
    }
    rows
}

/// All of it.
pub(crate) fn rows() -> Vec<Row> {
    const SCALR: Vendor = Vendor::Scalr;
    const PLANETSCALE: Vendor = Vendor::PlanetScale;
    let rows: [Vec<Row>; _] = [
        // Bad luck.
        both(Fault::Http500Once, always(), Completes, |reading| reading + 1..=reading + 1).into(),
        asked_again(Fault::Http503, 2).into(),
        asked_again(Fault::Storm, 2).into(),
        asked_again(Fault::StormRetryAfter, 1).into(),
        asked_again(Fault::TruncatedBody, 1).into(),
        asked_again(Fault::Reset, 2).into(),
        waited_for(Fault::Hang).into(),
        waited_for(Fault::SlowDrip).into(),
        // Bad luck without an end.
        given_up(Fault::Http503, "UpstreamError", "answered 503").into(),
        given_up(Fault::Storm, "RateLimited", "answered 429").into(),
        given_up(Fault::StormRetryAfter, "RateLimited", "answered 429").into(),
        given_up(Fault::TruncatedBody, "UnexpectedResponse", "its JSON breaks off").into(),
        given_up(Fault::Reset, "Unreachable", "broke off").into(),
        given_up(Fault::Hang, "Unreachable", "was not answered in time").into(),
        given_up(Fault::SlowDrip, "Unreachable", "was not answered in time").into(),
        // No answer of the API.
        at_once(Fault::Html200, "UnexpectedResponse", "its content type is `text/html`").into(),
        at_once(Fault::WrongContentType, "UnexpectedResponse", "its content type is `text/plain`").into(),
        at_once(Fault::RedirectOtherHost, "UnexpectedResponse", "redirects (302) to login.example.com")
            .into(),
        at_once(Fault::HugeBody, "UnexpectedResponse", "larger than").into(),
        at_once(Fault::GzipBomb, "UnexpectedResponse", "larger than").into(),
        at_once(Fault::DeepJson, "UnexpectedResponse", JSON).into(),
        at_once(Fault::MissingMeta, "UnexpectedResponse", JSON).into(),
        // Refusals: asked once, and the 404 of PlanetScale is explained by one more question.
        both(Fault::ExpiredToken, always(), Fails("Unauthorized", "answered 401"), |_| 1..=1).into(),
        vec![
            row(SCALR, Fault::MissingGrant, always(), Fails("Forbidden", "the account's users"), 2..=2),
            row(
                PLANETSCALE,
                Fault::MissingGrant,
                always(),
                Fails("MissingGrant", "read_organization"),
                3..=3,
            ),
        ],
        both(Fault::TlsWrongHost, always(), Fails("TlsFailed", "not valid for name"), |_| 0..=0).into(),
        both(Fault::TlsExpired, always(), Fails("TlsFailed", "expired"), |_| 0..=0).into(),
        // Listings that no honest server gives.
        on_a_later_page(Fault::EmptyMiddlePage, "UnexpectedResponse", "page 2 is empty").into(),
        on_a_later_page(Fault::PageGoesBack, "UnexpectedResponse", "page 1 as the one after page 2").into(),
        // Listings that change.
        drifts_on(Fault::RepeatingPage, "page 2 has an item that came before").into(),
        drifts_once(Fault::RepeatingPage).into(),
        drifts_on(Fault::DuplicateIds, "page 1 has an item that came before").into(),
        drifts_once(Fault::DuplicateIds).into(),
        drifts_on(Fault::TotalChanges, "on page 2 it has").into(),
        drifts_once(Fault::TotalChanges).into(),
        drifts_on(Fault::InsertAndDelete, "").into(),
        drifts_once(Fault::InsertAndDelete).into(),
        vec![row(
            PLANETSCALE,
            Fault::InsertAndDelete,
            Extent::times(1).on("team-members"),
            Completes,
            13 + 2..=2 * (13 + QUESTIONS),
        )],
        vec![row(
            PLANETSCALE,
            Fault::OrgVanishes,
            always(),
            Fails("OrganizationGone", "is no longer"),
            3..=3,
        )],
        // Somebody else's data.
        vec![
            row(SCALR, Fault::WrongAccount, always(), Held("AnotherAccount"), 5..=2 * 5 + QUESTIONS),
            row(PLANETSCALE, Fault::WrongAccount, always(), Held("OwnerGone"), 13..=2 * 13 + QUESTIONS),
        ],
        vec![
            row(
                SCALR,
                Fault::FilterIgnored,
                always(),
                Fails("UnexpectedResponse", "somebody of the account"),
                2..=5,
            ),
            row(SCALR, Fault::FilterIgnored, always().on("accounts"), Completes, 5..=5),
        ],
        in_other_listings(),
        // Harmless.
        passes(Fault::NullName),
        passes(Fault::HugeField),
        passes(Fault::ControlCharacters),
        // A role that is another is a grant that is gone, and each of those is asked about.
        vec![row(PLANETSCALE, Fault::UnknownRole, always(), Completes, 13..=13 + 30)],
        passes(Fault::UnknownStatus),
        passes(Fault::SchemaDrift),
        vec![row(SCALR, Fault::IncludedMissing, Extent::times(1), Completes, 55..=55)],
    ];
    rows.into_iter().flatten().collect()
}
