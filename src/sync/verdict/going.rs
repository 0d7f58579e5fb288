//! What would go, as text: sorted lines behind a heading that says what they were compared with. Its digest is the id
//! of the hold; whoever approves the id approves these lines.

use std::io::{self, BufRead};

use crate::access::guard::{self, Census, ScopeCounts};
use crate::snapshot::{CompareError, Difference, HoldId, HoldText, StoreError};
use crate::sync::baseline::Known;
use crate::sync::reading::Reading;
use crate::sync::{Holds, PublishError};

/// What would go.
pub(super) struct Going<'r> {
    /// Lines that begin with `#`: the run it was compared with, and the account where it is another.
    heading: Vec<String>,
    lines: Lines<'r>,
}

enum Lines<'r> {
    Nobody,
    Of(&'r Difference),
    /// Of a lost snapshot only numbers are remembered.
    Fewer(ScopeCounts),
    /// Nothing is remembered: all that was read, of which there must not be less.
    Unknown(ScopeCounts),
}

impl<'r> Going<'r> {
    /// What would go if `reading` were published; `another` is the account before, where it is another.
    pub(super) fn of(reading: &'r Reading, another: Option<&str>, census: &Census) -> Self {
        let known = &reading.baseline.known;
        let account = &reading.upstream.account_id;
        let mut heading = vec![match known {
            Known::Nothing => "# compared with nothing".to_owned(),
            Known::Snapshot { snapshot, .. } => format!("# compared with run {}", snapshot.run().id),
            Known::Lost { lost, .. } => format!("# compared with what is remembered of run {lost}"),
        }];
        heading.extend(another.map(|before| format!("# account {before} becomes {account}")));
        let lines = match (known, &reading.difference) {
            (Known::Lost { remembered, .. }, _) => {
                match remembered.as_ref().filter(|it| !it.scopes.is_empty()) {
                    Some(it) => Lines::Fewer(guard::fewer(&it.scopes, census)),
                    None => {
                        heading.push(format!("# account {account}"));
                        Lines::Unknown(census.remembered())
                    }
                }
            }
            (_, Some(difference)) => Lines::Of(difference),
            (_, None) => Lines::Nobody,
        };
        Self { heading, lines }
    }

    /// The id of the hold.
    pub(super) fn id(&self) -> Result<String, PublishError> {
        let mut id = HoldId::default();
        self.each(|line| {
            id.line(line);
            Ok(())
        })?;
        Ok(id.id())
    }

    /// Keeps it as what is held, unless it is already, or the run was called off.
    pub(super) fn keep(
        &self,
        id: &str,
        holds: Holds<'_>,
        called_off: &dyn Fn() -> bool,
    ) -> Result<(), PublishError> {
        if holds.store.held_as(holds.owner, id)?.is_some() {
            return Ok(());
        }
        let mut hold = holds.store.begin_hold(holds.owner)?;
        self.each(|line| Ok(hold.line(line)?))?;
        if called_off() {
            return Err(StoreError::CalledOff.into());
        }
        Ok(hold.keep()?)
    }

    /// Is it all, or a part, of what is held under the id `approved`, compared with the same?
    pub(super) fn is_within(&self, approved: &str, holds: Holds<'_>) -> Result<bool, PublishError> {
        let Some(mut text) = holds.store.held_as(holds.owner, approved)? else { return Ok(false) };
        // What was held and cannot be read approves nothing.
        let Ok(heading) = heading(&mut text) else { return Ok(false) };
        let mut lines = text.lines();
        if heading.iter().ne(self.heading.iter()) {
            return Ok(false);
        }
        match &self.lines {
            Lines::Nobody => Ok(true),
            Lines::Fewer(fewer) => {
                let held = numbers(lines, "- ");
                Ok(held.is_ok_and(|held| fewer.iter().all(|(scope, n)| held.get(scope) >= Some(n))))
            }
            Lines::Unknown(now) => {
                let held = numbers(lines, "+ ");
                Ok(held.is_ok_and(|held| held.iter().all(|(scope, n)| now.get(scope) >= Some(n))))
            }
            Lines::Of(difference) => {
                let mut within = true;
                difference.lines::<CompareError>(|line| {
                    // Both are sorted: whatever is passed over is not needed any more.
                    within = within && lines.by_ref().map_while(Result::ok).any(|held| held == line);
                    Ok(())
                })?;
                Ok(within)
            }
        }
    }

    fn each(&self, mut visit: impl FnMut(&str) -> Result<(), PublishError>) -> Result<(), PublishError> {
        for line in &self.heading {
            visit(line)?;
        }
        match &self.lines {
            Lines::Nobody => Ok(()),
            Lines::Of(difference) => difference.lines(visit),
            Lines::Fewer(fewer) => {
                fewer.iter().try_for_each(|(scope, number)| visit(&format!("- {scope} {number}")))
            }
            Lines::Unknown(now) => {
                now.iter().try_for_each(|(scope, number)| visit(&format!("+ {scope} {number}")))
            }
        }
    }
}

fn heading(text: &mut HoldText) -> io::Result<Vec<String>> {
    let mut heading = Vec::new();
    while text.fill_buf()?.first() == Some(&b'#') {
        let mut line = String::new();
        text.read_line(&mut line)?;
        heading.push(line.trim_end_matches('\n').to_owned());
    }
    Ok(heading)
}

/// The numbers by their scopes, of the lines that begin with `sign`.
fn numbers(lines: io::Lines<HoldText>, sign: &str) -> io::Result<ScopeCounts> {
    let mut numbers = ScopeCounts::new();
    for line in lines {
        let line = line?;
        let number = line.strip_prefix(sign).and_then(|line| line.rsplit_once(' '));
        if let Some((scope, number)) = number {
            numbers.insert(scope.to_owned(), number.parse().unwrap_or_default());
        }
    }
    Ok(numbers)
}
