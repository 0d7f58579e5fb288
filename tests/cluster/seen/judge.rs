//! What kstatus says.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

/// What kstatus says of an object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Judgement {
    pub(super) status: String,
    pub(super) message: String,
}

static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/build-own");
    let output = Command::new(script).arg("kstatus").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().into()
});

/// What kstatus says of these objects, one for each.
pub(super) fn judge(objects: &[Value]) -> Vec<Judgement> {
    let mut program = Command::new(PROGRAM.as_path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It says something of each object as it comes, which would fill the pipe while this one is being filled.
    let mut input = program.stdin.take().unwrap();
    let text: String = objects.iter().map(|object| format!("{object}\n")).collect();
    let feeding = std::thread::spawn(move || std::io::Write::write_all(&mut input, text.as_bytes()));
    let output = program.wait_with_output().unwrap();
    feeding.join().unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let judged: Vec<Judgement> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(judged.len(), objects.len(), "{lines}");
    judged
}
