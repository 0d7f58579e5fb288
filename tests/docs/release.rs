//! What a release is made of, and the workflow that makes it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::pages::ROOT;

fn workflow(name: &str) -> (String, Value) {
    let text = fs::read_to_string(format!("{ROOT}/.github/workflows/{name}.yaml")).unwrap();
    let parsed = serde_yaml::from_str(&text).unwrap();
    (text, parsed)
}

fn has(file: &str, text: &str) -> bool {
    fs::read_to_string(Path::new(ROOT).join(file)).unwrap().contains(text)
}

#[test]
fn workflows_run_what_is_there_and_need_no_secret_that_one_would_have_to_make() {
    for name in ["ci", "release"] {
        let (text, parsed) = workflow(name);
        let jobs = parsed["jobs"].as_object().unwrap();
        let steps = jobs.values().flat_map(|job| job["steps"].as_array().unwrap());
        let runs: Vec<&str> = steps.filter_map(|step| step["run"].as_str()).collect();
        let said = runs.iter().flat_map(|run| run.split([' ', '\n', '(', ')']));
        let programs: BTreeSet<&str> =
            said.filter(|it| it.starts_with("tools/") || it.starts_with(".ci/")).collect();
        assert!(!programs.is_empty(), "{name}");
        for program in programs {
            assert!(Path::new(ROOT).join(program).is_file(), "{name}: {program}");
        }
        for run in runs {
            let words: Vec<&str> = run.split_whitespace().collect();
            for pair in words.windows(2) {
                let is_there = match pair[0] {
                    "make" => has("Makefile", &format!("\n{}:", pair[1])),
                    "tools/release" => has("tools/release", &format!("\n  '{} ", pair[1])),
                    _ => true,
                };
                assert!(is_there, "{name}: {}", pair.join(" "));
            }
        }
        let secrets: BTreeSet<&str> =
            text.split("secrets.").skip(1).map(|it| it.split(' ').next().unwrap()).collect();
        assert!(secrets.iter().all(|it| *it == "GITHUB_TOKEN"), "{name}: {secrets:?}");
        for (job, said) in jobs {
            for needed in said["needs"].as_array().into_iter().flatten() {
                assert!(jobs.contains_key(needed.as_str().unwrap()), "{name}: {job} needs {needed}");
            }
        }
    }
}

#[test]
fn a_release_names_the_image_that_was_pushed_by_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    let version = env!("CARGO_PKG_VERSION");
    let (_, release) = workflow("release");
    let platforms = release["jobs"]["plugin"]["strategy"]["matrix"]["include"].as_array().unwrap();
    let archives: Vec<String> = platforms
        .iter()
        .map(|it| format!("kubectl-connector_v{version}_{}.tar.gz", it["platform"].as_str().unwrap()))
        .collect();
    archives.iter().for_each(|archive| fs::write(folder.path().join(archive), archive).unwrap());
    let files = |digest: &str| {
        Command::new("tools/release")
            .args(["files", "ghcr.io/conductorone/connector-operator", digest])
            .current_dir(ROOT)
            .env("RELEASE_FILES", folder.path())
            .output()
            .unwrap()
    };
    let output = files(&digest);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let named = format!("image: ghcr.io/conductorone/connector-operator@{digest}");
    assert_eq!(text("install.yaml").matches("image: ").count(), 1);
    assert!(text("install.yaml").contains(&named));
    let sums = text("SHA256SUMS");
    let charts = ["connector-operator", "connectors"].map(|chart| format!("{chart}-{version}.tgz"));
    assert!(charts.iter().all(|file| sums.contains(file)) && sums.contains("install.yaml"), "{sums}");
    // Krew is given each archive that the workflow makes, and no other.
    let krew = text("connector.yaml");
    assert_eq!(krew.matches("uri: ").count(), archives.len(), "{krew}");
    for archive in archives {
        assert!(krew.contains(&format!("/v{version}/{archive}\n")), "{archive}: {krew}");
        let digest = sums.lines().find_map(|line| line.strip_suffix(&format!("  {archive}"))).unwrap();
        assert!(krew.contains(digest), "{archive}: {krew}");
    }
    assert!(!files("latest").status.success(), "a tag is no digest");
}

#[test]
fn a_tag_of_another_version_makes_no_release() {
    let output =
        Command::new("tools/release").args(["check", "v999.0.0"]).current_dir(ROOT).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("the tag is v999.0.0, and Cargo.toml says "), "{said}");
}
