//! Where the programs on C1's SDK are: the scripts beside their sources build them, once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

static INTEROP: LazyLock<PathBuf> = LazyLock::new(|| built("tools/build-own", &["interop"]));
static PEERS: LazyLock<PathBuf> = LazyLock::new(|| built("benches/peer/build", &[]));

/// The program of `tools/interop`.
pub(crate) fn interop() -> &'static Path {
    &INTEROP
}

/// The folder of the connectors on the SDK.
pub(crate) fn peers() -> &'static Path {
    &PEERS
}

fn built(script: &str, arguments: &[&str]) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let output = Command::new(&script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{script:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().into()
}
