//! Each control that `docs/security.md` names has the test that the page says it has.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::path::Path;

const PAGE: &str = include_str!("../docs/security.md");

/// The tests that the page names, as `file.rs::function`.
fn named() -> Vec<(&'static str, &'static str)> {
    PAGE.split('`')
        .filter_map(|code| code.split_once(".rs::").map(|(file, test)| (file, test.trim())))
        .collect()
}

#[test]
fn every_test_that_the_page_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = Vec::new();
    for (file, test) in named() {
        let source = std::fs::read_to_string(root.join(file).with_extension("rs")).unwrap_or_default();
        if !is_test(&source, test) {
            missing.push(format!("{file}.rs::{test}"));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Is there a function of that name, with an attribute above it that makes it a test?
fn is_test(source: &str, name: &str) -> bool {
    let Some((before, _)) = source.split_once(&format!("fn {name}(")) else { return false };
    let attributes =
        before.rsplit('\n').skip(1).take_while(|line| !line.trim().is_empty() && line.trim() != "}");
    attributes.into_iter().any(|line| is_attribute_of_a_test(line.trim()))
}

fn is_attribute_of_a_test(line: &str) -> bool {
    line.starts_with("#[") && line.contains("test") && !line.contains("cfg(")
}

#[test]
fn a_function_that_is_no_test_does_not_count() {
    assert!(is_test("#[tokio::test]\nasync fn a() {}\n", "a"));
    assert!(is_test("#[rstest]\n#[case(1)]\n#[tokio::test]\nasync fn a(#[case] b: u8) {}\n", "a"));
    assert!(!is_test("#[test]\nfn b() {}\n\nfn a() {}\n", "a"));
    assert!(!is_test("", "a"));
}

#[test]
fn each_threat_has_a_control_and_what_shows_it() {
    let tables = PAGE.split("| threat | control | shown by |\n|---|---|---|\n").skip(1);
    let rows: Vec<&str> =
        tables.flat_map(|table| table.lines().take_while(|line| line.starts_with("| "))).collect();
    assert!(rows.len() > 30, "{}", rows.len());
    for row in rows {
        let shown_by = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        assert!(shown_by.contains(".rs::") || shown_by.contains("`make "), "{row}");
    }
}
