//! Measures.

mod error;
mod writer;

use std::process::ExitCode;

use clap::Parser;

#[derive(Debug, Parser)]
struct Cli {
    members: u64,
    #[arg(value_enum)]
    until: writer::Until,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let folder = tempfile::tempdir().ok();
    let Some(folder) = folder else { return ExitCode::FAILURE };
    match writer::write(cli.members, cli.until, folder.path()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
