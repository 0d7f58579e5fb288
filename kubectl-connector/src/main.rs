//! `kubectl connector`: looks at connectors, has them read, and shows what they read. It talks to the API server as the
//! person who types, and reads snapshots from the operator through a port-forward; it holds no rights of its own.
//!
//! `arguments` is what may be typed, and each command has the module of its name. `cluster`, `connectors` and `reference`
//! know the API server, `operator` knows the operator's pods, `content` what a snapshot holds, `screen` the terminal.

mod accept_removals;
mod access;
mod arguments;
mod asking;
mod cluster;
mod completion;
mod connectors;
mod content;
mod create;
mod describe;
mod diff;
mod get;
mod logs;
mod manual;
mod operator;
mod output;
mod reference;
mod screen;
mod suspend;
mod sync;
mod telling;
mod users;
mod waiting;

use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;

/// Why a command failed, as one sentence; the exit code is 1.
type Failed = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Failed>;

/// Who changes what is changed here, to the API server. Flux leaves it alone.
const FIELD_MANAGER: &str = "connector-cli";

fn main() -> ExitCode {
    completion::answer_the_shell();
    let arguments = Arguments::parse();
    let done = runtime().and_then(|runtime| runtime.block_on(arguments.execute()));
    done.unwrap_or_else(|error| {
        screen::error(&error.to_string());
        ExitCode::FAILURE
    })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
