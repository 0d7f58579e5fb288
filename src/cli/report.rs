//! What commands print: the only place that writes to stdout and stderr.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::{self, Write};

use serde::Serialize;

use super::Failed;

/// One line about what went wrong.
pub(super) fn error(message: &str) {
    eprintln!("error: {message}");
}

/// Text as it is. A reader that has gone away is no failure of ours.
pub(super) fn text(text: &str) -> Result<(), Failed> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// A value as indented JSON.
pub(super) fn json(value: &impl Serialize) -> Result<(), Failed> {
    text(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// A table as kubectl prints them: columns three spaces apart, nothing after the last.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> Result<(), Failed> {
    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = line(headings.iter().copied(), &widths);
    for row in rows {
        out.push_str(&line(row.iter().map(String::as_str), &widths));
    }
    text(&out)
}

fn line<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
    let padded: Vec<String> =
        cells.zip(widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
    format!("{}\n", padded.join("   ").trim_end())
}

/// `1.5 MiB`
pub(super) fn bytes(size: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = size as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" { format!("{size} B") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_at_a_glance() {
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(13 << 20), "13.0 MiB");
    }

    #[test]
    fn columns_line_up_and_lines_have_no_trailing_blanks() {
        assert_eq!(line(["a", ""].into_iter(), &[3, 5]), "a\n");
        assert_eq!(line(["a", "b"].into_iter(), &[3, 5]), "a     b\n");
    }
}
