//! The operator as a process, and what it has used.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use testbed::Managed;
use testbed::probe::{answers_ok, free_address};
use tokio::time::sleep;

use crate::error::{Error, Result};
use crate::measure::{Usage, usage};

use super::stage::{SYSTEM, Stage, failed};

const STARTS_WITHIN: Duration = Duration::from_secs(120);
const ENDS_WITHIN: Duration = Duration::from_secs(30);
/// How precisely the time until it is ready is known.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// It rests when it has used less than a hundredth of the time for so long.
const RESTS_FOR: Duration = Duration::from_secs(3);

/// A running operator.
pub(super) struct Operator {
    process: Managed,
    /// From before it was started to the first 200 from `/readyz`.
    pub(super) ready_after: Duration,
}

/// The flags that a customer with thousands of connectors would not need: everything is on this machine, and nothing
/// is due while it is measured.
const FLAGS: [&str; 5] =
    ["run", "--allow-loopback", "--requests-per-minute=0", "--default-interval=24h", "--log-format=json"];

impl Operator {
    /// Starts the one in the folder `programs`, which keeps what it writes in `folder`.
    pub(super) async fn start(programs: &Path, stage: &Stage, folder: &Path) -> Result<Self> {
        let address = || free_address().map_err(failed);
        let (serving, snapshots) = (address()?, address()?);
        let (program, log) = (programs.join("connector-operator"), stage.logs().join("operator.log"));
        let scratch: PathBuf = folder.join("scratch");
        std::fs::create_dir_all(&scratch).map_err(|error| Error::new(error.to_string()))?;
        let begun = Instant::now();
        let process = Managed::spawn("the operator", &program, &log, |command| {
            command
                .env_clear()
                .env("KUBECONFIG", &stage.kubeconfig)
                // As the image has it.
                .env("MIMALLOC_PURGE_DELAY", "0")
                .args(FLAGS)
                .args([format!("--listen={serving}"), format!("--snapshot-listen={snapshots}")])
                .arg(format!("--lease-namespace={SYSTEM}"))
                .arg("--snapshot-dir")
                .arg(folder.join("snapshots"))
                .arg("--scratch-dir")
                .arg(scratch);
        })
        .map_err(failed)?;
        while !answers_ok(serving, "/readyz").await {
            if begun.elapsed() > STARTS_WITHIN {
                return Err(Error::new(format!("the operator is not ready; its log is {}", log.display())));
            }
            sleep(LOOK_AGAIN).await;
        }
        Ok(Self { process, ready_after: begun.elapsed() })
    }

    /// What it has used until now.
    pub(super) fn usage(&self) -> Result<Usage> {
        usage(self.process.pid())
    }

    /// Waits until it does nothing any more, or for as long as `at_most`.
    pub(super) async fn until_it_rests(&self, at_most: Duration) -> Result<()> {
        let begun = Instant::now();
        loop {
            let before = self.usage()?.cpu;
            sleep(RESTS_FOR).await;
            if self.usage()?.cpu.saturating_sub(before) < RESTS_FOR / 100 || begun.elapsed() > at_most {
                return Ok(());
            }
        }
    }

    /// Ends it in good order.
    pub(super) async fn stop(self) -> Result<()> {
        let status = self.process.terminate(ENDS_WITHIN).await.map_err(failed)?;
        if status.success() { Ok(()) } else { Err(Error::new(format!("the operator ended with {status}"))) }
    }
}
