//! Programs from packages, run for one test.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};

/// A server, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// Starts `program` and waits until `at` answers DNS queries. What it says goes to a file in
    /// `dir`, and is shown if it does not come up.
    pub(crate) async fn start(program: &str, args: &[&str], dir: &Path, at: SocketAddr) -> Self {
        let log = dir.join(format!("{program}-{}.log", at.ip()));
        let out = File::create(&log).unwrap();
        let child = command(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}; ./tests/run installs it"));
        let mut process = Self(child);
        let started = Instant::now();
        while !answers(at).await {
            let ended = process.0.try_wait().unwrap();
            let gone = ended.is_some() || started.elapsed() > START_MAX;
            assert!(!gone, "{program}: {ended:?}\n{}", fs::read_to_string(&log).unwrap());
        }
        process
    }
}

/// What `program` prints, if it ends well.
pub(crate) fn output(program: &str, args: &[&str]) -> String {
    let output = command(program).args(args).stdin(Stdio::null()).output();
    let output =
        output.unwrap_or_else(|error| panic!("{program}: {error}; ./tests/run installs it"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Servers lie where users other than root do not look.
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}

/// Whether anything at all comes back for (., SOA) within a moment. A closed port is said at once,
/// so that this asks again some hundred times a second at most.
async fn answers(at: SocketAddr) -> bool {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(at).await.unwrap();
    // Id 1, RD, one question: the root, SOA, IN.
    let query = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1];
    let mut reply = [0; 512];
    let exchange = async {
        socket.send(&query).await?;
        socket.recv(&mut reply).await
    };
    match timeout(PATIENCE, exchange).await {
        Ok(Ok(_)) => true,
        Ok(Err(_)) => {
            tokio::time::sleep(Duration::from_millis(5)).await;
            false
        }
        Err(_) => false,
    }
}

const PATIENCE: Duration = Duration::from_millis(500);
const START_MAX: Duration = Duration::from_secs(20);
