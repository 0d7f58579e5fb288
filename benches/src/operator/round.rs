//! One number of connectors, from an empty cluster to a restart with nothing due.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use testbed::{Asked, AuditLog};
use tokio::time::sleep;

use crate::error::{Error, Result};
use crate::measure::Usage;
use crate::say;

use super::load::Load;
use super::process::Operator;
use super::simulators::Simulators;
use super::stage::{Stage, failed, size_of};

/// Starts with nothing there, of which the typical one counts.
const STARTS: usize = 5;
/// Applied and deleted first, so that the API server knows the kinds.
const WARMING: usize = 50;
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Whoever has not written for so long has done what there is to do, or is stuck.
const QUIET: Duration = Duration::from_secs(2);
const RESTS_WITHIN: Duration = Duration::from_secs(300);
/// How long it may take in all.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    pub(super) connectors: usize,
    pub(super) idle: Duration,
}

/// What was found.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    pub(super) connectors: usize,
    /// The load of the machine before, over one minute.
    pub(super) load: f64,
    /// Applying without the operator.
    pub(super) applying: Duration,
    /// From the first apply until all are Connected.
    pub(super) connecting: Duration,
    /// Applying, and the requests of the first runs, by clients that do nothing else.
    pub(super) replaying: Duration,
    /// The operator's processor time meanwhile.
    pub(super) cpu: Duration,
    /// With nothing there.
    pub(super) empty: Usage,
    /// The most memory meanwhile.
    pub(super) peak: Usage,
    /// When all is done.
    pub(super) after: Usage,
    /// Requests until then, by verb and resource.
    pub(super) first_run: Requests,
    pub(super) idle: Quiet,
    /// The typical time until it is ready with nothing there.
    pub(super) ready_empty: Duration,
    /// The time until it is ready with all of them there and none due.
    pub(super) ready: Duration,
    pub(super) restarted: Quiet,
    /// Its memory after the restart.
    pub(super) after_restart: Usage,
    /// All snapshots, in bytes.
    pub(super) snapshots: u64,
}

/// Requests by verb and resource.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests(BTreeMap<(String, String), u64>);

impl Requests {
    fn of(asked: &[Asked]) -> Self {
        let mut requests = Self::default();
        requests.count(asked);
        requests
    }

    fn count(&mut self, asked: &[Asked]) {
        for it in asked {
            *self.0.entry((it.verb.clone(), it.resource.clone())).or_default() += 1;
        }
    }

    /// Those with this verb for one of these resources.
    pub(super) fn on(&self, verb: &str, resources: &[&str]) -> u64 {
        let on = |(key, _): &(&(String, String), &u64)| key.0 == verb && resources.contains(&key.1.as_str());
        self.0.iter().filter(on).map(|(_, count)| count).sum()
    }

    /// Those for the Lease, which has to be renewed whatever else happens.
    pub(super) fn for_the_lease(&self) -> u64 {
        self.0.iter().filter(|((_, resource), _)| resource == "leases").map(|(_, count)| count).sum()
    }

    /// Those that change something, without the Lease.
    pub(super) fn writes(&self) -> u64 {
        let writes = |verb: &str| !matches!(verb, "get" | "list" | "watch");
        let counts = self.0.iter().filter(|((verb, resource), _)| writes(verb) && resource != "leases");
        counts.map(|(_, count)| count).sum()
    }

    /// All of them, without the Lease.
    pub(super) fn all(&self) -> u64 {
        self.0.values().sum::<u64>() - self.for_the_lease()
    }
}

/// A time in which nothing is due.
#[derive(Debug, Clone)]
pub(super) struct Quiet {
    pub(super) lasted: Duration,
    pub(super) requests: Requests,
    pub(super) cpu: Duration,
    /// Requests to vendors.
    pub(super) upstream: u64,
}

impl Quiet {
    /// The time since `begun`, when the operator had `used` so much, and nothing had been counted.
    fn since(
        begun: Instant,
        used: Duration,
        operator: &Operator,
        log: &mut AuditLog,
        simulators: &Simulators,
    ) -> Result<Self> {
        let (lasted, cpu) = (begun.elapsed(), operator.usage()?.cpu.saturating_sub(used));
        let requests = Requests::of(&log.news().map_err(failed)?);
        Ok(Self { lasted, requests, cpu, upstream: simulators.asked()? })
    }
}

impl Round {
    /// Measures it. What the operator writes is kept in the folder `home`.
    pub(super) async fn run(self, programs: &Path, home: &Path) -> Result<Measured> {
        let Self { connectors, .. } = self;
        say(&format!("{connectors} connectors: starting a control plane"));
        let load_before = load_average();
        let stage = Stage::start().await?;
        let simulators = Simulators::start(programs, &stage.logs()).await?;
        let client = stage.administrator()?;
        let warming = Load::new(WARMING, &simulators);
        warming.apply(&stage).await?;
        warming.delete(&client).await?;

        say(&format!("{connectors} connectors: applying without the operator"));
        let load = Load::new(connectors, &simulators);
        let begun = Instant::now();
        load.apply(&stage).await?;
        let applying = begun.elapsed();
        load.delete(&client).await?;

        let mut log = stage.audit_log()?;
        let ready_empty = self.typical_start(programs, &stage, home, &mut log).await?;
        let operator = Operator::start(programs, &stage, home).await?;
        until_it_leads(&mut log).await?;
        operator.until_it_rests(RESTS_WITHIN).await?;
        let empty = operator.usage()?;
        log.news().map_err(failed)?;

        say(&format!("{connectors} connectors: applying with the operator"));
        let connected = self.connect(&stage, &load, &operator, &mut log).await?;
        let Connected { connecting, first_run, peak, cpu } = connected;
        let cpu = cpu.saturating_sub(empty.cpu);

        say(&format!("{connectors} connectors: idle"));
        simulators.forget()?;
        log.news().map_err(failed)?;
        let (begun, used) = (Instant::now(), operator.usage()?.cpu);
        sleep(self.idle).await;
        let idle = Quiet::since(begun, used, &operator, &mut log, &simulators)?;
        let after = operator.usage()?;

        say(&format!("{connectors} connectors: restarting"));
        operator.stop().await?;
        simulators.forget()?;
        log.news().map_err(failed)?;
        let begun = Instant::now();
        let operator = Operator::start(programs, &stage, home).await?;
        let asked = until_it_leads(&mut log).await?;
        operator.until_it_rests(RESTS_WITHIN).await?;
        let mut restarted = Quiet::since(begun, Duration::ZERO, &operator, &mut log, &simulators)?;
        restarted.requests.count(&asked);
        let after_restart = operator.usage()?;
        let ready = operator.ready_after;
        operator.stop().await?;

        say(&format!("{connectors} connectors: the same requests without the operator"));
        let replay = load.record(&client).await?;
        load.delete(&client).await?;
        let begun = Instant::now();
        load.apply_and_replay(&stage, replay).await?;
        let replaying = begun.elapsed();
        Ok(Measured {
            connectors,
            load: load_before,
            applying,
            connecting,
            replaying,
            cpu,
            empty,
            peak,
            after,
            first_run,
            idle,
            ready_empty,
            ready,
            restarted,
            after_restart,
            snapshots: size_of(&home.join("snapshots")),
        })
    }

    async fn typical_start(
        self,
        programs: &Path,
        stage: &Stage,
        home: &Path,
        log: &mut AuditLog,
    ) -> Result<Duration> {
        let mut took = Vec::new();
        for _ in 0..STARTS {
            let operator = Operator::start(programs, stage, home).await?;
            took.push(operator.ready_after);
            until_it_leads(log).await?;
            operator.stop().await?;
            log.news().map_err(failed)?;
        }
        Ok(crate::compare::median(took.into_iter()))
    }

    /// Applies everything, and waits until all are Connected.
    async fn connect(
        self,
        stage: &Stage,
        load: &Load,
        operator: &Operator,
        log: &mut AuditLog,
    ) -> Result<Connected> {
        let client = stage.administrator()?;
        let (begun, since) = (SystemTime::now(), Instant::now());
        let applying = load.apply(stage);
        tokio::pin!(applying);
        let mut applied = false;
        let mut watch =
            Watch { written: begun, heard: since, first_run: Requests::default(), peak: operator.usage()? };
        loop {
            tokio::select! {
                done = &mut applying, if !applied => {
                    done?;
                    applied = true;
                }
                () = sleep(LOOK_AGAIN) => {}
            }
            watch.look(operator, log)?;
            if applied && (watch.may_be_done(self.connectors) || watch.heard.elapsed() > QUIET) {
                let found = load.connected(&client).await?;
                if found == self.connectors {
                    break;
                }
                if since.elapsed() > PATIENCE {
                    return Err(Error::new(format!(
                        "{found} of {} connectors are Connected",
                        self.connectors
                    )));
                }
            }
        }
        // Events come after the status, and are part of the work.
        operator.until_it_rests(RESTS_WITHIN).await?;
        let cpu = operator.usage()?.cpu;
        watch.look(operator, log)?;
        let connecting = watch.written.duration_since(begun).unwrap_or_default();
        Ok(Connected { connecting, first_run: watch.first_run, peak: watch.peak, cpu })
    }
}

struct Connected {
    connecting: Duration,
    first_run: Requests,
    peak: Usage,
    cpu: Duration,
}

/// What is seen of the operator at work.
struct Watch {
    /// When a status was written last, by the API server's clock, which is this machine's.
    written: SystemTime,
    heard: Instant,
    first_run: Requests,
    peak: Usage,
}

/// What the status of connectors is patched by.
pub(super) const STATUS: [&str; 2] = ["scalrconnectors/status", "planetscaleconnectors/status"];

impl Watch {
    fn look(&mut self, operator: &Operator, log: &mut AuditLog) -> Result<()> {
        let asked = log.news().map_err(failed)?;
        let on_status = |it: &&Asked| it.verb == "patch" && STATUS.contains(&it.resource.as_str());
        if let Some(last) = asked.iter().filter(on_status).map(|it| it.answered.0).max() {
            self.written = self.written.max(SystemTime::from(last));
            self.heard = Instant::now();
        }
        self.first_run.count(&asked);
        let now = operator.usage()?;
        self.peak.resident = self.peak.resident.max(now.resident);
        self.peak.anonymous = self.peak.anonymous.max(now.anonymous);
        Ok(())
    }

    /// Each first run writes two statuses: that it begins, and how it ended.
    fn may_be_done(&self, connectors: usize) -> bool {
        self.first_run.on("patch", &STATUS) >= 2 * connectors as u64
    }
}

/// Waits until the operator that was started last has the Lease: before that it decides nothing, and would look quiet.
/// Returns what it has asked.
async fn until_it_leads(log: &mut AuditLog) -> Result<Vec<Asked>> {
    let begun = Instant::now();
    let mut asked = Vec::new();
    let leads = |it: &Asked| it.resource == "leases" && it.writes() && it.code < 300;
    while !asked.iter().any(leads) {
        if begun.elapsed() > RESTS_WITHIN {
            return Err(Error::new("the operator does not lead"));
        }
        sleep(LOOK_AGAIN).await;
        asked.extend(log.news().map_err(failed)?);
    }
    Ok(asked)
}

fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default()
}
