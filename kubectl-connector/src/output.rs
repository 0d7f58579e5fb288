//! In which form a command prints what it found.

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::{Result, screen};

/// In which form to print.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// How to print: for people, for programs, or the names alone.
    #[arg(short, long, value_enum, value_name = "FORM", default_value_t = Form::Table)]
    output: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people; no wider than 100 columns.
    Table,
    /// JSON for programs.
    Json,
    /// YAML.
    Yaml,
    /// One name or id a line.
    Name,
}

impl Output {
    /// Prints `value`, by `names` or by `table` where that is the form.
    pub(crate) fn print(
        &self,
        value: &impl Serialize,
        names: impl FnOnce() -> Vec<String>,
        table: impl FnOnce() -> String,
    ) -> Result<()> {
        match self.output {
            Form::Table => screen::text(&table()),
            Form::Json => screen::text(&format!("{}\n", serde_json::to_string_pretty(value)?)),
            Form::Yaml => screen::text(&serde_yaml::to_string(value)?),
            Form::Name => screen::text(&names().iter().map(|name| format!("{name}\n")).collect::<String>()),
        }
    }

    /// Is it read by a person?
    pub(crate) fn is_for_people(&self) -> bool {
        self.output == Form::Table
    }
}
