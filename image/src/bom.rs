//! The bill of materials: every crate in the lock file, as CycloneDX 1.6.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::error::{Error, failed};

/// A package of the lock file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Package {
    name: String,
    version: String,
    /// Absent for what is part of the project itself.
    checksum: Option<String>,
}

/// Writes the bill of what `lock` names to `path`.
pub(crate) fn write(lock: &Path, created: Timestamp, path: &Path) -> Result<(), Error> {
    let text = std::fs::read_to_string(lock).map_err(failed("reading", lock))?;
    let packages = packages(&text).map_err(|line| Error::Lock { path: lock.to_owned(), line })?;
    let text = format!("{:#}\n", bill(&packages, created));
    std::fs::write(path, text).map_err(failed("writing", path))
}

fn bill(packages: &[Package], created: Timestamp) -> Value {
    let component = |package: &Package| {
        let purl = format!("pkg:cargo/{}@{}", package.name, package.version);
        let hashes =
            package.checksum.as_ref().map(|checksum| json!({ "alg": "SHA-256", "content": checksum }));
        json!({
            "type": "library", "bom-ref": purl, "purl": purl,
            "name": package.name, "version": package.version, "hashes": Vec::from_iter(hashes),
        })
    };
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": created.to_string(),
            "component": {
                "type": "container", "name": "connector-operator", "version": env!("CARGO_PKG_VERSION"),
                "licenses": [{ "license": { "id": env!("CARGO_PKG_LICENSE") } }],
            },
        },
        "components": packages.iter().map(component).collect::<Vec<_>>(),
    })
}

/// The packages of a lock file as Cargo writes it; the number of the first line that is not so.
fn packages(text: &str) -> Result<Vec<Package>, usize> {
    let mut packages: Vec<Package> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line == "[[package]]" {
            packages.push(Package::default());
            continue;
        }
        let (Some(package), Some((key, value))) = (packages.last_mut(), line.split_once(" = ")) else {
            continue;
        };
        let value = || value.strip_prefix('"').and_then(|it| it.strip_suffix('"')).ok_or(index + 1);
        match key {
            "name" => package.name = value()?.to_owned(),
            "version" => package.version = value()?.to_owned(),
            "checksum" => package.checksum = Some(value()?.to_owned()),
            _ => {}
        }
    }
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"own\"\nversion = \"0.1.0\"\ndependencies = [\n \"serde\",\n]\n\n\
        [[package]]\nname = \"serde\"\nversion = \"1.0.9\"\nsource = \"registry\"\nchecksum = \"ab\"\n";

    #[test]
    fn every_package_of_the_lock_file_is_in_the_bill() {
        let bill = bill(&packages(LOCK).unwrap(), Timestamp::UNIX_EPOCH);
        let components = bill["components"].as_array().unwrap();
        assert_eq!(components.len(), 2);
        assert_eq!(components[0]["hashes"], json!([]), "what is our own has none");
        assert_eq!(components[1]["purl"], "pkg:cargo/serde@1.0.9");
        assert_eq!(components[1]["hashes"][0]["content"], "ab");
    }

    #[test]
    fn a_line_that_is_not_as_cargo_writes_it_is_named() {
        assert_eq!(packages("[[package]]\nname = serde\n"), Err(2));
    }
}
