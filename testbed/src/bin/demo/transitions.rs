//! What becomes of the connectors, as `kubectl get -w` tells it, until all are connected.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::cluster::Cluster;
use super::programs::Operator;
use super::screen::Screen;
use super::{NAMESPACE, Result};

/// One kind each: kubectl watches no two at once.
const KINDS: [&str; 2] = ["scalrconnectors", "planetscaleconnectors"];
/// The states that an object goes through on its way, in this order.
const EXPECTED: [&str; 2] = ["Syncing", "Connected"];
/// Not separated by tabs: kubectl aligns the columns of what it watches.
const LINE: &str = "jsonpath={.kind}|{.metadata.name}|{.status.phase}|\
                    {.status.conditions[?(@.type==\"Ready\")].message}{\"\\n\"}";
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(250);
const STILL: Duration = Duration::from_secs(5);

/// What the watches say.
pub(crate) struct Transitions {
    lines: mpsc::UnboundedReceiver<String>,
    seen: BTreeMap<String, Vec<String>>,
    // Killed when this goes.
    _watches: Vec<Child>,
}

/// Begins to watch.
pub(crate) fn watch(cluster: &Cluster) -> Result<Transitions> {
    let (sender, lines) = mpsc::unbounded_channel();
    let mut watches = Vec::new();
    for kind in KINDS {
        let mut watch = cluster
            .command(&["get", kind, "-n", NAMESPACE, "--watch", "-o", LINE])
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = watch.stdout.take().ok_or("kubectl has no stdout")?;
        let sender = sender.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        watches.push(watch);
    }
    Ok(Transitions { lines, seen: BTreeMap::new(), _watches: watches })
}

impl Transitions {
    /// Shows each change until one object of each kind is connected.
    pub(crate) async fn until_connected(&mut self, screen: &Screen, operator: &mut Operator) -> Result<()> {
        let start = Instant::now();
        let mut said = start;
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.all_connected() {
            tokio::select! {
                line = self.lines.recv() => {
                    let line = line.ok_or("the watches on the connectors have ended")?;
                    self.take(screen, &line)?;
                }
                _ = look.tick() => {
                    operator.still_runs()?;
                    if start.elapsed() > PATIENCE {
                        let seen = self.in_words();
                        return Err(format!("not all is Connected after {PATIENCE:?}: {seen}").into());
                    }
                    if said.elapsed() > STILL {
                        screen.say(&format!("still waiting: {}", self.in_words()));
                        said = Instant::now();
                    }
                }
            }
        }
        self.check_path()
    }

    fn take(&mut self, screen: &Screen, line: &str) -> Result<()> {
        let mut fields = line.splitn(4, '|');
        let mut next = || fields.next().unwrap_or_default();
        let (kind, name, phase, message) = (next(), next(), next(), next());
        let object = format!("{kind} {name}");
        let phases = self.seen.entry(object.clone()).or_default();
        if phase.is_empty() || phases.last().is_some_and(|last| last == phase) {
            return Ok(());
        }
        phases.push(phase.to_owned());
        screen.transition(&object, phase, message);
        if phase == "Error" {
            return Err(format!("{object} is in Error: {message}").into());
        }
        Ok(())
    }

    fn all_connected(&self) -> bool {
        let connected = |phases: &Vec<String>| phases.last().is_some_and(|last| last == "Connected");
        self.seen.len() == KINDS.len() && self.seen.values().all(connected)
    }

    fn check_path(&self) -> Result<()> {
        match self.seen.iter().find(|(_, phases)| !phases.iter().eq(EXPECTED.iter())) {
            Some((object, phases)) => Err(format!(
                "{object} went {}, where {} was expected",
                phases.join(", then "),
                EXPECTED.join(", then ")
            )
            .into()),
            None => Ok(()),
        }
    }

    fn in_words(&self) -> String {
        if self.seen.is_empty() {
            return "no connector has been seen".to_owned();
        }
        let phase = |phases: &[String]| phases.last().cloned().unwrap_or_else(|| "without a status".into());
        let each = self.seen.iter().map(|(object, phases)| format!("{object} is {}", phase(phases)));
        each.collect::<Vec<_>>().join(", ")
    }
}
