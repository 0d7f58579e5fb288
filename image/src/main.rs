//! Makes a container image of connector-operator without a container engine: from static binaries to an OCI layout and an
//! archive that `ctr image import` and `docker load` take. The same input gives the same bytes.

mod bom;
mod config;
mod error;
mod layer;
mod layout;
mod platform;
mod provenance;
mod roots;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use jiff::Timestamp;

use error::Error;
use layer::Layer;
use layout::{Layout, Made};
use platform::Binary;
use provenance::Origin;

/// Bytes of an image, compressed, that are more than anybody should have to pull.
const LARGEST: u64 = 20_000_000;

/// Makes a container image from static binaries of connector-operator.
#[derive(Debug, Parser)]
#[command(name = "image", version)]
struct Arguments {
    /// A binary and its platform, as in linux/amd64=target/x86_64-unknown-linux-musl/release/connector-operator. Repeat it
    /// for an image of several platforms.
    #[arg(long = "binary", required = true, value_name = "PLATFORM=FILE")]
    binaries: Vec<Binary>,
    /// What the image is called, with its tag.
    #[arg(long, default_value = concat!("connector-operator:", env!("CARGO_PKG_VERSION")), value_name = "NAME:TAG")]
    name: String,
    /// When the source was made, in seconds since 1970: the time in the image.
    #[arg(long, env = "SOURCE_DATE_EPOCH", default_value = "0", value_name = "SECONDS")]
    source_date: i64,
    /// The revision of the source.
    #[arg(long, default_value = "", value_name = "COMMIT")]
    revision: String,
    /// The lock file from which the bill of materials is made.
    #[arg(long, default_value = "Cargo.lock", value_name = "FILE")]
    lock: PathBuf,
    /// What a binary was compiled with, for the provenance, as in "rustc=rustc 1.95.0". May be repeated.
    #[arg(long = "tool", value_name = "NAME=VERSION")]
    tools: Vec<String>,
    /// The folder to write: oci/, image.tar (of the first platform), bom.cdx.json and provenance.json.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

fn main() -> ExitCode {
    match make(&Arguments::parse()) {
        Ok(summary) => {
            let _ = writeln!(std::io::stdout(), "{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Makes it, and says what was made, one line for each platform.
fn make(arguments: &Arguments) -> Result<String, Error> {
    let created = Timestamp::from_second(arguments.source_date).map_err(|_| Error::SourceDate)?;
    let mut layout = Layout::create(&arguments.out.join("oci"))?;
    let mut lines = Vec::new();
    for (index, binary) in arguments.binaries.iter().enumerate() {
        let content = binary.read()?;
        let layer = Layer::of(&content, created)?;
        let config = config::of(&binary.platform, &layer, created, &arguments.revision);
        let Made { digest, size } = layout.add(&binary.platform, &config, &layer)?;
        if size > LARGEST {
            return Err(Error::TooLarge { size, largest: LARGEST });
        }
        if index == 0 {
            layout::archive(&arguments.out.join("image.tar"), &arguments.name, &config, &layer, created)?;
        }
        let [binary_size, size] = [content.len() as u64, size].map(megabytes);
        lines.push(format!("{}  {digest}  binary {binary_size}, image {size} compressed", binary.platform));
    }
    let index = layout.finish(&arguments.name)?;
    bom::write(&arguments.lock, created, &arguments.out.join("bom.cdx.json"))?;
    Origin {
        name: &arguments.name,
        index: &index,
        revision: &arguments.revision,
        created,
        lock: &arguments.lock,
        tools: &arguments.tools,
    }
    .write(&arguments.out.join("provenance.json"))?;
    lines.push(format!("index  {index}"));
    Ok(lines.join("\n"))
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
