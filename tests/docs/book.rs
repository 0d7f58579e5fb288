//! The book that `make docs` builds has every page, and the pages have what they are for.

use std::collections::BTreeSet;

use connector_operator::api::Reason;

use crate::pages::{below, one};

#[test]
fn the_summary_has_every_page_once() {
    let mut listed: Vec<String> =
        one("docs/SUMMARY.md").links().into_iter().map(|link| format!("docs/{}", link.target)).collect();
    let pages = below("docs").into_iter().map(|page| page.path.display().to_string());
    let pages: Vec<String> = pages.filter(|path| path != "docs/SUMMARY.md").collect();
    listed.sort();
    assert_eq!(listed, pages);
}

#[test]
fn every_page_begins_with_a_title_of_its_own() {
    let mut titles = BTreeSet::new();
    for page in below("docs") {
        let title = page.headings().into_iter().next().unwrap_or_default();
        assert!(!title.is_empty(), "{}", page.path.display());
        assert!(titles.insert(title.clone()), "{}: {title} is another page's title", page.path.display());
    }
}

#[test]
fn whatever_waits_for_a_person_is_in_troubleshooting() {
    let named: BTreeSet<String> = one("docs/troubleshooting.md").codes().into_iter().collect();
    let missing: Vec<&str> = Reason::ALL
        .iter()
        .filter(|reason| !reason.remedy().is_empty() && **reason != Reason::Suspended)
        .map(|reason| reason.as_str())
        .filter(|word| !named.contains(*word))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}
