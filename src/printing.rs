//! How what was found is told to people in a terminal, by whichever program: tables as kubectl prints them, and sizes.

/// The columns that a terminal surely has.
pub const WIDTH: usize = 100;
/// Between two columns.
const GAP: &str = "   ";
/// What is cut stays this long.
const NARROWEST: usize = 8;

/// A table as kubectl prints them: columns three spaces apart, nothing after the last.
#[derive(Debug, Clone)]
pub struct Table<'h> {
    headings: Vec<&'h str>,
    rows: Vec<Vec<String>>,
}

impl<'h> Table<'h> {
    /// A table of `rows`, each with a cell for each of the headings.
    pub fn new(headings: &[&'h str], rows: Vec<Vec<String>>) -> Self {
        Self { headings: headings.to_vec(), rows }
    }

    /// The same without the columns that say nothing in any row.
    #[must_use]
    pub fn without_empty_columns(self) -> Self {
        let says =
            |column: usize| self.rows.iter().any(|row| row.get(column).is_some_and(|cell| !cell.is_empty()));
        let kept: Vec<bool> = (0..self.headings.len()).map(says).collect();
        Self {
            headings: only(self.headings, &kept),
            rows: self.rows.into_iter().map(|row| only(row, &kept)).collect(),
        }
    }

    /// The same, no wider than `width`: the widest cells are cut, and end with `…`.
    #[must_use]
    pub fn within(mut self, width: usize) -> Self {
        let mut widths = self.widths();
        let gaps = GAP.len() * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > width {
            match widths.iter_mut().max() {
                Some(widest) if *widest > NARROWEST => *widest -= 1,
                _ => break,
            }
        }
        for row in &mut self.rows {
            for (cell, width) in row.iter_mut().zip(&widths) {
                *cell = cut(cell, *width);
            }
        }
        self
    }

    /// The table as text.
    pub fn text(&self) -> String {
        self.painted(|_, _, padded| padded)
    }

    /// The table as text in which `paint` dresses each cell below the headings: it is given the heading, the cell, and the
    /// cell with the blanks up to the next column.
    pub fn painted(&self, paint: impl Fn(&str, &str, String) -> String) -> String {
        let widths = self.widths();
        let mut out = line(&self.headings, &widths, |_, padded| padded);
        for row in &self.rows {
            let paint = |column: usize, padded: String| {
                let (heading, cell) = (self.headings.get(column), row.get(column));
                paint(heading.copied().unwrap_or_default(), cell.map_or("", String::as_str), padded)
            };
            out.push_str(&line(row, &widths, paint));
        }
        out
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.headings.iter().map(|heading| heading.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        widths
    }
}

fn only<T>(cells: Vec<T>, kept: &[bool]) -> Vec<T> {
    cells.into_iter().zip(kept).filter_map(|(cell, kept)| kept.then_some(cell)).collect()
}

fn line(cells: &[impl AsRef<str>], widths: &[usize], paint: impl Fn(usize, String) -> String) -> String {
    // No blanks after the last cell that says something.
    let said = cells.iter().rposition(|cell| !cell.as_ref().is_empty()).map_or(0, |last| last + 1);
    let mut out = String::new();
    for (column, (cell, width)) in cells.iter().zip(widths).take(said).enumerate() {
        let cell = cell.as_ref();
        let is_last = column + 1 == said;
        let padded = if is_last { cell.to_owned() } else { format!("{cell:<width$}") };
        out.push_str(&paint(column, padded));
        out.push_str(if is_last { "" } else { GAP });
    }
    out.push('\n');
    out
}

/// `text`, of which no more than `width` characters are seen.
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// `text` in lines no wider than `width`, broken at blanks.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// `1.5 MiB`
pub fn bytes(size: u64) -> String {
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

    fn table(rows: &[&[&str]]) -> Table<'static> {
        let rows = rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect();
        Table::new(&["NAME", "STATUS", "NOTE"], rows)
    }

    #[test]
    fn sizes_are_read_at_a_glance() {
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(13 << 20), "13.0 MiB");
    }

    #[test]
    fn columns_line_up_and_lines_have_no_trailing_blanks() {
        assert_eq!(
            table(&[&["a", "Connected", ""], &["longer", "", "b"]]).text(),
            "NAME     STATUS      NOTE\na        Connected\nlonger               b\n"
        );
    }

    #[test]
    fn a_column_that_says_nothing_is_left_out() {
        assert_eq!(table(&[&["a", "", "b"]]).without_empty_columns().text(), "NAME   NOTE\na      b\n");
    }

    #[test]
    fn what_is_too_wide_is_cut_where_it_is_widest() {
        let long = "ä".repeat(120);
        let text = table(&[&["acme", "Connected", &long]]).within(WIDTH).text();
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert_eq!(widest, Some(WIDTH), "{text}");
        assert!(text.contains("acme   Connected   ä") && text.ends_with("…\n"), "{text}");
    }

    #[test]
    fn colours_take_no_room() {
        let paint = |heading: &str, cell: &str, padded: String| match (heading, cell) {
            ("STATUS", "Error") => format!("<{padded}>"),
            _ => padded,
        };
        assert_eq!(
            table(&[&["a", "Error", "b"], &["b", "Connected", "c"]]).painted(paint),
            "NAME   STATUS      NOTE\na      <Error    >   b\nb      Connected   c\n"
        );
    }

    #[test]
    fn text_is_broken_at_blanks_and_a_word_that_is_too_long_stays_whole() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a incomprehensibilities b", 5), ["a", "incomprehensibilities", "b"]);
        assert_eq!(wrapped("", 5), Vec::<String>::new());
    }
}
