//! Listings that contradict themselves from page to page.

use axum::http::Uri;
use serde_json::{Value, json};

use super::document::{Document, Mark};
use super::{Asked, Fault, Vendor};

/// An account of Scalr's that is not the one asked for.
const STRANGERS_ACCOUNT: &str = "acc-v0stranger0000000";

/// What the address of a request becomes where a fault changes it.
pub(crate) fn redirected(fault: Fault, vendor: Vendor, asked: Asked, uri: &Uri) -> Option<Uri> {
    let changed = match (fault, vendor) {
        (Fault::RepeatingPage, _) => {
            let before = asked.page - 1;
            let pair = |pair: &str| match pair.split_once('=') {
                Some((name @ ("page" | "page[number]" | "page%5Bnumber%5D"), _)) => {
                    format!("{name}={before}")
                }
                _ => pair.to_owned(),
            };
            let query = uri.query()?.split('&').map(pair).collect::<Vec<_>>().join("&");
            format!("{}?{query}", uri.path())
        }
        (Fault::WrongAccount, Vendor::Scalr) => uri.to_string().replace(OTHER_ACCOUNT, ACCOUNT),
        _ => return None,
    };
    changed.parse().ok()
}

/// How the ids of Scalr's accounts begin, and how they do where the token is of another account.
const ACCOUNT: &str = "acc-v0";
const OTHER_ACCOUNT: &str = "acc-v1";

/// Changes what the page of a listing says of the listing.
pub(crate) fn change(fault: Fault, asked: Asked, document: &mut Document<'_>) {
    match fault {
        Fault::EmptyMiddlePage => {
            if let Some(items) = document.page() {
                items.clear();
            }
        }
        Fault::RepeatingPage => {
            let pages = document.mark(Mark::Pages).and_then(|pages| pages.as_u64()).unwrap_or_default();
            let next = Some(asked.page as u64 + 1).filter(|next| *next <= pages);
            set(document, Mark::Current, json!(asked.page));
            set(document, Mark::Next, json!(next));
        }
        Fault::PageGoesBack => set(document, Mark::Next, json!(1)),
        Fault::DuplicateIds => {
            if let Some([first, second, ..]) = document.page().map(Vec::as_mut_slice) {
                *second = first.clone();
            }
        }
        Fault::MissingMeta => document.remove_marks(),
        Fault::TotalChanges => {
            let total = document.mark(Mark::Total).and_then(|total| total.as_u64());
            set(document, Mark::Total, json!(total.map(|total| total + 1)));
        }
        Fault::DeepJson => {
            // A value this deep would overflow the stack when dropped, so it is written into the text instead.
            if let Some(first) = document.items().first_mut() {
                *first = json!(DEEP);
            }
        }
        Fault::FilterIgnored => bring_in_strangers(document),
        Fault::IncludedMissing => {
            let mut number = 0;
            if let Some(included) = document.included() {
                included.retain(|_| {
                    number += 1;
                    number % 2 == 1
                });
            }
        }
        Fault::WrongAccount => rename_accounts(document),
        _ => {}
    }
}

fn set(document: &mut Document<'_>, mark: Mark, value: Value) {
    if let Some(found) = document.mark(mark) {
        *found = value;
    }
}

/// A page of users begins with somebody of another account; a page of accounts ends with another account.
fn bring_in_strangers(document: &mut Document<'_>) {
    let Some(items) = document.page() else { return };
    let Some(first) = items.first_mut() else { return };
    if let Some(account) = first.pointer_mut("/relationships/account/data/id") {
        *account = json!(STRANGERS_ACCOUNT);
        return;
    }
    let mut other = first.clone();
    if let Some(id) = other.get_mut("id") {
        *id = json!(STRANGERS_ACCOUNT);
    }
    if let Some(name) = other.pointer_mut("/attributes/name") {
        *name = json!("stranger");
    }
    items.push(other);
    let total = document.mark(Mark::Total).and_then(|total| total.as_u64()).unwrap_or_default();
    set(document, Mark::Total, json!(total + 1));
}

fn rename_accounts(document: &mut Document<'_>) {
    let vendor = document.vendor;
    for item in document.items() {
        match vendor {
            Vendor::Scalr => {
                let pointers = ["/id", "/relationships/account/data/id"];
                for pointer in pointers {
                    if let Some(Value::String(id)) = item.pointer_mut(pointer) {
                        *id = id.replace(ACCOUNT, OTHER_ACCOUNT);
                    }
                }
            }
            Vendor::PlanetScale if item.get("type").is_some_and(|kind| kind == "Organization") => {
                if let Some(Value::String(id)) = item.get_mut("id") {
                    *id = id.chars().rev().collect();
                }
            }
            Vendor::PlanetScale => {}
        }
    }
}

/// Stands in a document for what is too deep to be a value.
pub(crate) const DEEP: &str = "a hundred thousand objects";

/// How deep it is.
const DEPTH: usize = 100_000;

/// Puts in what [`DEEP`] stands for.
pub(crate) fn deepen(text: &str) -> String {
    let deep = ["{\"a\":".repeat(DEPTH), "0".to_owned(), "}".repeat(DEPTH)].concat();
    text.replacen(&format!("\"{DEEP}\""), &deep, 1)
}
