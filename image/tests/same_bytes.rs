//! The same input gives the same image, which holds what it should.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The smallest ELF file of 64 bits: a header, and no segment that would name an interpreter.
fn static_binary() -> Vec<u8> {
    let mut header = vec![0_u8; 64];
    header[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1]);
    header
}

fn make(folder: &Path, out: &str) -> String {
    let binary = folder.join("connector-operator");
    std::fs::write(&binary, static_binary()).unwrap();
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    let platform = |it: &str| format!("--binary={it}={}", binary.display());
    let made = Command::new(env!("CARGO_BIN_EXE_image"))
        .args([
            &platform("linux/amd64"),
            &platform("linux/arm64"),
            "--source-date=1800000000",
            "--revision=abc",
            "--tool=rustc=rustc 1.95.0",
        ])
        .args(["--lock", lock.to_str().unwrap(), "--out", folder.join(out).to_str().unwrap()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap()
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn the_same_binary_gives_the_same_image_byte_by_byte() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(make(folder.path(), "one"), make(folder.path(), "two"));
    let (one, two) = (files(&folder.path().join("one")), files(&folder.path().join("two")));
    assert!(one == two, "{:?} {:?}", one.keys(), two.keys());
}

#[test]
fn every_blob_has_its_digest_and_the_image_runs_the_binary_as_nobody() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), "out");
    let files = files(&folder.path().join("out"));
    for (name, content) in files.iter().filter(|(name, _)| name.starts_with("oci/blobs/")) {
        assert_eq!(*name, format!("oci/blobs/sha256/{}", sha256(content)));
    }
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
        let content = files[&format!("oci/blobs/sha256/{digest}")].clone();
        assert_eq!(descriptor["size"], content.len());
        content
    };
    let index = json(&blob(&json(&files["oci/index.json"])["manifests"][0]));
    let platforms: Vec<_> = index["manifests"].as_array().unwrap().iter().collect();
    assert_eq!(platforms.len(), 2);
    assert_eq!(platforms[1]["platform"]["architecture"], "arm64");
    let manifest = json(&blob(platforms[0]));
    let config = json(&blob(&manifest["config"]));
    assert_containerfile_agrees(&config["config"]);
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"][0], "/connector-operator");
    assert_eq!(config["config"]["Labels"]["org.opencontainers.image.revision"], "abc");

    let packed = blob(&manifest["layers"][0]);
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", sha256(&unpacked)));
    let mut archive = tar::Archive::new(unpacked.as_slice());
    let entries: BTreeMap<String, (u32, u64)> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            (name, (entry.header().mode().unwrap(), entry.header().uid().unwrap()))
        })
        .collect();
    assert_eq!(entries["connector-operator"], (0o755, 0));
    assert_eq!(entries["var/lib/connector-operator/"], (0o700, 65532));
    assert!(entries.contains_key("etc/ssl/certs/ca-certificates.crt"));
    assert!(
        !entries.keys().any(|name| name.contains("bin/")),
        "there is nothing to run besides: {entries:?}"
    );
}

#[test]
fn the_bill_of_materials_names_the_crates_in_the_lock_file() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), "out");
    let bill = json(&files(&folder.path().join("out"))["bom.cdx.json"]);
    let names: Vec<_> =
        bill["components"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"connector-operator") && names.contains(&"kube"), "{names:?}");
}

#[test]
fn the_provenance_is_of_this_image_and_says_what_it_was_made_of() {
    let folder = tempfile::tempdir().unwrap();
    let said = make(folder.path(), "out");
    let statement = json(&files(&folder.path().join("out"))["provenance.json"]);
    let digest = statement["subject"][0]["digest"]["sha256"].as_str().unwrap();
    assert!(said.ends_with(&format!("index  sha256:{digest}\n")), "{said}");
    let made = &statement["predicate"]["buildDefinition"];
    assert_eq!(made["externalParameters"]["revision"], "abc");
    let lock = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock")).unwrap();
    assert_eq!(made["resolvedDependencies"][1]["digest"]["sha256"], sha256(&lock));
    assert_eq!(statement["predicate"]["runDetails"]["builder"]["version"]["rustc"], "rustc 1.95.0");
}

/// What BuildKit makes is the same to whoever runs it.
fn assert_containerfile_agrees(config: &Value) {
    let containerfile =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Containerfile")).unwrap();
    let has = |line: &str| assert!(containerfile.contains(line), "Containerfile should have {line}");
    for (label, value) in config["Labels"].as_object().unwrap() {
        // These differ from one commit to the next.
        if !label.ends_with(".created") && !label.ends_with(".revision") {
            has(&format!("{label}={value}"));
        }
    }
    for variable in config["Env"].as_array().unwrap() {
        has(variable.as_str().unwrap());
    }
    has(&format!("\nUSER {}\n", config["User"].as_str().unwrap()));
    has(&format!("\nENTRYPOINT {}\n", config["Entrypoint"]));
    has(&format!("\nCMD {}\n", config["Cmd"]));
    has(&format!("\nSTOPSIGNAL {}\n", config["StopSignal"].as_str().unwrap()));
    let (port, _) = config["ExposedPorts"].as_object().unwrap().iter().next().unwrap();
    has(&format!("\nEXPOSE {port}\n"));
}
