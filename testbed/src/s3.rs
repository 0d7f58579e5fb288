//! A real S3 server on a loopback address, with one bucket in a folder.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::process::Managed;
use crate::{probe, tools};

/// How long it may take to start.
const WITHIN: Duration = Duration::from_secs(30);

/// A running S3 server (versitygw, over a folder). What it keeps outlives it, in its folder.
#[derive(Debug)]
pub struct S3Server {
    process: Managed,
    address: SocketAddr,
}

/// What a server is started with.
#[derive(Debug, Clone, Default)]
pub struct S3Options {
    /// Where it listens; a free address where it is `None`.
    pub address: Option<SocketAddr>,
    /// Its certificate and key, as PEM files; without them it speaks plain HTTP.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

impl S3Server {
    /// The only bucket.
    pub const BUCKET: &'static str = "snapshots";
    /// Who may do everything.
    pub const KEY_ID: &'static str = "testbed";
    /// That one's secret.
    pub const SECRET: &'static str = "testbed-s3-secret-canary";

    /// Starts it over `folder`, which is made where it is not there.
    ///
    /// # Errors
    /// When it cannot be built or started, or does not listen in time.
    pub async fn start(folder: &Path, options: S3Options) -> Result<Self> {
        let program = tools::locate_async("versitygw").await?;
        let root = folder.join("buckets");
        let bucket = root.join(Self::BUCKET);
        std::fs::create_dir_all(&bucket).map_err(Error::io(format!("making {}", bucket.display())))?;
        let address = match options.address {
            Some(address) => address,
            None => probe::free_address()?,
        };
        let mut process = Managed::spawn("versitygw", &program, &folder.join("versitygw.log"), |command| {
            command.env("ROOT_ACCESS_KEY", Self::KEY_ID).env("ROOT_SECRET_KEY", Self::SECRET);
            command.args(["--quiet", "--keep-alive", "--port", &address.to_string()]);
            if let Some((certificate, key)) = &options.certificate {
                command.arg("--cert").arg(certificate).arg("--key").arg(key);
            }
            command.arg("posix").arg(&root);
        })?;
        let listens = || async { tokio::net::TcpStream::connect(address).await.is_ok() };
        process.wait_until("listening", WITHIN, listens).await?;
        Ok(Self { process, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub async fn stop(self) -> Result<()> {
        self.process.terminate(Duration::from_secs(5)).await.map(drop)
    }
}
