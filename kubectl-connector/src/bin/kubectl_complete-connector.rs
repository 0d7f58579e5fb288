//! What kubectl looks for on the PATH under this name, in every shell, and asks what `kubectl connector` may go on with. It
//! lies beside `kubectl-connector`, which knows.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    match become_the_plugin() {
        // A shell that completes shows nothing of this; it is for whoever starts the program by hand.
        Err(error) => {
            let _ = io::Write::write_fmt(
                &mut io::stderr(),
                format_args!("error: kubectl-connector, which must lie beside this program: {error}\n"),
            );
            ExitCode::FAILURE
        }
    }
}

/// Comes back only where that fails.
fn become_the_plugin() -> io::Result<std::convert::Infallible> {
    let beside = std::env::current_exe()?.with_file_name("kubectl-connector");
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    Err(Command::new(beside).arg("__complete").args(words).exec())
}
