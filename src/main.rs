//! The program: see [`connector_operator::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    connector_operator::cli::main()
}
