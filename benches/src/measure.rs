//! Runs a program and says what it cost, with all processes that it starts.
//!
//! A connector on C1's SDK runs in a second process, which the first one does not wait for. So this process takes over
//! the orphans of those it starts and waits for all of them; the kernel then adds up their processor time exactly.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, set_child_subreaper, waitpid};

use crate::error::{Error, Result};

/// How long orphans may take to end once the program has.
const GRACE: Duration = Duration::from_secs(10);
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// What a program cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// From start to end.
    pub(crate) wall: Duration,
    /// Of all its processes, user and system.
    pub(crate) cpu: Duration,
    /// The most memory at once. Of one process, what the kernel has seen itself; of several, the largest sum of what
    /// each has to itself and its share of what they share, sampled.
    pub(crate) peak: u64,
}

/// From now on the orphans of the programs that are measured become children of this process.
pub(crate) fn adopt_orphans() -> Result<()> {
    set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|error| Error::new(format!("taking over orphans: {error}")))
}

/// Runs `command` to its end, which must be a success.
pub(crate) fn measure(command: &mut Command) -> Result<Cost> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |doing: &str, error: &dyn std::fmt::Display| Error::new(format!("{doing} {name}: {error}"));
    let (before, start) = (waited_for()?, Instant::now());
    let child = command.spawn().map_err(|error| failed("starting", &error))?;
    let mut tree = Tree::of(Ended(child));
    let status = loop {
        tree.look();
        if let Some(status) = tree.root.0.try_wait().map_err(|error| failed("waiting for", &error))? {
            break status;
        }
        sleep((start.elapsed() / 20).clamp(SHORTEST_PAUSE, LONGEST_PAUSE));
    };
    let wall = start.elapsed();
    tree.reap();
    if !status.success() {
        return Err(Error::new(format!("{name} ended with {status}")));
    }
    Ok(Cost { wall, cpu: waited_for()?.saturating_sub(before), peak: tree.peak() })
}

/// A child that does not outlive its owner.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Both fail where it has ended, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Tree {
    root: Ended,
    /// Everyone that was ever seen below the root, without it.
    others: BTreeSet<u32>,
    /// The kernel's own high-water mark of the root.
    high_water: u64,
    largest_sum: u64,
}

impl Tree {
    fn of(root: Ended) -> Self {
        Self { root, others: BTreeSet::new(), high_water: 0, largest_sum: 0 }
    }

    fn look(&mut self) {
        let root = self.root.0.id();
        let mut unseen = vec![root];
        unseen.extend(&self.others);
        while let Some(process) = unseen.pop() {
            let new: Vec<u32> =
                children(process).into_iter().filter(|child| self.others.insert(*child)).collect();
            unseen.extend(new);
        }
        self.high_water = self.high_water.max(memory(root, "status", "VmHWM:"));
        if !self.others.is_empty() {
            let all = self.others.iter().chain([&root]);
            let sum = all.map(|process| memory(*process, "smaps_rollup", "Pss:")).sum();
            self.largest_sum = self.largest_sum.max(sum);
        }
    }

    /// Waits for those whom their parent has not waited for.
    fn reap(&mut self) {
        let deadline = Instant::now() + GRACE;
        let pids = self.others.iter().filter_map(|process| Pid::from_raw(i32::try_from(*process).ok()?));
        for pid in pids {
            // An error means that it is no child of ours: it has been waited for.
            while let Ok(None) = waitpid(Some(pid), WaitOptions::NOHANG) {
                if Instant::now() > deadline {
                    let _ = kill_process(pid, Signal::KILL);
                }
                sleep(SHORTEST_PAUSE);
            }
        }
    }

    fn peak(&self) -> u64 {
        if self.others.is_empty() { self.high_water } else { self.largest_sum }
    }
}

fn children(process: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    tasks
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// A line of a file about `process`, in bytes; 0 where it has ended.
fn memory(process: u32, file: &str, line: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
    let kibibytes =
        text.lines().find_map(|text| text.strip_prefix(line)?.split_whitespace().next()?.parse().ok());
    kibibytes.map_or(0, |kibibytes: u64| kibibytes * 1024)
}

/// What a process that goes on has used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// All of its memory, in bytes.
    pub(crate) resident: u64,
    /// That of it which is in no file.
    pub(crate) anonymous: u64,
    /// Its processor time, user and system.
    pub(crate) cpu: Duration,
}

/// What the process has used until now.
pub(crate) fn usage(process: u32) -> Result<Usage> {
    /// utime and stime, as for [`waited_for`].
    const FIRST: usize = 11;
    Ok(Usage {
        resident: memory(process, "status", "VmRSS:"),
        anonymous: memory(process, "status", "RssAnon:"),
        cpu: ticks(&process.to_string(), FIRST)?,
    })
}

/// The processor time of all children that have been waited for, and of theirs.
fn waited_for() -> Result<Duration> {
    /// cutime and cstime, counted from the state, which follows the name in parentheses: see proc_pid_stat(5).
    const FIRST: usize = 13;
    ticks("self", FIRST)
}

/// The sum of two fields of a process's statistics.
fn ticks(process: &str, first: usize) -> Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let text = fs::read_to_string(&path).map_err(|error| Error::new(format!("reading {path}: {error}")))?;
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(first).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_secs(1) * u32::try_from(ticks).unwrap_or(u32::MAX)
        / u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100))
}
