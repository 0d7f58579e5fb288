//! Rows on their way into one table, many to a statement: a page's worth is inserted at once, which costs a tenth
//! less than row by row, and their bytes lie in one buffer, which is used again.

use std::collections::HashSet;
use std::ops::Range;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection};

use super::encode;

/// Rows to a statement.
const ROWS: usize = 100;

/// The columns that are the same in all rows of a run come first, under these numbers.
const SHARED_COLUMNS: &str = "sync_id, discovered_at";
const SHARED: usize = 2;

#[derive(Debug, Clone)]
enum Cell {
    Null,
    Text(Range<usize>),
    Id(Range<usize>),
    Blob(Range<usize>),
}

/// Collects the rows of one table.
#[derive(Debug)]
pub(super) struct Rows {
    table: String,
    columns: String,
    /// Made when there are enough rows for it: a small snapshot has none, and it takes as long as all its rows.
    insert_many: Option<String>,
    insert_one: String,
    width: usize,
    sync_id: String,
    discovered_at: String,
    cells: Vec<Cell>,
    bytes: Vec<u8>,
}

impl Rows {
    /// For `columns` of `table`; `sync_id` and `discovered_at` are filled in.
    pub(super) fn new(table: &str, columns: &[&str], sync_id: &str, discovered_at: &str) -> Self {
        let width = columns.len();
        let columns = columns.join(", ");
        Self {
            insert_many: None,
            insert_one: insert(table, &columns, width, 1),
            table: table.to_owned(),
            columns,
            width,
            sync_id: sync_id.to_owned(),
            discovered_at: discovered_at.to_owned(),
            cells: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// The next column is a text.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        let range = self.append(|bytes| bytes.extend_from_slice(text.as_bytes()));
        self.cells.push(Cell::Text(range));
        self
    }

    /// The next column is the row's own id, of these parts.
    pub(super) fn id(&mut self, parts: &[&str]) -> &mut Self {
        let range = self.append(|bytes| encode::joined(parts, bytes));
        self.cells.push(Cell::Id(range));
        self
    }

    /// The next column is null.
    pub(super) fn null(&mut self) -> &mut Self {
        self.cells.push(Cell::Null);
        self
    }

    /// The next column is what `write` appends. The row is complete after as many columns as there are; a full
    /// statement goes out with [`Rows::insert_full`]. Returns what was appended.
    pub(super) fn blob(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> &[u8] {
        let range = self.append(write);
        self.cells.push(Cell::Blob(range.clone()));
        self.bytes.get(range).unwrap_or_default()
    }

    fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let start = self.bytes.len();
        write(&mut self.bytes);
        start..self.bytes.len()
    }

    /// Are there enough rows for a statement?
    pub(super) fn are_full(&self) -> bool {
        self.cells.len() >= ROWS * self.width
    }

    /// Inserts the rows if there are enough for a statement.
    pub(super) fn insert_full(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if !self.are_full() {
            return Ok(());
        }
        let Self { table, columns, width, insert_many, .. } = self;
        let text = insert_many.get_or_insert_with(|| insert(table, columns, *width, ROWS));
        let mut statement = connection.prepare_cached(text)?;
        self.execute(&mut statement, &self.cells)?;
        self.clear();
        Ok(())
    }

    /// Inserts the rows that are left.
    pub(super) fn insert_rest(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(&self.insert_one)?;
        for row in self.cells.chunks(self.width) {
            self.execute(&mut statement, row)?;
        }
        self.clear();
        Ok(())
    }

    /// An id that two of the rows have which are still to be inserted.
    pub(super) fn repeated_id(&self) -> Option<String> {
        let ids = self.cells.iter().filter_map(|cell| match cell {
            Cell::Id(range) => self.bytes.get(range.clone()),
            _ => None,
        });
        let mut seen = HashSet::new();
        let repeated = ids.into_iter().find(|id| !seen.insert(*id))?;
        Some(String::from_utf8_lossy(repeated).into_owned())
    }

    fn execute(&self, statement: &mut CachedStatement<'_>, cells: &[Cell]) -> rusqlite::Result<()> {
        statement.raw_bind_parameter(1, &self.sync_id)?;
        statement.raw_bind_parameter(2, &self.discovered_at)?;
        for (index, cell) in cells.iter().enumerate() {
            let bytes = |range: &Range<usize>| self.bytes.get(range.clone()).unwrap_or_default();
            let value = match cell {
                Cell::Null => ValueRef::Null,
                Cell::Text(range) | Cell::Id(range) => ValueRef::Text(bytes(range)),
                Cell::Blob(range) => ValueRef::Blob(bytes(range)),
            };
            statement.raw_bind_parameter(SHARED + index + 1, ToSqlOutput::Borrowed(value))?;
        }
        statement.raw_execute().map(|_| ())
    }

    fn clear(&mut self) {
        self.cells.clear();
        self.bytes.clear();
    }
}

/// The statement that inserts so many rows.
fn insert(table: &str, columns: &str, width: usize, rows: usize) -> String {
    let row = |row: usize| {
        let cells: Vec<String> =
            (1..=width).map(|column| format!("?{}", SHARED + row * width + column)).collect();
        format!("(?1, ?2, {})", cells.join(", "))
    };
    let values: Vec<String> = (0..rows).map(row).collect();
    format!("insert into {table} ({SHARED_COLUMNS}, {columns}) values {}", values.join(", "))
}
