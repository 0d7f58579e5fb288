//! What is in a `.c1z` v1, by its ids alone, however it was written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use rusqlite::Connection;

const HEADER: &[u8] = b"C1ZF\0";

/// The rows of each table, and the type and the counts of the run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) sync_type: String,
    pub(crate) supports_diff: bool,
    pub(crate) ids: BTreeMap<&'static str, BTreeSet<String>>,
}

impl Content {
    pub(crate) fn of(path: &Path) -> Self {
        let file = fs::read(path).unwrap();
        let packed = file.strip_prefix(HEADER).expect("a .c1z of version 1");
        let database = tempfile::NamedTempFile::new().unwrap();
        fs::write(database.path(), zstd::decode_all(packed).unwrap()).unwrap();
        let connection = Connection::open(database.path()).unwrap();
        let ids = ["resource_types", "resources", "entitlements", "grants"].map(|table| {
            let mut query = connection.prepare(&format!("select external_id from v1_{table}")).unwrap();
            let ids = query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
            (table, ids)
        });
        let query = "select sync_type, supports_diff from v1_sync_runs";
        let run = connection.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?)));
        let (sync_type, supports_diff) = run.unwrap();
        Self { sync_type, supports_diff, ids: ids.into() }
    }

    pub(crate) fn count(&self, table: &str) -> usize {
        self.ids[table].len()
    }
}
