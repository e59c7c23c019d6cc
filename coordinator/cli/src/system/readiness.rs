//! How a supervisor finds out that a child is ready.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UnixDatagram;
use tokio::process::{ChildStdout, Command};

use crate::fleet::layout::Layout;

/// What to wait for.
#[derive(Debug)]
pub(super) enum Readiness {
    /// `READY=1` on this socket.
    Notified(UnixDatagram),
    /// A line.
    Line(ChildStdout),
    /// A file with the ports of the bus.
    PortsFile(PathBuf),
    /// The process does its work and ends.
    Never,
}

/// How often to look for a file.
const LOOK_EVERY: Duration = Duration::from_millis(10);

impl Readiness {
    /// A socket for `command`'s process to say that it is ready.
    pub(super) fn socket(
        layout: &Layout,
        name: &str,
        command: &mut Command,
    ) -> std::io::Result<UnixDatagram> {
        let path = layout.run().join(format!("{name}.ready"));
        let socket = UnixDatagram::bind(&path)?;
        command.env("NOTIFY_SOCKET", path);
        Ok(socket)
    }

    /// The file into which nats-server writes where it listens.
    pub(super) fn ports_file(layout: &Layout, name: &str, pid: Pid) -> Self {
        Self::PortsFile(layout.run().join(format!("{name}_{}.ports", pid.as_raw_nonzero())))
    }

    /// Waits, and gives what the process says of itself.
    pub(super) async fn wait(self) -> std::io::Result<String> {
        match self {
            Self::Notified(socket) => notified(&socket).await,
            Self::Line(stdout) => line(stdout).await,
            Self::PortsFile(path) => Ok(bus_url(&path).await),
            Self::Never => std::future::pending().await,
        }
    }
}

async fn notified(socket: &UnixDatagram) -> std::io::Result<String> {
    let mut message = [0; 1_024];
    loop {
        let length = socket.recv(&mut message).await?;
        let message = message.get(..length).unwrap_or_default();
        if message.split(|octet| *octet == b'\n').any(|line| line == b"READY=1") {
            return Ok(String::new());
        }
    }
}

/// The first line; a process that ends before it is found by its exit.
async fn line(stdout: ChildStdout) -> std::io::Result<String> {
    match BufReader::new(stdout).lines().next_line().await? {
        Some(line) => Ok(line),
        None => std::future::pending().await,
    }
}

/// Where clients reach the bus, once the file is there and whole.
async fn bus_url(path: &std::path::Path) -> String {
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        look.tick().await;
        let ports = std::fs::read(path)
            .ok()
            .and_then(|text| serde_json::from_slice::<BTreeMap<String, Vec<String>>>(&text).ok());
        if let Some(url) = ports.and_then(|ports| ports.get("nats")?.first().cloned()) {
            return url;
        }
    }
}
