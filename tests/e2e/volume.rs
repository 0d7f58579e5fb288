//! The volume of the snapshots: a small tmpfs, which all pods of the node can write.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// Whom the chart has the operator run as.
const USER: u32 = 65532;

/// A mounted tmpfs of 16 MiB.
pub(crate) struct Volume(PathBuf);

impl Volume {
    pub(crate) fn mount(folder: &Path) -> Self {
        let path = folder.join("snapshots");
        fs::create_dir(&path).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(&path).status();
        assert!(mounted.unwrap().success());
        chown(&path, Some(USER), Some(USER)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        Self(path)
    }

    /// It as an object, for the claim of the chart.
    pub(crate) fn object(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": "snapshots" },
            "spec": {
                "accessModes": ["ReadWriteOnce", "ReadWriteMany"], "capacity": { "storage": "5Gi" },
                "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "",
                "claimRef": { "namespace": "connector-system", "name": "connector-operator-snapshots" },
                "hostPath": { "path": self.0 },
            },
        })
    }

    /// Leaves no room.
    pub(crate) fn fill(&self) {
        let mut file = fs::File::create(self.0.join("filler")).unwrap();
        let block = vec![0; 4096];
        while file.write_all(&block).is_ok() {}
    }

    pub(crate) fn make_room(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }

    /// Leaves nothing in it.
    pub(crate) fn clear(&self) {
        for entry in fs::read_dir(&self.0).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
    }

    /// How many snapshots are in it.
    pub(crate) fn snapshots(&self) -> usize {
        fn count(folder: &Path) -> usize {
            let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            entries
                .map(|path| {
                    if path.is_dir() {
                        count(&path)
                    } else {
                        usize::from(path.extension().is_some_and(|it| it == "c1z"))
                    }
                })
                .sum()
        }
        count(&self.0)
    }
}
