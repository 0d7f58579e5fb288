//! The image as an OCI layout (opencontainers/image-spec v1.1), and as the archive that `docker load` and
//! `ctr image import` take.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};
use tar::{Builder, Header};

use crate::error::{Error, failed};
use crate::layer::{Layer, digest};
use crate::platform::Platform;

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An OCI layout that is being written.
pub(crate) struct Layout {
    folder: PathBuf,
    manifests: Vec<Value>,
}

/// An image of one platform.
pub(crate) struct Made {
    pub(crate) digest: String,
    /// Bytes of all that is fetched for it.
    pub(crate) size: u64,
}

impl Layout {
    /// An empty layout in place of what was there.
    pub(crate) fn create(folder: &Path) -> Result<Self, Error> {
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(failed("removing", folder))?;
        }
        let blobs = folder.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(failed("creating", &blobs))?;
        write(&folder.join("oci-layout"), &bytes(&json!({ "imageLayoutVersion": "1.0.0" })))?;
        Ok(Self { folder: folder.to_owned(), manifests: Vec::new() })
    }

    /// Adds the image of one platform.
    pub(crate) fn add(&mut self, platform: &Platform, config: &Value, layer: &Layer) -> Result<Made, Error> {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(CONFIG, &bytes(config))?,
            "layers": [self.blob(LAYER, &layer.compressed)?],
        });
        let content = bytes(&manifest);
        let Blob { digest, size } = self.keep(&content)?;
        self.manifests.push(json!({
            "mediaType": MANIFEST, "digest": digest, "size": size,
            "platform": { "os": platform.os, "architecture": platform.architecture },
        }));
        let size = layer.compressed.len() + bytes(config).len() + bytes(&manifest).len();
        Ok(Made { digest, size: size as u64 })
    }

    /// Writes the index over all platforms, under `name`, and gives its digest.
    pub(crate) fn finish(self, name: &str) -> Result<String, Error> {
        let all = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": self.manifests });
        let Blob { digest, size } = self.keep(&bytes(&all))?;
        let entry = json!({
            "mediaType": INDEX, "digest": digest, "size": size,
            "annotations": { "org.opencontainers.image.ref.name": name },
        });
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] });
        write(&self.folder.join("index.json"), &bytes(&index))?;
        Ok(digest)
    }

    /// What tells of a blob, which is kept.
    fn blob(&self, media_type: &str, content: &[u8]) -> Result<Value, Error> {
        let Blob { digest, size } = self.keep(content)?;
        Ok(json!({ "mediaType": media_type, "digest": digest, "size": size }))
    }

    fn keep(&self, content: &[u8]) -> Result<Blob, Error> {
        let digest = digest(content);
        write(&self.folder.join("blobs/sha256").join(digest.trim_start_matches("sha256:")), content)?;
        Ok(Blob { digest, size: content.len() })
    }
}

/// A blob that is kept.
struct Blob {
    digest: String,
    size: usize,
}

/// Writes the image of one platform as an archive under `name`.
pub(crate) fn archive(
    path: &Path,
    name: &str,
    config: &Value,
    layer: &Layer,
    created: Timestamp,
) -> Result<(), Error> {
    let config = bytes(config);
    let config_name = format!("{}.json", digest(&config).trim_start_matches("sha256:"));
    let manifest = json!([{ "Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"] }]);
    let mut builder = Builder::new(Vec::new());
    for (name, content) in [
        (config_name.as_str(), config.as_slice()),
        ("layer.tar", &layer.archive),
        ("manifest.json", &bytes(&manifest)),
    ] {
        let mut header = Header::new_ustar();
        header.set_mode(0o644);
        header.set_mtime(u64::try_from(created.as_second()).unwrap_or(0));
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, content).map_err(Error::Layer)?;
    }
    write(path, &builder.into_inner().map_err(Error::Layer)?)
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    fs::write(path, content).map_err(failed("writing", path))
}
