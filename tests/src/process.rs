//! One process of a system under test: awaited until it is ready, and never left behind.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use mpic_cli::fleet::ReadyWhen;
use mpic_cli::fleet::layout::Layout;
use mpic_cli::system::Programs;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};

/// How to start a process.
#[derive(Debug)]
pub struct Recipe {
    /// Its name among the others.
    pub name: String,
    /// The binary.
    pub program: &'static str,
    /// All arguments.
    pub arguments: Vec<PathBuf>,
    /// How it says that it is ready.
    pub ready_when: ReadyWhen,
    /// A process whose network is to be its network; none for that of the tests.
    pub host: Option<u32>,
}

impl Recipe {
    /// As the fleet would start it.
    pub fn of(process: &mpic_cli::fleet::Process) -> Self {
        let before = process.arguments.iter().map(PathBuf::from);
        Self {
            name: process.name.clone(),
            program: process.program,
            arguments: before.chain([process.config.clone()]).collect(),
            ready_when: process.ready_when,
            host: None,
        }
    }
}

/// A running process. It is killed with its value.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: PathBuf,
    /// What it said of itself when it was ready.
    pub said: String,
}

/// Longer than any process takes unless it is broken.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How often to look where nobody tells.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Kills the process with the thread that started it, however that ends (util-linux).
pub(crate) const SETPRIV: &str = "/usr/bin/setpriv";

impl Process {
    /// Starts a process of `layout` and waits until it is ready, or has ended where it only does
    /// its work.
    pub async fn start(layout: &Layout, recipe: &Recipe) -> Self {
        let (mut process, readiness) = Self::spawn(layout, recipe);
        let ready = readiness.wait(&mut process.child);
        let Ok(Some(said)) = tokio::time::timeout(READY_WITHIN, ready).await else {
            panic!("{} does not become ready{}", process.name, process.tail());
        };
        process.said = said;
        process
    }

    /// Starts a process that need not become ready.
    pub fn start_unready(layout: &Layout, recipe: &Recipe) -> Self {
        Self::spawn(layout, recipe).0
    }

    fn spawn(layout: &Layout, recipe: &Recipe) -> (Self, Readiness) {
        let output = layout.output(&recipe.name);
        let file = OpenOptions::new().create(true).append(true).open(&output).unwrap();
        let mut command = Command::new(SETPRIV);
        command.args(["--pdeathsig", "KILL", "--"]);
        if let Some(pid) = recipe.host {
            let of = |kind, file| format!("--{kind}=/proc/{pid}/ns/{file}");
            command.arg("nsenter").args([of("net", "net"), of("mount", "mnt"), "--".to_owned()]);
        }
        command
            .arg(program(recipe.program))
            .args(&recipe.arguments)
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .env_remove("NOTIFY_SOCKET")
            .kill_on_drop(true);
        let mut readiness = Readiness::prepare(layout, recipe, &mut command);
        let mut child = command.spawn().unwrap();
        readiness.attach(&mut child);
        (Self { name: recipe.name.clone(), child, output, said: String::new() }, readiness)
    }

    /// Its name among the others.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Whether every thread of it is stopped by a signal.
    pub fn is_stopped(&self) -> bool {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        tasks.flatten().all(|task| {
            // The state is what follows the name, which is in parentheses.
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('T'))
        })
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        kill_process(pid.expect("it runs"), signal).unwrap();
    }

    /// Kills it as a power cut would, and waits for its end.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to end, as a service manager does, and waits.
    pub async fn terminate(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        self.child.wait().await.unwrap()
    }

    /// The end of what it said, for people.
    pub fn tail(&self) -> String {
        let text = std::fs::read(&self.output).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        let last = lines.iter().skip(lines.len().saturating_sub(15));
        last.flat_map(|line| ["\n  ", line]).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.start_kill();
        while let Ok(None) = self.child.try_wait() {
            std::thread::yield_now();
        }
    }
}

/// A binary: the project's own are beside the tests' directory, others on the path.
pub fn program(name: &'static str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let beside = tests.parent().and_then(Path::parent);
    Programs::in_dir(beside).find(name).unwrap_or_else(|error| panic!("{error}"))
}

/// What to wait for.
enum Readiness {
    /// `READY=1` on this socket.
    Notified(UnixDatagram),
    /// A line on standard output.
    Line(Option<tokio::process::ChildStdout>),
    /// A file that nats-server writes, named after its process id.
    PortsFile { run: PathBuf, pid: Option<u32> },
    /// Its end.
    Ended,
}

impl Readiness {
    fn prepare(layout: &Layout, recipe: &Recipe, command: &mut Command) -> Self {
        match recipe.ready_when {
            ReadyWhen::Notified => {
                let path = layout.run().join(format!("{}.ready", recipe.name));
                // A killed process of that name left its own behind.
                let _ = std::fs::remove_file(&path);
                command.env("NOTIFY_SOCKET", &path);
                Self::Notified(UnixDatagram::bind(path).unwrap())
            }
            ReadyWhen::Line => {
                command.stdout(Stdio::piped());
                Self::Line(None)
            }
            ReadyWhen::PortsFile => Self::PortsFile { run: layout.run(), pid: None },
            ReadyWhen::Ended => Self::Ended,
        }
    }

    fn attach(&mut self, child: &mut Child) {
        match self {
            Self::Line(stdout) => *stdout = child.stdout.take(),
            Self::PortsFile { pid, .. } => *pid = child.id(),
            Self::Notified(_) | Self::Ended => {}
        }
    }

    /// What the process says of itself once it is ready; nil where it ended before.
    async fn wait(self, child: &mut Child) -> Option<String> {
        match self {
            Self::Ended => {
                assert!(child.wait().await.unwrap().success(), "it ends well");
                Some(String::new())
            }
            Self::Notified(socket) => tokio::select! {
                said = notified(&socket) => Some(said),
                _ = child.wait() => None,
            },
            Self::Line(stdout) => BufReader::new(stdout?).lines().next_line().await.unwrap(),
            Self::PortsFile { run, pid } => {
                let path = run.join(format!("nats-server_{}.ports", pid?));
                tokio::select! {
                    said = ports(&path) => Some(said),
                    _ = child.wait() => None,
                }
            }
        }
    }
}

async fn notified(socket: &UnixDatagram) -> String {
    let mut message = [0; 1_024];
    loop {
        let length = socket.recv(&mut message).await.unwrap();
        let lines = String::from_utf8_lossy(message.get(..length).unwrap()).into_owned();
        if lines.lines().any(|line| line == "READY=1") {
            return String::new();
        }
    }
}

/// Where clients reach the bus, once the file is there and whole.
async fn ports(path: &Path) -> String {
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        look.tick().await;
        let ports: Option<serde_json::Value> =
            std::fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok());
        if let Some(url) = ports.as_ref().and_then(|ports| ports.pointer("/nats/0")?.as_str()) {
            return url.to_owned();
        }
    }
}

/// Looks every few milliseconds until `found` gives something.
///
/// Panics, naming `what`, where that takes much longer than it may.
pub async fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let mut look = tokio::time::interval(LOOK_EVERY);
    let looking = async {
        loop {
            look.tick().await;
            if let Some(found) = found() {
                return found;
            }
        }
    };
    tokio::time::timeout(READY_WITHIN, looking)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {READY_WITHIN:?}"))
}

/// An argument list from anything that is text.
pub fn arguments(texts: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Vec<PathBuf> {
    texts.into_iter().map(|text| PathBuf::from(text.as_ref())).collect()
}
