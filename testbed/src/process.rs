//! Owns child processes: how one starts, is waited for, and ends. It does not know what they are.
//!
//! No child outlives this process, however it ends. `Drop` ends a child when its handle goes, also
//! in a panic; but statics are never dropped, and a killed process drops nothing. So the kernel is
//! asked as well: every child runs under `setpriv --pdeathsig KILL`. That signal fires when the
//! *thread* that started the child ends, which in a test would be one worker of one runtime;
//! therefore all children are started from one thread that lives as long as the process.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::time::{Instant, sleep, timeout};

use crate::error::{Error, Result};
use crate::tools::last_lines;

const POLL: Duration = Duration::from_millis(25);
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
const LOG_LINES: usize = 20;

/// Runs between `setpriv` and the program. Had the parent died before the signal was set up, nobody
/// would send it: then the child has another parent by now and must not start.
const EXEC_UNLESS_ORPHANED: &str = r#"[ "$PPID" = "$0" ] && exec "$@""#;

type Job = (Command, mpsc::Sender<io::Result<Child>>);

static SPAWNER: LazyLock<mpsc::Sender<Job>> = LazyLock::new(|| {
    let (sender, jobs) = mpsc::channel::<Job>();
    let spawned = thread::Builder::new().name("testbed-spawner".to_owned()).spawn(move || {
        for (mut command, reply) in jobs {
            // The asker waits for the reply, so it cannot have gone.
            let _ = reply.send(command.spawn());
        }
    });
    // Without the thread the receiver is gone and every request fails, which `spawn` reports.
    drop(spawned);
    sender
});

/// A running child with a log file. Dropping it kills it and everything in its process group.
#[derive(Debug)]
pub struct Managed {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Managed {
    /// Starts `program` as `name`, with arguments, environment and working directory as `configure`
    /// sets them; stdin is empty, stdout and stderr go to the file `log`, which is made anew.
    ///
    /// # Errors
    /// [`Error::Io`] when the log cannot be made or util-linux' `setpriv` is missing. A missing
    /// `program` shows as [`Error::Ended`] from the first wait.
    pub fn spawn(
        name: &str,
        program: &Path,
        log: &Path,
        configure: impl FnOnce(&mut Command),
    ) -> Result<Self> {
        let writing = || format!("writing {}", log.display());
        let stdout = File::create(log).map_err(Error::io(writing()))?;
        let stderr = stdout.try_clone().map_err(Error::io(writing()))?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "sh", "-c", EXEC_UNLESS_ORPHANED]);
        command.arg(std::process::id().to_string()).arg(program);
        configure(&mut command);
        // A group of its own: a Ctrl-C in the terminal reaches this process only, which then ends
        // its children in the order it wants.
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).process_group(0);
        let child = spawn(command).map_err(Error::io(format!("starting {name} under setpriv")))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned() })
    }

    /// The process id, which stays the child's own until this handle is dropped.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The file with everything the child wrote.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How the child ended, or `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        // An error means that it was reaped by somebody else, and nobody else can.
        self.child.try_wait().ok().flatten()
    }

    /// Waits until `ready` answers true; `what` completes the sentence "the child is not ...".
    /// `ready` is asked every 25 ms and given up on after 5 s each time.
    ///
    /// # Errors
    /// [`Error::Ended`] as soon as the child ends, [`Error::NotReady`] at the deadline `within`.
    pub async fn wait_until<F>(
        &mut self,
        what: &str,
        within: Duration,
        ready: impl FnMut() -> F,
    ) -> Result<()>
    where
        F: Future<Output = bool>,
    {
        wait_for(&mut [self], what, within, ready).await
    }

    /// Ends the child: SIGTERM, and SIGKILL to its process group when it still runs after `grace`.
    ///
    /// # Errors
    /// [`Error::Io`] when the child cannot be signalled or waited for.
    pub async fn terminate(mut self, grace: Duration) -> Result<ExitStatus> {
        let doing = format!("ending {}", self.name);
        if let (None, Some(pid)) = (self.ended(), self.process()) {
            kill_process(pid, Signal::TERM).map_err(|errno| Error::io(doing.as_str())(errno.into()))?;
        }
        let deadline = Instant::now() + grace;
        while Instant::now() < deadline {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            sleep(POLL).await;
        }
        self.kill();
        self.child.wait().map_err(Error::io(doing))
    }

    fn process(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.child.id()).ok()?)
    }

    fn kill(&mut self) {
        // Until it is reaped its id cannot belong to another process, so only then is a signal safe.
        if let (None, Some(pid)) = (self.ended(), self.process()) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }

    fn log_tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        last_lines(&String::from_utf8_lossy(&log), LOG_LINES)
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        self.kill();
        let _ = self.child.wait();
    }
}

/// [`Managed::wait_until`] for the first of `children`, which needs all of them to keep running.
pub(crate) async fn wait_for<F>(
    children: &mut [&mut Managed],
    what: &str,
    within: Duration,
    mut ready: impl FnMut() -> F,
) -> Result<()>
where
    F: Future<Output = bool>,
{
    let deadline = Instant::now() + within;
    loop {
        for child in children.iter_mut() {
            if let Some(status) = child.ended() {
                let (name, log) = (child.name.clone(), child.log_tail());
                return Err(Error::Ended { name, status, what: what.to_owned(), log });
            }
        }
        if timeout(PROBE_TIMEOUT, ready()).await.unwrap_or(false) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let name = children.first().map(|child| child.name.clone()).unwrap_or_default();
            let log = children.first().map(|child| child.log_tail()).unwrap_or_default();
            return Err(Error::NotReady { name, what: what.to_owned(), within, log });
        }
        sleep(POLL).await;
    }
}

fn spawn(command: Command) -> io::Result<Child> {
    let (reply, answer) = mpsc::channel();
    let gone = || io::Error::other("the thread that starts children could not be started");
    SPAWNER.send((command, reply)).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}
