//! `mpic status`: who answers, what is recorded, and how far the log is.

mod survey;

use std::fmt;
use std::io::Write;

use clap::Args;
use mpic_common::directory::Directory;
use mpic_common::perspective::RegionalInternetRegistry;
use mpic_common::time::UnixMs;
use mpic_runtime::clock::{Clock, SystemClock};
use mpic_runtime::discovery::{AGENT, CODE, Described};
use serde::Serialize;

use super::{Dir, Exit, Failure};
use crate::client::ClientConfig;
use crate::fleet::layout::Layout;
use crate::table::Table;
use survey::{LogHead, StreamState, Survey};

/// Shows the perspectives and which agents answer for them, the other processes, and how far
/// stream and log are.
///
/// It asks by service discovery (NATS ADR-32), so it sees whatever is on the bus.
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    dir: Dir,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What there is to see.
#[derive(Debug, Serialize)]
struct Report {
    perspectives: Vec<PerspectiveStatus>,
    processes: Vec<ProcessStatus>,
    stream: StreamState,
    log: Option<LogHead>,
}

/// A perspective of the directory and the agents that answer for it.
#[derive(Debug, Serialize)]
struct PerspectiveStatus {
    perspective: String,
    region: String,
    registry: RegionalInternetRegistry,
    agents: Vec<ProcessStatus>,
}

/// A process that answers.
#[derive(Debug, Serialize)]
struct ProcessStatus {
    name: String,
    code: String,
    id: String,
    version: String,
    requests: u64,
    errors: u64,
    inflight: Option<u64>,
    capacity: Option<u64>,
}

impl Status {
    /// Asks around and prints what came.
    pub async fn run(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let client = Layout::new(&self.dir.path())?.client();
        let config = ClientConfig::load(&client).map_err(Failure::malformed)?;
        let directory = config.directory()?;
        let survey = Survey::make(&config).await?;
        let report = Report::new(survey, &directory, SystemClock.now());
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
        } else {
            write!(out, "{report}")?;
        }
        let is_whole = report.perspectives.iter().all(|listed| !listed.agents.is_empty());
        Ok(if is_whole { Exit::Fine } else { Exit::Refused })
    }
}

impl Report {
    fn new(survey: Survey, directory: &Directory, now: UnixMs) -> Self {
        let (agents, others): (Vec<_>, Vec<_>) =
            survey.processes.into_iter().partition(|one| one.service.name == AGENT);
        let serves = |agent: &&Described, code: &str| {
            agent.service.metadata.get(CODE).is_some_and(|own| own == code)
        };
        let perspectives = directory.perspectives(now).map(|listed| PerspectiveStatus {
            perspective: listed.code.to_string(),
            region: listed.region.clone(),
            registry: listed.egress.registry,
            agents: agents
                .iter()
                .filter(|agent| serves(agent, listed.code.as_str()))
                .map(ProcessStatus::from)
                .collect(),
        });
        Self {
            perspectives: perspectives.collect(),
            processes: others.iter().map(ProcessStatus::from).collect(),
            stream: survey.stream,
            log: survey.log,
        }
    }
}

impl From<&Described> for ProcessStatus {
    fn from(described: &Described) -> Self {
        let service = &described.service;
        let stats = || described.endpoints.iter().map(|endpoint| &endpoint.stats);
        let figure = |name: &str| stats().find_map(|stats| stats.data.get(name).copied());
        Self {
            name: service.name.clone(),
            code: service.metadata.get(CODE).cloned().unwrap_or_default(),
            id: service.id.clone(),
            version: service.version.clone(),
            requests: stats().map(|stats| stats.num_requests).sum(),
            errors: stats().map(|stats| stats.num_errors).sum(),
            inflight: figure("inflight"),
            capacity: figure("capacity"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table =
            Table::new(["perspective", "region", "registry", "agent", "version", "inflight"]);
        for PerspectiveStatus { perspective, region, registry, agents } in &self.perspectives {
            let row = |agent: &str, version: &str, inflight: String| {
                let [perspective, region] = [perspective, region].map(Clone::clone);
                let (agent, version) = (agent.to_owned(), version.to_owned());
                [perspective, region, registry.to_string(), agent, version, inflight]
            };
            if agents.is_empty() {
                table.push(row("none answers", "", String::new()));
            }
            for agent in agents {
                table.push(row(&agent.id, &agent.version, load(agent)));
            }
        }
        writeln!(f, "perspectives\n{table}")?;
        let mut table = Table::new(["process", "code", "id", "version", "inflight"]);
        for process in &self.processes {
            let ProcessStatus { name, code, id, version, .. } = process;
            let [name, code, id, version] = [name, code, id, version].map(Clone::clone);
            table.push([name, code, id, version, load(process)]);
        }
        write!(f, "processes\n{table}")?;
        write!(f, "\n{}", self.stream)?;
        match &self.log {
            Some(log) => write!(f, "{log}"),
            None => writeln!(f, "log     unknown: the audit consumer says nothing"),
        }
    }
}

/// `3 of 512`, where the process says so.
fn load(process: &ProcessStatus) -> String {
    let load = process.inflight.zip(process.capacity);
    load.map(|(inflight, capacity)| format!("{inflight} of {capacity}")).unwrap_or_default()
}
