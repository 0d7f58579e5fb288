//! What pages show of programs is what they print.

use std::fs;

use connector_simulator::{PlanetScaleConfig, PlanetScaleSimulator, ScalrConfig, ScalrSimulator};

use crate::pages::{ROOT, one};

/// The lines of a table, without the time that a run took and the size of its file.
fn rows(text: &str) -> Vec<String> {
    let row = |line: &str| {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let is_heading = cells.first() == Some(&"NAMESPACE");
        // A time is one word, and a size is two.
        cells[..cells.len() - if is_heading { 0 } else { 3 }].join(" ")
    };
    text.lines().filter(|line| !line.is_empty() && !line.starts_with("$ ")).map(row).collect()
}

#[tokio::test]
async fn the_page_on_standalone_shows_what_sync_prints_of_the_examples() {
    let scalr = ScalrSimulator::start(ScalrConfig::default()).await.unwrap();
    let planetscale = PlanetScaleSimulator::start(PlanetScaleConfig::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (file, usual, here) in [
        ("scalr.yaml", "http://127.0.0.1:8181", scalr.base_url()),
        ("planetscale.yaml", "http://127.0.0.1:8182", planetscale.base_url()),
    ] {
        let example = fs::read_to_string(format!("{ROOT}/examples/{file}")).unwrap();
        assert!(example.contains(usual), "{file}");
        fs::write(folder.path().join(file), example.replace(usual, here.trim_end_matches('/'))).unwrap();
    }
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_connector-operator"))
        .args(["sync", "-f", ".", "--out", "."])
        .current_dir(folder.path())
        .env_clear()
        .output()
        .await
        .unwrap();
    let blocks = one("docs/getting-started/standalone.md").blocks();
    let shown = blocks.iter().find(|block| block.language == "console").unwrap();
    let mut printed = rows(&String::from_utf8(output.stdout).unwrap());
    let mut shown = rows(&shown.text);
    printed.sort();
    shown.sort();
    assert_eq!(printed, shown);
    assert_eq!(shown.len(), 4);
}
