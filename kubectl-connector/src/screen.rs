//! The terminal: the only place that writes to stdout and stderr, and decides about colour.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::{self, IsTerminal, Write};

use connector_operator::printing::Table;

use crate::Result;

/// A colour with a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    Good,
    Bad,
    Waiting,
    Busy,
    Faint,
    Strong,
}

impl Colour {
    fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "31",
            Self::Waiting => "33",
            Self::Busy => "36",
            Self::Faint => "2",
            Self::Strong => "1",
        }
    }

    /// The colour of the label a person reads.
    pub(crate) fn of_phase(phase: &str) -> Option<Self> {
        match phase {
            "Connected" => Some(Self::Good),
            "Error" => Some(Self::Bad),
            "Held" | "Pending" => Some(Self::Waiting),
            "Syncing" => Some(Self::Busy),
            "Suspended" => Some(Self::Faint),
            _ => None,
        }
    }
}

/// `text` in this colour, where stdout shows it.
pub(crate) fn painted(colour: Option<Colour>, text: &str) -> String {
    match colour {
        Some(colour) if shows_colour() => format!("\u{1b}[{}m{text}\u{1b}[0m", colour.code()),
        _ => text.to_owned(),
    }
}

fn shows_colour() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

/// A table that fits, whose cells have the colours that `colour` gives by their heading and content.
pub(crate) fn table(table: Table<'_>, colour: impl Fn(&str, &str) -> Option<Colour>) -> String {
    table
        .within(connector_operator::printing::WIDTH)
        .painted(|heading, cell, padded| painted(colour(heading, cell), &padded))
}

/// Text as it is. A reader that has gone away is no failure of ours.
pub(crate) fn text(text: &str) -> Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// One line of something that goes on. False when nobody reads any more.
pub(crate) fn line(line: &str) -> bool {
    writeln!(io::stdout().lock(), "{line}").is_ok()
}

/// One line about what went wrong.
pub(crate) fn error(message: &str) {
    eprintln!("error: {message}");
}

/// One line beside what is printed, for people.
pub(crate) fn note(message: &str) {
    eprintln!("{message}");
}

/// Is there a person who can be asked?
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}
