//! The one layer of the image: the binary, whom to trust, and a user that is not root. Nothing to run besides.

use std::io::{self, Write};

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::error::Error;
use crate::roots;

/// Who the operator is in its container; the chart says the same.
pub(crate) const USER: u32 = 65532;

const PASSWD: &str = "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nnonroot:x:65532:\n";

/// A packed layer.
#[derive(Debug)]
pub(crate) struct Layer {
    /// The archive.
    pub(crate) archive: Vec<u8>,
    /// The same, compressed.
    pub(crate) compressed: Vec<u8>,
}

impl Layer {
    /// The layer with this binary, everything in it made at `created`.
    pub(crate) fn of(binary: &[u8], created: Timestamp) -> Result<Self, Error> {
        let archive = pack(binary, created).map_err(Error::Layer)?;
        let compressed = compress(&archive).map_err(Error::Layer)?;
        Ok(Self { archive, compressed })
    }
}

/// `sha256:` and the digest of a blob.
pub(crate) fn digest(blob: &[u8]) -> String {
    let hex = Sha256::digest(blob).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("sha256:{hex}")
}

fn pack(binary: &[u8], created: Timestamp) -> io::Result<Vec<u8>> {
    let modified = u64::try_from(created.as_second()).unwrap_or(0);
    let mut archive = Builder::new(Vec::new());
    let mut put = |path: &str, mode: u32, owner: u32, content: Option<&[u8]>| {
        let mut header = Header::new_ustar();
        header.set_entry_type(if content.is_some() { EntryType::Regular } else { EntryType::Directory });
        header.set_mode(mode);
        header.set_uid(owner.into());
        header.set_gid(owner.into());
        header.set_mtime(modified);
        let content = content.unwrap_or_default();
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, path, content)
    };
    put("connector-operator", 0o755, 0, Some(binary))?;
    put("etc/", 0o755, 0, None)?;
    put("etc/group", 0o644, 0, Some(GROUP.as_bytes()))?;
    put("etc/passwd", 0o644, 0, Some(PASSWD.as_bytes()))?;
    put("etc/ssl/", 0o755, 0, None)?;
    put("etc/ssl/certs/", 0o755, 0, None)?;
    put("etc/ssl/certs/ca-certificates.crt", 0o644, 0, Some(roots::pem().as_bytes()))?;
    put("tmp/", 0o1777, 0, None)?;
    // Where snapshots go; a volume is mounted there.
    put("var/", 0o755, 0, None)?;
    put("var/lib/", 0o755, 0, None)?;
    put("var/lib/connector-operator/", 0o700, USER, None)?;
    archive.into_inner()
}

fn compress(archive: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder: GzEncoder<Vec<u8>> = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(archive)?;
    encoder.finish()
}
