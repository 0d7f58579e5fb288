//! What a person sees: the only place that writes to the terminal.

use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::Instant;

use super::{Result, tail};

/// How often something that takes long says that it is still at it.
const STILL: Duration = Duration::from_secs(10);
/// How many lines of the operator's log a failure shows.
const LOG_LINES: usize = 15;
/// How wide what is cut may be.
const WIDTH: usize = 100;

const BOLD: &str = "1";
const FAINT: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";

/// The terminal, or what stands for it.
pub(crate) struct Screen {
    colour: bool,
    start: Instant,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self { colour: io::stdout().is_terminal() && !plain, start: Instant::now() }
    }

    /// One line of the story, with the time that has passed.
    pub(crate) fn say(&self, line: &str) {
        let elapsed = format!("[{:5.1} s]", self.start.elapsed().as_secs_f64());
        print(&format!("{} {line}", self.paint(FAINT, &elapsed)));
    }

    /// A connector's new status.
    pub(crate) fn transition(&self, object: &str, phase: &str, message: &str) {
        let colour = match phase {
            "Connected" => GREEN,
            "Error" => RED,
            _ => BOLD,
        };
        self.say(&format!("{object:<34}{} {message}", self.paint(colour, &format!("{phase:<10}"))));
    }

    /// Says what is being done, that it still is, and, with what it returns, that it is done.
    pub(crate) async fn step<T>(
        &self,
        doing: &str,
        work: impl Future<Output = Result<T>>,
        done: impl FnOnce(&T) -> String,
    ) -> Result<T> {
        self.say(doing);
        tokio::pin!(work);
        loop {
            tokio::select! {
                outcome = &mut work => {
                    return outcome.inspect(|value| self.say(&done(value)));
                }
                () = tokio::time::sleep(STILL) => self.say(&format!("still: {doing}")),
            }
        }
    }

    /// A command, as a person would type it.
    pub(crate) fn command(&self, command: &str) {
        print(&format!("\n{}", self.paint(BOLD, &format!("$ {command}"))));
    }

    /// All that a command wrote.
    pub(crate) fn output(&self, text: &str) {
        text.lines().for_each(|line| print(line.trim_end()));
    }

    /// The first `count` lines of what a command wrote, cut at the width, and how many there are more.
    pub(crate) fn excerpt(&self, text: &str, count: usize) {
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        lines.iter().take(count).for_each(|line| print(&cut(line)));
        if lines.len() > count {
            print(&self.paint(FAINT, &format!("… and {} more lines", lines.len() - count)));
        }
    }

    /// A blank line.
    pub(crate) fn pause(&self) {
        print("");
    }

    /// What a person may type next.
    pub(crate) fn invitation(&self, commands: &[String]) {
        print("\nIt keeps running until Ctrl-C. To look around, in another terminal:");
        commands.iter().for_each(|command| print(&format!("  {}", self.paint(BOLD, command))));
        print("");
    }

    /// What went wrong, and the end of the operator's log where there is one.
    pub(crate) fn failed(&self, message: &str, log: Option<&Path>) -> ExitCode {
        print(&format!("\n{} {message}", self.paint(RED, "The demo has failed:")));
        let lines = log.map(|log| tail(log, LOG_LINES)).unwrap_or_default();
        if !lines.is_empty() {
            print("\nThe operator's log ends with:");
            lines.iter().for_each(|line| print(&format!("  {line}")));
        }
        print("");
        ExitCode::FAILURE
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn print(line: &str) {
    // A reader that has gone away does not keep the demo from cleaning up.
    let _ = writeln!(io::stdout().lock(), "{line}");
}

fn cut(line: &str) -> String {
    if line.chars().count() <= WIDTH {
        return line.to_owned();
    }
    let mut short: String = line.chars().take(WIDTH - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_wide_is_cut_at_a_character() {
        assert_eq!(cut("short"), "short");
        let wide = "ä".repeat(WIDTH + 1);
        assert_eq!(cut(&wide).chars().count(), WIDTH);
        assert!(cut(&wide).ends_with('…'));
    }
}
