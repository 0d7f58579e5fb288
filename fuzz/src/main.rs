//! One fuzzer at a time: the variable `FUZZ_ENTRY` names the entry, the arguments are libFuzzer's.
#![no_main]

use std::sync::LazyLock;

use connector_operator::connectors::fuzzing::{ENTRIES, Entry};
use libfuzzer_sys::fuzz_target;

static ENTRY: LazyLock<Entry> = LazyLock::new(|| {
    let wanted = std::env::var("FUZZ_ENTRY").unwrap_or_default();
    let found = ENTRIES.iter().find(|(name, _)| *name == wanted);
    assert!(found.is_some(), "FUZZ_ENTRY must be one of {:?}", ENTRIES.map(|(name, _)| name));
    found.map_or(|_| {}, |(_, entry)| *entry)
});

fuzz_target!(|data: &[u8]| ENTRY(data));
