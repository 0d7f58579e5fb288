//! Which faults are on, and which request each of them strikes.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::Uri;
use serde::{Deserialize, Serialize};

use super::{Fault, Vendor};
use crate::error::Error;

/// How far a fault goes: by default, every time, and in the listing of users (Scalr) or of members (PlanetScale).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extent {
    /// The listing that it strikes: `accounts`, `users` or `service-accounts`; `organizations`, `members`, `teams` or
    /// `team-members`. A fault of the whole server, such as an expired token, strikes whatever this says.
    pub listing: Option<String>,
    /// How many requests it strikes before it is over.
    pub times: Option<u64>,
}

impl Extent {
    /// Strikes so many requests, and is over.
    #[must_use]
    pub fn times(times: u64) -> Self {
        Self { listing: None, times: Some(times) }
    }

    /// The same, in another listing.
    #[must_use]
    pub fn on(self, listing: &str) -> Self {
        Self { listing: Some(listing.to_owned()), ..self }
    }
}

/// A fault that is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SwitchedOn {
    /// The fault.
    pub fault: Fault,
    /// The listing that it strikes.
    pub listing: &'static str,
    /// How many requests it will still strike; `None` for all.
    pub left: Option<u64>,
    /// Has the listing's first page been asked for since it struck?
    #[serde(skip)]
    begun: bool,
}

/// A listing, and the routes that it and one of its items are asked for by.
struct Listing {
    vendor: Vendor,
    name: &'static str,
    route: &'static str,
    one: Option<&'static str>,
}

/// The first of each vendor's is the one that faults strike unless told otherwise.
const LISTINGS: [Listing; 7] = [
    Listing {
        vendor: Vendor::Scalr,
        name: "users",
        route: "/api/iacp/v3/account-users",
        one: Some("/api/iacp/v3/users/{id}"),
    },
    Listing {
        vendor: Vendor::Scalr,
        name: "accounts",
        route: "/api/iacp/v3/accounts",
        one: Some("/api/iacp/v3/accounts/{id}"),
    },
    Listing {
        vendor: Vendor::Scalr,
        name: "service-accounts",
        route: "/api/iacp/v3/service-accounts",
        one: None,
    },
    Listing {
        vendor: Vendor::PlanetScale,
        name: "members",
        route: "/v1/organizations/{organization}/members",
        one: Some("/v1/organizations/{organization}/members/{id}"),
    },
    Listing {
        vendor: Vendor::PlanetScale,
        name: "organizations",
        route: "/v1/organizations",
        one: Some("/v1/organizations/{organization}"),
    },
    Listing {
        vendor: Vendor::PlanetScale,
        name: "teams",
        route: "/v1/organizations/{organization}/teams",
        one: Some("/v1/organizations/{organization}/teams/{team}"),
    },
    Listing {
        vendor: Vendor::PlanetScale,
        name: "team-members",
        route: "/v1/organizations/{organization}/teams/{team}/members",
        one: None,
    },
];

/// What a request asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    listing: Option<&'static str>,
    /// Is it a page of the listing, or one item of it?
    pub(crate) is_page: bool,
    /// The number of the page.
    pub(crate) page: usize,
}

impl Asked {
    pub(crate) fn new(vendor: Vendor, route: Option<&str>, uri: &Uri) -> Self {
        let by_vendor = || LISTINGS.iter().filter(|listing| listing.vendor == vendor);
        let page_of = by_vendor().find(|listing| Some(listing.route) == route);
        let one_of = by_vendor().find(|listing| listing.one.is_some() && listing.one == route);
        let query = uri.query().unwrap_or_default().split('&');
        let mut numbers = query.filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            ["page", "page[number]", "page%5Bnumber%5D"].contains(&name).then(|| value.parse().ok())?
        });
        Self {
            listing: page_of.or(one_of).map(|listing| listing.name),
            is_page: page_of.is_some(),
            page: numbers.next_back().unwrap_or(1),
        }
    }
}

/// The faults that are on.
#[derive(Debug)]
pub(crate) struct Switches {
    vendor: Vendor,
    /// Whether the server has a certificate that could be wrong.
    tls: bool,
    on: Mutex<BTreeMap<Fault, SwitchedOn>>,
}

impl Switches {
    pub(crate) fn new(vendor: Vendor, tls: bool) -> Self {
        Self { vendor, tls, on: Mutex::default() }
    }

    pub(crate) fn switch_on(&self, fault: Fault, extent: &Extent) -> Result<(), Error> {
        let reason = fault.senseless_for(self.vendor);
        let reason =
            reason.or_else(|| (fault.is_of_tls() && !self.tls).then_some("it is not served over TLS"));
        if let Some(reason) = reason {
            return Err(Error::Senseless { fault, vendor: self.vendor, reason });
        }
        let mut listings = LISTINGS.iter().filter(|listing| listing.vendor == self.vendor);
        let listing = match &extent.listing {
            None => listings.next(),
            Some(name) => listings.find(|listing| listing.name == name),
        };
        let listing = listing
            .map(|listing| listing.name)
            .ok_or_else(|| Error::unknown("listing", extent.listing.as_deref().unwrap_or_default()))?;
        let left = extent.times.or_else(|| (fault == Fault::Http500Once).then_some(1));
        self.on().insert(fault, SwitchedOn { fault, listing, left, begun: false });
        Ok(())
    }

    pub(crate) fn switch_off(&self, fault: Fault) {
        self.on().remove(&fault);
    }

    pub(crate) fn switch_all_off(&self) {
        self.on().clear();
    }

    pub(crate) fn list(&self) -> Vec<SwitchedOn> {
        self.on().values().cloned().collect()
    }

    pub(crate) fn is_on(&self, fault: Fault) -> bool {
        self.on().contains_key(&fault)
    }

    /// The faults that strike this request. One that is over is switched off.
    pub(crate) fn strike(&self, asked: Asked) -> Vec<Fault> {
        let mut struck = Vec::new();
        self.on().retain(|fault, switch| {
            if switch.left != Some(0) && switch.strikes(asked, self.vendor) {
                struck.push(*fault);
                switch.left = switch.left.map(|left| left - 1);
            }
            switch.left != Some(0)
        });
        struck
    }

    fn on(&self) -> MutexGuard<'_, BTreeMap<Fault, SwitchedOn>> {
        self.on.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SwitchedOn {
    fn strikes(&mut self, asked: Asked, vendor: Vendor) -> bool {
        let its_listing = asked.listing == Some(self.listing);
        let its_page = its_listing && asked.is_page;
        match self.fault {
            Fault::TlsWrongHost | Fault::TlsExpired => false,
            Fault::ExpiredToken | Fault::WrongAccount => true,
            Fault::MissingGrant => match vendor {
                Vendor::Scalr => its_listing,
                // Everything below the organization.
                Vendor::PlanetScale => asked.listing != Some("organizations") || !asked.is_page,
            },
            Fault::HugeField
            | Fault::NullName
            | Fault::UnknownRole
            | Fault::UnknownStatus
            | Fault::ControlCharacters
            | Fault::SchemaDrift => its_listing,
            Fault::EmptyMiddlePage | Fault::PageGoesBack => its_page && asked.page == 2,
            Fault::RepeatingPage | Fault::TotalChanges => its_page && asked.page > 1,
            Fault::InsertAndDelete => its_page && self.is_second_step(asked.page),
            _ => its_page,
        }
    }

    /// Is it the first of the later pages to be asked for since the first page was?
    fn is_second_step(&mut self, page: usize) -> bool {
        if page == 1 {
            self.begun = true;
            return false;
        }
        std::mem::take(&mut self.begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBERS: &str = "/v1/organizations/{organization}/members";

    fn asked(route: &str, query: &str) -> Asked {
        Asked::new(Vendor::PlanetScale, Some(route), &format!("/x?{query}").parse().unwrap())
    }

    #[test]
    fn a_fault_strikes_its_listing_as_often_as_asked_and_is_over() {
        let switches = Switches::new(Vendor::PlanetScale, false);
        switches.switch_on(Fault::Storm, &Extent::times(2)).unwrap();
        assert!(switches.strike(asked("/v1/organizations", "")).is_empty());
        for _ in 0..2 {
            assert_eq!(switches.strike(asked(MEMBERS, "page=3")), [Fault::Storm]);
        }
        assert!(switches.strike(asked(MEMBERS, "")).is_empty());
        assert!(switches.list().is_empty());
    }

    #[test]
    fn a_drift_comes_once_after_each_first_page() {
        let switches = Switches::new(Vendor::PlanetScale, false);
        switches.switch_on(Fault::InsertAndDelete, &Extent::default()).unwrap();
        let struck = ["page=1", "page=2", "page=3", "page=1", "page=2&per_page=100", "page=2"]
            .map(|query| !switches.strike(asked(MEMBERS, query)).is_empty());
        assert_eq!(struck, [false, true, false, false, true, false]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_reason() {
        let switches = Switches::new(Vendor::Scalr, false);
        let refused = |fault, extent| switches.switch_on(fault, &extent).unwrap_err().to_string();
        assert_eq!(
            refused(Fault::OrgVanishes, Extent::default()),
            "org-vanishes makes no sense for Scalr: a Scalr server has one account and no organizations"
        );
        assert!(refused(Fault::TlsExpired, Extent::default()).contains("not served over TLS"));
        assert_eq!(refused(Fault::Hang, Extent::default().on("members")), "there is no listing \"members\"");
    }
}
