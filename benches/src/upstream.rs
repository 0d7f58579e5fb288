//! The simulated vendors, in a process of their own.

use std::fmt::Display;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use testbed::Managed;
use testbed::probe::{answers_ok, free_address};

use crate::error::{Error, Result};

/// The tokens that the simulators take, unless told otherwise.
pub(crate) const PLANETSCALE_TOKEN: &str = "simulated:pscale_tkn_simulated";
pub(crate) const SCALR_TOKEN: &str = "simulated-scalr-token";
pub(crate) const SCALR_ACCOUNT: &str = "acme";

/// Items of a page, which is the most that both vendors give.
const PAGE: u64 = 100;
const STARTS_WITHIN: Duration = Duration::from_secs(120);

/// Which vendor, and how much is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Data {
    /// One organization.
    PlanetScale { members: u64, teams: u64 },
    /// One account.
    Scalr { users: u64 },
}

/// The members of each team.
const TEAM_MEMBERS: u64 = 1000;
/// The simulator's own default.
const SERVICE_ACCOUNTS: u64 = 3;

impl Data {
    /// The requests that reading each page once takes.
    pub(crate) fn pages(self) -> u64 {
        let pages = |items: u64| items.div_ceil(PAGE).max(1);
        match self {
            // The organizations are listed at the beginning and at the end.
            Self::PlanetScale { members, teams } => {
                2 + pages(members) + pages(teams) + teams * pages(TEAM_MEMBERS.min(members))
            }
            Self::Scalr { users } => 1 + pages(users) + pages(SERVICE_ACCOUNTS),
        }
    }

    /// As a heading says it.
    pub(crate) fn title(self) -> String {
        match self {
            Self::PlanetScale { members, teams: 0 } => format!("PlanetScale, {} members", grouped(members)),
            Self::PlanetScale { members, teams } => format!(
                "PlanetScale, {} members, {teams} teams of {}",
                grouped(members),
                grouped(TEAM_MEMBERS.min(members))
            ),
            Self::Scalr { users } => format!("Scalr, {} users", grouped(users)),
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::PlanetScale { .. } => "planetscale",
            Self::Scalr { .. } => "scalr",
        }
    }

    fn flags(self) -> Vec<String> {
        let (members, teams, users) = match self {
            Self::PlanetScale { members, teams } => (members, teams, 1),
            Self::Scalr { users } => (1, 0, users),
        };
        let flags: [(&str, &dyn Display); 5] = [
            ("--organizations", &1),
            ("--members", &members),
            ("--teams", &teams),
            ("--team-members", &TEAM_MEMBERS.min(members)),
            ("--scalr-users", &users),
        ];
        flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value.to_string()]).collect()
    }
}

/// 1234567 as 1,234,567.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// What a vendor has been asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) requests: u64,
    pub(crate) most_in_flight: u64,
}

/// Starts `connector-simulator` out of the folder `programs` with these arguments, each part where its flag says. It is
/// ready when `control` answers, and logs into `folder`.
pub(crate) async fn simulate(
    programs: &Path,
    folder: &Path,
    arguments: &[String],
    listening: &[(&str, SocketAddr)],
    control: SocketAddr,
) -> Result<Managed> {
    let failed = |error: testbed::Error| Error::new(format!("starting the simulators: {error}"));
    let (program, log) = (programs.join("connector-simulator"), folder.join("simulator.log"));
    let mut process = Managed::spawn("the simulators", &program, &log, |command| {
        command.arg("serve").args(arguments);
        for (flag, address) in listening.iter().chain(&[("--control-listen", control)]) {
            command.arg(flag).arg(address.to_string());
        }
    })
    .map_err(failed)?;
    let ready = || answers_ok(control, "/_simulator/counts");
    process.wait_until("ready", STARTS_WITHIN, ready).await.map_err(failed)?;
    Ok(process)
}

/// Running simulators of both vendors.
pub(crate) struct Upstream {
    data: Data,
    scalr: SocketAddr,
    planetscale: SocketAddr,
    control: SocketAddr,
    /// Ends with this.
    _process: Managed,
}

impl Upstream {
    /// Starts `connector-simulator` out of the folder `programs` with `data`.
    pub(crate) async fn start(programs: &Path, folder: &Path, data: Data) -> Result<Self> {
        let (scalr, planetscale, control) = (address()?, address()?, address()?);
        let listening = [("--scalr-listen", scalr), ("--planetscale-listen", planetscale)];
        let process = simulate(programs, folder, &data.flags(), &listening, control).await?;
        Ok(Self { data, scalr, planetscale, control, _process: process })
    }

    pub(crate) fn data(&self) -> Data {
        self.data
    }

    /// Where the vendor of the data answers.
    pub(crate) fn origin(&self) -> String {
        match self.data {
            Data::PlanetScale { .. } => format!("http://{}", self.planetscale),
            Data::Scalr { .. } => format!("http://{}", self.scalr),
        }
    }

    /// Holds every answer back this long.
    pub(crate) fn delay(&self, milliseconds: u64) -> Result<()> {
        let path = format!("{}/latency", self.data.path());
        self.ask("PUT", &path, &format!("{{\"milliseconds\": {milliseconds}}}")).map(drop)
    }

    /// Forgets what has been asked.
    pub(crate) fn forget(&self) -> Result<()> {
        self.ask("DELETE", "stats", "").map(drop)
    }

    /// What has been asked since [`Self::forget`].
    pub(crate) fn asked(&self) -> Result<Asked> {
        let Both { scalr, planetscale } = stats(self.control)?;
        Ok(match self.data {
            Data::PlanetScale { .. } => planetscale.asked(),
            Data::Scalr { .. } => scalr.asked(),
        })
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Result<String> {
        ask(self.control, method, path, body)
    }
}

/// The statistics of both simulators.
#[derive(Debug, Deserialize)]
pub(crate) struct Both {
    pub(crate) scalr: Stats,
    pub(crate) planetscale: Stats,
}

/// The statistics of one simulator.
#[derive(Debug, Deserialize)]
pub(crate) struct Stats {
    requests: Vec<Answered>,
    max_in_flight: u64,
}

#[derive(Debug, Deserialize)]
struct Answered {
    count: u64,
}

impl Stats {
    pub(crate) fn asked(&self) -> Asked {
        let requests = self.requests.iter().map(|answered| answered.count).sum();
        Asked { requests, most_in_flight: self.max_in_flight }
    }
}

/// The statistics of the simulators with these control endpoints.
pub(crate) fn stats(control: SocketAddr) -> Result<Both> {
    let body = ask(control, "GET", "stats", "")?;
    serde_json::from_str(&body)
        .map_err(|error| Error::new(format!("reading the simulators' statistics: {error}")))
}

/// Asks the control endpoints of simulators.
pub(crate) fn ask(control: SocketAddr, method: &str, path: &str, body: &str) -> Result<String> {
    let failed = |error: &dyn Display| Error::new(format!("{method} {path} of the simulators: {error}"));
    let mut stream = TcpStream::connect(control).map_err(|error| failed(&error))?;
    let request = format!(
        "{method} /_simulator/{path} HTTP/1.1\r\nHost: {control}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut answer = String::new();
    stream
        .write_all(request.as_bytes())
        .and_then(|()| stream.read_to_string(&mut answer))
        .map_err(|error| failed(&error))?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 2") => Ok(body.to_owned()),
        _ => Err(failed(&answer.lines().next().unwrap_or("no answer"))),
    }
}

pub(crate) fn address() -> Result<SocketAddr> {
    free_address().map_err(|error| Error::new(error.to_string()))
}
