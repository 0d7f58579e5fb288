//! The program: see [`connector_operator::cli`].

use std::process::ExitCode;

/// That of musl takes one lock for all threads. See `docs/benchmarks.md`.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    connector_operator::cli::main()
}
