//! Every link leads somewhere: to a file, and to a heading in it. Addresses elsewhere are looked at for their form alone.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use url::Url;

use crate::pages::{Page, ROOT, all};

#[test]
fn every_link_of_every_page_leads_somewhere() {
    let pages = all();
    let by_path: BTreeMap<&Path, &Page> = pages.iter().map(|page| (page.path.as_path(), page)).collect();
    let links = pages.iter().flat_map(|page| page.links().into_iter().map(move |link| (page, link)));
    let (mut checked, mut wrong) = (0, Vec::new());
    for (page, link) in links {
        checked += 1;
        if let Some(problem) = problem(page, &link.target, &by_path) {
            wrong.push(format!("{}: {} {problem}", link.place, link.target));
        }
    }
    println!("{checked} links on {} pages", pages.len());
    assert_eq!(wrong, Vec::<String>::new());
    assert!(checked > 200, "{checked} links");
}

/// What is wrong with a link of `page` to `target`.
fn problem(page: &Page, target: &str, pages: &BTreeMap<&Path, &Page>) -> Option<&'static str> {
    if target.contains("://") {
        let is_good = Url::parse(target).is_ok_and(|url| url.scheme() == "https" && url.has_host());
        return (!is_good).then_some("is no https address");
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let there = if path.is_empty() {
        page.path.clone()
    } else {
        match within(&page.path, path) {
            Some(there) => there,
            None => return Some("leads out of the repository"),
        }
    };
    if !Path::new(ROOT).join(&there).exists() {
        return Some("is not there");
    }
    match (anchor, pages.get(there.as_path())) {
        (None, _) => None,
        (Some(anchor), Some(page)) => (!page.anchors().contains(anchor)).then_some("has no such heading"),
        (Some(_), None) => Some("is no page with headings"),
    }
}

/// The path in the repository that `target` is from the page at `from`.
fn within(from: &Path, target: &str) -> Option<PathBuf> {
    let mut path = from.parent()?.to_owned();
    for part in Path::new(target).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => path.pop().then_some(())?,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

#[test]
fn what_is_wrong_with_a_link_is_found() {
    let pages = all();
    let by_path: BTreeMap<&Path, &Page> = pages.iter().map(|page| (page.path.as_path(), page)).collect();
    let page = by_path[Path::new("docs/scope.md")];
    let wrong = |target| problem(page, target, &by_path);
    assert_eq!(wrong("security.md#the-supply-chain"), None);
    assert_eq!(wrong("#secrets"), None);
    assert_eq!(wrong("../deploy"), None);
    assert_eq!(wrong("#nothing"), Some("has no such heading"));
    assert_eq!(wrong("security.md#nothing"), Some("has no such heading"));
    assert_eq!(wrong("nothing.md"), Some("is not there"));
    assert_eq!(wrong("../../elsewhere"), Some("leads out of the repository"));
    assert_eq!(wrong("http://example.com"), Some("is no https address"));
}
