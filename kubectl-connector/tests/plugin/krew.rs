//! The manifest by which Krew installs the plugin has what Krew demands.

use std::process::{Command, Output};

use serde_json::Value;

use crate::stage::ROOT;

const ARCHIVES: [&str; 4] = [
    "kubectl-connector_v0.1.0_linux_amd64.tar.gz",
    "kubectl-connector_v0.1.0_linux_arm64.tar.gz",
    "kubectl-connector_v0.1.0_darwin_amd64.tar.gz",
    "kubectl-connector_v0.1.0_darwin_arm64.tar.gz",
];

/// `tools/krew` for a release 0.1.0 of these archives, each of which holds its own name.
fn krew(archives: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    archives.iter().for_each(|name| std::fs::write(folder.path().join(name), name).unwrap());
    Command::new(format!("{ROOT}/tools/krew")).arg("v0.1.0").arg(folder.path()).output().unwrap()
}

fn manifest() -> Value {
    let made = krew(&ARCHIVES);
    assert!(made.status.success(), "{made:?}");
    serde_yaml::from_slice(&made.stdout).unwrap()
}

#[test]
fn each_platform_has_the_digest_of_its_archive_and_none_may_be_missing() {
    let manifest = manifest();
    let digests: Vec<&str> = manifest["spec"]["platforms"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["sha256"].as_str().unwrap())
        .collect();
    let expected = ARCHIVES.map(|name| {
        let sum = Command::new("sh").args(["-c", &format!("printf %s {name} | sha256sum")]).output().unwrap();
        String::from_utf8(sum.stdout).unwrap().split(' ').next().unwrap().to_owned()
    });
    assert_eq!(digests, expected);
    let missing = krew(&ARCHIVES[..3]);
    assert!(!missing.status.success());
    let said = String::from_utf8(missing.stderr).unwrap();
    assert!(said.contains("darwin_arm64.tar.gz is missing"), "{said}");
}

#[test]
fn the_manifest_has_what_krew_demands() {
    let manifest = manifest();
    assert_eq!(manifest["apiVersion"], "krew.googlecontainertools.github.com/v1alpha2");
    assert_eq!(manifest["kind"], "Plugin");
    // The manifest's file is called as the plugin is, and the program as kubectl looks for it.
    assert_eq!(manifest["metadata"]["name"], "connector");
    assert_eq!(manifest["spec"]["version"], "v0.1.0");
    let short = manifest["spec"]["shortDescription"].as_str().unwrap();
    assert!((1..=80).contains(&short.len()) && !short.ends_with('.'), "{short}");
    for field in ["homepage", "description", "caveats"] {
        assert!(!manifest["spec"][field].as_str().unwrap().trim().is_empty(), "{field}");
    }
    let platforms = manifest["spec"]["platforms"].as_array().unwrap();
    assert!(!platforms.is_empty());
    for platform in platforms {
        let labels = &platform["selector"]["matchLabels"];
        let (os, arch) = (labels["os"].as_str().unwrap(), labels["arch"].as_str().unwrap());
        assert!(["linux", "darwin"].contains(&os) && ["amd64", "arm64"].contains(&arch), "{labels}");
        let uri = platform["uri"].as_str().unwrap();
        assert!(uri.starts_with("https://") && uri.ends_with(&format!("_{os}_{arch}.tar.gz")), "{uri}");
        assert!(uri.contains("/v0.1.0/"), "{uri}");
        let digest = platform["sha256"].as_str().unwrap();
        assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digest}");
        assert_eq!(platform["bin"], "kubectl-connector");
        let files = platform["files"].as_array().unwrap();
        for file in ["kubectl-connector", "LICENSE"] {
            assert!(files.iter().any(|it| it["from"] == file && it["to"] == "."), "{file}: {files:?}");
        }
    }
}
