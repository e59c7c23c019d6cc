//! The processes of a fleet, in the order in which they start.

use std::path::PathBuf;

use mpic_common::code::PerspectiveId;

use super::{Fleet, Internet};

/// How to start one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its name among the others.
    pub name: String,
    /// The binary.
    pub program: &'static str,
    /// What comes before the configuration.
    pub arguments: &'static [&'static str],
    /// Its configuration file, the last argument.
    pub config: PathBuf,
    /// How it says that it is ready.
    pub ready_when: ReadyWhen,
}

/// How a process says that it is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadyWhen {
    /// It writes where it listens into a file of the layout's `run`.
    PortsFile,
    /// It writes a line to its standard output.
    Line,
    /// It sends `READY=1` to the socket that `NOTIFY_SOCKET` names, see `sd_notify(3)`.
    Notified,
    /// It has done its work, and ends.
    Ended,
}

/// The process name of a perspective's agent.
pub(super) fn agent(code: &PerspectiveId) -> String {
    format!("agent-{code}")
}

/// The process name of the gateway.
pub(super) const GATEWAY: &str = "gateway";

impl Fleet {
    /// The gateway, where there is one, after the coordinators.
    pub fn gateway(&self) -> Option<Process> {
        let gateway = self.process(GATEWAY, "mpic-gateway", &["--config"], ReadyWhen::Line);
        self.options.gateway.map(|_| gateway)
    }

    /// The bus, first of all.
    pub fn bus(&self) -> Process {
        Process {
            name: "nats-server".to_owned(),
            program: "nats-server",
            arguments: &["--config"],
            config: self.layout().bus_config(),
            ready_when: ReadyWhen::PortsFile,
        }
    }

    /// The small Internet, where there is one.
    pub fn internet(&self) -> Option<Process> {
        let is_small = matches!(self.options.internet, Internet::Loopback(_));
        is_small.then(|| self.process("internet", "mpic-internet", &["--config"], ReadyWhen::Line))
    }

    /// What makes the log, where there is none yet.
    pub fn audit_init(&self) -> Option<Process> {
        let is_there = self.layout().log().join("checkpoint").exists();
        let arguments = &["init", "--config"];
        (!is_there).then(|| Process {
            name: "audit-init".to_owned(),
            ..self.process("audit", "mpic-audit", arguments, ReadyWhen::Ended)
        })
    }

    /// The audit consumer, once there is a stream and a log.
    pub fn audit(&self) -> Process {
        self.process("audit", "mpic-audit", &["run", "--config"], ReadyWhen::Notified)
    }

    /// One agent a perspective, the primary's first.
    pub fn agents(&self) -> Vec<Process> {
        let agent =
            |name: String| self.process(&name, "mpic-agent", &["--config"], ReadyWhen::Notified);
        self.members().map(|member| agent(self::agent(&member.code))).collect()
    }

    /// What says whether an agent can work with its configuration, which all agents of this
    /// machine have alike.
    pub fn agent_check(&self) -> Process {
        let primary = agent(&self.primary().code);
        let arguments = &["--check-config", "--config"];
        Process {
            name: "agent-check".to_owned(),
            ..self.process(&primary, "mpic-agent", arguments, ReadyWhen::Ended)
        }
    }

    /// The coordinators, last.
    pub fn coordinator_processes(&self) -> Vec<Process> {
        let coordinator =
            |name: &str| self.process(name, "mpic-coordinator", &["--config"], ReadyWhen::Notified);
        self.coordinators().iter().map(|code| coordinator(code.as_str())).collect()
    }

    fn process(
        &self,
        name: &str,
        program: &'static str,
        arguments: &'static [&'static str],
        ready_when: ReadyWhen,
    ) -> Process {
        let config = self.layout().config(name);
        Process { name: name.to_owned(), program, arguments, config, ready_when }
    }
}
