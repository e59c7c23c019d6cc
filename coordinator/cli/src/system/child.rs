//! One child process: its output goes to a file, and it dies with its supervisor.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use rustix::process::Pid;
use tokio::process::Command;

use super::readiness::Readiness;
use crate::fleet::layout::Layout;
use crate::fleet::{Process, ReadyWhen};

/// A child that runs.
pub(super) struct Child {
    pub(super) process: tokio::process::Child,
    pub(super) pid: Pid,
    pub(super) readiness: Readiness,
}

/// Runs a command that is killed when its parent's thread ends, however that ends (util-linux).
const SETPRIV: &str = "/usr/bin/setpriv";

impl Child {
    /// Starts `program` as `process`.
    pub(super) fn spawn(
        layout: &Layout,
        program: &Path,
        process: &Process,
    ) -> std::io::Result<Self> {
        let output = File::create(layout.output(&process.name))?;
        let mut command = mortal(program);
        command
            .args(process.arguments)
            .arg(&process.config)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // Ctrl-C goes to the supervisor alone, which ends the rest in order.
            .process_group(0)
            .env_remove("NOTIFY_SOCKET")
            .kill_on_drop(true);
        let socket = match process.ready_when {
            ReadyWhen::Notified => Some(Readiness::socket(layout, &process.name, &mut command)?),
            ReadyWhen::Line => {
                command.stdout(Stdio::piped());
                None
            }
            ReadyWhen::PortsFile | ReadyWhen::Ended => None,
        };
        let mut child = command.spawn()?;
        let gone = || std::io::Error::other("it has ended already");
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let pid = pid.ok_or_else(gone)?;
        let readiness = match (process.ready_when, socket, child.stdout.take()) {
            (_, Some(socket), _) => Readiness::Notified(socket),
            (_, _, Some(stdout)) => Readiness::Line(stdout),
            (ReadyWhen::PortsFile, ..) => Readiness::ports_file(layout, &process.name, pid),
            _ => Readiness::Never,
        };
        Ok(Self { process: child, pid, readiness })
    }
}

fn mortal(program: &Path) -> Command {
    if !Path::new(SETPRIV).exists() {
        return Command::new(program);
    }
    let mut command = Command::new(SETPRIV);
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}
